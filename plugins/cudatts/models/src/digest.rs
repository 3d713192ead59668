// SPDX-License-Identifier: MPL-2.0

//! The hashes by which a hub names its files.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use sha2::Digest as _;

/// Hashes a file as it comes. The length of a name tells how it was made: a large file's is the SHA-256 of its bytes, a small
/// one's is what git calls its blob, the SHA-1 of a header and the bytes.
#[derive(Clone, Debug)]
pub enum Digest {
    /// 64 digits.
    Sha256(sha2::Sha256),
    /// 40 digits.
    Git(sha1::Sha1),
}

impl Digest {
    /// For a file of `size` bytes that is called `name`; `None` where the name is no hash.
    pub fn named(name: &str, size: u64) -> Option<Digest> {
        if !name.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return None;
        }
        match name.len() {
            64 => Some(Digest::Sha256(sha2::Sha256::new())),
            40 => {
                let header = format!("blob {size}\0");
                Some(Digest::Git(sha1::Sha1::new_with_prefix(header)))
            }
            _ => None,
        }
    }

    /// Takes what comes next.
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Digest::Sha256(digest) => digest.update(bytes),
            Digest::Git(digest) => digest.update(bytes),
        }
    }

    /// Takes the whole of a file, or what `reader` still has of it.
    pub fn read(&mut self, mut reader: impl Read) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(()),
                count => self.update(&buffer[..count]),
            }
        }
    }

    /// The hash, in digits.
    pub fn finish(self) -> String {
        let bytes = match self {
            Digest::Sha256(digest) => digest.finalize().to_vec(),
            Digest::Git(digest) => digest.finalize().to_vec(),
        };
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// What a file of this kind of name is really called; `None` where the name is no hash.
    pub fn of(path: &Path, name: &str) -> io::Result<Option<String>> {
        let file = File::open(path)?;
        let Some(mut digest) = Digest::named(name, file.metadata()?.len()) else {
            return Ok(None);
        };
        digest.read(file)?;
        Ok(Some(digest.finish()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `sha256sum` and `git hash-object` tell them.
    #[test]
    fn both_kinds_of_names_are_made() {
        let sha256 = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
        let git = "ce013625030ba8dba906f756967f9e9ca394464a";
        for name in [sha256, git] {
            let mut digest = Digest::named(name, 6).unwrap();
            digest.update(b"hel");
            digest.read(&b"lo\n"[..]).unwrap();
            assert_eq!(digest.finish(), name);
        }
        assert!(Digest::named("W/abc", 6).is_none());
        assert!(Digest::named(&git.to_uppercase(), 6).is_none());
    }
}
