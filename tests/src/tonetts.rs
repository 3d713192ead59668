// SPDX-License-Identifier: MPL-2.0

//! `tonetts`: the tone engine as an element, for tests.
//!
//! Stamped by the same macro as every text-to-audio element, so that what is shown of it holds for
//! them. Each word sounds as a pitch of its own ([`duplex_synthesis::tone`]). The properties
//! `first-delay` and `delay` imitate slow engines, `sample-rate` the rates of others.
//!
//! Call [`register`] after `gst::init()`, as often as you like.

use gst::glib;

glib::wrapper! {
    /// The element.
    pub struct ToneTts(ObjectSubclass<imp::ToneTts>) @extends gst::Element, gst::Object;
}

/// Makes `tonetts` known to this process.
pub fn register() {
    use gst::prelude::StaticType;

    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        gst::Element::register(None, "tonetts", gst::Rank::NONE, ToneTts::static_type())
            .expect("tonetts can be registered");
    });
}

mod imp {
    use std::{
        sync::{Arc, Condvar, Mutex},
        task::{Context, Poll},
        time::{Duration, Instant},
    };

    use duplex_synthesis::{
        AudioHalf, Cancel, Engine, Error, Piece, Request, Utterance, Voice, tone::ToneEngine,
    };
    use gst::{glib, prelude::*};

    duplex_textpad::text_to_audio_element! {
        /// The tone engine as an element.
        pub struct ToneTts for super::ToneTts, speaker ToneSpeaker;
        type_name: "GstDuplexTestsToneTts",
        category: "tonetts",
        long_name: "Tone synthesizer",
        description: "Sounds each word as a pitch of its own",
        author: "The gst-duplex developers",
    }

    #[derive(Clone, Copy, Default)]
    struct Delays {
        first: Duration,
        each: Duration,
        panic: bool,
    }

    #[derive(Default)]
    pub struct ToneSpeaker {
        delays: Arc<Mutex<Delays>>,
        sample_rate: Mutex<Option<u32>>,
    }

    const DEFAULT_SAMPLE_RATE: u32 = 22_050;

    impl duplex_textpad::Speaker for ToneSpeaker {
        fn properties() -> Vec<glib::ParamSpec> {
            vec![
                glib::ParamSpecUInt64::builder("first-delay")
                    .nick("First Delay")
                    .blurb("How long an utterance's first piece takes, in nanoseconds")
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt64::builder("delay")
                    .nick("Delay")
                    .blurb("How long each further piece takes, in nanoseconds")
                    .mutable_playing()
                    .build(),
                glib::ParamSpecUInt::builder("sample-rate")
                    .nick("Sample Rate")
                    .blurb("Native rate in Hz; takes effect in NULL to READY")
                    .minimum(8_000)
                    .maximum(192_000)
                    .default_value(DEFAULT_SAMPLE_RATE)
                    .mutable_ready()
                    .build(),
                glib::ParamSpecBoolean::builder("panic")
                    .nick("Panic")
                    .blurb("The engine panics at its next piece")
                    .mutable_playing()
                    .build(),
            ]
        }

        fn set_property(&self, name: &str, value: &glib::Value) {
            let mut delays = self.delays.lock().unwrap();
            match name {
                "first-delay" => delays.first = Duration::from_nanos(value.get().unwrap()),
                "delay" => delays.each = Duration::from_nanos(value.get().unwrap()),
                "panic" => delays.panic = value.get().unwrap(),
                "sample-rate" => {
                    *self.sample_rate.lock().unwrap() = Some(value.get().unwrap());
                }
                name => unreachable!("no property {name}"),
            }
        }

        fn property(&self, name: &str) -> Option<glib::Value> {
            let delays = *self.delays.lock().unwrap();
            let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap().to_value();
            match name {
                "first-delay" => Some(nanos(delays.first)),
                "delay" => Some(nanos(delays.each)),
                "panic" => Some(delays.panic.to_value()),
                "sample-rate" => self.sample_rate.lock().unwrap().map(|rate| rate.to_value()),
                _ => None,
            }
        }

        fn engine(
            &self,
            _: &duplex_textpad::Settings,
            _: &duplex_textpad::Loading<'_>,
        ) -> Result<Arc<dyn Engine>, Error> {
            let rate = self
                .sample_rate
                .lock()
                .unwrap()
                .unwrap_or(DEFAULT_SAMPLE_RATE);
            Ok(Arc::new(SlowEngine {
                tone: ToneEngine::new(rate),
                delays: self.delays.clone(),
            }))
        }
    }

    /// The tone engine, only as fast as it is told to be.
    struct SlowEngine {
        tone: ToneEngine,
        delays: Arc<Mutex<Delays>>,
    }

    impl Engine for SlowEngine {
        fn name(&self) -> &'static str {
            self.tone.name()
        }

        fn voices(&self) -> Result<Vec<Voice>, Error> {
            self.tone.voices()
        }

        fn prepare(&self, request: &Request) -> Result<(), Error> {
            self.tone.prepare(request)
        }

        fn sample_rate(&self, request: &Request) -> Result<u32, Error> {
            self.tone.sample_rate(request)
        }

        fn open(&self, request: &Request) -> Result<Utterance, Error> {
            let Utterance {
                text,
                audio,
                cancel,
            } = self.tone.open(request)?;
            let cancelled = Arc::new((Mutex::new(false), Condvar::new()));
            let audio = SlowAudio {
                audio,
                delays: self.delays.clone(),
                cancelled: cancelled.clone(),
                first: true,
            };
            let cancel = Cancel::new(move || {
                *cancelled.0.lock().unwrap() = true;
                cancelled.1.notify_all();
                cancel.cancel();
            });
            Ok(Utterance {
                text,
                audio: Box::new(audio),
                cancel,
            })
        }
    }

    struct SlowAudio {
        audio: Box<dyn AudioHalf>,
        delays: Arc<Mutex<Delays>>,
        cancelled: Arc<(Mutex<bool>, Condvar)>,
        first: bool,
    }

    impl AudioHalf for SlowAudio {
        fn sample_rate(&self) -> u32 {
            self.audio.sample_rate()
        }

        fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Piece>, Error>> {
            self.audio.poll_next(context)
        }

        fn next(&mut self) -> Result<Option<Piece>, Error> {
            let piece = self.audio.next()?;
            let delays = *self.delays.lock().unwrap();
            assert!(!delays.panic, "the engine panics as it was told to");
            let first = std::mem::replace(&mut self.first, false);
            let until = Instant::now() + if first { delays.first } else { delays.each };
            let mut cancelled = self.cancelled.0.lock().unwrap();
            while !*cancelled {
                let left = until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(piece);
                }
                cancelled = self.cancelled.1.wait_timeout(cancelled, left).unwrap().0;
            }
            Err(Error::Cancelled)
        }
    }
}
