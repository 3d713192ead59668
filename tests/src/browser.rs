// SPDX-License-Identifier: MPL-2.0

//! A headless Chromium with a microphone that plays a recording, driven over its DevTools protocol.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

use crate::plugins;

/// One browser with one page; it ends when this is dropped.
pub struct Browser {
    child: Child,
    folder: PathBuf,
    socket: WebSocket<TcpStream>,
    asked: u64,
}

impl Browser {
    /// Starts it on this address. `microphone` is a WAV file that is played once and then is silence (`None`: a beep each
    /// second); `more` are further arguments. An error says which package is missing.
    pub fn open(url: &str, microphone: Option<&Path>, more: &[&str]) -> Result<Self> {
        let folder = plugins::temporary("browser")?;
        let mut command = Command::new("chromium");
        command
            // As root, and in containers without user namespaces.
            .args([
                "--headless=new",
                "--no-sandbox",
                "--disable-gpu",
                "--mute-audio=false",
            ])
            .args([
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
            ])
            .args([
                "--disable-sync",
                "--disable-extensions",
                "--disable-quic",
                "--disable-dev-shm-usage",
            ])
            .args([
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
            ])
            .arg("--autoplay-policy=no-user-gesture-required")
            .arg("--remote-debugging-port=0")
            .arg(format!("--user-data-dir={}", folder.display()))
            .args(more)
            .arg("about:blank")
            .env("HOME", &folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("log"))?);
        if let Some(wav) = microphone {
            command.arg(format!(
                "--use-file-for-fake-audio-capture={}%noloop",
                wav.display()
            ));
        }
        let child = command
            .spawn()
            .context("chromium does not start: apt-get install chromium")?;
        // The rest may fail, and the child is to go with it.
        let mut guard = Guard(Some((child, folder.clone())));
        let address = address(&folder)?;
        let stream = TcpStream::connect(address.0.as_str())?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let (socket, _) = tungstenite::client(format!("ws://{}{}", address.0, address.1), stream)
            .map_err(|error| anyhow!("chromium's DevTools: {error}"))?;
        let (child, folder) = guard.0.take().expect("it is there");
        let mut browser = Self {
            child,
            folder,
            socket,
            asked: 0,
        };
        browser.attach()?;
        browser.call("Page.enable", json!({}))?;
        browser.call("Page.navigate", json!({ "url": url }))?;
        browser.until(
            "the page is loaded",
            Duration::from_secs(30),
            "document.readyState === 'complete'",
        )?;
        Ok(browser)
    }

    /// From the browser's own end of DevTools to that of its one page.
    fn attach(&mut self) -> Result<()> {
        let targets = self.call("Target.getTargets", json!({}))?;
        let infos = targets["targetInfos"].as_array().context("no targets")?;
        let page = infos
            .iter()
            .find(|info| info["type"] == "page")
            .context("no page")?;
        let id = page["targetId"].as_str().context("no id")?;
        let (host, _) = address(&self.folder)?;
        let stream = TcpStream::connect(host.as_str())?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let (socket, _) = tungstenite::client(format!("ws://{host}/devtools/page/{id}"), stream)
            .map_err(|error| anyhow!("the page's DevTools: {error}"))?;
        self.socket = socket;
        Ok(())
    }

    /// One command of the protocol, and its result.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value> {
        self.asked += 1;
        let id = self.asked;
        let text = json!({ "id": id, "method": method, "params": params }).to_string();
        self.socket.send(Message::text(text))?;
        loop {
            let message = self
                .socket
                .read()
                .with_context(|| format!("{method}: {}", self.log()))?;
            let Message::Text(text) = message else {
                continue;
            };
            let mut told: Value = serde_json::from_str(&text)?;
            if told["id"] != id {
                continue;
            }
            if !told["error"].is_null() {
                bail!("{method}: {}", told["error"]);
            }
            return Ok(told["result"].take());
        }
    }

    /// The value of an expression in the page; promises are awaited.
    pub fn evaluate(&mut self, expression: &str) -> Result<Value> {
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true });
        let mut told = self.call("Runtime.evaluate", params)?;
        if !told["exceptionDetails"].is_null() {
            bail!(
                "{expression}: {}",
                told["exceptionDetails"]["exception"]["description"]
            );
        }
        Ok(told["result"]["value"].take())
    }

    /// Waits until an expression is true; `what` says in an error what did not come.
    pub fn until(&mut self, what: &str, limit: Duration, expression: &str) -> Result<()> {
        let end = Instant::now() + limit;
        loop {
            if self.evaluate(expression)? == Value::Bool(true) {
                return Ok(());
            }
            if Instant::now() > end {
                bail!(
                    "not within {limit:?}: {what} ({expression})\n{}",
                    self.text()?
                );
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// What the page shows, as text.
    pub fn text(&mut self) -> Result<String> {
        let text = self.evaluate("document.body.innerText")?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// A picture of the page, as PNG.
    pub fn screenshot(&mut self, path: &Path) -> Result<()> {
        let told = self.call("Page.captureScreenshot", json!({ "format": "png" }))?;
        let data = told["data"].as_str().context("no picture")?;
        let decoded = Command::new("base64")
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(fs::File::create(path)?)
            .spawn();
        let mut decoder = decoded.context("base64 of coreutils")?;
        std::io::Write::write_all(decoder.stdin.as_mut().context("a pipe")?, data.as_bytes())?;
        decoder.stdin.take();
        if !decoder.wait()?.success() {
            bail!("the picture is no base64");
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

/// Where DevTools listens: host and port, and the path of the browser's own end.
fn address(folder: &Path) -> Result<(String, String)> {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        // Chromium writes it when it listens.
        let told = fs::read_to_string(folder.join("DevToolsActivePort")).unwrap_or_default();
        if let Some((port, path)) = told.split_once('\n').filter(|(_, path)| !path.is_empty()) {
            return Ok((format!("127.0.0.1:{port}"), path.trim().to_owned()));
        }
        if Instant::now() > end {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            bail!("chromium does not listen: {log}");
        }
        thread::sleep(Duration::from_millis(30));
    }
}

/// Ends a child that nobody took over.
struct Guard(Option<(Child, PathBuf)>);

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some((mut child, folder)) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
            let _ = fs::remove_dir_all(folder);
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.call("Browser.close", json!({}));
        let end = Instant::now() + Duration::from_secs(3);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
