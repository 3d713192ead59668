// SPDX-License-Identifier: MPL-2.0

//! Files that a command writes. Each is written as `NAME.part` and takes its name when it is finished, so that a run that
//! fails leaves what was there before.

use std::path::{Path, PathBuf};

/// A file being written; what is not [kept](Self::keep) is gone when this is dropped.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    /// Where it is written meanwhile; `None` once it is kept.
    part: Option<PathBuf>,
}

impl Output {
    /// Makes the file that is written meanwhile; the error is one sentence. A pipe or a device is written as it stands.
    pub fn create(path: &Path) -> Result<Output, String> {
        let fail = |err: std::io::Error| format!("{} cannot be written: {err}", path.display());
        let special = std::fs::metadata(path).is_ok_and(|there| !there.is_file());
        // A link stays one: what it leads to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
        let part = if special {
            std::fs::OpenOptions::new()
                .write(true)
                .open(&path)
                .map_err(fail)?;
            path.clone()
        } else {
            if path.exists() {
                // A file that is write-protected is not to be replaced either.
                std::fs::OpenOptions::new()
                    .write(true)
                    .open(&path)
                    .map_err(fail)?;
            }
            let mut part = path.clone().into_os_string();
            part.push(".part");
            let part = PathBuf::from(part);
            std::fs::File::create(&part).map_err(fail)?;
            part
        };
        Ok(Output {
            path,
            part: Some(part),
        })
    }

    /// Where it is to be written.
    pub fn part(&self) -> &Path {
        self.part.as_deref().unwrap_or(&self.path)
    }

    /// Gives it its name, when all of it is written; the error is one sentence.
    pub fn keep(mut self) -> Result<(), String> {
        match self.part.take() {
            Some(part) if part != self.path => std::fs::rename(&part, &self.path).map_err(|err| {
                format!(
                    "{} cannot be renamed to {}: {err}",
                    part.display(),
                    self.path.display()
                )
            }),
            _ => Ok(()),
        }
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        if let Some(part) = self.part.take()
            && part != self.path
        {
            let _ = std::fs::remove_file(part);
        }
    }
}

/// Refuses files that are read and written, or written twice; each comes with its name on the command line. The error is
/// one sentence.
pub fn distinct(read: &[(&str, &Path)], written: &[(&str, &Path)]) -> Result<(), String> {
    let place = |path: &Path| {
        path.canonicalize().ok().or_else(|| {
            let folder = path.parent().filter(|f| !f.as_os_str().is_empty());
            let folder = folder.unwrap_or(Path::new(".")).canonicalize().ok()?;
            Some(folder.join(path.file_name()?))
        })
    };
    for (index, (name, path)) in written.iter().enumerate() {
        // Devices such as /dev/null and /dev/stdout take any number of writers.
        if std::fs::metadata(path).is_ok_and(|there| !there.is_file()) {
            continue;
        }
        let Some(at) = place(path) else { continue };
        let same = read
            .iter()
            .chain(&written[..index])
            .find(|(_, other)| place(other).as_ref() == Some(&at));
        if let Some((other, _)) = same {
            return Err(format!(
                "{other} and {name} are the same file, {}; name another to write",
                path.display()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_leaves_what_was_there() {
        let folder = std::env::temp_dir().join(format!("duplex-output-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, link) = (folder.join("a.wav"), folder.join("link.wav"));
        std::fs::write(&file, "before").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let output = Output::create(&file).unwrap();
        std::fs::write(output.part(), "half").unwrap();
        assert!(distinct(&[("--caller", &file)], &[("--heard", &link)]).is_err());
        drop(output);
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "before");
        let output = Output::create(&link).unwrap();
        std::fs::write(output.part(), "after").unwrap();
        output.keep().unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "after");
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
        Output::create(Path::new("/dev/null"))
            .unwrap()
            .keep()
            .unwrap();
        let null = Path::new("/dev/null");
        assert_eq!(distinct(&[], &[("a", null), ("b", null)]), Ok(()));
        let new = folder.join("new");
        assert!(distinct(&[], &[("a", &new), ("b", &folder.join("../x/new"))]).is_ok());
        assert_eq!(
            distinct(&[], &[("--html", &new), ("--heard", &folder.join("./new"))]),
            Err(format!(
                "--html and --heard are the same file, {}; name another to write",
                folder.join("./new").display()
            ))
        );
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
