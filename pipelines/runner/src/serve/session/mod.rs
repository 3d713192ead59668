// SPDX-License-Identifier: MPL-2.0

//! One caller's conversation, whatever transport carries it.
//!
//! A [`Session`] is owned by one task ([`Session::run`]). [`Input`]s come from the transport, [`Output`]s go to it, both over
//! bounded channels; what the pipeline does arrives as [`Happening`]s. The pipeline is made when the client says something
//! for the first time, so that its `configure` can choose the description.

pub mod framer;
pub mod happening;
pub mod heard;
pub mod latency;
pub mod media;
mod pipeline;
pub mod policy;
pub mod stamps;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use self::framer::Frame;
use self::happening::{Failure, Happening, Happenings, Interrupted, Place, Word};
use self::heard::{Heard, Ledger};
use self::latency::{Latency, Stage};
use self::media::{MakeMedia, Setup};
use self::pipeline::Running;
use self::policy::{Event, Limit, Limits, Policy, State};
use super::designs::Designs;
use super::metrics::Metrics;

/// Inputs that may wait for a session; then its transport waits.
pub const INPUTS: usize = 64;
/// Outputs that may wait for a slow client: five seconds of sound. One that is slower is let go.
pub const OUTPUTS: usize = 256;
/// Text that may wait to be said, in bytes.
const WAITING_TEXT: usize = 1024 * 1024;
/// How long a pipeline may take to start.
const START: Duration = Duration::from_secs(20);
/// How long a client that reports its playout may take to say where it fell silent: a round trip through a bad network.
const LAST_REPORT: Duration = Duration::from_millis(600);

/// What a client may tell the agent to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Control {
    /// Fall silent, to go on later.
    Pause,
    /// Go on.
    Resume,
    /// Drop everything that is being said or waits to be.
    Stop,
}

/// What a client says of itself and wants.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configure {
    /// Of the sound that it sends, in Hz.
    pub sample_rate: Option<u32>,
    /// A description by its name in the configuration.
    pub description: Option<String>,
    /// Its parameters.
    pub parameters: BTreeMap<String, String>,
}

/// From the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// What it wants; from the first of these on it is told everything.
    Configure(Configure),
    /// A typed text.
    Text(String),
    /// Something to do at once.
    Control(Control),
    /// Sound: S16LE, mono, at the rate of `configure`.
    Audio(Bytes),
    /// How much of an utterance its loudspeaker has played.
    Playout {
        /// The utterance.
        utterance: String,
        /// So much of it.
        played: Duration,
        /// Nothing more of it will be.
        last: bool,
    },
    /// It said something that cannot be understood; the answer to give.
    Invalid(String),
}

/// Who speaks, as a client shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The agent listens.
    Listening,
    /// The caller has finished; the answer is on its way.
    Thinking,
    /// The agent speaks.
    Speaking,
    /// The agent was interrupted.
    Interrupted,
}

impl Turn {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Turn::Listening => "listening",
            Turn::Thinking => "thinking",
            Turn::Speaking => "speaking",
            Turn::Interrupted => "interrupted",
        }
    }
}

/// What went wrong, as clients know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// A message cannot be understood.
    InvalidMessage,
    /// Too much of something.
    LimitExceeded,
    /// The token is missing or wrong.
    Unauthorized,
    /// The voice's worker does not answer.
    WorkerUnavailable,
    /// The voice failed.
    SynthesisFailed,
    /// Something else failed here.
    InternalError,
}

impl Code {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Code::InvalidMessage => "INVALID_MESSAGE",
            Code::LimitExceeded => "LIMIT_EXCEEDED",
            Code::Unauthorized => "UNAUTHORIZED",
            Code::WorkerUnavailable => "WORKER_UNAVAILABLE",
            Code::SynthesisFailed => "SYNTHESIS_FAILED",
            Code::InternalError => "INTERNAL_ERROR",
        }
    }
}

/// To the client.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// 20 ms of speech.
    Audio(Frame),
    /// An utterance begins.
    Started(Arc<str>),
    /// An utterance was said to its end.
    Finished(Arc<str>),
    /// An utterance was stopped.
    Interrupted(Arc<str>, Heard),
    /// What the recogniser understood.
    Transcript {
        /// The words.
        text: String,
        /// Whether that is all of it.
        is_final: bool,
    },
    /// Who speaks.
    Turn(Turn),
    /// Drop what has not been played of that utterance, now.
    Clear(Arc<str>),
    /// A word begins.
    Word(Word),
    /// Where the time of the turn went that this utterance answers.
    Latency(Arc<str>, Vec<Stage>),
    /// Something went wrong.
    Error(Code, String),
    /// It is over, and why; nothing follows.
    End(&'static str),
}

/// What all sessions have in common.
#[derive(Debug)]
pub struct Common {
    /// The descriptions.
    pub designs: Designs,
    /// How much each session may have.
    pub limits: Limits,
    /// What is counted.
    pub metrics: Metrics,
    /// The voice comes from workers.
    remote: bool,
    /// Why the last session that was started could not be.
    failure: Mutex<Option<String>>,
}

impl Common {
    /// What sessions of one server have in common.
    pub fn new(designs: Designs, limits: Limits, metrics: Metrics) -> Common {
        Common {
            remote: !designs.workers().is_empty(),
            designs,
            limits,
            metrics,
            failure: Mutex::default(),
        }
    }

    /// Why the last session that was started could not be; `None` where it could.
    pub fn last_failure(&self) -> Option<String> {
        let failure = self.failure.lock();
        failure.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, failure: Option<&Failure>) {
        let mut last = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        *last = failure.map(|failure| failure.sentence.clone());
    }
}

/// An utterance that was stopped, until it is told.
struct Stopped {
    interrupted: Interrupted,
    told: Instant,
    due: Instant,
}

/// See the module.
pub struct Session {
    id: String,
    common: Arc<Common>,
    media: Option<MakeMedia>,
    outputs: mpsc::Sender<Output>,
    happenings: Happenings,
    ending: watch::Receiver<Ending>,
    policy: Policy,
    ledger: Ledger,
    running: Option<Running>,
    configured: Option<Configure>,
    /// Texts to say that the mouth had no room for.
    waiting: VecDeque<String>,
    waiting_bytes: usize,
    /// Utterances that the mouth was given and that have not ended.
    said: VecDeque<Arc<str>>,
    /// What is heard of this one was cleared: its frames that are under way are dropped.
    cleared: Option<Arc<str>>,
    /// Told to have started.
    started: Option<Arc<str>>,
    stopped: Option<Stopped>,
    turn: Turn,
    paused: bool,
    reports: bool,
    asked_at: Option<Instant>,
    latency: Latency,
    /// Texts of this session among those that are counted as waiting.
    counted: i64,
    barge_ins: u32,
}

/// Whether the server is about to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is not.
    No,
    /// Sessions in which something is being said may say it.
    WhenQuiet,
    /// Nobody waits any longer.
    Now,
}

/// Why a session ends.
type End = &'static str;

impl Session {
    /// A session to be [run](Self::run). `media` makes the caller's end of its pipeline; `ending` tells when the
    /// server is about to end.
    pub fn new(
        id: String,
        common: Arc<Common>,
        media: MakeMedia,
        outputs: mpsc::Sender<Output>,
        ending: watch::Receiver<Ending>,
    ) -> (Session, mpsc::Receiver<Happening>) {
        let (happenings, receiver) = Happenings::new();
        let policy = Policy::new(common.limits, Instant::now());
        let session = Session {
            id,
            common,
            media: Some(media),
            outputs,
            happenings,
            ending,
            policy,
            ledger: Ledger::default(),
            running: None,
            configured: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            said: VecDeque::new(),
            cleared: None,
            started: None,
            stopped: None,
            turn: Turn::Listening,
            paused: false,
            reports: false,
            asked_at: None,
            latency: Latency::default(),
            counted: 0,
            barge_ins: 0,
        };
        (session, receiver)
    }

    /// Runs until the client is gone (`inputs` ends), a limit is reached, something fails or the server ends. Its pipeline is
    /// down when this returns.
    pub async fn run(
        mut self,
        mut inputs: mpsc::Receiver<Input>,
        mut happenings: mpsc::Receiver<Happening>,
    ) {
        let began = Instant::now();
        let reason = self.live(&mut inputs, &mut happenings).await;
        self.policy.terminate();
        if let Some(reason) = reason {
            // Where there is no room the transport has been given up.
            let _ = self.outputs.try_send(Output::End(reason));
        }
        let metrics = &self.common.metrics;
        if self.started.is_some() {
            metrics.synthesis_active.dec();
        }
        metrics.queue_depth.sub(self.counted);
        metrics
            .session_duration
            .observe(began.elapsed().as_secs_f64());
        metrics
            .session_messages
            .observe(f64::from(self.policy.messages()));
        metrics.session_barge_ins.observe(f64::from(self.barge_ins));
        tracing::info!(
            session_id = self.id,
            reason = reason.unwrap_or("gone"),
            "session ended"
        );
        if let Some(running) = self.running.take() {
            let _ = tokio::task::spawn_blocking(move || drop(running)).await;
        }
    }

    /// The reason of the end; `None` where the client is gone.
    async fn live(
        &mut self,
        inputs: &mut mpsc::Receiver<Input>,
        happenings: &mut mpsc::Receiver<Happening>,
    ) -> Option<End> {
        let mut ending = self.ending.clone();
        loop {
            let over = match *ending.borrow_and_update() {
                Ending::No => false,
                Ending::WhenQuiet => self.is_quiet(),
                Ending::Now => true,
            };
            if over {
                return Some("shutdown");
            }
            let mut deadline = self.policy.deadline();
            if let Some(stopped) = &self.stopped {
                deadline = deadline.min(stopped.due);
            }
            let ended = tokio::select! {
                biased;
                happening = happenings.recv() => match happening {
                    Some(happening) => self.happening(happening),
                    None => Err("error"),
                },
                input = inputs.recv() => match input {
                    Some(input) => self.input(input).await,
                    None => return None,
                },
                changed = ending.changed() => if changed.is_err() { Err("shutdown") } else { Ok(()) },
                () = tokio::time::sleep_until(deadline.into()) => self.due(),
            };
            self.count_waiting();
            if let Err(reason) = ended {
                return Some(reason);
            }
            if self.happenings.lost() {
                self.error(Code::InternalError, "this server is overloaded".into());
                return Some("overload");
            }
        }
    }

    /// Counts the texts that wait among those of all sessions.
    fn count_waiting(&mut self) {
        let sounding = self
            .started
            .as_ref()
            .is_some_and(|id| self.said.contains(id));
        let waiting = self.waiting.len() + self.said.len() - usize::from(sounding);
        let waiting = i64::try_from(waiting).unwrap_or(0);
        self.common.metrics.queue_depth.add(waiting - self.counted);
        self.counted = waiting;
    }

    /// Nothing is being said or waits to be.
    fn is_quiet(&self) -> bool {
        self.said.is_empty() && self.waiting.is_empty() && self.policy.state() != State::Speaking
    }

    fn due(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self
            .stopped
            .as_ref()
            .is_some_and(|stopped| stopped.due <= now)
        {
            self.tell_stopped()?;
        }
        match self.policy.expired(now) {
            Some(limit) => Err(self.limit(limit)),
            None => Ok(()),
        }
    }

    fn limit(&mut self, limit: Limit) -> End {
        let sentence = limit.sentence(self.policy.limits());
        self.error(Code::LimitExceeded, sentence);
        limit.reason()
    }

    // Towards the client.

    /// Sends to every client, of whatever age.
    fn send(&self, output: Output) -> Result<(), End> {
        match self.outputs.try_send(output) {
            Ok(()) => Ok(()),
            Err(mpsc::error::TrySendError::Closed(_)) => Err("gone"),
            Err(mpsc::error::TrySendError::Full(_)) => {
                self.common.metrics.slow_clients.inc();
                tracing::warn!(session_id = self.id, "the client is too slow");
                Err("slow_client")
            }
        }
    }

    /// Sends to clients that know these messages.
    fn tell(&self, output: Output) -> Result<(), End> {
        if self.configured.is_none() {
            return Ok(());
        }
        self.send(output)
    }

    fn error(&self, code: Code, sentence: String) {
        let _ = self.send(Output::Error(code, sentence));
    }

    fn turn(&mut self, turn: Turn) -> Result<(), End> {
        if self.turn == turn {
            return Ok(());
        }
        self.turn = turn;
        self.tell(Output::Turn(turn))
    }

    // From the client.

    async fn input(&mut self, input: Input) -> Result<(), End> {
        let now = Instant::now();
        match input {
            Input::Configure(configure) => self.configure(configure).await,
            Input::Text(text) => self.text(text).await,
            Input::Control(control) => {
                self.policy.touch(now);
                self.control(control)
            }
            Input::Audio(sound) => {
                if self.configured.is_none() {
                    self.error(
                        Code::InvalidMessage,
                        "sound is taken after `configure` has named its format".into(),
                    );
                    return Ok(());
                }
                if let Some(running) = &mut self.running {
                    running.hear(&sound);
                }
                Ok(())
            }
            Input::Playout {
                utterance,
                played,
                last,
            } => {
                self.reports = true;
                let known = self.ledger.played(&utterance, played, last, now);
                if !known {
                    tracing::debug!(session_id = self.id, "playout of an unknown utterance");
                }
                let ours = |stopped: &Stopped| *stopped.interrupted.utterance == *utterance;
                // Others may have been on their way when it was told to be silent.
                if last && self.stopped.as_ref().is_some_and(ours) {
                    self.tell_stopped()?;
                }
                Ok(())
            }
            Input::Invalid(sentence) => {
                self.error(Code::InvalidMessage, sentence);
                Ok(())
            }
        }
    }

    async fn configure(&mut self, configure: Configure) -> Result<(), End> {
        let before = self.configured.as_ref();
        let chosen = |c: &Configure| (c.sample_rate, c.description.clone(), c.parameters.clone());
        if self.running.is_some() && before.map(chosen) != Some(chosen(&configure)) {
            self.error(
                Code::InvalidMessage,
                "`configure` comes before everything else of a session; connect anew to change it"
                    .into(),
            );
            return Ok(());
        }
        self.policy.touch(Instant::now());
        self.configured = Some(configure);
        self.start().await?;
        self.tell(Output::Turn(self.turn))
    }

    /// Makes the pipeline, unless there is one.
    async fn start(&mut self) -> Result<(), End> {
        if self.running.is_some() {
            return Ok(());
        }
        let Some(media) = self.media.take() else {
            return Err("error");
        };
        let configure = self.configured.clone().unwrap_or_default();
        let chosen = self
            .common
            .designs
            .plan(configure.description.as_deref(), &configure.parameters);
        let plan = match chosen {
            Ok(plan) => plan,
            Err(sentence) => {
                self.error(Code::InvalidMessage, sentence);
                return Err("invalid_configuration");
            }
        };
        let sample_rate = configure.sample_rate.unwrap_or(framer::RATE);
        let (happenings, greeted) = (self.happenings.clone(), self.configured.is_some());
        let began = Instant::now();
        let starting = tokio::task::spawn_blocking(move || {
            let setup = Setup {
                sample_rate,
                happenings: happenings.clone(),
            };
            Running::start(&plan, media(setup), &happenings, greeted, sample_rate)
        });
        let started = match tokio::time::timeout(START, starting).await {
            Ok(Ok(started)) => started,
            Ok(Err(panic)) => Err(Failure {
                place: Place::Elsewhere,
                sentence: panic.to_string(),
            }),
            Err(_) => Err(Failure {
                place: Place::Elsewhere,
                sentence: format!("the pipeline did not start within {START:?}"),
            }),
        };
        self.common.note(started.as_ref().err());
        match started {
            Ok(running) => {
                tracing::debug!(session_id = self.id, took = ?began.elapsed(), "pipeline started");
                self.running = Some(running);
                self.policy.event(Event::Ready, Instant::now());
                Ok(())
            }
            Err(failure) => Err(self.failed(failure)),
        }
    }

    fn failed(&mut self, failure: Failure) -> End {
        // What exactly failed is for who runs this, not for who calls.
        let (code, sentence) = match failure.place {
            Place::Worker => (
                Code::WorkerUnavailable,
                "no worker for the voice answers at the moment",
            ),
            Place::Mouth => (Code::SynthesisFailed, "the voice failed"),
            Place::Elsewhere => (Code::InternalError, "the conversation failed"),
        };
        self.common.metrics.failed(failure.place);
        tracing::error!(session_id = self.id, "{}", failure.sentence);
        self.error(code, sentence.into());
        "error"
    }

    async fn text(&mut self, text: String) -> Result<(), End> {
        let now = Instant::now();
        if text.trim().is_empty() {
            return Ok(());
        }
        if *self.ending.borrow() != Ending::No {
            self.error(
                Code::LimitExceeded,
                "this server is shutting down and begins nothing new".into(),
            );
            return Ok(());
        }
        if let Err(limit) = self.policy.message(now) {
            return Err(self.limit(limit));
        }
        self.start().await?;
        let Some(running) = &self.running else {
            return Err("error");
        };
        if self.configured.is_some() && running.reads() {
            // A new turn ends the old one; what is merely read aloud waits for its time.
            if running.converses()
                && (self.policy.state() == State::Speaking || !self.said.is_empty())
            {
                self.stop()?;
            }
            let taken = self
                .running
                .as_ref()
                .is_some_and(|running| running.ask(&text));
            if !taken {
                self.error(Code::InternalError, "the text was not taken".into());
                return Ok(());
            }
            self.asked_at = Some(now);
            self.latency.decided(None, now);
            return self.turn(Turn::Thinking);
        }
        if !running.speaks() {
            self.error(Code::InternalError, "nothing here can speak".into());
            return Ok(());
        }
        if self.waiting_bytes + text.len() > WAITING_TEXT && !self.waiting.is_empty() {
            self.error(
                Code::LimitExceeded,
                format!(
                    "{WAITING_TEXT} bytes of text wait to be said already; this one will not be"
                ),
            );
            return Ok(());
        }
        self.waiting_bytes += text.len();
        self.waiting.push_back(text);
        self.say_waiting();
        Ok(())
    }

    /// Hands the mouth what it has room for.
    fn say_waiting(&mut self) {
        let Some(running) = &self.running else { return };
        while let Some(text) = self.waiting.front() {
            let Some(id) = running.say(text) else {
                return;
            };
            self.asked_at.get_or_insert_with(Instant::now);
            self.said.push_back(id);
            self.common.metrics.synthesis_total.inc();
            self.waiting_bytes -= text.len();
            self.waiting.pop_front();
        }
    }

    fn control(&mut self, control: Control) -> Result<(), End> {
        match control {
            Control::Pause => {
                self.paused = true;
                self.mouth("pause");
                Ok(())
            }
            Control::Resume => {
                self.paused = false;
                self.mouth("resume");
                Ok(())
            }
            Control::Stop => self.stop(),
        }
    }

    fn mouth(&self, action: &str) {
        if let Some(running) = &self.running {
            running.mouth(action);
        }
    }

    /// Drops everything that is being said or waits to be, at the client's wish.
    fn stop(&mut self) -> Result<(), End> {
        self.waiting.clear();
        self.waiting_bytes = 0;
        self.said.clear();
        self.asked_at = None;
        self.latency.dropped();
        self.clear()?;
        self.mouth("interrupt");
        if std::mem::take(&mut self.paused) {
            self.mouth("resume");
        }
        Ok(())
    }

    /// The client is to be silent, before anything else.
    fn clear(&mut self) -> Result<(), End> {
        let Some(framer) = self.running.as_ref().and_then(Running::framer) else {
            return match self.started.clone() {
                Some(id) => self.tell(Output::Clear(id)),
                None => Ok(()),
            };
        };
        let mut framer = framer.lock().unwrap_or_else(PoisonError::into_inner);
        if self.configured.is_none() {
            // It knows no `clear`: the fade leaves, and the end with it.
            framer.stop();
            return Ok(());
        }
        let leaving = framer.clear();
        drop(framer);
        let Some(id) = leaving.or_else(|| self.started.clone()) else {
            return Ok(());
        };
        self.cleared = Some(id.clone());
        self.tell(Output::Clear(id))
    }

    // From the pipeline.

    fn happening(&mut self, happening: Happening) -> Result<(), End> {
        let now = Instant::now();
        match happening {
            Happening::Frame(frame) => self.frame(frame, now),
            Happening::Started(id) => self.begin(&id, now),
            Happening::Word(word) => {
                if self.cleared.as_ref() == Some(&word.utterance) {
                    return Ok(());
                }
                self.ledger.word(word.clone(), now);
                self.tell(Output::Word(word))
            }
            Happening::Finished(id) => {
                // Where sound leaves as frames the last of them says so, which may come later.
                if self.running.as_ref().is_some_and(|r| r.framer().is_some()) {
                    return Ok(());
                }
                self.finished(id, now)
            }
            Happening::Paused(_, by_voice) => {
                if by_voice {
                    self.policy.event(Event::AgentPaused, now);
                }
                Ok(())
            }
            Happening::Resumed(_) => {
                self.policy.event(Event::AgentSpeaks, now);
                self.turn(Turn::Speaking)
            }
            Happening::Interrupted(interrupted) => self.interrupted(interrupted, now),
            Happening::Voice(true) => {
                self.policy.event(Event::CallerSpeaks, now);
                if self.policy.state() == State::Listening {
                    self.turn(Turn::Listening)?;
                }
                Ok(())
            }
            Happening::Voice(false) => {
                self.policy.event(Event::CallerSilent, now);
                if self.turn == Turn::Interrupted {
                    self.turn(Turn::Listening)?;
                }
                Ok(())
            }
            Happening::Transcript {
                text,
                is_final,
                backchannel,
                endpointing,
            } => {
                self.policy.touch(now);
                self.tell(Output::Transcript { text, is_final })?;
                // What merely says that somebody listens is no turn.
                if is_final && !backchannel {
                    self.asked_at = Some(now);
                    self.latency.decided(endpointing, now);
                    self.turn(Turn::Thinking)?;
                }
                Ok(())
            }
            Happening::Answer => {
                self.latency.answered(now);
                Ok(())
            }
            Happening::Latency => {
                if let Some(running) = &self.running {
                    running.recalculate_latency();
                }
                Ok(())
            }
            Happening::Failed(failure) => Err(self.failed(failure)),
        }
    }

    fn frame(&mut self, frame: Frame, now: Instant) -> Result<(), End> {
        if self.cleared.as_ref() == Some(&frame.utterance) {
            return Ok(());
        }
        self.begin(&frame.utterance.clone(), now)?;
        self.ledger.sent(&frame.utterance, frame.position, now);
        let ended = frame.last.then(|| frame.utterance.clone());
        self.send(Output::Audio(frame))?;
        match ended {
            // Of one that was stopped its mouth tells more.
            Some(id) if self.said.contains(&id) || self.configured.is_some() => {
                self.finished(id, now)
            }
            _ => Ok(()),
        }
    }

    fn finished(&mut self, id: Arc<str>, now: Instant) -> Result<(), End> {
        self.ended(&id);
        self.tell(Output::Finished(id))?;
        self.say_waiting();
        self.rest(now)
    }

    /// An utterance begins, seen by its first frame or told by the mouth, whichever comes first.
    fn begin(&mut self, id: &Arc<str>, now: Instant) -> Result<(), End> {
        if self.started.as_ref() == Some(id) || self.cleared.as_ref() == Some(id) {
            return Ok(());
        }
        self.started = Some(id.clone());
        self.policy.event(Event::AgentSpeaks, now);
        self.common.metrics.synthesis_active.inc();
        if self.common.remote {
            self.common.metrics.worker_tasks.inc();
        }
        self.tell(Output::Started(id.clone()))?;
        if let Some(asked) = self.asked_at.take() {
            let took = asked.elapsed().as_secs_f64();
            self.common.metrics.first_audio(took);
        }
        if let Some(stages) = self.latency.spoken(now) {
            self.tell(Output::Latency(id.clone(), stages))?;
        }
        self.turn(Turn::Speaking)
    }

    fn ended(&mut self, id: &Arc<str>) {
        self.said.retain(|said| said != id);
        if self.started.as_ref() == Some(id) {
            self.started = None;
            self.common.metrics.synthesis_active.dec();
        }
    }

    /// Where nothing else is to be said, the agent listens.
    fn rest(&mut self, now: Instant) -> Result<(), End> {
        if self.said.is_empty() && self.waiting.is_empty() && self.started.is_none() {
            self.policy.event(Event::AgentSilent, now);
            if self.asked_at.is_none() {
                return self.turn(Turn::Listening);
            }
        }
        Ok(())
    }

    fn interrupted(&mut self, interrupted: Interrupted, now: Instant) -> Result<(), End> {
        let id = interrupted.utterance.clone();
        if let Some(stopped) = &mut self.stopped
            && stopped.interrupted.utterance == id
        {
            // What was not heard of it is complete now.
            stopped.interrupted = interrupted;
            return Ok(());
        }
        if interrupted.by_voice {
            self.barge_ins += 1;
            self.common.metrics.barge_in(interrupted.took.as_secs_f64());
            self.waiting.clear();
            self.waiting_bytes = 0;
            self.said.clear();
            self.asked_at = None;
            self.latency.dropped();
            self.clear()?;
            self.policy.event(Event::Interrupted, now);
            self.turn(Turn::Interrupted)?;
        }
        self.ended(&id);
        // A client that reports what it plays says where it fell silent.
        let wait = if self.reports {
            LAST_REPORT
        } else {
            Duration::ZERO
        };
        self.tell_stopped()?;
        self.stopped = Some(Stopped {
            interrupted,
            told: now,
            due: now + wait,
        });
        if wait.is_zero() {
            self.tell_stopped()?;
        }
        if self.policy.state() == State::Speaking {
            self.rest(now)?;
        }
        self.say_waiting();
        Ok(())
    }

    fn tell_stopped(&mut self) -> Result<(), End> {
        let Some(stopped) = self.stopped.take() else {
            return Ok(());
        };
        let by_mouth = stopped.interrupted;
        let id = by_mouth.utterance.clone();
        let heard = self
            .ledger
            .stopped(&id, &by_mouth.heard, &by_mouth.unheard, stopped.told);
        if heard.heard != by_mouth.heard
            && let Some(running) = &self.running
        {
            running.correct(
                gst::Structure::builder("voice/interrupted")
                    .field("utterance-id", &*id)
                    .field("heard-text", &heard.heard)
                    .field("unheard-text", &heard.unheard)
                    .field("unheard-characters", heard.unheard.chars().count() as u64)
                    .field(
                        "position",
                        u64::try_from(by_mouth.position.as_nanos()).unwrap_or(0),
                    )
                    .field(
                        "reason",
                        if by_mouth.by_voice {
                            "onset-commit"
                        } else {
                            "action"
                        },
                    )
                    .field("final", true)
                    .build(),
            );
        }
        self.tell(Output::Interrupted(id, heard))
    }
}
