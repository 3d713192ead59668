// SPDX-License-Identifier: MPL-2.0

//! Where a file is published.

use std::fmt::{self, Display};

/// A file of a repository on a hub, at one commit: `hf://OWNER/NAME/PATH@COMMIT`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// `OWNER/NAME`.
    pub repository: String,
    /// Inside the repository, with slashes.
    pub path: String,
    /// Forty hexadecimal digits.
    pub revision: String,
}

impl Place {
    /// Reads what is written, or says what it should look like.
    pub fn parse(written: &str) -> Result<Place, String> {
        let wrong = |why: &str| {
            Err(format!(
                "`{written}` {why}: write hf://OWNER/NAME/PATH@COMMIT"
            ))
        };
        let Some(rest) = written.strip_prefix("hf://") else {
            return wrong("is no place on a hub");
        };
        let Some((rest, revision)) = rest.rsplit_once('@') else {
            return wrong("names no commit");
        };
        // A branch would be another file tomorrow, under the same name.
        if revision.len() != 40
            || !revision
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            return wrong("names no commit of forty hexadecimal digits");
        }
        let mut parts = rest.splitn(3, '/');
        let (Some(owner), Some(name), Some(path)) = (parts.next(), parts.next(), parts.next())
        else {
            return wrong("has no path in a repository");
        };
        // These become names of files in the user's cache.
        let plain = |part: &str| {
            !matches!(part, "" | "." | "..")
                && part
                    .chars()
                    .all(|c| c.is_alphanumeric() || "-_.+ ".contains(c))
        };
        if ![owner, name].into_iter().chain(path.split('/')).all(plain) {
            return wrong("has a part that is no name of a file");
        }
        Ok(Place {
            repository: format!("{owner}/{name}"),
            path: path.to_owned(),
            revision: revision.to_owned(),
        })
    }

    /// The last part of the path.
    pub fn file(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "hf://{}/{}@{}",
            self.repository, self.path, self.revision
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: &str = "00eac05ed3d16bdc3f6b5d598874019c34a89214";

    #[test]
    fn what_is_written_is_read_and_written_again() {
        let written = format!("hf://owner/some.name/a/b/c.json@{COMMIT}");
        let place = Place::parse(&written).unwrap();
        assert_eq!(place.repository, "owner/some.name");
        assert_eq!(
            (place.path.as_str(), place.file()),
            ("a/b/c.json", "c.json")
        );
        assert_eq!(place.revision, COMMIT);
        assert_eq!(place.to_string(), written);
    }

    #[test]
    fn what_is_no_file_at_a_commit_is_refused() {
        for (wrong, why) in [
            ("https://x/y/z", "is no place on a hub"),
            ("hf://owner/name/file", "names no commit"),
            ("hf://owner/name/file@main", "forty hexadecimal digits"),
            (&format!("hf://owner/name@{COMMIT}"), "has no path"),
            (
                &format!("hf://owner/name/../../x@{COMMIT}"),
                "no name of a file",
            ),
            (&format!("hf://owner/name//x@{COMMIT}"), "no name of a file"),
        ] {
            let told = Place::parse(wrong).unwrap_err();
            assert!(told.contains(why), "{told}");
            assert!(told.contains("write hf://OWNER/NAME/PATH@COMMIT"), "{told}");
        }
    }
}
