// SPDX-License-Identifier: MPL-2.0

//! Decision trees over rows of small numbers.

use std::path::Path;

use super::syllables::{ACCENT_WIDTH, PART_WIDTH};
use crate::weights::{LoadError, Weights};

/// The feature of a leaf.
const LEAF: u8 = u8::MAX;
/// No row is longer.
const WIDEST: usize = if PART_WIDTH > ACCENT_WIDTH {
    PART_WIDTH
} else {
    ACCENT_WIDTH
};

/// A node: of a leaf the outcome; of others what is asked, and how many nodes on the second child is. The first is the next.
#[derive(Clone, Copy, Debug)]
struct Node {
    feature: u8,
    test: i8,
    last: u16,
}

/// A tree, its root first.
#[derive(Debug)]
pub struct Tree(Vec<Node>);

impl Tree {
    /// Loads it. Whatever the file holds, whoever goes down it comes to an end.
    pub fn load(weights: &Weights, name: &str) -> Result<Self, LoadError> {
        let shape = weights.shape(name).unwrap_or(&[1]).to_vec();
        let nodes = weights.bits(name, &shape)?.into_iter().map(|bits| Node {
            feature: (bits >> 24) as u8,
            test: (bits >> 16) as u8 as i8,
            last: bits as u16,
        });
        let tree = Self(nodes.collect());
        tree.check(weights.path())?;
        Ok(tree)
    }

    fn check(&self, path: &Path) -> Result<(), LoadError> {
        let count = self.0.len();
        let inside = |(at, node): (usize, &Node)| {
            let behind = at + usize::from(node.last);
            let asks = usize::from(node.feature) < WIDEST && node.last > 1 && behind < count;
            node.feature == LEAF || asks
        };
        if count > 0 && self.0.iter().enumerate().all(inside) {
            return Ok(());
        }
        Err(LoadError::Other(format!(
            "{}: a tree leads out of its file; the file is damaged, get it again",
            path.display()
        )))
    }

    /// What it says of a row. A feature `is_name` where its numbers have no order: then the test is whether it is this one, or
    /// else whether it is no more.
    pub fn decide(&self, row: &[i8], is_name: impl Fn(usize) -> bool) -> i16 {
        let mut at = 0;
        loop {
            let node = self.0[at];
            if node.feature == LEAF {
                return node.last as i16;
            }
            let feature = usize::from(node.feature);
            // A row may be shorter than a damaged file believes.
            let value = row.get(feature).copied().unwrap_or(-1);
            let first = match is_name(feature) {
                true => value == node.test,
                false => value <= node.test,
            };
            at += if first { 1 } else { usize::from(node.last) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(nodes: &[(u8, i8, i16)]) -> Tree {
        let nodes = nodes.iter().map(|(feature, test, last)| Node {
            feature: *feature,
            test: *test,
            last: *last as u16,
        });
        Tree(nodes.collect())
    }

    #[test]
    fn names_are_asked_for_one_by_one_and_numbers_by_size() {
        let tree = tree(&[
            (0, 3, 2),
            (LEAF, 0, 10),
            (1, -1, 2),
            (LEAF, 0, -20),
            (LEAF, 0, 30),
        ]);
        tree.check(Path::new("x")).unwrap();
        let decide = |row: [i8; 2]| tree.decide(&row, |feature| feature == 0);
        assert_eq!([[3, 0], [2, -1], [2, 5]].map(decide), [10, -20, 30]);
    }

    #[test]
    fn what_leads_out_is_refused() {
        let leaf = (LEAF, 0, 1);
        for nodes in [
            &[(0, 0, 2), leaf][..],
            &[(0, 0, 1), leaf],
            &[(200, 0, 2), leaf, leaf],
            &[],
        ] {
            let error = tree(nodes).check(Path::new("a.file")).unwrap_err();
            assert!(error.to_string().starts_with("a.file: "), "{error}");
        }
        // The last node asks, and nothing is behind it.
        assert!(tree(&[leaf, (0, 0, 2)]).check(Path::new("x")).is_err());
    }
}
