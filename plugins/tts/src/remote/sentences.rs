// SPDX-License-Identifier: MPL-2.0

//! What went wrong with a worker, in a sentence that names it and says what to do.

use std::{error::Error, io};

use tonic::{Code, Status};

use super::address::Address;

/// Of a connection that could not be made.
pub fn of_connect(address: &Address, error: &dyn Error) -> String {
    let told = causes(error);
    match cause_of(error) {
        Some(io::ErrorKind::ConnectionRefused) => format!(
            "no worker listens at {address}: start one there (duplex-worker --listen {}:{}), or correct uri",
            address.host, address.port
        ),
        Some(io::ErrorKind::TimedOut) => {
            format!("{address} cannot be reached: check the host and what filters the port")
        }
        Some(io::ErrorKind::InvalidData) if address.tls => {
            format!("{address} does not speak TLS as it should ({told}); a plain worker is grpc://")
        }
        _ if told.contains("dns") || told.contains("lookup") => {
            format!("the host of {address} is unknown here: correct uri, or the name service")
        }
        _ if address.tls => {
            format!("{address} cannot be connected to by TLS: {told}; a plain worker is grpc://")
        }
        _ => format!("{address} cannot be connected to: {told}"),
    }
}

/// Of the first call on a connection, by which a worker is known.
pub fn of_greeting(address: &Address, status: &Status) -> String {
    // What hangs up at once may do so before we have read what it speaks instead.
    match cause_of(status) {
        Some(
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::UnexpectedEof
            | io::ErrorKind::NotConnected,
        ) => format!(
            "what listens at {address} does not speak gRPC, or is about to end: it hung up; a worker with TLS is grpcs://"
        ),
        _ => of_status(address, status),
    }
}

/// Of a call that failed.
pub fn of_status(address: &Address, status: &Status) -> String {
    let message = status.message();
    match status.code() {
        Code::Unauthenticated => {
            format!("the worker at {address} does not let us in: {message}; set api-key")
        }
        Code::Unimplemented => {
            format!("what listens at {address} is no tts.TTSService: {message}; correct uri")
        }
        // Of the worker's own words there is none where the connection failed.
        Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal
            if status.source().is_some() =>
        {
            // The connection was lost before, and could not be made again.
            if cause_of(status) == Some(io::ErrorKind::ConnectionRefused) {
                return of_connect(address, status);
            }
            let told = status.source().map(causes).unwrap_or_default();
            if told.contains("keep-alive")
                || told.contains("keepalive")
                || told.contains("timed out")
            {
                return format!(
                    "the worker at {address} no longer answers; restart it, or name another in uri"
                );
            }
            if told.contains("frame") || told.contains("protocol") || told.contains("http2") {
                return format!(
                    "what listens at {address} does not speak gRPC ({told}); a worker with TLS is grpcs://"
                );
            }
            // Of a connection that was given up the calls on it are not told why.
            format!(
                "the worker at {address} is gone or no longer answers ({told}); restart it, or name another in uri"
            )
        }
        Code::Unavailable | Code::ResourceExhausted => {
            format!("the worker at {address} has no room: {message}")
        }
        code => format!("the worker at {address} says {code:?}: {message}"),
    }
}

/// An error with what caused it.
fn causes(error: &dyn Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !told.contains(&part) {
            told = format!("{told}: {part}");
        }
        cause = error.source();
    }
    told
}

/// The kind of the I/O error at the bottom.
fn cause_of(error: &dyn Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}
