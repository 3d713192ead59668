// SPDX-License-Identifier: MPL-2.0

//! Files that people write in YAML, read with the place of each value.
//!
//! Everything that is wrong with a file is told at once, each problem as `file:line:column: what`, with the line, a caret
//! and the nearest known name. Descriptions of pipelines and configurations of servers are read with it; a [`Form`] says
//! which of them a file holds. No GStreamer is linked.
//!
//! ```
//! use duplex_yaml::{Form, Mapping, Report, Source, yaml};
//!
//! const FORM: Form = Form::new("a configuration");
//! let source = Source {
//!     name: "serve.yaml".into(),
//!     text: "prot: 8443\nworkers: [grpc://a:7001]\n".into(),
//! };
//! let mut report = Report::new(source.clone());
//! let root = yaml::parse(&source, &FORM, &mut report).unwrap();
//! let mut file = Mapping::root(&root, &FORM, &mut report);
//! let port = file.integer("port", 1..=65535, &mut report);
//! let workers = file.strings("workers", &mut report).unwrap_or_default();
//! file.finish(&mut report);
//! assert_eq!((port, workers.len()), (None, 1));
//! assert_eq!(
//!     report.to_string(),
//!     "serve.yaml:1:1: unknown key `prot` in a configuration, which has port, workers; did you mean `port`?\n\
//!      \x20   1 | prot: 8443\n\
//!      \x20     | ^^^^\n"
//! );
//! ```

pub mod duration;
pub mod interpolate;
mod mapping;
pub mod source;
pub mod yaml;

pub use mapping::Mapping;
pub use source::{Problem, Report, Source, Span, Spanned, nearest};
pub use yaml::{Kind, Node};

/// What a kind of file holds, for messages, and how large it may be.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// With its article: `a description`.
    pub what: &'static str,
    /// Largest file, in bytes.
    pub max_size: u64,
    /// Deepest nesting of mappings and lists.
    pub max_depth: usize,
    /// How many levels it needs at most, in words, for the message about too many.
    pub needs: &'static str,
    /// Most nodes, counted with every alias written out.
    pub max_nodes: usize,
}

impl Form {
    /// A form with limits that no file written by hand meets: 1 MiB, 16 levels, 10,000 nodes.
    pub const fn new(what: &'static str) -> Form {
        Form {
            what,
            max_size: 1024 * 1024,
            max_depth: 16,
            needs: "four",
            max_nodes: 10_000,
        }
    }

    /// Without its article: `description`.
    pub fn noun(&self) -> &'static str {
        self.what
            .split_once(' ')
            .map_or(self.what, |(_, noun)| noun)
    }
}
