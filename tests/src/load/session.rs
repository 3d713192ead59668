// SPDX-License-Identifier: MPL-2.0

//! One session that listens to a long text in real time.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use duplex_proto::{TextChunk, tts_service_client::TtsServiceClient};
use tonic::transport::Channel;

use super::{Load, Reader, open, text_of};
use crate::measure::ms;

pub struct Session {
    pub load: Arc<Load>,
    pub client: TtsServiceClient<Channel>,
    pub number: usize,
    pub start: Instant,
    pub counting: Instant,
    pub end: Instant,
}

#[derive(Default)]
pub struct Seen {
    pub late: Vec<f64>,
    pub lost: u64,
    pub sound: f64,
}

impl Session {
    pub async fn run(mut self) -> Result<Seen> {
        tokio::time::sleep_until(self.start.into()).await;
        let id = format!("load-{}", self.number);
        open(&mut self.client, &id, &self.load.model).await?;
        let text = text_of(self.end + Duration::from_secs(2) - self.start);
        let chunk = TextChunk {
            session_id: id,
            text,
            is_final: true,
            sequence_number: 1,
            piece_ms: match self.load.reader {
                Reader::Old => 0,
                Reader::Pieces(ms) => ms as i32,
            },
            ..TextChunk::default()
        };
        let mut frames = self
            .client
            .synthesize(tokio_stream::once(chunk))
            .await?
            .into_inner();
        let slow = self.load.slow > 0 && self.number.is_multiple_of(self.load.slow);
        let mut seen = Seen::default();
        let mut first = None;
        // Sound before the frame at hand, in ms: when it is due for playout.
        let mut before = 0.0;
        let mut numbered = 0;
        while let Some(frame) = frames.message().await? {
            let now = Instant::now();
            if now >= self.end {
                return Ok(seen);
            }
            let lost = frame.sequence_number - numbered - 1;
            numbered = frame.sequence_number;
            let first = *first.get_or_insert(now);
            let length = frame.audio_data.len() as f64 / 2.0 / f64::from(frame.sample_rate) * 1e3;
            if now >= self.counting {
                seen.lost += u64::try_from(lost).unwrap_or(0);
                seen.sound += length / 1e3;
                if !slow {
                    seen.late.push((ms(now - first) - before).max(0.0));
                }
            }
            before += length;
            if slow {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
        bail!("its sound ended too early")
    }
}
