// SPDX-License-Identifier: MPL-2.0

//! Decision trees over rows of small numbers.

use std::path::Path;

use super::syllables::{ACCENT_WIDTH, WIDTH};
use crate::weights::{LoadError, Weights};

/// The feature of a leaf.
const LEAF: u8 = u8::MAX;
/// No row is longer.
const WIDEST: usize = if WIDTH > ACCENT_WIDTH {
    WIDTH
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

/// Trees, one behind the other.
#[derive(Debug)]
pub struct Trees {
    nodes: Vec<Node>,
    roots: Vec<usize>,
}

impl Trees {
    /// Loads so many trees. Whatever the file holds, each of them ends.
    pub fn load(weights: &Weights, name: &str, count: usize) -> Result<Self, LoadError> {
        let nodes = format!("{name}.nodes");
        let shape = weights.shape(&nodes).unwrap_or(&[1]).to_vec();
        let nodes = weights.bits(&nodes, &shape)?.into_iter().map(|bits| Node {
            feature: (bits >> 24) as u8,
            test: (bits >> 16) as u8 as i8,
            last: bits as u16,
        });
        let roots = weights.bits(&format!("{name}.roots"), &[count])?;
        let trees = Self {
            nodes: nodes.collect(),
            roots: roots.into_iter().map(|root| root as usize).collect(),
        };
        trees.check(weights.path())?;
        Ok(trees)
    }

    fn check(&self, path: &Path) -> Result<(), LoadError> {
        let count = self.nodes.len();
        let inside = |(at, node): (usize, &Node)| {
            let behind = at + usize::from(node.last);
            let asks = usize::from(node.feature) < WIDEST && node.last > 1 && behind < count;
            node.feature == LEAF || asks
        };
        if self.nodes.iter().enumerate().all(inside) && self.roots.iter().all(|root| *root < count)
        {
            return Ok(());
        }
        Err(LoadError::Other(format!(
            "{}: a tree of lengths leads out of its file; the file is damaged, get it again",
            path.display()
        )))
    }

    /// What a tree says of a row. A feature `is_name` where its numbers have no order: then the test is whether it is this one, or
    /// else whether it is no more.
    pub fn decide(&self, tree: usize, row: &[i8], is_name: impl Fn(usize) -> bool) -> u16 {
        let mut at = self.roots[tree];
        loop {
            let node = self.nodes[at];
            if node.feature == LEAF {
                return node.last;
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

    fn trees(nodes: &[(u8, i8, u16)]) -> Trees {
        let nodes = nodes.iter().map(|(feature, test, last)| Node {
            feature: *feature,
            test: *test,
            last: *last,
        });
        Trees {
            nodes: nodes.collect(),
            roots: vec![0],
        }
    }

    #[test]
    fn names_are_asked_for_one_by_one_and_numbers_by_size() {
        let trees = trees(&[
            (0, 3, 2),
            (LEAF, 0, 10),
            (1, -1, 2),
            (LEAF, 0, 20),
            (LEAF, 0, 30),
        ]);
        trees.check(Path::new("x")).unwrap();
        let decide = |row: [i8; 2]| trees.decide(0, &row, |feature| feature == 0);
        assert_eq!([[3, 0], [2, -1], [2, 5]].map(decide), [10, 20, 30]);
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
            let error = trees(nodes).check(Path::new("a.file")).unwrap_err();
            assert!(error.to_string().starts_with("a.file: "), "{error}");
        }
        // The last node asks, and nothing is behind it.
        assert!(trees(&[leaf, (0, 0, 2)]).check(Path::new("x")).is_err());
    }
}
