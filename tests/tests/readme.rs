// SPDX-License-Identifier: MPL-2.0

//! What the README and the elements' documentation promise, done as it stands there.

#![allow(clippy::print_stdout)] // a test tells what it skips and what it typed

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::process::{CommandExt, ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use duplex_tests::{inspect, plugins, pulse::Pulse, signal, watchdog::Watchdog};
use gst::prelude::*;

fn readme() -> String {
    fs::read_to_string(plugins::source().join("README.md")).unwrap()
}

/// The fenced blocks of a language, in order.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut inside: Option<String> = None;
    for line in text.lines() {
        match (&mut inside, line.trim_start().strip_prefix("```")) {
            (Some(block), None) => {
                block.push_str(line);
                block.push('\n');
            }
            (Some(_), Some(_)) => found.extend(inside.take()),
            (None, Some(l)) if l == language => inside = Some(String::new()),
            // A block in another language: skipped up to its end.
            (None, Some(l)) if !l.is_empty() => inside = None,
            _ => {}
        }
    }
    found
}

/// A person's machine: a home of its own, a loudspeaker and a microphone.
struct Desk<'a> {
    home: PathBuf,
    pulse: &'a Pulse,
}

impl Desk<'_> {
    /// Types a line into a shell in `folder`. A line with a microphone is ended by Ctrl-C.
    fn types(&self, line: &str, folder: &Path, limit: Duration) -> Output {
        let (line, ctrl_c) = match line.split_once(" # Ctrl-C") {
            Some((line, _)) => (line, true),
            None => (line, false),
        };
        let seconds = if ctrl_c { 5 } else { limit.as_secs() };
        let mut shell = Command::new("timeout");
        shell
            .args(["--preserve-status", "--signal=INT", "--kill-after=20"])
            .arg(seconds.to_string())
            .args(["bash", "-c"])
            // Without a pipe the shell makes room for the program that is to get the signal.
            .arg(if ctrl_c {
                format!("exec {line}")
            } else {
                line.to_owned()
            })
            .current_dir(folder);
        self.environment(&mut shell);
        let output = shell.output().unwrap();
        println!("$ {line}\n{}", plugins::told(&output));
        if !ctrl_c {
            assert!(
                output.status.success(),
                "$ {line}\n{}",
                plugins::told(&output)
            );
        } else {
            // gst-launch ends well; a shell tells of the signal.
            let ended = output.status.success()
                || output.status.code() == Some(130)
                || output.status.signal() == Some(2);
            assert!(ended, "$ {line}\n{}", plugins::told(&output));
        }
        output
    }

    /// Types `make run`, opens the page that it prints, and ends it as a person does.
    fn opens_the_page(&self, folder: &Path) {
        let mut shell = Command::new("make");
        shell.args(["run", "PORT=0"]).current_dir(folder);
        self.environment(&mut shell);
        let mut make = shell
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(make.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| {
            let line = line.unwrap();
            println!("{line}");
            line.split_whitespace()
                .find(|word| word.starts_with("http://127."))
                .map(str::to_owned)
        });
        let address = address.expect("an address is printed");
        let page = plugins::succeeds(Command::new("curl").args(["--silent", "--fail", &address]));
        assert!(page.contains("Talk to it"), "{page}");
        let group = format!("-{}", make.id());
        plugins::succeeds(Command::new("kill").args(["-INT", "--", &group]));
        let rest: Vec<_> = lines.map_while(Result::ok).collect();
        let status = make.wait().unwrap();
        println!("{}\n{status}", rest.join("\n"));
    }

    /// Types a line that ends with `&`.
    fn leaves(&self, line: &str, folder: &Path) -> Background {
        println!("$ {line} &");
        let mut shell = Command::new("bash");
        // The process is to be the worker's, not the shell's.
        shell.args(["-c", &format!("exec env {line}")]);
        self.environment(&mut shell);
        Background::start(shell, folder)
    }

    fn environment(&self, command: &mut Command) {
        let home = std::env::var("HOME").unwrap_or_default();
        let or = |name: &str, folder: &str| {
            std::env::var(name).unwrap_or_else(|_| format!("{home}/{folder}"))
        };
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env("CARGO_HOME", or("CARGO_HOME", ".cargo"))
            .env("RUSTUP_HOME", or("RUSTUP_HOME", ".rustup"))
            .env("HOME", &self.home)
            .env("XDG_CACHE_HOME", self.home.join(".cache"))
            .env("XDG_DATA_HOME", self.home.join(".local/share"))
            .env("PATH", format!("{}/.local/bin:{path}", self.home.display()))
            .env("PULSE_SERVER", self.pulse.address())
            // What this test run has set is not what a person has.
            .env_remove("GST_PLUGIN_PATH")
            .env_remove("GST_REGISTRY")
            .env_remove("G_DEBUG")
            // A release build takes minutes and shows nothing more here.
            .env("PROFILE", "dev");
        plugins::without_make(command);
    }
}

/// Where a worker and a server listen unless told otherwise, and where all examples look for them: for one test at a
/// time.
static PORT: Mutex<()> = Mutex::new(());
const WORKER: &str = "127.0.0.1:7001";
const SERVER: &str = "127.0.0.1:8080";

/// A worker or a server in the background, as `duplex-worker &` leaves it.
struct Background {
    worker: Child,
    _port: MutexGuard<'static, ()>,
}

impl Background {
    /// Starts it, and returns once it serves.
    fn start(mut command: Command, folder: &Path) -> Self {
        let serves = format!("{command:?}").contains("duplex serve");
        let (address, begins) = if serves {
            (SERVER, "serving on ")
        } else {
            (WORKER, "listening on ")
        };
        let port = PORT.lock().unwrap_or_else(PoisonError::into_inner);
        // Other checkouts of this machine may be tested at the same time.
        let limit = Instant::now() + Duration::from_secs(300);
        while TcpListener::bind(address).is_err() {
            assert!(Instant::now() < limit, "somebody else listens on {address}");
            std::thread::sleep(Duration::from_millis(100));
        }
        let output = folder.join("worker.log");
        let file = fs::File::create(&output).unwrap();
        command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        let worker = command.spawn().unwrap();
        let started = Self {
            worker,
            _port: port,
        };
        let limit = Instant::now() + Duration::from_secs(30);
        loop {
            let told = fs::read_to_string(&output).unwrap();
            if told.lines().any(|line| line.starts_with(begins)) {
                return started;
            }
            assert!(Instant::now() < limit, "{told}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// `kill %1`: it ends well.
    fn end(mut self) {
        let pid = self.worker.id().to_string();
        plugins::succeeds(Command::new("kill").arg(pid));
        let status = self.worker.wait().unwrap();
        assert!(status.success(), "{status}");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.worker.kill();
        let _ = self.worker.wait();
    }
}

/// A clone of what is committed, with local changes of tracked files: what is not added is missed.
fn clone(to: &Path) {
    let source = plugins::source();
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        // A checkout may belong to somebody else than who runs the tests.
        git.args(["-c", "safe.directory=*"]).args(arguments);
        plugins::succeeds(git.current_dir(source)).trim().to_owned()
    };
    let _ = fs::remove_dir_all(to);
    let to = to.to_str().unwrap();
    git(&["clone", "--quiet", "--shared", "--no-checkout", ".", to]);
    let changed = git(&[
        "-c",
        "user.name=test",
        "-c",
        "user.email=test@localhost",
        "stash",
        "create",
    ]);
    let commit = if changed.is_empty() { "HEAD" } else { &changed };
    let commit = git(&["rev-parse", commit]);
    git(&["-C", to, "checkout", "--quiet", &commit]);
}

fn seconds(wav: &Path) -> f64 {
    let (samples, rate) = signal::read_wav(wav).unwrap();
    let first = signal::first_audible(&samples, rate, -50.0).expect("something is heard");
    let last = signal::last_audible(&samples, rate, -50.0).unwrap();
    (last - first) as f64 / f64::from(rate)
}

/// The caller murmurs and the mouth goes on; the caller speaks up and it stops, and knows what was heard.
fn tells_the_story(timeline: &Path) {
    let told = fs::read_to_string(timeline).unwrap();
    for part in [
        "begins to speak",
        "onset: ",
        "pauses ",
        "goes on at “",
        "confirmed: ",
        "stops for good",
        "heard:   ",
        "unheard: ",
        "milliseconds after the onset",
    ] {
        assert!(told.contains(part), "no line has {part}:\n{told}");
    }
    let at = |part: &str| told.find(part).unwrap();
    assert!(at("goes on at “") < at("stops for good"), "{told}");
}

/// Dependencies are the same in a clone, which compiles what is ours. What they were compiled to takes gigabytes and is linked,
/// not copied: compiler and linker replace such a file, they never write into it. Programs, tests among them, stay behind.
fn lends_dependencies(from: &Path, to: &Path) {
    fs::create_dir_all(to.join("deps")).unwrap();
    for part in ["build", ".fingerprint"] {
        plugins::succeeds(Command::new("cp").arg("-a").arg(from.join(part)).arg(to));
    }
    for file in fs::read_dir(from.join("deps")).unwrap() {
        let file = file.unwrap().path();
        let library = file
            .extension()
            .is_some_and(|kind| kind == "rlib" || kind == "rmeta" || kind == "so");
        if library {
            let link = to.join("deps").join(file.file_name().unwrap());
            fs::hard_link(&file, link).unwrap();
        }
    }
}

#[test]
fn every_command_works_in_a_clean_clone() {
    let _watchdog = Watchdog::new("the commands of the README", Duration::from_secs(1500));
    if !plugins::source().join(".git").exists() {
        println!("SKIPPED: the commands of the README: this is no git checkout");
        return;
    }
    // Beside the build, so that what a clone compiled is there for the next.
    let folder = plugins::folder().parent().unwrap().join("readme");
    let clean = folder.join("gst-duplex");
    let target = folder.join("target");
    clone(&clean);
    if !target.exists() {
        lends_dependencies(&plugins::folder(), &target.join("debug"));
    }
    std::os::unix::fs::symlink(&target, clean.join("target")).unwrap();
    let home = folder.join("home");
    let _ = fs::remove_dir_all(&home);
    fs::create_dir_all(&home).unwrap();
    let pulse = Pulse::start().expect("a sound server");
    let desk = Desk {
        home,
        pulse: &pulse,
    };

    let text = readme();
    let mut commands: Vec<String> = blocks(&text, "sh")
        .iter()
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    // The line that opens the page needs what the page installs.
    let opening = commands.remove(0);
    assert!(opening.contains("interrupted-by=ears"), "{opening}");
    commands.push(format!("{opening} # Ctrl-C"));
    assert!(commands.len() > 12, "{commands:?}");
    let mut background = None;
    for command in &commands {
        // This is what runs just now.
        if command == "make test" {
            continue;
        }
        if command == "make run" {
            desk.opens_the_page(&clean);
            desk.types("make run DEMO=1", &clean, Duration::from_secs(900));
            continue;
        }
        if let Some(command) = command.strip_suffix(" &") {
            background = Some(desk.leaves(command, &clean));
            continue;
        }
        if command == "kill %1" {
            background.take().expect("nothing to end").end();
            continue;
        }
        let limit = Duration::from_secs(if command.starts_with("make") { 900 } else { 90 });
        let output = desk.types(command, &clean, limit);
        let told = plugins::told(&output);
        if command.starts_with("gst-launch-1.0 -m filesrc") {
            for state in ["tentative", "started", "ended"] {
                assert!(
                    told.contains(&format!("state=(string){state}")),
                    "{state}: {told}"
                );
            }
        }
        if command.contains("audio-source=") {
            assert!(
                told.contains("ttssink/paused"),
                "the caller paused nothing: {told}"
            );
        }
    }

    // With the small neural voice, and with that of a worker.
    tells_the_story(&clean.join("out/compact.txt"));
    tells_the_story(&clean.join("out/offload.txt"));

    // The same without a sound device, in the words of the text.
    let lines = clean.join("out/timeline.txt");
    assert!(text.contains("`make run DEMO=1`") && text.contains("`make run DEMO=1 QUIET=1`"));
    let conversation = fs::read_to_string(clean.join("out/conversation.txt")).unwrap();
    assert!(
        conversation.contains("lighthouse"),
        "no story was told: {conversation}"
    );
    tells_the_story(&lines);
    fs::remove_file(&lines).unwrap();
    desk.types("make run DEMO=1 QUIET=1", &clean, Duration::from_secs(180));
    tells_the_story(&lines);

    assert!(text.contains("out/heard.wav") && text.contains("out/barge-in.html"));
    assert!(seconds(&clean.join("out/heard.wav")) > 3.0);
    let page = fs::read_to_string(clean.join("out/barge-in.html")).unwrap();
    assert!(
        page.contains("</html>") && !page.contains("src=\"http"),
        "not self-contained"
    );
    let (normal, fast) = (
        seconds(&clean.join("out.wav")),
        seconds(&clean.join("fast.wav")),
    );
    assert!(seconds(&clean.join("neural.wav")) > 2.0);
    assert!(normal > 4.0 && fast < normal * 0.9, "{normal} s, {fast} s");
    assert!((seconds(&clean.join("heard.wav")) - normal).abs() < 0.5);
    assert!(seconds(&clean.join("speech.wav")) > 0.7);
    assert!(seconds(&clean.join("hello.wav")) > 0.4);
    // Through workers; the far one speaks as the near engine does.
    assert!(background.is_none() && seconds(&clean.join("french.wav")) > 2.0);
    assert!((seconds(&clean.join("far.wav")) - normal).abs() < 0.5);
}

/// Code that the README shows is code that a test compiles and runs.
#[test]
fn code_is_that_of_the_programs() {
    let text = readme();
    let mut shown = 0;
    for (language, file) in [("c", "embed.c"), ("python", "embed.py")] {
        let program =
            fs::read_to_string(plugins::source().join("tests/embedding").join(file)).unwrap();
        for block in blocks(&text, language) {
            assert!(program.contains(&block), "not in {file}:\n{block}");
            shown += 1;
        }
    }
    assert!(shown >= 3);
}

#[test]
fn links_lead_to_files() {
    let text = readme();
    let mut followed = 0;
    for part in text.split("](").skip(1) {
        let to = part.split(')').next().unwrap();
        // Phones of a word, `[gif](/jh ih1 f/)`, are written alike.
        if !to.contains("://") && !to.starts_with('/') {
            assert!(plugins::source().join(to).exists(), "{to}");
            followed += 1;
        }
    }
    assert!(followed > 3);
}

/// The tables name every element and every signal there is, and none that is not.
#[test]
fn tables_are_complete() {
    plugins::init();
    let text = readme();
    let factories = inspect::factories();
    let elements = inspect::snapshot();
    for factory in &factories {
        let row = format!("| `{}` |", factory.name());
        assert!(
            text.contains(&row),
            "the README does not list {}",
            factory.name()
        );
    }
    let table = text.split("| element | signal |").nth(1).unwrap();
    let table = table.split("\n\n").next().unwrap();
    for line in table.lines().skip(2) {
        let cells: Vec<&str> = line.split('|').collect();
        let quoted = |cell: &str| -> Vec<String> {
            let odd = cell.split('`').skip(1).step_by(2);
            odd.map(str::to_owned).collect()
        };
        for element in quoted(cells[1]) {
            for signal in quoted(cells[2]) {
                let told = &elements[&element]["signals"][&signal];
                assert!(told.is_object(), "{element} has no signal {signal}");
                let arguments = told["arguments"].as_array().unwrap();
                let written = if cells[3].trim() == "none" {
                    0
                } else {
                    cells[3].split('{').next().unwrap().split(", g").count()
                };
                let structure = cells[3].trim().starts_with("GstStructure");
                let expected = if structure { 1 } else { written };
                assert_eq!(
                    arguments.len(),
                    expected,
                    "{element}::{signal}: {arguments:?}"
                );
                for argument in arguments {
                    let type_ = argument.as_str().unwrap();
                    assert!(cells[3].contains(type_), "{element}::{signal}: {type_}");
                }
            }
        }
    }
    for (element, told) in elements.as_object().unwrap() {
        for signal in told["signals"].as_object().unwrap().keys() {
            let rows = table.lines().filter(|l| l.contains(&format!("`{signal}`")));
            let found = rows
                .into_iter()
                .any(|l| l.contains(&format!("`{element}`")));
            assert!(found, "the README does not tell of {element}::{signal}");
        }
    }
}

/// A model with made-up weights in the place of the published one, which a person would fetch.
fn model(folder: &Path) {
    let small = plugins::source().join("plugins/cudatts/engine/tests/parity/small/lsd");
    fs::create_dir_all(folder.join("voices")).unwrap();
    for (from, to) in [
        ("config.yaml", "config.yaml"),
        ("tokenizer.json", "tokenizer.json"),
        ("voice.safetensors", "voices/alba.safetensors"),
    ] {
        fs::copy(small.join(from), folder.join(to)).unwrap();
    }
    let shapes = fs::read(small.join("shapes.json")).unwrap();
    let shapes = serde_json::from_slice(&shapes).unwrap();
    duplex_neural_small::models::make_weights(&shapes, &folder.join("model.safetensors"));
}

/// Lines to paste in the documentation of an element: they run as they stand there.
#[test]
fn every_line_in_the_documentation_of_elements_runs() {
    let _watchdog = Watchdog::new("lines of the documentation", Duration::from_secs(600));
    let folder = plugins::temporary("docs").unwrap();
    let text = "A short story for the documentation. It has two sentences.\n";
    fs::write(folder.join("story.txt"), text).unwrap();
    let caller = "/usr/share/sounds/alsa/Front_Center.wav";
    let subtitles = "1\n00:00:00,500 --> 00:00:02,000\nGood morning.\n";
    for name in ["film.srt", "story.srt", "subtitles.srt"] {
        fs::write(folder.join(name), subtitles).unwrap();
    }
    for name in ["caller.wav", "speech.wav", "in.wav", "call.wav"] {
        fs::copy(caller, folder.join(name)).unwrap();
    }
    model(&folder.join("english"));
    let pulse = Pulse::start().unwrap();
    let worker = Command::new(plugins::built("duplex-worker"));
    let worker = Background::start(worker, &folder);
    plugins::init();
    let mut sources = Vec::new();
    walk(&plugins::source().join("plugins"), &mut sources);
    // Each line once, and where it stands.
    let mut documented: BTreeMap<String, String> = BTreeMap::new();
    for path in sources {
        for line in lines(&fs::read_to_string(&path).unwrap()) {
            documented.insert(line, path.display().to_string());
        }
    }
    let factories = inspect::factories();
    for factory in &factories {
        if let Some(line) = factory.metadata("description").and_then(example) {
            documented.insert(line, format!("description of {}", factory.name()));
        }
    }
    for factory in &factories {
        let named = |line: &String| line.split([' ', '"']).any(|word| word == factory.name());
        assert!(
            documented.keys().any(named),
            "no line is documented for {}",
            factory.name()
        );
    }
    for (line, place) in &documented {
        println!("{place}: {line}");
        // A microphone never ends.
        let microphone = line.contains("vadsrc") && !line.contains("audio-source");
        let endless = line.contains("pulsesrc") || line.contains("autoaudiosrc") || microphone;
        let interrupted = "timeout --preserve-status -s INT 4";
        let line = match endless {
            true => format!("{interrupted} {line}"),
            false => line.clone(),
        };
        let mut shell = plugins::command("timeout");
        shell.args(["--signal=KILL", "60", "bash", "-c", &line]);
        shell.current_dir(&folder);
        pulse.environment(&mut shell);
        let output = shell.output().unwrap();
        let what = format!("{place}: {line}\n{}", plugins::told(&output));
        // What was interrupted says so: by 130, or by 0 where it had come to its end.
        let stopped = endless && output.status.code() == Some(130);
        assert!(output.status.success() || stopped, "{what}");
    }
    worker.end();
    fs::remove_dir_all(folder).unwrap();
}

/// The line after `Example:` at the end of a description.
fn example(description: &str) -> Option<String> {
    let (_, line) = description.split_once("Example: ")?;
    Some(line.trim().to_owned())
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // A workspace of its own is not built with this one, and has its own tests.
            if !path.join("Cargo.lock").exists() {
                walk(&path, found);
            }
        } else if path
            .file_name()
            .is_some_and(|n| n == "imp.rs" || n == "mod.rs")
        {
            found.push(path);
        }
    }
}

/// The gst-launch lines in doc comments of both kinds, those that go on after a backslash joined.
fn lines(source: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut open = false;
    for line in source.lines() {
        let line = line.trim_start();
        let Some(text) = ["//!", "///", "/**", "* "]
            .iter()
            .find_map(|c| line.strip_prefix(c))
        else {
            open = false;
            continue;
        };
        let text = text.trim();
        if open || text.starts_with("gst-launch-1.0") {
            if open {
                let last = found.last_mut().unwrap();
                last.push(' ');
                last.push_str(text.trim_end_matches('\\').trim());
            } else {
                found.push(text.trim_end_matches('\\').trim().to_owned());
            }
            open = text.ends_with('\\');
        }
    }
    found
}

#[test]
fn lines_are_found_in_both_kinds_of_comments() {
    let source = "\
        //! gst-launch-1.0 a ! b\n\
        /**\n * text\n * gst-launch-1.0 -m c \\\n *     ! d\n */\n\
        fn f() {\n    /// gst-launch-1.0 e\n    *x = 1;\n}\n";
    assert_eq!(
        lines(source),
        [
            "gst-launch-1.0 a ! b",
            "gst-launch-1.0 -m c ! d",
            "gst-launch-1.0 e"
        ]
    );
}
