// SPDX-License-Identifier: MPL-2.0

//! What is said is nobody's who reads the log.

use std::time::Duration;

use duplex_tests::plugins;
use duplex_tests::serving::{Server, run};
use duplex_tests::spoken;
use duplex_tests::watchdog::Watchdog;
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;

/// A word of the caller's and of the answers, which no program has for anything else.
const MARKER: &str = "rhinoceros";
const RATE: u32 = 16_000;
/// All that our own elements can tell.
const OURS: &str = "*:4,vad*:9,ttssink*:9,ttsplayout:9,espeaktts:9,sphinxasr:9,chat*:9";

/// A caller says the marker, has it repeated and interrupts that: at the most that `-v` and our own categories show,
/// the log has nothing of it.
#[test]
fn no_level_of_ours_shows_what_is_said() {
    let _watchdog = Watchdog::new("logs", Duration::from_secs(240));
    let folder = plugins::temporary("logs").unwrap();
    let description = folder.join("it.yaml");
    std::fs::write(
        &description,
        format!(
            "elements:
  ears: {{ factory: vadsrc, audio-source: caller.audio, min-silence-duration: 300ms }}
  asr: {{ factory: sphinxasr, backchannels: \"\", grammar: \"{MARKER} come over here\" }}
  chat: {{ factory: chateliza }}
  mouth: {{ factory: ttssink, synthesizer: espeaktts, interrupted-by: ears, audio-sink: caller.audio }}
links: [ ears -> asr -> chat -> mouth ]
"
        ),
    )
    .unwrap();
    let description = description.to_str().unwrap();
    let caller = spoken::caller(&[(0.5, format!("{MARKER} come over here"))], RATE).unwrap();
    let phrase = (caller.phrases[0].1 + 1.5) * f64::from(RATE);
    let sound = &caller.samples[..phrase as usize];
    for (words, environment) in [
        (vec!["-vvv", description], None),
        (vec!["-vvvv", description], None),
        (vec![description], Some(("GST_DEBUG", OURS))),
    ] {
        let environment: Vec<_> = environment.into_iter().collect();
        let server = Server::with(&words, "log_level: DEBUG\n", &environment);
        run(converse(&server, sound));
        let said = server.said().to_lowercase();
        // It is the debugging of our elements that is looked through.
        for category in ["sphinxasr", "chateliza", "ttssink", "ttsplayout", "vad"] {
            let here = said.lines().any(|line| {
                line.contains(category) && (line.contains("debug") || line.contains("trace"))
            });
            assert!(here, "{words:?}: nothing of {category}");
        }
        let shown: Vec<&str> = said.lines().filter(|line| line.contains(MARKER)).collect();
        assert!(shown.is_empty(), "{words:?}: {shown:#?}");
    }
    std::fs::remove_dir_all(folder).unwrap();
}

async fn converse(server: &Server, sound: &[f32]) {
    let marked = |text: &Value| {
        let text = text.as_str().unwrap_or_default();
        text.to_lowercase().contains(MARKER)
    };
    let mut client = server.configured(RATE).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(20));
    for frame in sound.chunks_exact(RATE as usize / 50) {
        ticks.tick().await;
        let pcm = frame.iter().map(|s| (s * 32_767.0) as i16);
        let pcm: Vec<u8> = pcm.flat_map(i16::to_le_bytes).collect();
        client.raw(Message::binary(pcm)).await;
    }
    loop {
        let told = client.until("transcript").await;
        if told["final"] == true && marked(&told["text"]) {
            break;
        }
    }
    let typed = format!("repeat after me the {MARKER} of the north has one long horn and is grey");
    client.text(&typed).await;
    while !marked(&client.until("word").await["text"]) {}
    client.text("help").await;
    client.until("clear").await;
    let told = client.until("utterance").await;
    assert_eq!(told["state"], "interrupted", "{told}");
    assert!(marked(&told["heard"]) || marked(&told["unheard"]), "{told}");
}
