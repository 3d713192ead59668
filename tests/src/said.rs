// SPDX-License-Identifier: MPL-2.0

//! What a child process says.

use std::{
    io::Read,
    sync::{Arc, Mutex},
    thread,
};

/// Keeps what is said, as it is said, on a thread that ends with the child.
pub fn keep(mut from: impl Read + Send + 'static, to: Arc<Mutex<String>>) {
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = from.read(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..count]);
            to.lock().unwrap().push_str(&text);
        }
    });
}
