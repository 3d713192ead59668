// SPDX-License-Identifier: MPL-2.0

//! The fields from 100 up, on the wire: credit, long frames, other rates, word marks, and an utterance
//! that is taken up again at a word.

use std::time::Duration;

use duplex_proto::{
    AudioFrame, ControlCommand, ControlRequest, StartSessionRequest, TextChunk,
    tts_service_client::TtsServiceClient,
};
use duplex_tests::{watchdog::Watchdog, worker::Worker};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Streaming, transport::Channel};

const TEXT: &str = "alpha bravo charlie delta echo";
/// 60 ms and 20 for each letter: the words of [`TEXT`] in ms.
const LENGTHS: [i64; 5] = [160, 160, 200, 160, 140];

type Client = TtsServiceClient<Channel>;

async fn session(client: &mut Client, id: &str) {
    let request = StartSessionRequest {
        session_id: id.into(),
        model_id: "tone".into(),
        ..Default::default()
    };
    let answer = client.start_session(request).await.unwrap().into_inner();
    assert!(answer.success, "{}", answer.message);
    assert_eq!((answer.protocol, answer.sample_rate), (1, 48_000));
}

/// A call whose text may go on.
async fn call(
    client: &mut Client,
    first: TextChunk,
) -> (mpsc::UnboundedSender<TextChunk>, Streaming<AudioFrame>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    sender.send(first).unwrap();
    let answer = client.synthesize(UnboundedReceiverStream::new(receiver));
    (sender, answer.await.unwrap().into_inner())
}

/// What comes until nothing has come for so long, or until the end.
async fn come(frames: &mut Streaming<AudioFrame>, patience: Duration) -> Vec<AudioFrame> {
    let mut seen = Vec::new();
    while let Ok(Ok(Some(frame))) = tokio::time::timeout(patience, frames.message()).await {
        seen.push(frame);
    }
    seen
}

async fn whole(client: &mut Client, first: TextChunk) -> Vec<AudioFrame> {
    let (_open, mut frames) = call(client, first).await;
    let mut seen = Vec::new();
    while let Some(frame) = frames.message().await.unwrap() {
        seen.push(frame);
    }
    assert!(seen.last().unwrap().is_final);
    seen
}

fn chunk(session: &str, text: &str) -> TextChunk {
    TextChunk {
        session_id: session.into(),
        text: text.into(),
        is_final: true,
        ..Default::default()
    }
}

fn sound(frames: &[AudioFrame]) -> Vec<u8> {
    frames
        .iter()
        .flat_map(|frame| frame.audio_data.to_vec())
        .collect()
}

fn ms(frames: &[AudioFrame], rate: usize) -> usize {
    sound(frames).len() / 2 * 1000 / rate
}

#[test]
fn what_was_granted_comes_and_no_more() {
    let _watchdog = Watchdog::new("credit", Duration::from_secs(60));
    let worker = Worker::start();
    worker.ask(async |mut client| {
        session(&mut client, "credit").await;
        let patience = Duration::from_millis(300);
        let first = TextChunk {
            credit_ms: Some(0),
            ..chunk("credit", TEXT)
        };
        let (more, mut frames) = call(&mut client, first).await;
        assert_eq!(come(&mut frames, patience).await, [], "nothing was granted");
        let grant = |ms| TextChunk {
            credit_ms: Some(ms),
            ..Default::default()
        };
        for (granted, expected) in [(100, 100), (30, 20), (10, 20)] {
            more.send(grant(granted)).unwrap();
            let seen = come(&mut frames, patience).await;
            assert_eq!(ms(&seen, 48_000), expected, "of {granted} ms");
        }
        more.send(grant(60_000)).unwrap();
        let rest = come(&mut frames, patience).await;
        assert!(rest.last().unwrap().is_final);
        let all: i64 = LENGTHS.iter().sum();
        assert_eq!(ms(&rest, 48_000) as i64, all - 140);
    });
}

#[test]
fn frames_are_as_long_and_of_the_rate_that_was_asked_for() {
    let _watchdog = Watchdog::new("shapes", Duration::from_secs(60));
    let worker = Worker::start();
    worker.ask(async |mut client| {
        session(&mut client, "shapes").await;
        let reference = whole(
            &mut client,
            TextChunk {
                credit_ms: Some(60_000),
                ..chunk("shapes", TEXT)
            },
        )
        .await;
        for rate in [8_000_usize, 22_050, 24_000, 48_000] {
            let frames = whole(
                &mut client,
                TextChunk {
                    credit_ms: Some(60_000),
                    piece_ms: 100,
                    sample_rate: rate as i32,
                    ..chunk("shapes", TEXT)
                },
            )
            .await;
            assert!(frames.iter().all(|frame| frame.sample_rate == rate as i32));
            assert!(frames.iter().all(|frame| frame.frame_duration_ms <= 100));
            assert!(
                frames.len() < reference.len() / 3,
                "{} frames",
                frames.len()
            );
            let all: i64 = LENGTHS.iter().sum();
            assert!((ms(&frames, rate) as i64 - all).abs() <= 1, "{rate} Hz");
            // Words lie where they lie at any rate, and in the frame in which they begin.
            let mut at = 0;
            let mut words = Vec::new();
            for frame in &frames {
                let end = frame.position + frame.audio_data.len() as i64 / 2;
                for word in &frame.words {
                    assert!(
                        (frame.position..end.max(1)).contains(&word.start),
                        "{word:?}"
                    );
                    assert_eq!(word.start * 1000 / rate as i64, at);
                    assert_eq!(word.samples * 1000 / rate as i64, LENGTHS[words.len()]);
                    assert!(!word.estimated);
                    assert_eq!(
                        &TEXT[word.text_start as usize..word.text_end as usize],
                        word.text
                    );
                    at += LENGTHS[words.len()];
                    words.push(word.text.clone());
                }
            }
            assert_eq!(words.join(" "), TEXT);
            if rate == 48_000 {
                assert_eq!(sound(&frames), sound(&reference));
            }
        }
        for (piece_ms, sample_rate, part) in [
            (30, 0, "piece_ms 30 is no multiple of 20"),
            (220, 0, "piece_ms 220"),
            (-20, 0, "piece_ms -20"),
            (0, 96_000, "sample_rate 96000 is none of 8000"),
            (0, 22_051, "sample_rate 22051"),
        ] {
            let odd = TextChunk {
                piece_ms,
                sample_rate,
                ..chunk("shapes", TEXT)
            };
            let refused = client
                .synthesize(tokio_stream::once(odd))
                .await
                .unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument);
            assert!(refused.message().contains(part), "{refused}");
        }
    });
}

#[test]
fn an_utterance_is_taken_up_again_at_a_word() {
    let _watchdog = Watchdog::new("resume", Duration::from_secs(60));
    let worker = Worker::start();
    worker.ask(async |mut client| {
        session(&mut client, "resume").await;
        let from = |word| TextChunk {
            credit_ms: Some(60_000),
            resume_from_word: Some(word),
            ..chunk("resume", TEXT)
        };
        let all = whole(&mut client, from(0)).await;
        let rest = whole(&mut client, from(2)).await;
        let words: Vec<_> = rest
            .iter()
            .flat_map(|frame| &frame.words)
            .map(|word| (word.text.as_str(), word.index, word.start))
            .collect();
        assert_eq!(
            words,
            [("charlie", 2, 0), ("delta", 3, 9_600), ("echo", 4, 17_280)]
        );
        let said = (LENGTHS[0] + LENGTHS[1]) as usize * 48 * 2;
        assert_eq!(sound(&rest), sound(&all)[said..]);
        let behind = whole(&mut client, from(9)).await;
        assert_eq!((behind.len(), ms(&behind, 48_000)), (1, 0));
        let refused = client.synthesize(tokio_stream::once(from(-1))).await;
        assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
    });
}

#[test]
fn control_may_name_the_utterance_that_it_means() {
    let _watchdog = Watchdog::new("named control", Duration::from_secs(60));
    let worker = Worker::start();
    worker.ask(async |mut client| {
        session(&mut client, "named").await;
        let open = |utterance: &str| TextChunk {
            utterance_id: utterance.into(),
            credit_ms: Some(60),
            ..chunk("named", TEXT)
        };
        let (_a, mut first) = call(&mut client, open("a")).await;
        let (b, mut second) = call(&mut client, open("b")).await;
        assert_eq!(first.message().await.unwrap().unwrap().utterance_id, "a");
        assert_eq!(second.message().await.unwrap().unwrap().utterance_id, "b");
        let stop = |utterance: &str| ControlRequest {
            session_id: "named".into(),
            command: ControlCommand::Stop.into(),
            utterance_id: utterance.into(),
        };
        let other = client.control(stop("c")).await.unwrap().into_inner();
        assert!(
            !other.success && other.message.contains("utterance c"),
            "{other:?}"
        );
        assert!(
            client
                .control(stop("a"))
                .await
                .unwrap()
                .into_inner()
                .success
        );
        let patience = Duration::from_secs(5);
        let stopped = come(&mut first, patience).await;
        assert!(stopped.last().unwrap().is_final);
        assert!(ms(&stopped, 48_000) <= 60);
        b.send(TextChunk {
            credit_ms: Some(60_000),
            ..Default::default()
        })
        .unwrap();
        let spoken = come(&mut second, patience).await;
        let all: i64 = LENGTHS.iter().sum();
        assert_eq!(ms(&spoken, 48_000) as i64, all - 20, "b went on");
    });
}
