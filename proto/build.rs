// SPDX-License-Identifier: MPL-2.0

//! Generates the types and the service of tts.proto, without a protoc on the machine.

use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=tts.proto");
    let described = protox::compile(["tts.proto"], ["."])?;
    // For the reflection service of whoever serves it.
    let out = PathBuf::from(env::var("OUT_DIR")?).join("tts.bin");
    fs::write(out, prost::Message::encode_to_vec(&described))?;
    tonic_prost_build::configure()
        // Sound is not copied on its way between the wire and whoever plays it.
        .bytes(".tts.AudioFrame.audio_data")
        .compile_fds(described)?;
    Ok(())
}
