// SPDX-License-Identifier: MPL-2.0

//! What ears and applications ask for, on its way to the playout task without a lock.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::{
    interruption::{Command, EarEvent, Input},
    playout::Nanos,
};

const KINDS: [Input; 10] = [
    Input::Ear(EarEvent::Suspected),
    Input::Ear(EarEvent::Onset),
    Input::Ear(EarEvent::Started),
    Input::Ear(EarEvent::Cancelled),
    Input::Ear(EarEvent::Ended),
    Input::Command(Command::Pause),
    Input::Command(Command::Resume),
    Input::Command(Command::Interrupt),
    Input::Command(Command::Commit),
    Input::Command(Command::Dismiss),
];

/// One slot per kind: of two letters of a kind that arrive within one frame the later one stands for both, so nothing
/// is ever full and nothing is lost.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    slots: [Slot; KINDS.len()],
    counter: AtomicU64,
}

#[derive(Debug, Default)]
struct Slot {
    at: AtomicU64,
    /// Orders letters; 0 where there is none. Written after the time, so that who sees it sees that time or a later one.
    number: AtomicU64,
}

impl Mailbox {
    pub fn post(&self, input: Input, at: Nanos) {
        let Some(kind) = KINDS.iter().position(|&kind| kind == input) else {
            return;
        };
        let number = self.counter.fetch_add(1, Ordering::Relaxed) + 1;
        self.slots[kind].at.store(at, Ordering::Relaxed);
        self.slots[kind].number.store(number, Ordering::Release);
    }

    /// Takes all letters, in the order in which they were posted.
    pub fn take(&self) -> impl Iterator<Item = (Nanos, Input)> {
        let mut letters = [(0, 0, KINDS[0]); KINDS.len()];
        for ((slot, letter), kind) in self.slots.iter().zip(&mut letters).zip(KINDS) {
            if slot.number.load(Ordering::Relaxed) != 0 {
                let number = slot.number.swap(0, Ordering::Acquire);
                *letter = (number, slot.at.load(Ordering::Relaxed), kind);
            }
        }
        letters.sort_unstable_by_key(|(number, ..)| *number);
        letters
            .into_iter()
            .filter(|(number, ..)| *number != 0)
            .map(|(_, at, input)| (at, input))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_come_in_order_and_the_latest_of_a_kind_stands() {
        let mailbox = Mailbox::default();
        assert_eq!(mailbox.take().count(), 0);
        mailbox.post(KINDS[3], 32);
        mailbox.post(KINDS[0], 64);
        mailbox.post(KINDS[2], 64);
        mailbox.post(KINDS[3], 96);
        let got: Vec<_> = mailbox.take().collect();
        assert_eq!(got, [(64, KINDS[0]), (64, KINDS[2]), (96, KINDS[3])]);
        assert_eq!(mailbox.take().count(), 0);
    }
}
