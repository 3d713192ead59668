// SPDX-License-Identifier: MPL-2.0

//! What state a session is in, and when it has lasted long enough. No clock, no thread: time goes in.

use std::time::{Duration, Instant};

/// Where a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing was said to it yet.
    Idle,
    /// The caller speaks, or may.
    Listening,
    /// The agent speaks.
    Speaking,
    /// The caller speaks over the agent.
    BargedIn,
    /// Nobody speaks.
    WaitingForInput,
    /// It is over.
    Terminated,
}

impl State {
    /// Its name, as the system before had it.
    pub fn name(self) -> &'static str {
        match self {
            State::Idle => "idle",
            State::Listening => "listening",
            State::Speaking => "speaking",
            State::BargedIn => "barged_in",
            State::WaitingForInput => "waiting_for_input",
            State::Terminated => "terminated",
        }
    }

    /// Whether it may turn into `next` in one step.
    pub fn leads_to(self, next: State) -> bool {
        use State::*;
        match (self, next) {
            (Terminated, _) => false,
            (_, Terminated) => true,
            (Idle, Listening)
            | (Listening, Speaking | WaitingForInput)
            | (Speaking, Listening | BargedIn | WaitingForInput)
            | (BargedIn, Listening | WaitingForInput)
            | (WaitingForInput, Listening | Speaking) => true,
            _ => false,
        }
    }
}

/// How much a session may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Ends a session in which nobody has said anything for so long.
    pub idle: Duration,
    /// Ends a session that has lasted for so long.
    pub duration: Duration,
    /// Texts that are not blank.
    pub messages: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(300),
            duration: Duration::from_secs(3600),
            messages: 100,
        }
    }
}

/// Something that bears on the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The conversation can begin.
    Ready,
    /// The caller's speech was confirmed.
    CallerSpeaks,
    /// The caller has fallen silent.
    CallerSilent,
    /// The agent begins to speak, or goes on.
    AgentSpeaks,
    /// The caller's sound made the agent fall silent for now.
    AgentPaused,
    /// The agent has said all it had to say, or was stopped.
    AgentSilent,
    /// The agent was stopped by the caller's speech.
    Interrupted,
}

/// Why a session ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Nobody has said anything.
    Idle,
    /// It has lasted long enough.
    Duration,
    /// There were enough texts.
    Messages,
}

impl Limit {
    /// The `reason` of `session_end`.
    pub fn reason(self) -> &'static str {
        match self {
            Limit::Idle => "idle_timeout",
            Limit::Duration => "max_duration",
            Limit::Messages => "max_messages",
        }
    }

    /// What it means, in a sentence.
    pub fn sentence(self, limits: &Limits) -> String {
        match self {
            Limit::Idle => format!(
                "nothing was said for {} s, which ends a session here",
                limits.idle.as_secs_f64()
            ),
            Limit::Duration => format!(
                "a session lasts {} s at most here; connect anew",
                limits.duration.as_secs_f64()
            ),
            Limit::Messages => format!(
                "a session has {} messages at most here; connect anew",
                limits.messages
            ),
        }
    }
}

/// The state of one session.
#[derive(Clone, Debug)]
pub struct Policy {
    limits: Limits,
    state: State,
    started: Instant,
    /// When anybody said anything last.
    active: Instant,
    messages: u32,
}

impl Policy {
    /// A session that begins now.
    pub fn new(limits: Limits, now: Instant) -> Policy {
        Policy {
            limits,
            state: State::Idle,
            started: now,
            active: now,
            messages: 0,
        }
    }

    /// Where it stands.
    pub fn state(&self) -> State {
        self.state
    }

    /// What it may have.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Texts so far.
    pub fn messages(&self) -> u32 {
        self.messages
    }

    /// A text that is not blank has come; an error says that it is one too many.
    pub fn message(&mut self, now: Instant) -> Result<(), Limit> {
        self.active = now;
        if self.messages >= self.limits.messages {
            return Err(Limit::Messages);
        }
        self.messages += 1;
        Ok(())
    }

    /// Something came from the client that shows that somebody is there.
    pub fn touch(&mut self, now: Instant) {
        self.active = now;
    }

    /// Something happened. Every step that the state takes is an allowed one.
    pub fn event(&mut self, event: Event, now: Instant) {
        use State::*;
        self.active = now;
        let to: &[State] = match (self.state, event) {
            (Terminated, _) => &[],
            (Idle, _) => {
                self.go(Listening);
                self.go(WaitingForInput);
                if event != Event::Ready {
                    self.event(event, now);
                }
                return;
            }
            (WaitingForInput, Event::CallerSpeaks) => &[Listening],
            (Speaking, Event::CallerSpeaks | Event::AgentPaused | Event::Interrupted) => {
                &[BargedIn]
            }
            (Listening | WaitingForInput, Event::AgentSpeaks) => &[Speaking],
            (BargedIn, Event::AgentSpeaks) => &[Listening, Speaking],
            (BargedIn, Event::CallerSilent | Event::AgentSilent) => &[Listening, WaitingForInput],
            (Listening, Event::CallerSilent) => &[WaitingForInput],
            (Speaking, Event::AgentSilent) => &[Listening, WaitingForInput],
            _ => &[],
        };
        for state in to {
            self.go(*state);
        }
    }

    /// It is over.
    pub fn terminate(&mut self) {
        self.go(State::Terminated);
    }

    fn go(&mut self, next: State) {
        debug_assert!(
            self.state == next || self.state.leads_to(next),
            "{:?} does not lead to {next:?}",
            self.state
        );
        self.state = next;
    }

    /// The limit that is reached now.
    pub fn expired(&self, now: Instant) -> Option<Limit> {
        if now >= self.started + self.limits.duration {
            Some(Limit::Duration)
        } else if self.idle_at().is_some_and(|at| now >= at) {
            Some(Limit::Idle)
        } else {
            None
        }
    }

    /// When to ask next whether a limit is reached.
    pub fn deadline(&self) -> Instant {
        let end = self.started + self.limits.duration;
        self.idle_at().map_or(end, |idle| idle.min(end))
    }

    /// Nobody is idle while somebody speaks.
    fn idle_at(&self) -> Option<Instant> {
        (self.state != State::Speaking).then(|| self.active + self.limits.idle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[test]
    fn a_session_goes_through_its_states() {
        let start = Instant::now();
        let mut policy = Policy::new(Limits::default(), start);
        for (event, state) in [
            (Event::Ready, State::WaitingForInput),
            (Event::AgentSpeaks, State::Speaking),
            (Event::AgentPaused, State::BargedIn),
            (Event::AgentSpeaks, State::Speaking),
            (Event::CallerSpeaks, State::BargedIn),
            (Event::Interrupted, State::BargedIn),
            (Event::CallerSilent, State::WaitingForInput),
            (Event::CallerSpeaks, State::Listening),
            (Event::CallerSilent, State::WaitingForInput),
            (Event::AgentSpeaks, State::Speaking),
            (Event::AgentSilent, State::WaitingForInput),
            (Event::AgentSilent, State::WaitingForInput),
        ] {
            policy.event(event, start);
            assert_eq!(policy.state(), state, "{event:?}");
        }
        policy.terminate();
        policy.event(Event::AgentSpeaks, start);
        assert_eq!(policy.state(), State::Terminated);
    }

    /// Whatever happens in whatever order, no step is taken that is not allowed.
    #[test]
    fn no_order_of_events_takes_a_forbidden_step() {
        let events = [
            Event::Ready,
            Event::CallerSpeaks,
            Event::CallerSilent,
            Event::AgentSpeaks,
            Event::AgentPaused,
            Event::AgentSilent,
            Event::Interrupted,
        ];
        let now = Instant::now();
        let mut numbers = 1u64;
        for _ in 0..200 {
            let mut policy = Policy::new(Limits::default(), now);
            for _ in 0..50 {
                numbers = numbers
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                policy.event(events[(numbers >> 33) as usize % events.len()], now);
            }
        }
    }

    #[test]
    fn the_allowed_steps_are_those_of_the_contract() {
        use State::*;
        let all = [
            Idle,
            Listening,
            Speaking,
            BargedIn,
            WaitingForInput,
            Terminated,
        ];
        let allowed = [
            (Idle, Listening),
            (Listening, Speaking),
            (Listening, WaitingForInput),
            (Speaking, Listening),
            (Speaking, BargedIn),
            (Speaking, WaitingForInput),
            (BargedIn, Listening),
            (BargedIn, WaitingForInput),
            (WaitingForInput, Listening),
            (WaitingForInput, Speaking),
        ];
        for from in all {
            for to in all {
                let ends = to == Terminated && from != Terminated;
                assert_eq!(from.leads_to(to), ends || allowed.contains(&(from, to)));
            }
        }
    }

    #[test]
    fn limits_are_reached() {
        let start = Instant::now();
        let limits = Limits {
            idle: seconds(10),
            duration: seconds(60),
            messages: 2,
        };
        let mut policy = Policy::new(limits, start);
        assert_eq!(policy.deadline(), start + seconds(10));
        assert_eq!(policy.expired(start + seconds(9)), None);
        assert_eq!(policy.expired(start + seconds(10)), Some(Limit::Idle));
        assert_eq!(policy.message(start + seconds(5)), Ok(()));
        assert_eq!(policy.expired(start + seconds(14)), None);
        policy.event(Event::AgentSpeaks, start + seconds(6));
        // Whoever is spoken to may listen for long.
        assert_eq!(policy.expired(start + seconds(59)), None);
        assert_eq!(policy.deadline(), start + seconds(60));
        assert_eq!(policy.expired(start + seconds(60)), Some(Limit::Duration));
        assert_eq!(policy.message(start), Ok(()));
        assert_eq!(policy.message(start), Err(Limit::Messages));
    }
}
