// SPDX-License-Identifier: MPL-2.0

//! The cache that huggingface_hub keeps for a user, and shares with everything that speaks to a hub.
//!
//! ```text
//! models--OWNER--NAME/
//!   blobs/HASH                what files hold, by the hash that the hub names them with
//!   blobs/HASH.incomplete     what is on its way
//!   snapshots/COMMIT/PATH     a relative link to a blob
//! .locks/models--OWNER--NAME/HASH.lock
//! ```

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::place::Place;

/// Where a user's files of hubs lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    /// Files of models.
    pub cache: Cache,
    /// Holds what `hf auth login` was told.
    pub token: PathBuf,
    /// Voices of one's own, in a folder for each model.
    pub voices: PathBuf,
}

impl Hub {
    /// As the environment of this process says; `None` where that names no home.
    pub fn of_user() -> Option<Hub> {
        Hub::of(|name| std::env::var(name).ok(), std::env::home_dir())
    }

    /// As `variable` says: HF_HUB_CACHE, HF_HOME, XDG_CACHE_HOME, XDG_DATA_HOME and HF_TOKEN_PATH, in which `~` and `$NAME` are put in as
    /// Python does.
    pub fn of(variable: impl Fn(&str) -> Option<String>, home: Option<PathBuf>) -> Option<Hub> {
        let said = |name: &str| variable(name).filter(|value| !value.is_empty());
        let home_text = home.as_deref().and_then(Path::to_str);
        let path = |name: &str| {
            let value = said(name)?;
            let expanded = shellexpand::full_with_context(
                &value,
                || home_text,
                // What is not set stays as it is written.
                |name: &str| Ok::<_, std::convert::Infallible>(variable(name)),
            );
            Some(PathBuf::from(
                expanded.map_or(value.clone(), |value| value.into_owned()),
            ))
        };
        let hf_home = path("HF_HOME")
            .or_else(|| Some(path("XDG_CACHE_HOME")?.join("huggingface")))
            .or_else(|| Some(home.as_ref()?.join(".cache/huggingface")));
        let cache = path("HF_HUB_CACHE")
            .or_else(|| path("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(hf_home.as_ref()?.join("hub")))?;
        let token = path("HF_TOKEN_PATH").or_else(|| Some(hf_home.as_ref()?.join("token")));
        let data = path("XDG_DATA_HOME").or_else(|| Some(home.as_ref()?.join(".local/share")));
        Some(Hub {
            token: token.unwrap_or_default(),
            voices: data.unwrap_or_default().join("gst-duplex/voices"),
            cache: Cache::new(cache),
        })
    }
}

impl Hub {
    /// Voices of one's own for a model, in the order of names: stored states (`NAME.safetensors`), and recordings to clone
    /// (`NAME.wav`).
    pub fn own_voices(&self, model: &str) -> Vec<(String, PathBuf)> {
        let found = self.voices.join(model).read_dir();
        let mut voices: Vec<_> = found
            .into_iter()
            .flatten()
            .filter_map(|entry| {
                let path = entry.ok()?.path();
                let kind = path.extension()?.to_str()?;
                let name = path.file_stem()?.to_str()?.to_owned();
                ["safetensors", "wav"]
                    .contains(&kind)
                    .then_some((name, path))
            })
            .collect();
        voices.sort();
        voices
    }
}

/// A folder in which files lie as huggingface_hub lays them out. Methods read and write the disk in the caller's thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache in a folder, which need not be there.
    pub fn new(folder: impl Into<PathBuf>) -> Cache {
        Cache {
            folder: folder.into(),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn name(repository: &str) -> String {
        format!("models--{}", repository.replace('/', "--"))
    }

    fn repository(&self, repository: &str) -> PathBuf {
        self.folder.join(Cache::name(repository))
    }

    /// Where a published file is to be found once it is here.
    pub fn snapshot(&self, place: &Place) -> PathBuf {
        let snapshots = self.repository(&place.repository).join("snapshots");
        snapshots.join(&place.revision).join(&place.path)
    }

    /// A published file, if it is here.
    pub fn find(&self, place: &Place) -> Option<PathBuf> {
        let path = self.snapshot(place);
        path.is_file().then_some(path)
    }

    /// The hash that a file which is here was named with; `None` where it is no link to a blob.
    pub fn hash(&self, place: &Place) -> Option<String> {
        let target = fs::read_link(self.snapshot(place)).ok()?;
        let blobs = target.parent()?.file_name()?;
        (blobs == "blobs").then(|| Some(target.file_name()?.to_str()?.to_owned()))?
    }

    /// Where what a file holds lies.
    pub fn blob(&self, repository: &str, hash: &str) -> PathBuf {
        self.repository(repository).join("blobs").join(hash)
    }

    /// Where what has come of it so far lies.
    pub fn incomplete(&self, repository: &str, hash: &str) -> PathBuf {
        self.blob(repository, &format!("{hash}.incomplete"))
    }

    /// The file whose lock (flock) keeps others from fetching the same.
    pub fn lock(&self, repository: &str, hash: &str) -> PathBuf {
        let locks = self.folder.join(".locks").join(Cache::name(repository));
        locks.join(format!("{hash}.lock"))
    }

    /// Removes a file that is here, and what it holds.
    pub fn remove(&self, place: &Place) -> io::Result<()> {
        if let Some(hash) = self.hash(place) {
            fs::remove_file(self.blob(&place.repository, &hash))?;
        }
        fs::remove_file(self.snapshot(place))
    }

    /// Makes a blob that is here the published file. Whatever stood in its place goes.
    pub fn link(&self, place: &Place, hash: &str) -> io::Result<PathBuf> {
        let path = self.snapshot(place);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => (),
        }
        // Relative, so that a cache can be moved.
        let mut target: PathBuf = ["..", ".."].iter().collect();
        target.extend(place.path.split('/').skip(1).map(|_| ".."));
        std::os::unix::fs::symlink(target.join("blobs").join(hash), &path)?;
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Option<Hub> {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        Hub::of(variable, Some("/home/me".into()))
    }

    #[test]
    fn the_environment_says_where_it_is() {
        for (variables, cache, token) in [
            (
                &[][..],
                "/home/me/.cache/huggingface/hub",
                "/home/me/.cache/huggingface/token",
            ),
            (
                &[("XDG_CACHE_HOME", "/x")],
                "/x/huggingface/hub",
                "/x/huggingface/token",
            ),
            (
                &[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "~/hf")],
                "/home/me/hf/hub",
                "/home/me/hf/token",
            ),
            (
                &[("HF_HUB_CACHE", "/c"), ("HF_HOME", "/hf")],
                "/c",
                "/hf/token",
            ),
            (
                &[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HOME", "")],
                "/old",
                "/home/me/.cache/huggingface/token",
            ),
            (
                &[
                    ("HF_HUB_CACHE", "$D/c"),
                    ("D", "/d"),
                    ("HF_TOKEN_PATH", "/t"),
                ],
                "/d/c",
                "/t",
            ),
            (
                &[("HF_HUB_CACHE", "/$NOT/c")],
                "/$NOT/c",
                "/home/me/.cache/huggingface/token",
            ),
        ] {
            let hub = of(variables).unwrap();
            assert_eq!(hub.cache.folder(), Path::new(cache), "{variables:?}");
            assert_eq!(hub.token, Path::new(token), "{variables:?}");
        }
        let voices = |hub: Option<Hub>| hub.unwrap().voices;
        let own = Path::new("/home/me/.local/share/gst-duplex/voices");
        assert_eq!(voices(of(&[])), own);
        let data = of(&[("XDG_DATA_HOME", "/data")]);
        assert_eq!(voices(data), Path::new("/data/gst-duplex/voices"));
        assert_eq!(Hub::of(|_| None, None), None);
    }

    #[test]
    fn a_link_leads_from_a_snapshot_to_a_blob_and_tells_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let commit = "00eac05ed3d16bdc3f6b5d598874019c34a89214";
        for path in ["tokenizer.json", "languages/english/tokenizer.json"] {
            let place = Place::parse(&format!("hf://owner/name/{path}@{commit}")).unwrap();
            assert_eq!(cache.find(&place), None);
            let blob = cache.blob("owner/name", "abc");
            fs::create_dir_all(blob.parent().unwrap()).unwrap();
            fs::write(&blob, "words").unwrap();
            let linked = cache.link(&place, "abc").unwrap();
            // Again, over what is there.
            assert_eq!(cache.link(&place, "abc").unwrap(), linked);
            assert_eq!(cache.find(&place).as_deref(), Some(&*linked));
            assert_eq!(fs::read_to_string(&linked).unwrap(), "words");
            assert_eq!(cache.hash(&place).as_deref(), Some("abc"));
            let snapshots = folder.path().join("models--owner--name/snapshots");
            assert_eq!(linked, snapshots.join(commit).join(path));
            fs::remove_file(&blob).unwrap();
            assert_eq!(cache.find(&place), None, "a link to nothing");
        }
    }
}
