// SPDX-License-Identifier: MPL-2.0

//! coturn, in a process of its own: a TURN server on this machine, on ports of this test's own.

use std::{
    fs,
    net::{SocketAddr, UdpSocket},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::plugins;

/// Who may use it.
pub const USER: &str = "caller";
/// By what.
pub const PASSWORD: &str = "relayed";

/// The server; it ends with the value.
pub struct Turn {
    child: Child,
    folder: PathBuf,
    /// Where it listens, by UDP and TCP.
    pub address: SocketAddr,
}

impl Turn {
    /// Starts it on the address by which this machine calls others: browsers look for no ways from the loopback. An error
    /// says which package is missing.
    pub fn start() -> Result<Self> {
        let ip = plugins::own_address();
        let address = UdpSocket::bind((ip, 0))?.local_addr()?;
        let folder = plugins::temporary("turn")?;
        let ip = ip.to_string();
        let child = Command::new("turnserver")
            // The machine's own configuration and data are not ours.
            .args(["-n", "--no-cli", "--no-tls", "--no-dtls", "--lt-cred-mech"])
            .args(["--realm", "duplex", "--user", &format!("{USER}:{PASSWORD}")])
            .args(["--listening-ip", &ip, "--relay-ip", &ip])
            .args(["--listening-port", &address.port().to_string()])
            .args(["--min-port", "42200", "--max-port", "42399"])
            .args(["--log-file", "stdout", "--simple-log"])
            .arg("--userdb")
            .arg(folder.join("users"))
            .arg("--pidfile")
            .arg(folder.join("pid"))
            .stdin(Stdio::null())
            .stdout(fs::File::create(folder.join("log"))?)
            .stderr(Stdio::null())
            .spawn()
            .context("coturn does not start: apt-get install --no-install-recommends coturn")?;
        let mut turn = Self {
            child,
            folder,
            address,
        };
        turn.answers()?;
        Ok(turn)
    }

    /// Waits until it answers a binding request.
    fn answers(&mut self) -> Result<()> {
        let socket = UdpSocket::bind((self.address.ip(), 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        let mut request = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        request.extend([7; 12]);
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            // Refused where nothing listens yet.
            let _ = socket.send_to(&request, self.address);
            if socket.recv_from(&mut [0; 1500]).is_ok() {
                return Ok(());
            }
            if Instant::now() > end || self.child.try_wait()?.is_some() {
                bail!("coturn does not answer: {}", self.log());
            }
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// As the configuration of a server names it.
    pub fn url(&self) -> String {
        format!("turn://{USER}:{PASSWORD}@{}", self.address)
    }

    /// What it has told.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
