// SPDX-License-Identifier: MPL-2.0

//! The slots of what is on a device: where each is at, and whether the device still answers.

use std::ops::{Index, IndexMut};

use duplex_neural::backend::abi::Status;

use crate::failure::{Failure, failed};

/// Where each slot is at; `None` is at nothing.
#[derive(Debug)]
pub struct Slots<At> {
    /// What a person knows them by: they are those of "the model".
    of: &'static str,
    at: Vec<Option<At>>,
    /// Why nothing works any more.
    lost: Option<String>,
}

impl<At: Copy> Slots<At> {
    /// So many, at nothing.
    pub fn new(of: &'static str, count: usize) -> Self {
        Self {
            of,
            at: vec![None; count],
            lost: None,
        }
    }

    /// The slot that a host means by a number, which it may be wrong about.
    pub fn number(&self, slot: u32) -> Result<usize, Failure> {
        let count = self.at.len();
        usize::try_from(slot)
            .ok()
            .filter(|slot| *slot < count)
            .ok_or_else(|| {
                failed(format!(
                    "there is no slot {slot}: {} has {count}, from 0",
                    self.of
                ))
            })
    }

    /// Forgets what the slot of this number is at.
    pub fn forget(&mut self, slot: u32) -> Result<(), Failure> {
        let slot = self.number(slot)?;
        self.at[slot] = None;
        Ok(())
    }

    /// Forgets what all are at.
    pub fn clear(&mut self) {
        self.at.fill(None);
    }

    /// Refuses once the device is lost, or whatever else had nothing work any more.
    pub fn alive(&self) -> Result<(), Failure> {
        match &self.lost {
            None => Ok(()),
            Some(sentence) => Err(Failure {
                status: Status::DEVICE_LOST,
                sentence: sentence.clone(),
            }),
        }
    }

    /// What went wrong, and that nothing works any more where it says so.
    pub fn note(&mut self, failure: impl Into<Failure>) -> Failure {
        let failure = failure.into();
        if failure.status == Status::DEVICE_LOST {
            self.lose(&failure.sentence);
        }
        failure
    }

    /// That nothing works any more, and why.
    pub fn lose(&mut self, why: &str) {
        self.lost = Some(why.to_owned());
    }
}

impl<At> Index<usize> for Slots<At> {
    type Output = Option<At>;

    fn index(&self, slot: usize) -> &Option<At> {
        &self.at[slot]
    }
}

impl<At> IndexMut<usize> for Slots<At> {
    fn index_mut(&mut self, slot: usize) -> &mut Option<At> {
        &mut self.at[slot]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_of_slots_that_there_are_not() {
        let mut slots = Slots::new("the model", 2);
        slots[1] = Some(7);
        assert_eq!(slots.number(1), Ok(1));
        let told = slots.forget(2).unwrap_err();
        assert_eq!(told.sentence, "there is no slot 2: the model has 2, from 0");
        assert_eq!(slots[1], Some(7));
        slots.forget(1).unwrap();
        assert_eq!(slots[1], None);
    }

    #[test]
    fn a_device_that_is_lost_stays_so() {
        let mut slots = Slots::<()>::new("the model", 1);
        assert_eq!(slots.note(failed("no matter")), failed("no matter"));
        slots.alive().unwrap();
        let lost = Failure {
            status: Status::DEVICE_LOST,
            sentence: "it is gone".into(),
        };
        assert_eq!(slots.note(lost.clone()), lost);
        slots.note(failed("no matter"));
        assert_eq!(slots.alive(), Err(lost));
    }
}
