// SPDX-License-Identifier: MPL-2.0

//! Which text belongs to which utterance, and what is handed to the synthesizer next.
//!
//! No threads, no clock, no GStreamer: time goes in, an [`Action`] comes out. Text belongs to the open
//! utterance until a boundary (an end-of-utterance event, a new utterance's event, a flush, the end of the
//! stream, a DISCONT buffer, a timed cue). An utterance that is stopped while its text still arrives
//! is discarded up to that boundary. A `say` is spoken in the midst of it: what arrives after that goes on under the
//! same name.

use std::{collections::VecDeque, time::Duration};

use duplex_textpad::SentenceEnd;

use super::pieces::pieces;

/// How much unheard text is told in words; the rest is only counted.
pub const UNHEARD_BYTES: usize = 4096;

/// What anything that waits counts for beside its text, in bytes: names and events take memory too.
const OVERHEAD: usize = 64;

/// What becomes of the rest of a stopped utterance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterInterruption {
    /// It is never spoken, whenever it arrives.
    #[default]
    Discard,
    /// What the synthesizer was not given yet goes on as a new utterance.
    Continue,
}

/// Text that was not spoken: its beginning, and how long all of it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Unheard {
    /// The beginning, at most [`UNHEARD_BYTES`] long.
    pub text: String,
    /// Characters of all of it.
    pub characters: u64,
}

impl Unheard {
    /// Adds what follows.
    pub fn push(&mut self, text: &str) {
        self.add(text, text.chars().count() as u64);
    }

    /// Adds what follows, itself perhaps only the beginning of something.
    pub fn merge(&mut self, later: &Self) {
        self.add(&later.text, later.characters);
    }

    fn add(&mut self, text: &str, characters: u64) {
        let complete = self.text.chars().count() as u64 == self.characters;
        self.characters += characters;
        if !complete {
            return;
        }
        let mut end = text
            .len()
            .min(UNHEARD_BYTES.saturating_sub(self.text.len()));
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.text.push_str(&text[..end]);
    }
}

/// What the task is to do next.
#[derive(Debug, PartialEq, Eq)]
pub enum Action<E> {
    /// Tell the synthesizer that an utterance begins.
    Begin(String),
    /// Hand it text of that utterance.
    Text(String, String),
    /// Tell it that the utterance is complete.
    End(String),
    /// Pass something on in its place.
    Other(E),
    /// Everything was handed over and nothing follows.
    Eos,
    /// Nothing now; ask again when something arrives, or at these times.
    Wait {
        /// Running time at which a cue is due.
        running: Option<Duration>,
        /// Monotonic time at which an idle utterance is complete.
        idle: Option<Duration>,
    },
}

impl<E> Action<E> {
    fn wait() -> Self {
        Self::Wait {
            running: None,
            idle: None,
        }
    }
}

impl Dropped {
    /// Adds what was dropped after this.
    pub fn merge(&mut self, later: Self) {
        self.first = self.first.take().or(later.first);
        self.open = later.open.or(self.open.take());
        self.unheard.merge(&later.unheard);
    }
}

/// What an interruption leaves behind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The first utterance that lost text.
    pub first: Option<String>,
    /// The text that is never handed over.
    pub unheard: Unheard,
    /// The utterance whose text still arrives and is discarded; its boundary tells the rest.
    pub open: Option<String>,
}

/// The end of what was discarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// The utterance that had been stopped.
    pub id: String,
    /// What was dropped of it since the interruption.
    pub unheard: Unheard,
}

enum Piece<E> {
    Text(String),
    Other(E),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Stream,
    Cue(Duration),
    Say,
}

struct Utterance<E> {
    id: String,
    from: From,
    pieces: VecDeque<Piece<E>>,
    /// Its id was given, so it is announced even without a word in it.
    explicit: bool,
    /// Text of it has arrived.
    fed: bool,
    /// Pieces that are no text.
    others: usize,
    /// Something of it can be spoken.
    speakable: bool,
    begun: bool,
    ended: bool,
    text: Flow,
}

/// How the text of an utterance stands, and since when (monotonic).
#[derive(Clone, Default)]
struct Flow {
    end: SentenceEnd,
    last: Duration,
}

impl Flow {
    fn push(&mut self, text: &str, now: Duration) {
        self.last = now;
        self.end.push(text);
    }

    /// When this is the end, unless more comes.
    fn idle_at(&self, delay: Option<Duration>) -> Option<Duration> {
        Some(self.last.saturating_add(self.end.patience(delay?)?))
    }
}

/// An utterance of the stream that a `say` has cut: its text goes on behind that.
struct Split {
    id: String,
    explicit: bool,
    text: Flow,
}

impl<E> Utterance<E> {
    fn new(id: String, from: From, explicit: bool) -> Self {
        Self {
            id,
            from,
            explicit,
            pieces: VecDeque::new(),
            fed: false,
            others: 0,
            speakable: false,
            begun: false,
            ended: false,
            text: Flow::default(),
        }
    }
}

enum Entry<E> {
    Utterance(Utterance<E>),
    Other(E),
    Eos,
}

/// The state of the queue.
pub struct Policy<E> {
    entries: VecDeque<Entry<E>>,
    bytes: usize,
    ids: Box<dyn FnMut() -> String + Send>,
    after: AfterInterruption,
    /// An utterance whose text looks complete ends after this long without more.
    max_delay: Option<Duration>,
    discarding: Option<Discarded>,
    split: Option<Split>,
    /// The last interruption has given an utterance another name: the old one and the new one.
    renamed: Option<(String, String)>,
    eos_handed: bool,
    dropped_characters: u64,
}

impl<E> Policy<E> {
    /// An empty queue that names utterances by `ids` where nobody else does.
    pub fn new(ids: impl FnMut() -> String + Send + 'static) -> Self {
        Self {
            entries: VecDeque::new(),
            bytes: 0,
            ids: Box::new(ids),
            after: AfterInterruption::default(),
            max_delay: None,
            discarding: None,
            split: None,
            renamed: None,
            eos_handed: false,
            dropped_characters: 0,
        }
    }

    /// Changes what an interruption leaves and how long an utterance may lie idle.
    pub fn configure(&mut self, after: AfterInterruption, max_delay: Option<Duration>) {
        self.after = after;
        self.max_delay = max_delay;
    }

    /// Bytes of text that wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The same with what everything else that waits amounts to: what the limit of the queue is for. The first utterance
    /// counts for its text only, since it may be open and wait for more.
    pub fn load(&self) -> usize {
        let others = |entry: &Entry<E>| match entry {
            Entry::Utterance(u) => u.others,
            _ => 0,
        };
        self.bytes
            + OVERHEAD
                * (self.entries.len().saturating_sub(1)
                    + self.entries.iter().map(others).sum::<usize>())
    }

    /// Characters that were dropped instead of spoken.
    pub fn dropped_characters(&self) -> u64 {
        self.dropped_characters
    }

    /// True while text of a stopped utterance is being dropped.
    pub fn discarding(&self) -> bool {
        self.discarding.is_some()
    }

    /// True once the end of the stream was queued or handed over.
    pub fn at_eos(&self) -> bool {
        self.eos_handed || self.entries.iter().any(|e| matches!(e, Entry::Eos))
    }

    /// True once the end of the stream was handed over.
    pub fn past_eos(&self) -> bool {
        self.eos_handed
    }

    fn open(&mut self) -> Option<&mut Utterance<E>> {
        self.entries.iter_mut().rev().find_map(|entry| match entry {
            Entry::Utterance(u) if !u.ended && u.from == From::Stream => Some(u),
            _ => None,
        })
    }

    /// Text of the stream: joins the open utterance, or opens one. `now` is monotonic.
    pub fn push(&mut self, text: &str, now: Duration) {
        if text.is_empty() {
            return;
        }
        if let Some(discarded) = &mut self.discarding {
            discarded.unheard.push(text);
            self.dropped_characters += text.chars().count() as u64;
            return;
        }
        if self.open().is_none() {
            let utterance = match self.take_split(now) {
                Some(split) => {
                    let mut rest = Utterance::new(split.id, From::Stream, split.explicit);
                    rest.text = split.text;
                    rest
                }
                None => Utterance::new((self.ids)(), From::Stream, false),
            };
            self.entries.push_back(Entry::Utterance(utterance));
        }
        let Some(open) = self.open() else { return };
        open.fed = true;
        open.speakable |= !text.trim().is_empty();
        open.text.push(text, now);
        open.pieces.push_back(Piece::Text(text.to_owned()));
        self.bytes += text.len();
    }

    /// A new utterance of the stream, named by an event. The same name again changes nothing.
    pub fn begin(&mut self, id: &str) -> Option<Discarded> {
        if self.open().is_some_and(|open| open.id == id)
            || self.discarding.as_ref().is_some_and(|d| d.id == id)
            || self.split.as_ref().is_some_and(|split| split.id == id)
        {
            return None;
        }
        let discarded = self.boundary();
        let utterance = Utterance::new(id.to_owned(), From::Stream, true);
        self.entries.push_back(Entry::Utterance(utterance));
        discarded
    }

    /// Ends the open utterance; what follows is a new one. What was being discarded is told.
    pub fn boundary(&mut self) -> Option<Discarded> {
        if let Some(open) = self.open() {
            open.ended = true;
        }
        self.split = None;
        self.discarding.take()
    }

    /// What a `say` has cut and that would not be over by itself.
    fn take_split(&mut self, now: Duration) -> Option<Split> {
        let delay = self.max_delay;
        self.split
            .take()
            .filter(|split| split.explicit || split.text.idle_at(delay).is_none_or(|at| at > now))
    }

    /// A buffer that is marked as discontinuous ends what was open before it. An utterance that has only been
    /// announced stays: its first buffer bears that mark too.
    pub fn discont(&mut self) -> Option<Discarded> {
        if self.open().is_some_and(|open| !open.fed) {
            return None;
        }
        self.boundary()
    }

    /// A timed cue: an utterance of its own, handed over at its running time.
    pub fn cue(&mut self, text: &str, at: Duration) -> Option<Discarded> {
        let discarded = self.boundary();
        if !text.trim().is_empty() {
            let id = (self.ids)();
            self.whole(id, From::Cue(at), text);
        }
        discarded
    }

    /// An utterance of its own, complete. Returns its id.
    pub fn say(&mut self, text: &str) -> String {
        if self.discarding.is_none()
            && let Some(open) = self.open()
        {
            open.ended = true;
            // Only announced so far: that can wait.
            let bare = !open.fed && !open.begun && open.pieces.is_empty();
            self.split = Some(Split {
                id: open.id.clone(),
                explicit: open.explicit,
                text: open.text.clone(),
            });
            let last =
                |entry: &Entry<E>| matches!(entry, Entry::Utterance(u) if u.from == From::Stream);
            if bare && let Some(at) = self.entries.iter().rposition(last) {
                self.entries.remove(at);
            }
        }
        let id = (self.ids)();
        self.whole(id.clone(), From::Say, text);
        id
    }

    fn whole(&mut self, id: String, from: From, text: &str) {
        let mut utterance = Utterance::new(id, from, from == From::Say);
        utterance.speakable = !text.trim().is_empty();
        utterance.ended = true;
        for piece in pieces(text) {
            utterance.pieces.push_back(Piece::Text(piece.to_owned()));
        }
        self.bytes += text.len();
        // The end of the stream stays last: what is said before it is reached is still spoken.
        let at = match self.entries.back() {
            Some(Entry::Eos) => self.entries.len() - 1,
            _ => self.entries.len(),
        };
        self.entries.insert(at, Entry::Utterance(utterance));
    }

    /// Something to pass on between what stands before and after it.
    pub fn other(&mut self, other: E) {
        match self.open() {
            Some(open) => {
                open.others += 1;
                open.pieces.push_back(Piece::Other(other));
            }
            None => self.entries.push_back(Entry::Other(other)),
        }
    }

    /// The stream ends.
    pub fn eos(&mut self) -> Option<Discarded> {
        let discarded = self.boundary();
        if !self.at_eos() {
            self.entries.push_back(Entry::Eos);
        }
        discarded
    }

    /// A new stream begins after the end of one.
    pub fn restart(&mut self) -> Option<Discarded> {
        let discarded = self.boundary();
        self.eos_handed = false;
        self.entries.retain(|entry| !matches!(entry, Entry::Eos));
        discarded
    }

    /// Speech was stopped at this running time; `now` is monotonic. What is due is dropped, or goes on as a new
    /// utterance; cues of later times stay. The end of the stream is handed over again, since the synthesizer is flushed.
    pub fn interrupt(&mut self, running: Option<Duration>, now: Duration) -> Dropped {
        let mut dropped = Dropped::default();
        let split = self.take_split(now);
        self.renamed = None;
        let continues = self.after == AfterInterruption::Continue;
        let mut kept = VecDeque::new();
        for entry in std::mem::take(&mut self.entries) {
            let mut utterance = match entry {
                Entry::Utterance(utterance) => utterance,
                other => {
                    kept.push_back(other);
                    continue;
                }
            };
            let later =
                matches!(utterance.from, From::Cue(at) if running.is_none_or(|now| at > now));
            if (later || continues) && !utterance.begun {
                kept.push_back(Entry::Utterance(utterance));
                continue;
            }
            if continues {
                // Its name stays with what was stopped.
                let old = std::mem::replace(&mut utterance.id, (self.ids)());
                self.renamed = Some((old, utterance.id.clone()));
                utterance.explicit = false;
                utterance.begun = false;
                utterance.speakable = utterance
                    .pieces
                    .iter()
                    .any(|piece| matches!(piece, Piece::Text(t) if !t.trim().is_empty()));
                if utterance.speakable || !utterance.ended {
                    kept.push_back(Entry::Utterance(utterance));
                }
                continue;
            }
            for piece in utterance.pieces {
                if let Piece::Text(text) = piece {
                    dropped.unheard.push(&text);
                    dropped.first.get_or_insert_with(|| utterance.id.clone());
                    self.bytes -= text.len();
                }
            }
            if !utterance.ended {
                dropped.open = Some(utterance.id);
            }
        }
        self.entries = kept;
        if std::mem::take(&mut self.eos_handed) {
            self.entries.push_back(Entry::Eos);
        }
        self.dropped_characters += dropped.unheard.characters;
        if !continues && dropped.open.is_none() {
            dropped.open = split.map(|split| split.id);
        }
        if let Some(id) = &dropped.open {
            self.discarding = Some(Discarded {
                id: id.clone(),
                unheard: Unheard::default(),
            });
        }
        dropped
    }

    /// These texts were handed over after an interruption that left the rest to go on, and nobody heard them: they go
    /// first of it. By utterance, in order.
    pub fn requeue(&mut self, texts: Vec<(String, String)>) {
        let renamed = self.renamed.take();
        for (id, text) in texts.into_iter().rev() {
            if text.trim().is_empty() {
                continue;
            }
            self.bytes += text.len();
            let rest = self.entries.iter_mut().find_map(|entry| match entry {
                Entry::Utterance(u)
                    if !u.begun
                        && (renamed.as_ref())
                            .is_some_and(|(old, new)| *old == id && *new == u.id) =>
                {
                    Some(u)
                }
                _ => None,
            });
            let rest = match rest {
                Some(rest) => rest,
                None => {
                    let mut whole = Utterance::new((self.ids)(), From::Stream, false);
                    whole.ended = true;
                    self.entries.push_front(Entry::Utterance(whole));
                    let Some(Entry::Utterance(whole)) = self.entries.front_mut() else {
                        return;
                    };
                    whole
                }
            };
            rest.fed = true;
            rest.speakable = true;
            let pieces: Vec<&str> = pieces(&text).collect();
            for piece in pieces.into_iter().rev() {
                rest.pieces.push_front(Piece::Text(piece.to_owned()));
            }
        }
    }

    /// Everything of the stream is void, as after a flush from upstream.
    pub fn flush(&mut self) -> Dropped {
        let mut dropped = Dropped::default();
        for entry in std::mem::take(&mut self.entries) {
            if let Entry::Utterance(utterance) = entry {
                for piece in utterance.pieces {
                    if let Piece::Text(text) = piece {
                        dropped.unheard.push(&text);
                        dropped.first.get_or_insert_with(|| utterance.id.clone());
                    }
                }
            }
        }
        self.dropped_characters += dropped.unheard.characters;
        self.bytes = 0;
        self.discarding = None;
        self.split = None;
        self.renamed = None;
        self.eos_handed = false;
        dropped
    }

    /// What to do now. `running` is the running time where there is one, `now` is monotonic.
    pub fn next(&mut self, running: Option<Duration>, now: Duration) -> Action<E> {
        loop {
            let begun = self
                .entries
                .iter()
                .position(|e| matches!(e, Entry::Utterance(u) if u.begun));
            if let Some(at) = begun {
                match self.serve(at, now) {
                    Some(action) => return action,
                    None => continue,
                }
            }
            let at = match self.entries.front() {
                None => return Action::wait(),
                Some(Entry::Eos) => {
                    self.entries.pop_front();
                    self.eos_handed = true;
                    return Action::Eos;
                }
                Some(Entry::Other(_)) => match self.entries.pop_front() {
                    Some(Entry::Other(other)) => return Action::Other(other),
                    _ => continue,
                },
                Some(Entry::Utterance(first)) => match first.from {
                    From::Cue(at) if running.is_none_or(|now| now < at) => {
                        // What is said on purpose does not wait for a cue.
                        match self.said() {
                            Some(said) => said,
                            None => {
                                return Action::Wait {
                                    running: Some(at),
                                    idle: None,
                                };
                            }
                        }
                    }
                    _ => 0,
                },
            };
            if let Some(action) = self.serve(at, now) {
                return action;
            }
        }
    }

    fn said(&self) -> Option<usize> {
        self.entries
            .iter()
            .position(|e| matches!(e, Entry::Utterance(u) if u.from == From::Say))
    }

    /// The next step of one utterance; `None` where it had nothing to say and is gone.
    fn serve(&mut self, at: usize, now: Duration) -> Option<Action<E>> {
        let Some(Entry::Utterance(utterance)) = self.entries.get_mut(at) else {
            return Some(Action::wait());
        };
        if !utterance.begun {
            if utterance.speakable || (utterance.ended && utterance.explicit) {
                utterance.begun = true;
                return Some(Action::Begin(utterance.id.clone()));
            }
            if utterance.ended {
                // White space only: nobody has heard of it, nobody will. What it carried passes.
                let gone = self.entries.remove(at)?;
                if let Entry::Utterance(gone) = gone {
                    for piece in gone.pieces.into_iter().rev() {
                        match piece {
                            Piece::Text(text) => self.bytes -= text.len(),
                            Piece::Other(other) => self.entries.insert(at, Entry::Other(other)),
                        }
                    }
                }
                return None;
            }
            return Some(Action::wait());
        }
        match utterance.pieces.pop_front() {
            Some(Piece::Text(text)) => {
                self.bytes -= text.len();
                return Some(Action::Text(utterance.id.clone(), text));
            }
            Some(Piece::Other(other)) => {
                utterance.others -= 1;
                return Some(Action::Other(other));
            }
            None => {}
        }
        if !utterance.ended {
            let delay = self.max_delay.filter(|_| !utterance.explicit);
            let idle = utterance.text.idle_at(delay);
            match idle {
                Some(idle) if idle <= now => {}
                _ => {
                    return Some(Action::Wait {
                        running: None,
                        idle,
                    });
                }
            }
        }
        let id = std::mem::take(&mut utterance.id);
        self.entries.remove(at);
        Some(Action::End(id))
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
