// SPDX-License-Identifier: MPL-2.0

//! Whether there is memory, asked before it is needed: an allocation that fails ends the process.

use std::{fmt, hint::black_box};

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

impl Size {
    /// Whether the system would give as much in one piece. Nothing is kept.
    pub fn is_there(self) -> bool {
        let mut room = Vec::<u8>::new();
        let given = usize::try_from(self.0).is_ok_and(|size| room.try_reserve_exact(size).is_ok());
        // Otherwise the compiler may leave out an allocation that nobody uses.
        black_box(room);
        given
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            size @ 1_000_000_000.. => write!(f, "{:.1} GB", size as f64 / 1e9),
            size => write!(f, "{} MB", size.div_ceil(1_000_000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_told() {
        assert!(Size(1 << 20).is_there());
        assert!(!Size(1 << 62).is_there());
        assert!(!Size(u64::MAX).is_there());
        assert_eq!(Size(1).to_string(), "1 MB");
        assert_eq!(Size(72_400_000_000).to_string(), "72.4 GB");
    }
}
