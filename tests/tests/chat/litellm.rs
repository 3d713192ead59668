// SPDX-License-Identifier: MPL-2.0

//! An endpoint that others have written: the proxy of LiteLLM, with a model that always says the same.

use std::{
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::LazyLock,
    thread,
    time::{Duration, Instant},
};

use duplex_tests::{
    plugins,
    serving::{self, Server},
};
use gst::prelude::*;

use crate::rig::{Out, Talk, joined};

/// A version that is known to work.
const PACKAGE: &str = "litellm[proxy]==1.63.14";
const ANSWER: &str = "The quick brown fox jumps over the lazy dog. Grüße aus Köln.";

/// A Python that has the proxy, made below target/ the first time. `None`, said aloud, where it cannot be had.
fn command() -> Option<PathBuf> {
    static MADE: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
        let made = make();
        if let Err(why) = &made {
            println!("SKIPPED: LiteLLM's proxy cannot be had: {why}");
        }
        made.ok()
    });
    MADE.clone()
}

fn make() -> Result<PathBuf, String> {
    // Not beside the plugins: that folder is scanned for them, with all in it.
    let target = plugins::folder().parent().expect("target/").to_owned();
    let folder = target.join("litellm-venv");
    let command = folder.join("bin/litellm");
    // Whole only where its last step is done.
    let mark = folder.join(PACKAGE);
    if mark.exists() {
        return Ok(command);
    }
    let run = |command: &mut Command| match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(plugins::told(&output)),
        Err(error) => Err(error.to_string()),
    };
    let _ = std::fs::remove_dir_all(&folder);
    run(Command::new("/usr/bin/python3")
        .args(["-m", "venv"])
        .arg(&folder))?;
    run(Command::new(folder.join("bin/python")).args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        PACKAGE,
    ]))?;
    std::fs::write(mark, "").map_err(|error| error.to_string())?;
    Ok(command)
}

struct Proxy {
    address: SocketAddr,
    child: Child,
    folder: PathBuf,
}

impl Proxy {
    fn start(command: &PathBuf) -> Self {
        let folder = plugins::temporary("litellm").unwrap();
        let config = folder.join("config.yaml");
        let text = format!(
            "model_list:\n  - model_name: parrot\n    litellm_params: {{model: openai/parrot, api_key: none, mock_response: \"{ANSWER}\"}}\n\
             litellm_settings: {{telemetry: false}}\ngeneral_settings: {{master_key: sk-test}}\n"
        );
        std::fs::write(&config, text).unwrap();
        let address = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap();
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(command)
            .arg("--config")
            .arg(&config)
            .args(["--host", "127.0.0.1", "--port", &address.port().to_string()])
            .current_dir(&folder)
            // Nothing is fetched.
            .env("LITELLM_LOCAL_MODEL_COST_MAP", "True")
            .env("LITELLM_TELEMETRY", "False")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut this = Self {
            address,
            child,
            folder,
        };
        let end = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(address).is_err() {
            let ended = this.child.try_wait().unwrap();
            let log = || std::fs::read_to_string(this.folder.join("log")).unwrap_or_default();
            assert!(
                ended.is_none() && Instant::now() < end,
                "the proxy does not start: {}",
                log()
            );
            thread::sleep(Duration::from_millis(50));
        }
        this
    }

    fn chat(&self, more: &str) -> String {
        format!(
            "chatllm uri=http://{}/v1 api-key=sk-test first-token-timeout=60000000000 {more}",
            self.address
        )
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn a_proxy_of_litellm_is_talked_with() {
    let Some(command) = command() else { return };
    let proxy = Proxy::start(&command);
    let mut talk = Talk::with(&proxy.chat("model=parrot"));
    for _ in 0..3 {
        assert_eq!(talk.asked("Say it."), ANSWER);
    }
    // Token by token.
    let out = talk.out();
    let first = out
        .iter()
        .position(|one| matches!(one, Out::End(_)))
        .unwrap();
    let tokens = out[..first]
        .iter()
        .filter(|one| matches!(one, Out::Text(_)))
        .count();
    assert!(tokens > 5, "{out:?}");
    assert_eq!(joined(&out), ANSWER.repeat(3));
    // Interrupted, and on it goes.
    let (id, _) = {
        talk.turn("Say it.");
        talk.answer()
    };
    talk.interrupt(&id, "The quick", "brown fox");
    talk.expect("chat-answer", |s| s.get::<bool>("interrupted").unwrap());
    assert_eq!(talk.asked("Once more."), ANSWER);
    // A model that it does not have: it says which it has.
    let mut talk = Talk::with(&proxy.chat("model=nobody"));
    talk.turn("Say it.");
    let warning = talk.warning();
    assert!(
        warning.contains("nobody") && warning.contains("it has `parrot`"),
        "{warning}"
    );
    assert_eq!(
        talk.answer().1,
        talk.chat.property::<String>("fallback-text")
    );
}

/// What a client types is answered by the model that the environment names: address, key and model.
async fn answers(server: &Server) {
    let mut client = server.configured(16_000).await;
    client.text("Say it.").await;
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !c.is_alphanumeric());
        (words.filter(|word| !word.is_empty()).map(str::to_lowercase)).collect()
    };
    let mut said = Vec::new();
    let end = Instant::now() + serving::PATIENCE;
    while !said.ends_with(&words(ANSWER)) {
        let message = client.next().await;
        if message["type"] == "word" {
            said.extend(words(message["text"].as_str().unwrap()));
        }
        assert!(Instant::now() < end, "{said:?}: {}", server.said());
    }
}

#[test]
fn the_environment_reaches_the_model_through_serve_and_make() {
    let Some(command) = command() else { return };
    let proxy = Proxy::start(&command);
    let uri = format!("http://{}/v1", proxy.address);
    let environment = [
        ("OPENAI_BASE_URL", uri.as_str()),
        ("OPENAI_API_KEY", "sk-test"),
        ("OPENAI_MODEL", "parrot"),
    ];
    let server = Server::with(
        &["pipelines/assistant.yaml", "greeting="],
        "log_level: INFO\n",
        &environment,
    );
    serving::run(answers(&server));
    assert!(!server.said().contains("no effect"), "{}", server.said());
    drop(server);
    let made = Server::made(&[], &environment);
    assert!(made.said().contains("a model answers (parrot at http"));
    serving::run(answers(&made));
}
