// SPDX-License-Identifier: MPL-2.0

//! One file, from a hub into the cache.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use duplex_models::{Cache, Digest, Place};
use reqwest::{Response, StatusCode, header};

use super::{
    error::Error,
    server::{Failed, Patience, Published, Server, reason},
    watcher::Watcher,
};

/// Fetches a file that is not here. Another process that fetches the same is waited for.
pub async fn fetch(
    server: &Server,
    cache: &Cache,
    place: &Place,
    mut published: Published,
    watcher: &mut dyn Watcher,
) -> Result<(), Error> {
    let repository = &place.repository;
    let mut patience = Patience::new();
    let mut started_anew = false;
    loop {
        let hash = published.hash.clone();
        let _lock = lock(cache, place, &hash, watcher)?;
        let blob = cache.blob(repository, &hash);
        if blob.is_file() {
            link(cache, place, &hash)?;
            watcher.is_here(place);
            return Ok(());
        }
        let incomplete = cache.incomplete(repository, &hash);
        let mut coming = Coming::open(&incomplete, cache, &published)?;
        let from = coming.have;
        // Where the rest has to come from a server that is not the hub, only an answer of its own tells how that one names it.
        let mut unless_changed = None;
        watcher.begins(place, published.size, from);
        // Each turn is one answer; whoever brings something may be asked again as often as at first.
        while coming.have < published.size {
            let before = coming.have;
            let answer = server
                .bytes(&published, place, before, unless_changed.as_deref())
                .await;
            let failed = match answer {
                Ok(answer) => match coming
                    .take(answer, place, &mut unless_changed, watcher)
                    .await
                {
                    Ok(()) => continue,
                    Err(failed) => failed,
                },
                Err(failed) => failed,
            };
            if coming.have > before {
                patience = Patience::new();
            }
            patience.wait(failed, watcher).await?;
            // Addresses of large files expire, and files may change.
            let now = server.published(place, watcher).await?;
            if now.hash != hash {
                watcher.says(&format!("{} has changed; it is fetched anew", place.path));
            }
            published = now;
            if published.hash != hash {
                break;
            }
        }
        if published.hash != hash {
            let _ = fs::remove_file(&incomplete);
            continue;
        }
        let fetched = coming.have.saturating_sub(from);
        match coming.finish(&hash)? {
            None => {
                let moved = fs::rename(&incomplete, &blob);
                moved.map_err(|error| Error::of_disk(error, &blob, cache.folder(), 0))?;
                link(cache, place, &hash)?;
                watcher.ends(place, fetched);
                return Ok(());
            }
            // What was left here may have been at fault.
            Some(_) if from > 0 && !started_anew => {
                let _ = fs::remove_file(&incomplete);
                started_anew = true;
                let why = format!(
                    "what was here of {} was damaged; it is fetched anew",
                    place.path
                );
                watcher.says(&why);
            }
            Some(found) => {
                let _ = fs::remove_file(&incomplete);
                return Err(Error::WrongHash {
                    place: place.clone(),
                    expected: hash,
                    found,
                });
            }
        }
    }
}

fn link(cache: &Cache, place: &Place, hash: &str) -> Result<(), Error> {
    let linked = cache.link(place, hash);
    linked.map_err(|error| Error::of_disk(error, &cache.snapshot(place), cache.folder(), 0))?;
    Ok(())
}

/// Holds the lock that huggingface_hub would hold. It ends with the file, and with the process.
fn lock(
    cache: &Cache,
    place: &Place,
    hash: &str,
    watcher: &mut dyn Watcher,
) -> Result<File, Error> {
    let path = cache.lock(&place.repository, hash);
    let disk = |error| Error::of_disk(error, &path, cache.folder(), 0);
    folder_of(&path).map_err(disk)?;
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .map_err(disk)?;
    match file.try_lock() {
        Ok(()) => (),
        Err(TryLockError::WouldBlock) => {
            watcher.says(&format!(
                "another process fetches {}; waiting for it",
                place.path
            ));
            file.lock().map_err(disk)?;
        }
        Err(TryLockError::Error(error)) => return Err(disk(error)),
    }
    Ok(file)
}

fn folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)
}

/// A file of which a part is here.
struct Coming<'a> {
    file: File,
    path: PathBuf,
    cache: &'a Cache,
    name: String,
    digest: Digest,
    size: u64,
    /// Bytes that are here, and in `digest`.
    have: u64,
}

impl<'a> Coming<'a> {
    /// Goes on with what is here.
    fn open(path: &Path, cache: &'a Cache, published: &Published) -> Result<Coming<'a>, Error> {
        let disk = |error| Error::of_disk(error, path, cache.folder(), published.size);
        folder_of(path).map_err(disk)?;
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let file = options.open(path).map_err(disk)?;
        let mut coming = Coming {
            digest: digest(&published.hash, published.size),
            name: published.hash.clone(),
            path: path.to_owned(),
            size: published.size,
            cache,
            have: file.metadata().map_err(disk)?.len(),
            file,
        };
        if coming.have > coming.size {
            coming.start_anew()?;
        }
        coming.digest.read(&coming.file).map_err(disk)?;
        Ok(coming)
    }

    fn disk(&self, error: io::Error) -> Error {
        Error::of_disk(
            error,
            &self.path,
            self.cache.folder(),
            self.size - self.have.min(self.size),
        )
    }

    fn start_anew(&mut self) -> Result<(), Error> {
        self.file.set_len(0).map_err(|error| self.disk(error))?;
        let start = self.file.seek(SeekFrom::Start(0));
        start.map_err(|error| self.disk(error))?;
        self.have = 0;
        self.digest = digest(&self.name, self.size);
        Ok(())
    }

    /// Takes what an answer brings.
    async fn take(
        &mut self,
        mut answer: Response,
        place: &Place,
        unless_changed: &mut Option<String>,
        watcher: &mut dyn Watcher,
    ) -> Result<(), Failed> {
        let goes_on = answer.status() == StatusCode::PARTIAL_CONTENT && self.fits(&answer);
        if !goes_on && self.have > 0 {
            self.start_anew().map_err(Failed::finally)?;
        }
        let server = answer.url().origin().ascii_serialization();
        let cut = |why: String| Failed::For {
            why: format!("{} is cut: {why}", place.path),
            wait: None,
            error: Box::new(Error::Connection {
                server: server.clone(),
                place: place.clone(),
                why,
            }),
        };
        if !goes_on && answer.status() != StatusCode::OK {
            return Err(cut(format!(
                "an answer {} to what was asked",
                answer.status().as_u16()
            )));
        }
        // A weak name would not say that the bytes are the same.
        let etag = answer.headers().get(header::ETAG);
        let etag = etag.and_then(|etag| etag.to_str().ok());
        *unless_changed = etag.filter(|etag| etag.starts_with('"')).map(str::to_owned);
        loop {
            let piece = answer.chunk().await.map_err(|error| cut(reason(&error)))?;
            let Some(piece) = piece else {
                break;
            };
            let written = self.file.write_all(&piece);
            written.map_err(|error| Failed::finally(self.unwritten(error)))?;
            self.digest.update(&piece);
            self.have += piece.len() as u64;
            // More than there is: the hash tells.
            watcher.at(self.have.min(self.size));
            if self.have > self.size {
                break;
            }
        }
        if self.have < self.size {
            return Err(cut("it ends too early".into()));
        }
        Ok(())
    }

    /// A piece may have been written in part; what is here ends where the digest does.
    fn unwritten(&mut self, error: io::Error) -> Error {
        let _ = self.file.set_len(self.have);
        self.disk(error)
    }

    /// Whether an answer goes on where this ends, with the same file.
    fn fits(&self, answer: &Response) -> bool {
        let range = answer.headers().get(header::CONTENT_RANGE);
        let range = range.and_then(|range| range.to_str().ok()?.strip_prefix("bytes "));
        let Some((part, all)) = range.and_then(|range| range.split_once('/')) else {
            return false;
        };
        let from = part.split('-').next().and_then(|from| from.parse().ok());
        from == Some(self.have) && (all == "*" || all.parse() == Ok(self.size))
    }

    /// The hash of what came, if it is another than the published one.
    fn finish(self, expected: &str) -> Result<Option<String>, Error> {
        self.file.sync_all().map_err(|error| self.disk(error))?;
        let found = self.digest.finish();
        Ok((found != expected).then_some(found))
    }
}

fn digest(name: &str, size: u64) -> Digest {
    Digest::named(name, size).unwrap_or_else(|| unreachable!("the server looks at names"))
}
