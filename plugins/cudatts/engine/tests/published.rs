// SPDX-License-Identifier: MPL-2.0

//! Published models: their configurations are read, and their files are found where huggingface_hub keeps them.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use duplex_models::{Cache, Catalogue, Hub, Place};
use duplex_neural::{
    folder,
    pocket::{Description, Files, config::Config},
    published::{self, Named},
};

#[test]
fn every_published_configuration_is_read() {
    for model in Catalogue::published().models() {
        let config = Config::parse(&model.name, &model.configuration);
        let config = config.unwrap_or_else(|report| panic!("{report}"));
        assert_eq!(config.mimi.sample_rate, 24_000);
        assert_eq!(
            config.weights_without_cloning,
            Some(model.weights.to_string())
        );
        assert_eq!(config.flow_lm.tokenizer_path, model.tokenizer.to_string());
        let deep = config.flow_lm.transformer.num_layers == 24;
        assert_eq!(deep, model.name.contains("24l"), "{}", model.name);
    }
}

/// Lays a file out as huggingface_hub does: a blob, and a relative link in a snapshot.
fn lay(cache: &Path, place: &Place, hash: &str, text: &str) -> PathBuf {
    let repository = cache.join(format!("models--{}", place.repository.replace('/', "--")));
    fs::create_dir_all(repository.join("blobs")).unwrap();
    fs::write(repository.join("blobs").join(hash), text).unwrap();
    let pointer = repository
        .join("snapshots")
        .join(&place.revision)
        .join(&place.path);
    fs::create_dir_all(pointer.parent().unwrap()).unwrap();
    let up = "../".repeat(2 + place.path.matches('/').count());
    symlink(format!("{up}blobs/{hash}"), &pointer).unwrap();
    pointer
}

fn hub(cache: &Path) -> Hub {
    Hub {
        cache: Cache::new(cache),
        token: PathBuf::new(),
        voices: cache.join("own"),
    }
}

fn told(name: &str, cache: &Path) -> String {
    let found = published::find(name, Catalogue::published(), &hub(cache));
    found.unwrap_err().to_string()
}

#[test]
fn a_model_is_found_in_a_cache_once_all_of_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path();
    let model = Catalogue::published().model("german").unwrap();
    let fetch = "fetch it with: duplex model fetch german";
    assert_eq!(
        told("german", cache),
        format!("the model `german` is not in {}; {fetch}", cache.display())
    );
    let weights = lay(cache, &model.weights, "w", "weights");
    assert_eq!(
        told("german", cache),
        format!(
            "of the model `german` tokenizer and voices are not in {}; {fetch}",
            cache.display()
        )
    );
    let tokenizer = lay(cache, &model.tokenizer, "t", "tokenizer");
    let alba = lay(cache, &model.voices["alba"], "a", "alba");
    let files = || published::find("german", Catalogue::published(), &hub(cache)).unwrap();
    let expected = Files {
        config: Description::Text {
            name: "german".into(),
            text: model.configuration.clone(),
        },
        weights,
        tokenizer,
        voices: vec![("alba".into(), alba.clone())],
    };
    assert_eq!(files(), expected);
    // Its own voice is the default, and weights that can clone are preferred.
    let juergen = lay(cache, &model.voices["juergen"], "j", "juergen");
    let cloning = lay(
        cache,
        model.cloning_weights.as_ref().unwrap(),
        "c",
        "cloning",
    );
    let voices = vec![("juergen".into(), juergen), ("alba".into(), alba)];
    assert_eq!(
        files(),
        Files {
            weights: cloning,
            voices,
            ..expected
        }
    );
}

#[test]
fn an_unknown_name_is_told_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        told("germna", folder.path()),
        "`germna` is neither a folder nor a published model; did you mean `german`?; see: duplex model list"
    );
}

#[test]
fn the_small_voice_is_built_in_and_its_folder_known_by_its_files() {
    assert_eq!(Named::of("compact"), Named::BuiltIn);
    assert!(Named::BuiltIn.is_compact() && !Named::of("english").is_compact());
    let here = tempfile::tempdir().unwrap();
    let named = Named::of(here.path().to_str().unwrap());
    assert!(!named.is_compact());
    fs::write(here.path().join("hashes.txt"), "").unwrap();
    assert!(named.is_compact());
    // What has a configuration is of the other family.
    fs::write(here.path().join("config.yaml"), "").unwrap();
    assert!(!named.is_compact());
}

#[test]
fn a_folder_comes_first_and_a_path_is_one() {
    let here = tempfile::tempdir().unwrap();
    let path = here.path().to_str().unwrap();
    let canonical = here.path().canonicalize().unwrap();
    assert_eq!(Named::of(path), Named::Folder(canonical.clone()));
    assert_eq!(Named::of(&format!("{path}/./")), Named::Folder(canonical));
    assert_eq!(Named::of("english"), Named::Published("english".into()));
    let missing = Named::of("./english");
    assert_eq!(missing, Named::Folder("./english".into()));
    let told = missing.files().unwrap_err().to_string();
    assert_eq!(
        told,
        folder::model(Path::new("./english"))
            .unwrap_err()
            .to_string()
    );
}

#[test]
fn voices_of_ones_own_stand_beside_those_of_the_model() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path();
    let model = Catalogue::published().model("english").unwrap();
    lay(cache, &model.weights, "w", "weights");
    lay(cache, &model.tokenizer, "t", "tokenizer");
    let own = cache.join("own/english");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("zoe.safetensors"), "").unwrap();
    fs::write(own.join("notes.txt"), "").unwrap();
    let names = || {
        let files = published::find("english", Catalogue::published(), &hub(cache)).unwrap();
        let mut names = files.voices.into_iter().map(|(name, path)| {
            let is_own = path.starts_with(&own);
            (name, is_own)
        });
        [names.next(), names.next(), names.next()].map(|voice| voice.unwrap_or_default())
    };
    let nobody = (String::new(), false);
    assert_eq!(
        names(),
        [("zoe".into(), true), nobody.clone(), nobody.clone()]
    );
    // The model's own voice stays the default.
    lay(cache, &model.voices["alba"], "a", "alba");
    let alba = |is_own| ("alba".to_owned(), is_own);
    assert_eq!(names(), [alba(false), ("zoe".into(), true), nobody]);
    fs::write(own.join("alba.safetensors"), "").unwrap();
    assert_eq!(names()[0], alba(true));
    // A recording needs weights that can clone.
    fs::write(own.join("me.wav"), "").unwrap();
    let told = told("english", cache);
    assert!(told.ends_with("own/english/me.wav is a recording to clone, which takes other weights: fetch them with: duplex model fetch english --cloning"), "{told}");
    lay(
        cache,
        model.cloning_weights.as_ref().unwrap(),
        "c",
        "cloning",
    );
    assert_eq!(names()[1], ("me".into(), true));
}
