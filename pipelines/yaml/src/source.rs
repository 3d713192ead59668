// SPDX-License-Identifier: MPL-2.0

//! The text of a file, places in it, and the problems found there.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use crate::Form;

/// A place in a file: line and column count from 1, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// How many characters on this line the place covers; at least 1.
    pub length: usize,
}

/// A value and the place where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// What was written.
    pub value: T,
    /// Where it was written.
    pub at: Span,
}

impl<T> std::ops::Deref for Spanned<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

/// The text of one file and the name it has in messages.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// What stands before the first colon of each message.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// Most problems that are printed; the others are counted.
pub const MAX_PRINTED: usize = 100;

impl Source {
    /// Reads a file; what is wrong with the file itself is reported as a problem.
    pub fn read(path: &Path, form: &Form) -> Result<Source, Report> {
        let mut source = Source {
            name: path.display().to_string(),
            text: String::new(),
        };
        let fail = |source: Source, message: String| {
            let mut report = Report::new(source);
            report.whole_file(message);
            Err(report)
        };
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => {
                return fail(source, "there is no such file".into());
            }
            Err(err) => return fail(source, format!("cannot be read: {err}")),
        };
        if metadata.is_dir() {
            return fail(
                source,
                "is a directory; name a .yaml file inside it".to_string(),
            );
        }
        let limit = form.max_size;
        if metadata.len() > limit {
            let has = format!(
                "has {} bytes; {} has at most {limit}",
                metadata.len(),
                form.what
            );
            return fail(source, has);
        }
        // What a device or a pipe holds is known only when it is read.
        let mut bytes = Vec::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes));
        if let Err(err) = read {
            return fail(source, format!("cannot be read: {err}"));
        }
        if bytes.len() as u64 > limit {
            return fail(
                source,
                format!("does not end; {} has at most {limit} bytes", form.what),
            );
        }
        match String::from_utf8(bytes) {
            Ok(text) => {
                source.text = text;
                Ok(source)
            }
            Err(err) => {
                let good = err.utf8_error().valid_up_to();
                let byte = err.as_bytes()[good];
                let before = String::from_utf8_lossy(&err.as_bytes()[..good]).into_owned();
                let at = Span {
                    line: before.matches('\n').count() + 1,
                    column: before.rsplit('\n').next().unwrap_or("").chars().count() + 1,
                    length: 1,
                };
                source.text = String::from_utf8_lossy(err.as_bytes()).into_owned();
                let mut report = Report::new(source);
                report.add(
                    at,
                    format!("byte 0x{byte:02x} is not UTF-8; save the file as UTF-8"),
                );
                Err(report)
            }
        }
    }

    /// The text of a line, counted from 1.
    pub fn line(&self, number: usize) -> Option<&str> {
        self.text.lines().nth(number.checked_sub(1)?)
    }

    /// The place of `part` inside what stands at `at`, when it is written there as such.
    pub fn within(&self, at: Span, part: &str) -> Span {
        let Some(line) = self.line(at.line) else {
            return at;
        };
        let skip = at.column - 1;
        let rest: String = line.chars().skip(skip).collect();
        match rest.find(part) {
            Some(byte) if !part.is_empty() => Span {
                line: at.line,
                column: at.column + rest[..byte].chars().count(),
                length: part.chars().count(),
            },
            _ => at,
        }
    }
}

/// One thing that is wrong, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where; `None` when it concerns the whole file.
    pub at: Option<Span>,
    /// One sentence.
    pub message: String,
}

/// Every problem of a file, in the order of the text.
#[derive(Clone, Debug, Default)]
pub struct Report {
    source: Source,
    problems: BTreeSet<Problem>,
}

impl Report {
    /// A report without problems yet.
    pub fn new(source: Source) -> Report {
        Report {
            source,
            problems: BTreeSet::new(),
        }
    }

    /// The text it is about.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Adds a problem at a place.
    pub fn add(&mut self, at: Span, message: impl Into<String>) {
        self.problems.insert(Problem {
            at: Some(at),
            message: message.into(),
        });
    }

    /// Adds a problem of the file as a whole, or of how it was called.
    pub fn whole_file(&mut self, message: impl Into<String>) {
        self.problems.insert(Problem {
            at: None,
            message: message.into(),
        });
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// The problems, in the order of the text.
    pub fn problems(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.problems.iter()
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for problem in self.problems().take(MAX_PRINTED) {
            let name = &self.source.name;
            let Some(at) = problem.at else {
                writeln!(f, "{name}: {}", problem.message)?;
                continue;
            };
            writeln!(f, "{name}:{}:{}: {}", at.line, at.column, problem.message)?;
            let Some(line) = self.source.line(at.line) else {
                continue;
            };
            // A very long line is shown around the place.
            let chars: Vec<char> = line.chars().collect();
            let first = at.column.saturating_sub(1).saturating_sub(72);
            let shown: String = chars.iter().skip(first).take(100).collect();
            let mut caret = String::new();
            for c in chars.iter().take(at.column - 1).skip(first) {
                caret.push(if *c == '\t' { '\t' } else { ' ' });
            }
            let length = at
                .length
                .min(chars.len().saturating_sub(at.column - 1))
                .max(1);
            let _ = write!(caret, "{}", "^".repeat(length.min(60)));
            writeln!(f, "{:>5} | {}", at.line, shown.trim_end())?;
            writeln!(f, "      | {caret}")?;
        }
        if let Some(more @ 1..) = self.problems.len().checked_sub(MAX_PRINTED) {
            writeln!(f, "{}: and {more} more", self.source.name)?;
        }
        Ok(())
    }
}

impl std::error::Error for Report {}

/// `; did you mean …?` with the name nearest to `wrong`, or nothing where none is near.
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let lower = wrong.to_lowercase();
    let best = names
        .into_iter()
        .map(|name| {
            (
                strsim::damerau_levenshtein(&lower, &name.to_lowercase()),
                name,
            )
        })
        .min();
    match best {
        Some((distance, name))
            if name != wrong
                && distance <= (wrong.chars().count() / 3).max(1)
                && distance < wrong.chars().count() =>
        {
            format!("; did you mean `{name}`?")
        }
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["voice", "rate", "language"];
        assert_eq!(nearest("voise", names), "; did you mean `voice`?");
        assert_eq!(nearest("Language", names), "; did you mean `language`?");
        assert_eq!(nearest("location", names), "");
        assert_eq!(nearest("x", names), "");
    }

    #[test]
    fn a_hundred_problems_are_printed_and_the_others_counted() {
        let source = Source {
            name: "x".into(),
            text: "a\n".repeat(300),
        };
        let mut report = Report::new(source);
        for round in 0..2 {
            for line in (1..=250).rev() {
                let at = Span {
                    line,
                    column: 1,
                    length: 1,
                };
                report.add(at, "wrong");
            }
            assert_eq!(report.problems().len(), 250, "after round {round}");
        }
        let told = report.to_string();
        assert!(told.starts_with("x:1:1: wrong\n"), "{told}");
        assert_eq!(told.matches(": wrong\n").count(), MAX_PRINTED);
        assert!(told.ends_with("      | ^\nx: and 150 more\n"), "{told}");
    }

    #[test]
    fn what_never_ends_is_not_read_to_the_end() {
        let form = Form::new("a configuration");
        let report = Source::read(Path::new("/dev/zero"), &form).unwrap_err();
        assert_eq!(
            report.to_string(),
            "/dev/zero: does not end; a configuration has at most 1048576 bytes\n"
        );
    }

    #[test]
    fn a_part_is_found_where_it_stands() {
        let source = Source {
            name: "x".into(),
            text: "a: \"über ${name}\"\n".into(),
        };
        let at = Span {
            line: 1,
            column: 4,
            length: 14,
        };
        assert_eq!(source.within(at, "${name}").column, 10);
        assert_eq!(source.within(at, "${other}"), at);
    }
}
