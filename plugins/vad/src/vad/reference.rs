// SPDX-License-Identifier: MPL-2.0
//! The `reference` pad: measures what a foreign mouth plays, and drops it.
//!
//! It is an end of its own: EOS, flushes and gaps that arrive here stay here, and it plays no
//! part in the latency or the caps of the stream that is listened to.

use crate::echo::FarFrame;
use crate::samples;
use crate::segmenter::MS;

/// Levels are reported over this long.
const STEP: u64 = 10 * MS;

/// State of the linked reference stream.
#[derive(Debug, Default)]
pub(super) struct Reference {
    segment: gst::FormattedSegment<gst::ClockTime>,
    info: Option<gst_audio::AudioInfo>,
    next: u64,
    eos: bool,
    scratch: Vec<f32>,
}

impl Reference {
    /// Takes an event; nothing is forwarded. False if it makes no sense.
    pub fn event(&mut self, event: &gst::Event) -> bool {
        match event.view() {
            gst::EventView::Caps(caps) => {
                self.info = gst_audio::AudioInfo::from_caps(caps.caps()).ok();
                return self.info.is_some();
            }
            gst::EventView::Segment(segment) => {
                self.segment = (segment.segment().clone())
                    .downcast()
                    .unwrap_or_else(|_| gst::FormattedSegment::new());
            }
            gst::EventView::StreamStart(_) => self.eos = false,
            gst::EventView::Eos(_) => self.eos = true,
            gst::EventView::FlushStop(_) => {
                self.segment.reset();
                self.eos = false;
                self.next = 0;
            }
            _ => {}
        }
        true
    }

    /// Measures a buffer; its frames go to `report`.
    pub fn buffer(
        &mut self,
        buffer: &gst::Buffer,
        mut report: impl FnMut(FarFrame),
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        if self.eos {
            return Err(gst::FlowError::Eos);
        }
        let Some(info) = &self.info else {
            return Err(gst::FlowError::NotNegotiated);
        };
        let start = buffer
            .pts()
            .and_then(|pts| self.segment.to_running_time(pts))
            .map_or(self.next, |t| t.nseconds());
        let Ok(map) = buffer.map_readable() else {
            return Err(gst::FlowError::Error);
        };
        self.scratch.clear();
        samples::convert(info.format(), &map, &mut self.scratch);
        let (rate, channels) = (u64::from(info.rate()), info.channels() as usize);
        let step = (rate * STEP / (1000 * MS)).max(1) as usize;
        let mut time = start;
        for chunk in self.scratch.chunks(step * channels) {
            let power = chunk.iter().map(|x| f64::from(x * x)).sum::<f64>() / chunk.len() as f64;
            let duration = (chunk.len() / channels) as u64 * 1000 * MS / rate;
            report(FarFrame {
                running_time: time,
                duration,
                rms_db: 10.0 * power.max(1e-20).log10(),
            });
            time += duration;
        }
        self.next = time;
        Ok(gst::FlowSuccess::Ok)
    }
}
