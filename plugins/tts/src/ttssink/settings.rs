// SPDX-License-Identifier: MPL-2.0

//! The properties of `ttssink` and what they start from.

use std::{sync::OnceLock, time::Duration};

use gst::{glib, prelude::*};

use super::{AfterInterruption, Interruption, textqueue};
use crate::playout;

const DEFAULT_TEXT_QUEUE_SIZE: u32 = 64 * 1024;
const DEFAULT_MAX_DELAY: gst::ClockTime = gst::ClockTime::from_mseconds(200);
const DEFAULT_COMMIT: gst::ClockTime = gst::ClockTime::from_mseconds(250);
const DEFAULT_HOLD_LIMIT: gst::ClockTime = gst::ClockTime::from_seconds(8);
const DEFAULT_FADE: gst::ClockTime = gst::ClockTime::from_mseconds(8);
const DEFAULT_LEAD: gst::ClockTime = gst::ClockTime::from_mseconds(20);
const DEFAULT_PREFETCH: gst::ClockTime = gst::ClockTime::from_mseconds(500);

/// The properties. They survive every state.
#[derive(Debug, Clone)]
pub struct Settings {
    pub synthesizer: Option<gst::Element>,
    pub audio_sink: Option<gst::Element>,
    pub interrupted_by: Option<String>,
    pub interrupted_by_optional: bool,
    pub interrupter: glib::WeakRef<gst::Element>,
    /// An interrupter was set, though it may be gone by now.
    pub interrupter_set: bool,
    pub interruption: Interruption,
    pub commit_duration: gst::ClockTime,
    pub hold_limit: gst::ClockTime,
    pub after_interruption: AfterInterruption,
    pub fade_duration: gst::ClockTime,
    pub lead: gst::ClockTime,
    pub prefetch: gst::ClockTime,
    pub sync: bool,
    /// Nanoseconds; `u64::MAX` is for ever.
    pub max_delay: Option<u64>,
    pub text_queue_size: u32,
    pub voice: Option<String>,
    pub language: Option<String>,
    pub rate: Option<f64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            synthesizer: None,
            audio_sink: None,
            interrupted_by: None,
            interrupted_by_optional: false,
            interrupter: glib::WeakRef::new(),
            interrupter_set: false,
            interruption: Interruption::default(),
            commit_duration: DEFAULT_COMMIT,
            hold_limit: DEFAULT_HOLD_LIMIT,
            after_interruption: AfterInterruption::default(),
            fade_duration: DEFAULT_FADE,
            lead: DEFAULT_LEAD,
            prefetch: DEFAULT_PREFETCH,
            sync: true,
            max_delay: None,
            text_queue_size: DEFAULT_TEXT_QUEUE_SIZE,
            voice: None,
            language: None,
            rate: None,
        }
    }
}

/// A property of the mouth that is one of its synthesizer's.
pub struct Proxied {
    pub name: &'static str,
    pub value: glib::Value,
}

impl Settings {
    pub fn playout(&self) -> playout::Config {
        playout::Config {
            lead: self.lead.into(),
            fade_duration: self.fade_duration.into(),
            prefetch: self.prefetch.into(),
            commit_duration: self.commit_duration.into(),
            hold_limit: self.hold_limit.into(),
            interruption: match self.interruption {
                Interruption::None => playout::Mode::None,
                Interruption::PauseThenCommit => playout::Mode::PauseThenCommit,
                Interruption::Immediate => playout::Mode::Immediate,
            },
            sync: self.sync,
            ..playout::Config::default()
        }
    }

    pub fn text_queue(&self) -> textqueue::Config {
        textqueue::Config {
            limit: self.text_queue_size as usize,
            after_interruption: match self.after_interruption {
                AfterInterruption::Discard => textqueue::policy::AfterInterruption::Discard,
                AfterInterruption::Continue => textqueue::policy::AfterInterruption::Continue,
            },
            max_delay: Some(self.max_delay())
                .filter(|delay| *delay != u64::MAX)
                .map(Duration::from_nanos),
        }
    }

    fn max_delay(&self) -> u64 {
        self.max_delay.unwrap_or(DEFAULT_MAX_DELAY.nseconds())
    }

    /// Those that were set and that the synthesizer must have.
    pub fn proxied(&self) -> Vec<Proxied> {
        let mut all = Vec::new();
        let mut add = |name, value| all.push(Proxied { name, value });
        if let Some(voice) = &self.voice {
            add("voice", voice.to_value());
        }
        if let Some(language) = &self.language {
            add("language", language.to_value());
        }
        if let Some(rate) = self.rate {
            add("rate", rate.to_value());
        }
        all
    }

    /// Takes a property's new value; the types are those of [`specs`].
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), glib::BoolError> {
        fn read<'a, T: glib::value::FromValue<'a>>(
            value: &'a glib::Value,
        ) -> Result<T, glib::BoolError>
        where
            T::Checker: glib::value::ValueTypeChecker,
            <T::Checker as glib::value::ValueTypeChecker>::Error: std::fmt::Display,
        {
            value
                .get()
                .map_err(|error| glib::bool_error!("unexpected value: {error}"))
        }
        let time = || read::<u64>(value).map(gst::ClockTime::from_nseconds);
        match name {
            "synthesizer" => self.synthesizer = read(value)?,
            "audio-sink" => self.audio_sink = read(value)?,
            "interrupted-by" => {
                self.interrupted_by = read::<Option<String>>(value)?.filter(|s| !s.is_empty());
            }
            "interrupted-by-optional" => self.interrupted_by_optional = read(value)?,
            "interrupter" => {
                let interrupter: Option<gst::Element> = read(value)?;
                self.interrupter_set = interrupter.is_some();
                self.interrupter.set(interrupter.as_ref());
            }
            "interruption" => self.interruption = read(value)?,
            "commit-duration" => self.commit_duration = time()?,
            "hold-limit" => self.hold_limit = time()?,
            "after-interruption" => self.after_interruption = read(value)?,
            "fade-duration" => self.fade_duration = time()?,
            "lead" => self.lead = time()?,
            "prefetch" => self.prefetch = time()?,
            "sync" => self.sync = read(value)?,
            "max-delay" => self.max_delay = Some(read(value)?),
            "text-queue-size" => self.text_queue_size = read(value)?,
            "voice" => self.voice = read(value)?,
            "language" => self.language = read(value)?,
            "rate" => self.rate = Some(read(value)?),
            _ => return Err(glib::bool_error!("no property {name}")),
        }
        Ok(())
    }

    /// A property's value; `None` for one that is not a setting.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        Some(match name {
            "synthesizer" => self.synthesizer.to_value(),
            "audio-sink" => self.audio_sink.to_value(),
            "interrupted-by" => self.interrupted_by.to_value(),
            "interrupted-by-optional" => self.interrupted_by_optional.to_value(),
            "interrupter" => self.interrupter.upgrade().to_value(),
            "interruption" => self.interruption.to_value(),
            "commit-duration" => self.commit_duration.nseconds().to_value(),
            "hold-limit" => self.hold_limit.nseconds().to_value(),
            "after-interruption" => self.after_interruption.to_value(),
            "fade-duration" => self.fade_duration.nseconds().to_value(),
            "lead" => self.lead.nseconds().to_value(),
            "prefetch" => self.prefetch.nseconds().to_value(),
            "sync" => self.sync.to_value(),
            "max-delay" => self.max_delay().to_value(),
            "text-queue-size" => self.text_queue_size.to_value(),
            "voice" => self.voice.to_value(),
            "language" => self.language.to_value(),
            "rate" => self.rate.unwrap_or(1.0).to_value(),
            _ => return None,
        })
    }
}

fn time(
    name: &'static str,
    nick: &'static str,
    blurb: &'static str,
    default: gst::ClockTime,
    maximum: gst::ClockTime,
) -> glib::ParamSpec {
    glib::ParamSpecUInt64::builder(name)
        .nick(nick)
        .blurb(blurb)
        .default_value(default.nseconds())
        .maximum(maximum.nseconds())
        .mutable_playing()
        .build()
}

/// The properties as GObject knows them.
pub fn specs() -> &'static [glib::ParamSpec] {
    static SPECS: OnceLock<Vec<glib::ParamSpec>> = OnceLock::new();
    const SECOND: gst::ClockTime = gst::ClockTime::SECOND;
    const MINUTE: gst::ClockTime = gst::ClockTime::from_seconds(60);
    SPECS.get_or_init(|| {
        vec![
            glib::ParamSpecObject::builder::<gst::Element>("synthesizer")
                .nick("Synthesizer")
                .blurb(
                    "Element or bin that makes speech of text; taken over on the way from NULL to READY \
                     (default: the installed synthesizer of the highest rank)",
                )
                .mutable_ready()
                .build(),
            glib::ParamSpecObject::builder::<gst::Element>("audio-sink")
                .nick("Audio Sink")
                .blurb(
                    "Element or bin that plays or sends the speech; taken over on the way from NULL to READY \
                     (default: autoaudiosink with a device buffer of 40 ms)",
                )
                .mutable_ready()
                .build(),
            glib::ParamSpecString::builder("interrupted-by")
                .nick("Interrupted By")
                .blurb(
                    "Name, or path such as bin/ears, of the vad or vadsrc in the same pipeline whose \
                     speech stops this mouth; looked up on the way from READY to PAUSED (default: nobody)",
                )
                .mutable_ready()
                .build(),
            glib::ParamSpecBoolean::builder("interrupted-by-optional")
                .nick("Interrupted By Optional")
                .blurb("Start although interrupted-by names no element yet, and listen to one of that name once it is added")
                .mutable_ready()
                .build(),
            glib::ParamSpecObject::builder::<gst::Element>("interrupter")
                .nick("Interrupter")
                .blurb(
                    "The vad or vadsrc whose speech stops this mouth, where it is in another pipeline; goes before \
                     interrupted-by; not kept alive (default: nobody)",
                )
                .mutable_ready()
                .build(),
            glib::ParamSpecEnum::builder_with_default("interruption", Interruption::default())
                .nick("Interruption")
                .blurb("What the mouth does when its ear hears somebody speak")
                .mutable_playing()
                .build(),
            time(
                "commit-duration",
                "Commit Duration",
                "interruption=pause-then-commit: how long the ear must hear speech before the pause becomes an \
                 interruption, in ns; an ear that has not confirmed by then gets 100 ms more to do so or to take \
                 it back (default: 250 ms)",
                DEFAULT_COMMIT,
                MINUTE,
            ),
            time(
                "hold-limit",
                "Hold Limit",
                "How long a caller who goes on speaking holds back what has not begun to sound; after that it begins \
                 all the same, so that an ear that never reports the end of speech does not silence the mouth for \
                 good, in ns (default: 8 s)",
                DEFAULT_HOLD_LIMIT,
                60 * MINUTE,
            ),
            glib::ParamSpecEnum::builder_with_default(
                "after-interruption",
                AfterInterruption::default(),
            )
            .nick("After Interruption")
            .blurb("What becomes of the rest of an interrupted utterance")
            .mutable_playing()
            .build(),
            time(
                "fade-duration",
                "Fade Duration",
                "How long speech takes to fall silent when it is stopped, in ns (default: 8 ms)",
                DEFAULT_FADE,
                SECOND,
            ),
            time(
                "lead",
                "Lead",
                "How far ahead of its time speech is given to the audio sink, in ns (default: 20 ms)",
                DEFAULT_LEAD,
                gst::ClockTime::from_mseconds(200),
            ),
            time(
                "prefetch",
                "Prefetch",
                "How much speech is synthesized ahead of what is played, in ns (default: 500 ms)",
                DEFAULT_PREFETCH,
                MINUTE,
            ),
            glib::ParamSpecBoolean::builder("sync")
                .nick("Sync")
                .blurb(
                    "Pace speech on the pipeline clock, with silence between; without it speech \
                     is given out as fast as it is taken",
                )
                .default_value(true)
                .mutable_ready()
                .build(),
            glib::ParamSpecUInt64::builder("max-delay")
                .nick("Maximum Delay")
                .blurb(
                    "How long a complete sentence or line waits for more text before its utterance ends, in ns, \
                     and five times as long behind a number or an abbreviation with a full stop, \
                     where no voice/utterance event says where it ends (default: 200 ms; 18446744073709551615: \
                     wait for EOS)",
                )
                .default_value(DEFAULT_MAX_DELAY.nseconds())
                .mutable_playing()
                .build(),
            glib::ParamSpecUInt::builder("text-queue-size")
                .nick("Text Queue Size")
                .blurb(
                    "How much text may wait before upstream has to, in bytes; each event and utterance behind the \
                     first counts for 64 (default: 65536)",
                )
                .minimum(1)
                .default_value(DEFAULT_TEXT_QUEUE_SIZE)
                .mutable_playing()
                .build(),
            glib::ParamSpecString::builder("voice")
                .nick("Voice")
                .blurb("Voice of the synthesizer, which must have such a property (default: its own)")
                .mutable_playing()
                .build(),
            glib::ParamSpecString::builder("language")
                .nick("Language")
                .blurb(
                    "Language of the synthesizer, a BCP 47 tag such as en-GB; it must have such a \
                     property (default: its own)",
                )
                .mutable_playing()
                .build(),
            glib::ParamSpecDouble::builder("rate")
                .nick("Rate")
                .blurb(
                    "Speed of speech, 2.0 is twice as fast; the synthesizer must have such a property \
                     (default: its own)",
                )
                .minimum(0.3)
                .maximum(4.0)
                .default_value(1.0)
                .mutable_playing()
                .build(),
            glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
                .nick("Statistics")
                .blurb(
                    "Since READY to PAUSED. Counts: frames and silent-frames (pushed, 10 ms each), underruns \
                     (frames due in an open utterance that had no speech yet), late (frames with speech pushed \
                     more than 1 ms after their time), resyncs (times that speech was moved behind the clock), \
                     utterances-started, utterances-finished, pauses, resumes, interruptions, stray-samples \
                     (dropped, of no queued utterance), text-bytes (waiting), text-dropped-characters. Times in \
                     ns: max-late, last-stop and max-stop (from the decision to the last sample pushed), queued \
                     (speech), latency (of the audio sink), position (in the utterance). Also paused, gated \
                     (discarding after an interruption), utterance-id, ear (path)",
                )
                .read_only()
                .build(),
        ]
    })
}
