// SPDX-License-Identifier: MPL-2.0

//! HTTP/2 by hand, as much as gRPC needs, so that a test decides on each byte and sees the order of what comes.

use std::{
    collections::HashMap,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use duplex_tests::worker::PATIENCE;

pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A frame with any values in it.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// What a client begins with: as much may be sent to it as it can count.
pub fn greeting() -> Vec<u8> {
    let mut bytes = PREFACE.to_vec();
    // INITIAL_WINDOW_SIZE
    let window = [0, 4, 0x7f, 0xff, 0xff, 0xff];
    bytes.extend(frame(SETTINGS, 0, 0, &window));
    bytes.extend(frame(WINDOW_UPDATE, 0, 0, &0x7fff_0000_u32.to_be_bytes()));
    bytes
}

/// Headers of a gRPC call, none of them compressed.
pub fn headers(stream: u32, path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "worker"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ] {
        block.extend([0, name.len() as u8]);
        block.extend(name.as_bytes());
        block.push(value.len() as u8);
        block.extend(value.as_bytes());
    }
    frame(HEADERS, END_HEADERS, stream, &block)
}

/// A message as gRPC frames it.
pub fn message(bytes: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend((bytes.len() as u32).to_be_bytes());
    framed.extend(bytes);
    framed
}

/// A whole call with one message.
pub fn call(stream: u32, path: &str, request: &impl prost::Message, ends: bool) -> Vec<u8> {
    let mut bytes = headers(stream, path);
    let flags = if ends { END_STREAM } else { 0 };
    bytes.extend(frame(
        DATA,
        flags,
        stream,
        &message(&request.encode_to_vec()),
    ));
    bytes
}

/// A connection of this kind.
pub struct Raw {
    pub socket: TcpStream,
    /// Of each stream what is no whole message yet.
    parts: HashMap<u32, Vec<u8>>,
}

/// What comes.
#[derive(Debug)]
pub enum Came {
    /// A message of a call.
    Message(u32, Vec<u8>),
    /// The end of a call.
    End(u32),
    /// Nothing within the time.
    Nothing,
}

impl Raw {
    pub fn new(address: SocketAddr) -> Self {
        let socket = TcpStream::connect(address).expect("a connection");
        socket.set_nodelay(true).unwrap();
        Self {
            socket,
            parts: HashMap::new(),
        }
    }

    /// Sends; whether the other side still took it.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.socket.set_write_timeout(Some(PATIENCE)).unwrap();
        self.socket.write_all(bytes).is_ok()
    }

    fn read(&mut self) -> io::Result<(u8, u8, u32, Vec<u8>)> {
        let mut head = [0; 9];
        self.socket.read_exact(&mut head[..1])?;
        // What has begun goes on.
        self.socket.set_read_timeout(Some(PATIENCE))?;
        self.socket.read_exact(&mut head[1..])?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.socket.read_exact(&mut payload)?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Ok((head[3], head[4], stream, payload))
    }

    /// What comes next, in the order in which it came; answers what a peer has to answer.
    pub fn next(&mut self, within: Duration) -> Vec<Came> {
        self.socket.set_read_timeout(Some(within)).unwrap();
        let (kind, flags, stream, payload) = match self.read() {
            Ok(frame) => frame,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return vec![Came::Nothing],
            Err(error) => panic!("the connection ended: {error}"),
        };
        let mut came = Vec::new();
        match kind {
            SETTINGS | PING if flags & ACK == 0 => {
                let payload = if kind == PING { &payload[..] } else { &[] };
                self.send(&frame(kind, ACK, 0, payload));
            }
            GOAWAY => panic!("the worker hangs up: {payload:?}"),
            DATA => {
                let part = self.parts.entry(stream).or_default();
                part.extend(payload);
                while part.len() >= 5 {
                    let length = u32::from_be_bytes([part[1], part[2], part[3], part[4]]) as usize;
                    if part.len() < 5 + length {
                        break;
                    }
                    came.push(Came::Message(stream, part[5..5 + length].to_vec()));
                    part.drain(..5 + length);
                }
            }
            _ => (),
        }
        let ended =
            kind == RST_STREAM || [DATA, HEADERS].contains(&kind) && flags & END_STREAM != 0;
        if ended {
            came.push(Came::End(stream));
        }
        came
    }
}
