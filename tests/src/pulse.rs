// SPDX-License-Identifier: MPL-2.0

//! A sound server of our own: a loudspeaker that can be recorded and a microphone that can be fed.
//!
//! PulseAudio on a socket in a temporary folder, as root too, with nothing of the machine's own
//! devices. Elements reach it by `pulsesink server=…` and `pulsesrc server=…`, programs by the
//! environment variable `PULSE_SERVER`.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::plugins;

/// A running server; it ends when this is dropped.
pub struct Pulse {
    server: Child,
    folder: PathBuf,
}

impl Pulse {
    /// The sink that plays to nobody, and its monitor `loudspeaker.monitor`.
    pub const LOUDSPEAKER: &str = "loudspeaker";
    /// The source that hears what is played to [`Pulse::MICROPHONE_FEED`].
    pub const MICROPHONE: &str = "microphone";
    /// The sink that feeds the microphone.
    pub const MICROPHONE_FEED: &str = "microphone_feed";

    /// Starts a server. An error says which package is missing.
    pub fn start() -> Result<Self> {
        Self::with_devices(true)
    }

    /// Starts a server, with or without any device.
    pub fn with_devices(devices: bool) -> Result<Self> {
        let folder = plugins::temporary("pulse")?;
        let mut command = Command::new("pulseaudio");
        command
            .args([
                "-n",
                "--daemonize=no",
                "--use-pid-file=no",
                "--exit-idle-time=-1",
            ])
            .args(["--high-priority=no", "--realtime=no", "--disable-shm=yes"])
            .args(["--log-level=error", "--disallow-exit=yes"])
            .env("HOME", &folder)
            .env("XDG_RUNTIME_DIR", &folder)
            .env("XDG_CONFIG_HOME", &folder)
            .env("PULSE_RUNTIME_PATH", folder.join("runtime"))
            .env("PULSE_STATE_PATH", folder.join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut load = |module: String| {
            command.arg("-L").arg(module);
        };
        load(format!(
            "module-native-protocol-unix auth-anonymous=1 socket={}",
            folder.join("socket").display()
        ));
        if devices {
            let sink = |name| format!("module-null-sink sink_name={name} rate=48000 channels=2");
            load(sink(Self::LOUDSPEAKER));
            load(sink(Self::MICROPHONE_FEED));
            load(format!(
                "module-remap-source source_name={} master={}.monitor",
                Self::MICROPHONE,
                Self::MICROPHONE_FEED
            ));
        }
        let server = command
            .spawn()
            .context("pulseaudio does not start: apt-get install pulseaudio")?;
        let mut pulse = Self { server, folder };
        pulse.wait(devices)?;
        Ok(pulse)
    }

    fn wait(&mut self, devices: bool) -> Result<()> {
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if let Some(status) = self.server.try_wait()? {
                bail!("pulseaudio ended at once: {status}");
            }
            let listed = self.control(&["list", "short", "sources"]);
            if listed.is_ok_and(|list| !devices || list.contains(Self::MICROPHONE)) {
                if devices {
                    self.control(&["set-default-sink", Self::LOUDSPEAKER])?;
                    self.control(&["set-default-source", Self::MICROPHONE])?;
                }
                return Ok(());
            }
            thread::sleep(Duration::from_millis(30));
        }
        bail!("pulseaudio was not ready within 20 s")
    }

    /// What `server=` of the elements and `PULSE_SERVER` of programs take.
    pub fn address(&self) -> String {
        format!("unix:{}", self.folder.join("socket").display())
    }

    /// Runs pactl on this server and gives what it printed.
    pub fn control(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("pactl")
            .args(arguments)
            .env("PULSE_SERVER", self.address())
            .env("HOME", &self.folder)
            .output()
            .context("pactl does not start: apt-get install pulseaudio-utils")?;
        if !output.status.success() {
            bail!("pactl {arguments:?}: {}", plugins::told(&output));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Lets a command use this server.
    pub fn environment(&self, command: &mut Command) {
        command
            .env("PULSE_SERVER", self.address())
            .env("HOME", &self.folder);
    }

    /// A gst-launch description of the loudspeaker: `pulsesink …`.
    pub fn loudspeaker(&self) -> String {
        format!(
            "pulsesink server={} device={}",
            self.address(),
            Self::LOUDSPEAKER
        )
    }

    /// A gst-launch description of what the loudspeaker plays, in pieces of 10 ms.
    pub fn monitor(&self) -> String {
        format!(
            "pulsesrc server={} device={}.monitor buffer-time=40000 latency-time=10000",
            self.address(),
            Self::LOUDSPEAKER
        )
    }

    /// A gst-launch description of the microphone.
    pub fn microphone(&self) -> String {
        format!(
            "pulsesrc server={} device={}",
            self.address(),
            Self::MICROPHONE
        )
    }

    /// A gst-launch description of a sink that speaks into the microphone.
    pub fn microphone_feed(&self) -> String {
        format!(
            "pulsesink server={} device={}",
            self.address(),
            Self::MICROPHONE_FEED
        )
    }

    /// The folder of this server.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Pulse {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal;

    #[test]
    fn what_is_played_can_be_recorded() {
        let pulse = Pulse::start().unwrap();
        let wav = pulse.folder().join("monitor.wav");
        let record = format!(
            "{} num-buffers=150 ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! wavenc ! filesink location={}",
            pulse.monitor(),
            wav.display()
        );
        let mut recorder = plugins::command("gst-launch-1.0")
            .args(["-q"])
            .args(record.split(' '))
            .spawn()
            .unwrap();
        let play = format!(
            "audiotestsrc num-buffers=20 samplesperbuffer=1024 ! audio/x-raw,rate=48000 ! {}",
            pulse.loudspeaker()
        );
        plugins::succeeds(
            plugins::command("gst-launch-1.0")
                .args(["-q"])
                .args(play.split(' ')),
        );
        assert!(recorder.wait().unwrap().success());
        let (heard, rate) = signal::read_wav(&wav).unwrap();
        let first = signal::first_audible(&heard, rate, -50.0).expect("the tone is heard");
        let last = signal::last_audible(&heard, rate, -50.0).unwrap();
        let length = (last - first) as f64 / f64::from(rate);
        assert!((0.3..0.6).contains(&length), "{length} s");
        let sources = pulse.control(&["list", "short", "sources"]).unwrap();
        assert!(sources.contains(Pulse::MICROPHONE), "{sources}");
    }
}
