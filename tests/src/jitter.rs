// SPDX-License-Identifier: MPL-2.0

//! A network that is not even, between a client and a server on this machine: what goes through it over TCP is late by a random time.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::random::Random;

/// The network; it ends with the value.
pub struct Jitter {
    runtime: Option<Runtime>,
    delays: Delays,
}

/// From none to so much.
#[derive(Clone)]
struct Delays {
    random: Arc<Mutex<Random>>,
    most: Duration,
}

impl Delays {
    fn next(&self) -> Duration {
        self.most.mul_f64(self.random.lock().unwrap().unit())
    }
}

impl Jitter {
    /// Nothing is later than `most`.
    pub fn new(seed: u64, most: Duration) -> Jitter {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let random = Arc::new(Mutex::new(Random::new(seed)));
        Jitter {
            runtime: Some(runtime),
            delays: Delays { random, most },
        }
    }

    fn runtime(&self) -> &Runtime {
        self.runtime.as_ref().expect("until it is dropped")
    }

    /// An address that leads to a TCP server. What is read at once is late by one time; the order is kept.
    pub fn tcp(&self, to: SocketAddr) -> SocketAddr {
        let delays = self.delays.clone();
        self.runtime().block_on(async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = listener.local_addr().expect("its own address");
            tokio::spawn(async move {
                while let Ok((client, _)) = listener.accept().await {
                    let Ok(server) = TcpStream::connect(to).await else {
                        continue;
                    };
                    for socket in [&client, &server] {
                        let _ = socket.set_nodelay(true);
                    }
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::spawn(carry(from_client, to_server, delays.clone()));
                    tokio::spawn(carry(from_server, to_client, delays.clone()));
                }
            });
            address
        })
    }
}

impl Drop for Jitter {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delays: Delays) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let writing = tokio::spawn(async move {
        while let Some((due, bytes)) = receiver.recv().await {
            tokio::time::sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let due = Instant::now() + delays.next();
        if sender.send((due, bytes[..count].to_vec())).is_err() {
            break;
        }
    }
    drop(sender);
    let _ = writing.await;
}
