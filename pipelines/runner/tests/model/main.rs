// SPDX-License-Identifier: MPL-2.0

//! `duplex model` as it is typed, against a hub on this machine.

mod hub;

use std::{
    fs,
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::Duration,
};

use hub::{COMMIT, Hub, REPOSITORY, Trouble, hash};
use tempfile::TempDir;

const WEIGHTS: &str = "tiny/model.safetensors";
const TOKENIZER: &str = "tiny/tokenizer.json";
const ADA: &str = "tiny/embeddings/ada.safetensors";
const BOB: &str = "tiny/embeddings/bob.safetensors";

/// A model of one's own in a catalogue of one's own, and a user with an empty home.
struct House {
    hub: Hub,
    home: TempDir,
    weights: Vec<u8>,
}

impl House {
    fn new() -> House {
        let home = tempfile::tempdir().unwrap();
        let catalogue = format!(
            "publisher: Me\nlicence: CC0-1.0\nlicence-page: https://example.org/cc0\npage: https://example.org/tiny\n\
             voices:\n  mine:\n    place: 'hf://{REPOSITORY}/{{model}}/embeddings/{{voice}}.safetensors@{COMMIT}'\n    \
             page: https://example.org/voices\n    names: [ada, bob, cleo]\n\
             models:\n  tiny:\n    language: en\n    parameters: 1200000\n    configuration: [base]\n    \
             weights: 'hf://{REPOSITORY}/{{model}}/model.safetensors@{COMMIT}'\n    \
             tokenizer: 'hf://{REPOSITORY}/{{model}}/tokenizer.json@{COMMIT}'\n    voices: mine\n    voice: bob\n"
        );
        fs::write(home.path().join("catalogue.yaml"), catalogue).unwrap();
        let hub = Hub::start();
        // Not the same at any two places.
        let weights: Vec<u8> = (0..300_000_u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        hub.publish(WEIGHTS, weights.clone());
        hub.publish(TOKENIZER, "{}");
        hub.publish(ADA, vec![7; 5_000]);
        hub.publish(BOB, vec![9; 5_000]);
        House { hub, home, weights }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    fn cache(&self) -> PathBuf {
        self.path("hub")
    }

    fn repository(&self) -> PathBuf {
        self.cache().join("models--me--voices")
    }

    fn snapshot(&self, path: &str) -> PathBuf {
        self.repository().join("snapshots").join(COMMIT).join(path)
    }

    fn blob(&self, bytes: &[u8]) -> PathBuf {
        let digits = if bytes.len() > 100 { 64 } else { 40 };
        self.repository().join("blobs").join(hash(bytes, digits))
    }

    fn incomplete(&self) -> PathBuf {
        self.blob(&self.weights).with_extension("incomplete")
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duplex"));
        command.arg("model").args(arguments);
        self.set_up(&mut command);
        command
    }

    fn set_up(&self, command: &mut Command) {
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("HF_HUB_CACHE", self.cache())
            .env("HF_ENDPOINT", &self.hub.endpoint)
            .env("DUPLEX_CATALOGUE", self.path("catalogue.yaml"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
    }

    fn run(&self, arguments: &[&str]) -> Said {
        Said::of(self.command(arguments).output().unwrap())
    }

    fn fetch(&self, more: &[&str]) -> Said {
        self.run(&[&["fetch", "tiny", "--accept-licence"], more].concat())
    }

    #[track_caller]
    fn is_whole(&self) {
        assert_eq!(fs::read(self.snapshot(WEIGHTS)).unwrap(), self.weights);
        assert_eq!(fs::read(self.snapshot(TOKENIZER)).unwrap(), b"{}");
        assert_eq!(fs::read(self.snapshot(BOB)).unwrap(), [9; 5_000]);
        let left: Vec<_> = fs::read_dir(self.repository().join("blobs"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains('.'))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Said {
    fn of(output: Output) -> Said {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said {
            code: output.status.code(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    #[track_caller]
    fn good(self) -> Said {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    #[track_caller]
    fn bad(self, sentence: &str) -> Said {
        assert_eq!(self.code, Some(1), "{self:?}");
        assert!(self.err.contains(sentence), "{sentence} in {self:?}");
        self
    }
}

// ---- where things go ---------------------------------------------------------------------------

#[test]
fn a_model_is_fetched_to_where_python_looks_for_it() {
    let house = House::new();
    let said = house.fetch(&[]).good();
    let expected = "\
fetched tiny/tokenizer.json (2 B)
fetched tiny/model.safetensors (1.20 MB)
fetched tiny/embeddings/bob.safetensors (5.00 kB)
tiny is here: cudattsynth model=tiny
weights: Me, https://example.org/tiny, CC0-1.0
";
    assert_eq!(said.out, expected);
    assert_eq!(said.err, "");
    house.is_whole();
    for (path, bytes) in [
        (WEIGHTS, &house.weights[..]),
        (TOKENIZER, b"{}"),
        (BOB, &[9; 5_000]),
    ] {
        let target = fs::read_link(house.snapshot(path)).unwrap();
        assert!(target.is_relative(), "{}", target.display());
        let folder = house.snapshot(path).parent().unwrap().join(&target);
        assert_eq!(
            folder.canonicalize().unwrap(),
            house.blob(bytes).canonicalize().unwrap()
        );
    }
    assert!(!house.snapshot(ADA).exists(), "nobody asked for ada");
    // All of it is here: nobody is asked, about the licence neither.
    let before = house.hub.asked().len();
    let said = house.run(&["fetch", "tiny"]).good();
    assert!(
        said.out.contains("here already: tiny/model.safetensors\n"),
        "{said:?}"
    );
    assert_eq!(house.hub.asked().len(), before);
    // The licence is known by now.
    house.run(&["fetch", "tiny", "--voice", "ada"]).good();
    assert_eq!(fs::read(house.snapshot(ADA)).unwrap(), [7; 5_000]);
    assert_eq!(house.hub.gets(WEIGHTS).len(), 1);
}

#[test]
fn all_voices_are_those_that_the_hub_has() {
    let house = House::new();
    let said = house.fetch(&["--all-voices"]).good();
    assert!(said.err.contains("left out: "), "{said:?}");
    assert!(said.err.contains("cleo.safetensors"), "{said:?}");
    assert!(house.snapshot(ADA).exists() && house.snapshot(BOB).exists());
    let said = house.fetch(&["--voice", "cleo"]);
    said.bad("has no me/voices/tiny/embeddings/cleo.safetensors at 0123456789abcdef0123456789abcdef01234567 (Entry not found)");
}

/// Laid out by the rules of huggingface_hub, by nobody of ours.
#[test]
fn what_python_has_fetched_is_here() {
    let house = House::new();
    for (path, bytes) in [
        (WEIGHTS, &house.weights[..]),
        (TOKENIZER, b"{}"),
        (BOB, &[9; 5_000]),
    ] {
        let blob = house.blob(bytes);
        fs::create_dir_all(blob.parent().unwrap()).unwrap();
        fs::write(&blob, bytes).unwrap();
        let pointer = house.snapshot(path);
        fs::create_dir_all(pointer.parent().unwrap()).unwrap();
        let up = "../".repeat(2 + path.matches('/').count());
        let name = blob.file_name().unwrap().to_str().unwrap();
        symlink(format!("{up}blobs/{name}"), pointer).unwrap();
    }
    fs::create_dir_all(house.repository().join("refs")).unwrap();
    fs::write(house.repository().join("refs/main"), COMMIT).unwrap();
    fs::write(
        house.repository().join("blobs/abc.1234abcd.incomplete"),
        "other",
    )
    .unwrap();
    let said = house.run(&["list"]).good();
    let line = said
        .out
        .lines()
        .find(|line| line.starts_with("tiny "))
        .unwrap()
        .to_owned();
    let words: Vec<&str> = line.split_whitespace().collect();
    assert_eq!(
        words,
        [
            "tiny", "en", "1.2", "M", "CC0-1.0", "no", "1.21", "MB,", "1", "voice"
        ]
    );
    house.run(&["fetch", "tiny"]).good();
    assert_eq!(house.run(&["verify"]).good().out, "tiny: good, 3 files\n");
    assert!(house.hub.asked().is_empty());
}

// ---- the licence -------------------------------------------------------------------------------

#[test]
fn nothing_is_downloaded_before_the_licence_is_accepted() {
    let house = House::new();
    let said = house
        .run(&["fetch", "tiny"])
        .bad("repeat this with --accept-licence");
    for part in [
        "published by Me under CC0-1.0 (https://example.org/cc0)",
        "at https://example.org/voices",
    ] {
        assert!(said.err.contains(part), "{said:?}");
    }
    assert!(house.hub.asked().is_empty());
    assert!(!house.cache().exists());
}

/// `script` (bsdutils) gives it a terminal.
#[test]
fn on_a_terminal_people_are_asked() {
    for (answer, accepted) in [("n\n", false), ("\n", false), ("y\n", true)] {
        let house = House::new();
        let mut command = Command::new("script");
        command.args([
            "-qec",
            &format!("{} model fetch tiny", env!("CARGO_BIN_EXE_duplex")),
            "/dev/null",
        ]);
        house.set_up(&mut command);
        command.env("SHELL", "/bin/sh").stdin(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => return println!("SKIPPED: script (bsdutils) is missing: {error}"),
        };
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), answer.as_bytes()).unwrap();
        let said = Said::of(child.wait_with_output().unwrap());
        assert!(
            said.out
                .contains("3 files, 1.21 MB, would be fetched into "),
            "{said:?}"
        );
        assert!(
            said.out.contains("Do you accept the licence? [y/N] "),
            "{said:?}"
        );
        assert_eq!(said.code, Some(i32::from(!accepted)), "{said:?}");
        assert_eq!(house.snapshot(WEIGHTS).exists(), accepted);
        if accepted {
            house.is_whole();
        } else {
            assert!(said.out.contains("nothing was downloaded"), "{said:?}");
            assert!(house.hub.asked().iter().all(|asked| asked.method == "HEAD"));
        }
    }
}

// ---- the network -------------------------------------------------------------------------------

#[test]
fn a_cut_connection_is_gone_on_with() {
    let house = House::new();
    house.hub.trouble(WEIGHTS, Trouble::Cut(400_000));
    house.hub.trouble(WEIGHTS, Trouble::Cut(100_000));
    let said = house.fetch(&[]).good();
    assert!(
        said.err.contains("tiny/model.safetensors is cut: "),
        "{said:?}"
    );
    house.is_whole();
    let gets = house.hub.gets(WEIGHTS);
    let ranges: Vec<_> = gets.iter().map(|asked| asked.header("range")).collect();
    assert_eq!(ranges, [None, Some("bytes=400000-"), Some("bytes=500000-")]);
    // The server of large files is asked by its own name of the file.
    let name = format!("\"own-{}\"", &hash(&house.weights, 64)[..8]);
    assert_eq!(gets[1].header("if-range"), Some(&*name));
}

#[test]
fn what_an_earlier_try_left_is_gone_on_with() {
    let house = House::new();
    fs::create_dir_all(house.incomplete().parent().unwrap()).unwrap();
    fs::write(house.incomplete(), &house.weights[..700_000]).unwrap();
    let said = house.fetch(&[]).good();
    assert!(
        said.out
            .contains("fetched tiny/model.safetensors (500.00 kB)\n"),
        "{said:?}"
    );
    house.is_whole();
    let ranges: Vec<_> = house.hub.gets(WEIGHTS);
    assert_eq!(ranges.len(), 1);
    assert_eq!(ranges[0].header("range"), Some("bytes=700000-"));
}

#[test]
fn what_an_earlier_try_left_damaged_is_fetched_anew() {
    for left in [vec![1; 700_000], vec![1; 1_200_000], vec![1; 2_000_000]] {
        let house = House::new();
        fs::create_dir_all(house.incomplete().parent().unwrap()).unwrap();
        fs::write(house.incomplete(), &left).unwrap();
        house.fetch(&[]).good();
        house.is_whole();
    }
}

#[test]
fn a_killed_process_leaves_what_the_next_goes_on_with() {
    let house = House::new();
    house
        .hub
        .trouble(WEIGHTS, Trouble::Slow(100, Duration::from_millis(100)));
    let mut child = house
        .command(&["fetch", "tiny", "--accept-licence"])
        .spawn()
        .unwrap();
    let size = || fs::metadata(house.incomplete()).map_or(0, |metadata| metadata.size());
    while size() == 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let left = size();
    assert!(left > 0 && left < 1_200_000, "{left}");
    house.fetch(&[]).good();
    house.is_whole();
    let gets = house.hub.gets(WEIGHTS);
    assert_eq!(gets[1].header("range"), Some(&*format!("bytes={left}-")));
}

#[test]
fn a_file_that_changed_between_tries_is_fetched_anew() {
    let house = House::new();
    house.hub.trouble(WEIGHTS, Trouble::Cut(400_000));
    let new = vec![3; 900_000];
    // Asked once before, and once more when the answer was cut.
    house.hub.trouble_when_asked(WEIGHTS, Trouble::None);
    house
        .hub
        .trouble_when_asked(WEIGHTS, Trouble::Changed(new.clone().into()));
    let said = house.fetch(&[]).good();
    let sentence = "tiny/model.safetensors has changed; it is fetched anew";
    assert!(said.err.contains(sentence), "{said:?}");
    let gets = house.hub.gets(WEIGHTS);
    assert_eq!((gets.len(), gets[1].header("range")), (2, None));
    assert!(!house.incomplete().exists());
    assert_eq!(fs::read(house.snapshot(WEIGHTS)).unwrap(), new);
}

#[test]
fn what_is_not_what_was_published_is_removed() {
    let house = House::new();
    let mut wrong = house.weights.clone();
    wrong[600_000] ^= 1;
    house
        .hub
        .trouble(WEIGHTS, Trouble::Wrong(wrong.clone().into()));
    let said = house
        .fetch(&[])
        .bad("is not what was published, and was removed");
    for part in [hash(&house.weights, 64), hash(&wrong, 64)] {
        assert!(said.err.contains(&part), "{part} in {said:?}");
    }
    assert!(!house.incomplete().exists() && !house.snapshot(WEIGHTS).exists());
    // A small file is named by another hash.
    house.hub.trouble(TOKENIZER, Trouble::Wrong("[]".into()));
    fs::remove_file(house.blob(b"{}")).unwrap();
    let said = house
        .fetch(&[])
        .bad("is not what was published, and was removed");
    assert!(said.err.contains(&hash(b"[]", 40)), "{said:?}");
    house.fetch(&[]).good();
    house.is_whole();
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let house = House::new();
    house.hub.want_token("hf_secret");
    let fetch = || house.command(&["fetch", "tiny", "--accept-licence"]);
    let said = Said::of(fetch().output().unwrap());
    let endpoint = &house.hub.endpoint;
    let sentence = format!(
        "{endpoint} does not give me/voices to somebody whom it does not know: accept its terms at {endpoint}/me/voices, and log in with `hf auth login`, or set HF_TOKEN"
    );
    said.bad(&sentence);
    let said = Said::of(fetch().env("HF_TOKEN", "hf_other").output().unwrap());
    said.bad("does not give me/voices to the owner of this token");
    // As `hf auth login` leaves it.
    fs::create_dir_all(house.path(".cache/huggingface")).unwrap();
    fs::write(house.path(".cache/huggingface/token"), "hf_secret\n").unwrap();
    Said::of(fetch().output().unwrap()).good();
    house.is_whole();
    let asked = house.hub.asked();
    let large: Vec<_> = asked.iter().filter(|asked| asked.large).collect();
    assert_eq!(large.len(), 2, "weights and a voice");
    for asked in large {
        assert_eq!(asked.header("authorization"), None);
    }
    let told: Vec<_> = asked
        .iter()
        .filter_map(|asked| asked.header("authorization"))
        .collect();
    assert!(
        told.contains(&"Bearer hf_other") && told.contains(&"Bearer hf_secret"),
        "{told:?}"
    );
}

#[test]
fn who_asks_to_wait_is_waited_for() {
    let house = House::new();
    let wait = vec![("retry-after", "1".to_owned())];
    house
        .hub
        .trouble_when_asked(WEIGHTS, Trouble::Status(429, wait.clone()));
    house.hub.trouble(WEIGHTS, Trouble::Status(429, wait));
    house.hub.trouble(WEIGHTS, Trouble::Status(503, Vec::new()));
    // Addresses expire.
    house.hub.trouble(WEIGHTS, Trouble::Status(403, Vec::new()));
    let said = house.fetch(&[]).good();
    assert_eq!(
        said.err
            .matches("answers 429; the next try in 1.0 s")
            .count(),
        2,
        "{said:?}"
    );
    assert!(
        said.err.contains("answers 503; the next try in "),
        "{said:?}"
    );
    assert!(
        !said.err.contains("secret"),
        "a signature is nobody's business: {said:?}"
    );
    house.is_whole();
}

#[test]
fn tries_and_waits_have_an_end() {
    let house = House::new();
    let wait = vec![("retry-after", "86400".to_owned())];
    house
        .hub
        .trouble_when_asked(TOKENIZER, Trouble::Status(429, wait));
    house
        .fetch(&[])
        .bad("answers 429 for tiny/tokenizer.json: try again later");
    for _ in 0..5 {
        let now = vec![("retry-after", "0".to_owned())];
        house
            .hub
            .trouble_when_asked(TOKENIZER, Trouble::Status(502, now));
    }
    house
        .fetch(&[])
        .bad("answers 502 for tiny/tokenizer.json: it is in trouble; try again later");
    // Six of the tokenizer, and nothing else.
    assert_eq!(house.hub.asked().len(), 6);
    house.fetch(&[]).good();
}

#[test]
fn a_hub_that_is_not_there_is_named() {
    let house = House::new();
    let fetch = |name: &str, value: &str| {
        let mut command = house.command(&["fetch", "tiny", "--accept-licence"]);
        Said::of(command.env(name, value).output().unwrap())
    };
    fetch("HF_ENDPOINT", "here")
        .bad("HF_ENDPOINT is `here`, which is no address such as https://huggingface.co");
    fetch("HF_HUB_OFFLINE", "1").bad("HF_HUB_OFFLINE is set");
    // A server that is none of these.
    fetch("HF_ENDPOINT", &format!("{}/elsewhere", house.hub.endpoint))
        .bad("has no me/voices/tiny/tokenizer.json");
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let said = fetch("HF_ENDPOINT", &format!("http://{address}"));
    said.bad(&format!(
        "tiny/tokenizer.json does not come from http://{address}: Connection refused"
    ));
}

#[test]
fn two_at_once_fetch_once() {
    let house = House::new();
    house
        .hub
        .trouble(WEIGHTS, Trouble::Slow(20, Duration::from_millis(50)));
    let start = || {
        house
            .command(&["fetch", "tiny", "--accept-licence"])
            .spawn()
            .unwrap()
    };
    let children: Vec<Child> = (0..3).map(|_| start()).collect();
    let said: Vec<Said> = children
        .into_iter()
        .map(|child| Said::of(child.wait_with_output().unwrap()).good())
        .collect();
    house.is_whole();
    assert_eq!(house.hub.gets(WEIGHTS).len(), 1);
    let waited = said.iter().filter(|said| {
        said.err
            .contains("another process fetches tiny/model.safetensors; waiting for it")
    });
    assert!(waited.count() >= 1, "{said:?}");
}

/// Holds the lock as Python's filelock does, and lets it go by ending.
#[test]
fn python_is_waited_for() {
    let house = House::new();
    let name = hash(&house.weights, 64);
    let locks = house.cache().join(".locks/models--me--voices");
    fs::create_dir_all(&locks).unwrap();
    let lock = fs::File::create(locks.join(format!("{name}.lock"))).unwrap();
    lock.lock().unwrap();
    let child = house
        .command(&["fetch", "tiny", "--accept-licence"])
        .spawn()
        .unwrap();
    while !house.snapshot(TOKENIZER).exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    // By then it stands before the weights; Python puts them there.
    fs::write(house.blob(&house.weights), &house.weights).unwrap();
    drop(lock);
    let said = Said::of(child.wait_with_output().unwrap()).good();
    assert!(
        said.out.contains("here already: tiny/model.safetensors\n"),
        "{said:?}"
    );
    house.is_whole();
    assert!(house.hub.gets(WEIGHTS).is_empty());
}

// ---- the disk ----------------------------------------------------------------------------------

/// A limit on the size of files stands for a full disk: it holds for root, too, and needs no mount.
#[test]
fn a_full_disk_keeps_what_came() {
    let house = House::new();
    let mut command = Command::new("sh");
    // In units of 512 bytes.
    let line = format!(
        "trap '' XFSZ; ulimit -f 1000; exec {} model fetch tiny --accept-licence",
        env!("CARGO_BIN_EXE_duplex")
    );
    command.args(["-c", &line]);
    house.set_up(&mut command);
    let said = Said::of(command.output().unwrap());
    let sentence = format!("{} is full: ", house.cache().display());
    let said = said.bad(&sentence);
    assert!(said.err.contains("are still to come; free some, or name another folder by HF_HUB_CACHE; what is here is kept, and gone on with"), "{said:?}");
    let left = fs::read(house.incomplete()).unwrap();
    assert!(!left.is_empty() && left.len() <= 512_000, "{}", left.len());
    assert!(house.weights.starts_with(&left));
    house.fetch(&[]).good();
    house.is_whole();
    let gets = house.hub.gets(WEIGHTS);
    assert_eq!(
        gets[1].header("range"),
        Some(&*format!("bytes={}-", left.len()))
    );
}

#[test]
fn what_does_not_fit_is_not_begun() {
    let house = House::new();
    house.hub.pretend_size(WEIGHTS, 1 << 60);
    let said = house.fetch(&[]).bad("are to come, and ");
    assert!(
        said.err
            .contains("are free; free some, or name another folder by HF_HUB_CACHE"),
        "{said:?}"
    );
    assert!(house.hub.asked().iter().all(|asked| asked.method == "HEAD"));
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let house = House::new();
    // A file in the place of a folder stops root, too.
    fs::write(house.cache(), "").unwrap();
    let said = house.fetch(&[]).bad("cannot be written: ");
    assert!(
        said.err.contains("name another folder by HF_HUB_CACHE"),
        "{said:?}"
    );
    // All of it being there, nothing has to be written.
    fs::remove_file(house.cache()).unwrap();
    house.fetch(&[]).good();
    let folders = [
        house.cache(),
        house.repository(),
        house.repository().join("blobs"),
    ];
    let mode = |mode: u32| {
        for folder in &folders {
            let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(folder, permissions).unwrap();
        }
    };
    mode(0o555);
    let said = house.fetch(&[]);
    mode(0o755);
    said.good();
}

// ---- list and verify ---------------------------------------------------------------------------

#[test]
fn the_model_that_is_built_in_needs_no_fetching() {
    let house = House::new();
    let said = house.run(&["fetch", "compact"]).good();
    assert!(
        said.out
            .starts_with("compact is built in and needs no fetching"),
        "{}",
        said.out
    );
    let said = house.run(&["list", "compact"]).good();
    assert!(
        said.out.contains("compact (default)") && said.out.contains("built in"),
        "{}",
        said.out
    );
    house.run(&["verify", "compact"]).good();
    let said = house.run(&["list", "compakt"]);
    assert!(said.err.contains("did you mean `compact`?"), "{}", said.err);
    assert!(house.hub.asked().is_empty());
}

#[test]
fn the_list_shows_what_there_is_and_what_is_here() {
    let house = House::new();
    let said = house.run(&["list"]).good();
    assert!(said.out.starts_with("model "), "{}", said.out);
    assert_eq!(said.out.lines().count(), 1 + 1 + 28);
    let line = |name: &str, said: &Said| {
        let line = said
            .out
            .lines()
            .find(|line| line.split(' ').next() == Some(name))
            .unwrap();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        line("compact", &said),
        "compact en 3.2 M MPL-2.0 no built in"
    );
    assert_eq!(
        line("english", &said),
        "english en 99.7 M CC-BY-4.0 with --cloning no"
    );
    assert_eq!(line("tiny", &said), "tiny en 1.2 M CC0-1.0 no no");
    house.fetch(&["--voice", "ada", "--voice", "bob"]).good();
    let said = house.run(&["list"]).good();
    assert_eq!(
        line("tiny", &said),
        "tiny en 1.2 M CC0-1.0 no 1.21 MB, 2 voices"
    );
    fs::remove_file(house.snapshot(TOKENIZER)).unwrap();
    let said = house.run(&["list"]).good();
    assert_eq!(
        line("tiny", &said),
        "tiny en 1.2 M CC0-1.0 no in part: no tokenizer"
    );
    let own = house.path(".local/share/gst-duplex/voices/tiny");
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("zoe.wav"), "").unwrap();
    let said = house.run(&["list", "tiny"]).good();
    let voices: Vec<Vec<&str>> = said
        .out
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        voices,
        [
            vec!["zoe", "your", "own"],
            vec!["ada", "yes"],
            vec!["bob", "(default)", "yes"],
            vec!["cleo", "no"]
        ]
    );
    assert!(
        house
            .hub
            .asked()
            .iter()
            .all(|asked| !asked.path.contains("cleo")),
        "list asks nobody"
    );
}

#[test]
fn verify_names_what_is_damaged_or_missing() {
    let house = House::new();
    let none = house.run(&["verify"]).good();
    assert_eq!(
        none.out,
        format!("no model is in {}\n", house.cache().display())
    );
    house
        .run(&["verify", "tiny"])
        .bad("tiny: missing: weights, tokenizer, voices; duplex model fetch tiny");
    house.fetch(&[]).good();
    assert_eq!(
        house.run(&["verify", "tiny"]).good().out,
        "tiny: good, 3 files\n"
    );
    let mut damaged = house.weights.clone();
    damaged[5] ^= 1;
    fs::write(house.blob(&house.weights), &damaged).unwrap();
    let said = house.run(&["verify"]).bad("is damaged: its hash is ");
    for part in [
        hash(&damaged, 64),
        hash(&house.weights, 64),
        house.snapshot(WEIGHTS).display().to_string(),
        "duplex model verify tiny --remove, then duplex model fetch tiny".into(),
    ] {
        assert!(said.err.contains(&part), "{part} in {said:?}");
    }
    house
        .run(&["verify", "tiny", "--remove"])
        .bad("it was removed; duplex model fetch tiny");
    house
        .run(&["verify"])
        .bad("tiny: missing: weights; duplex model fetch tiny");
    house.fetch(&[]).good();
    house.run(&["verify"]).good();
    // What is no link was put there by hand, and nobody knows what it is.
    let path = house.snapshot(TOKENIZER);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "{}").unwrap();
    house
        .run(&["verify"])
        .bad("is no link to a blob that a hash names");
}

#[test]
fn names_that_are_unknown_are_told_with_the_nearest() {
    let house = House::new();
    for (arguments, sentence) in [
        (
            &["fetch", "tinny"][..],
            "duplex: there is no model `tinny`; did you mean `tiny`?; see: duplex model list\n",
        ),
        (
            &["verify", "english_2026-11"],
            "duplex: there is no model `english_2026-11`; did you mean `english_2026-01`?; see: duplex model list\n",
        ),
        (
            &["fetch", "tiny", "--voice", "adda"],
            "duplex: the model `tiny` has no voice `adda`; did you mean `ada`?; see: duplex model list tiny\n",
        ),
        (
            &["fetch", "tiny", "--cloning"],
            "duplex: the model `tiny` was published with one set of weights: leave --cloning out\n",
        ),
    ] {
        let said = house.run(arguments);
        assert_eq!((said.code, said.err.as_str()), (Some(2), sentence));
    }
    fs::write(house.path("mine.yaml"), "models: {}\n").unwrap();
    let said = house.run(&[
        "list",
        "--catalogue",
        house.path("mine.yaml").to_str().unwrap(),
    ]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err
            .contains("mine.yaml:1:1: a catalogue of models has no `licence`"),
        "{said:?}"
    );
    assert!(!Path::new(&house.cache()).exists());
}
