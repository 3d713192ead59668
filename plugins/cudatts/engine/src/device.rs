// SPDX-License-Identifier: MPL-2.0

//! Which device computes a model: a card, where one can, or the CPU.

use std::sync::LazyLock;

use duplex_synthesis::Error;

use crate::{
    backend::{
        abi::Backend,
        driver::{self, Card},
        library,
    },
    kernels::q8,
};

/// What is wished for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// A card where there is one that can, otherwise the CPU.
    #[default]
    Auto,
    /// A card, or an error.
    Cuda,
    /// The CPU.
    Cpu,
}

/// A card that can compute, and what does.
#[derive(Clone, Copy, Debug)]
pub struct OnCard {
    /// Which.
    pub card: &'static Card,
    /// Loaded.
    pub backend: &'static Backend,
}

/// Looks whether a card of this number can compute: driver, card, libraries, backend.
///
/// # Errors
/// [`Error::Unavailable`] with what was found, what is needed and what to do.
pub fn card(ordinal: u32) -> Result<OnCard, Error> {
    static BACKEND: LazyLock<Result<&'static Backend, Error>> =
        LazyLock::new(|| library::load(&library::places()));
    let card = driver::check(ordinal)?;
    let backend = BACKEND.clone()?;
    Ok(OnCard { card, backend })
}

/// The devices of this machine, for people: the CPU, then each card, or why there is none.
pub fn list() -> String {
    let cards = match driver::cuda() {
        Ok(cuda) => {
            let told = |card: &Card| match self::card(card.ordinal) {
                Ok(_) => format!("cuda {card}"),
                Err(error) => format!("cuda {card} cannot be used: {error}"),
            };
            cuda.cards.iter().map(told).collect::<Vec<_>>().join("; ")
        }
        Err(error) => error.to_string(),
    };
    format!("cpu ({}); {cards}", q8::instructions())
}
