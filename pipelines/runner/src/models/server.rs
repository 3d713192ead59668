// SPDX-License-Identifier: MPL-2.0

//! What a hub is asked, and how often.

use std::time::{Duration, SystemTime};

use backon::{BackoffBuilder, ExponentialBuilder};
use duplex_models::{Hub, Place};
use reqwest::{
    Client, Method, Response, StatusCode, Url,
    header::{self, HeaderMap},
};

use super::{error::Error, watcher::Watcher};

const HUB: &str = "https://huggingface.co";
/// Until a connection stands, and between two pieces of an answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// As many answers may lead elsewhere before one is what was asked for.
const MOST_REDIRECTS: usize = 8;
/// After so many tries in a row that brought nothing.
const MOST_TRIES: usize = 5;
/// Whoever asks for more than this is left alone.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// A hub, such as huggingface.co, or one of one's own.
#[derive(Clone, Debug)]
pub struct Server {
    client: Client,
    endpoint: Url,
    token: Option<String>,
}

/// What a hub tells of a file before it gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The hash that names it.
    pub hash: String,
    /// In bytes.
    pub size: u64,
    /// Where it is to be had; for a while only, where that is another server.
    pub(super) url: Url,
}

/// Why a try brought nothing, and whether another may.
pub(super) enum Failed {
    Finally(Box<Error>),
    For {
        why: String,
        /// How long whoever was asked asks to wait.
        wait: Option<Duration>,
        /// What it is if no other try brings more.
        error: Box<Error>,
    },
}

impl Failed {
    pub(super) fn finally(error: Error) -> Failed {
        Failed::Finally(Box::new(error))
    }
}

/// How often, and after what time, something is tried again.
pub(super) struct Patience {
    waits: backon::ExponentialBackoff,
}

impl Patience {
    pub(super) fn new() -> Patience {
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(500))
            .with_max_delay(Duration::from_secs(20))
            .with_max_times(MOST_TRIES - 1)
            .with_jitter();
        Patience {
            waits: waits.build(),
        }
    }

    /// Waits until the next try, or gives up.
    pub(super) async fn wait(
        &mut self,
        failed: Failed,
        watcher: &mut dyn Watcher,
    ) -> Result<(), Error> {
        let (why, wait, error) = match failed {
            Failed::Finally(error) => return Err(*error),
            Failed::For { why, wait, error } => (why, wait, error),
        };
        let Some(own) = self.waits.next() else {
            return Err(*error);
        };
        let time = wait.unwrap_or(own);
        if time > LONGEST_WAIT {
            return Err(*error);
        }
        watcher.waits(&why, time);
        tokio::time::sleep(time).await;
        Ok(())
    }
}

impl Server {
    /// The hub that the environment names: HF_ENDPOINT, and HF_TOKEN or what `hf auth login` left, if anything.
    pub fn of_user(hub: &Hub) -> Result<Server, Error> {
        let variable = |name: &str| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.trim().is_empty())
        };
        let yes = |name: &str| {
            let value = variable(name).unwrap_or_default().to_uppercase();
            ["1", "ON", "YES", "TRUE"].contains(&value.as_str())
        };
        if yes("HF_HUB_OFFLINE") {
            return Err(Error::Offline(hub.cache.folder().to_owned()));
        }
        let token = variable("HF_TOKEN").or_else(|| variable("HUGGING_FACE_HUB_TOKEN"));
        let token = token.or_else(|| {
            let kept = std::fs::read_to_string(&hub.token).ok();
            kept.filter(|_| !yes("HF_HUB_DISABLE_IMPLICIT_TOKEN"))
        });
        let token = token
            .map(|token| token.trim().to_owned())
            .filter(|token| !token.is_empty());
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| HUB.into());
        Server::new(&endpoint, token)
    }

    /// A hub at an address. The token goes to that address alone, never to where it sends for large files.
    pub fn new(endpoint: &str, token: Option<String>) -> Result<Server, Error> {
        let wrong = || Error::Endpoint(endpoint.to_owned());
        let url = Url::parse(endpoint.trim_end_matches('/')).map_err(|_| wrong())?;
        if !["http", "https"].contains(&url.scheme()) || url.host().is_none() {
            return Err(wrong());
        }
        let client = Client::builder()
            .user_agent(concat!("gst-duplex/", env!("CARGO_PKG_VERSION")))
            // Each is looked at: what goes elsewhere goes without the token.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            .build()
            .map_err(|error| Error::Client(reason(&error)))?;
        Ok(Server {
            client,
            endpoint: url,
            token,
        })
    }

    /// Its address.
    pub fn address(&self) -> &str {
        self.endpoint.as_str().trim_end_matches('/')
    }

    /// Asks what a file is. Waits and asks again where that may help.
    pub async fn published(
        &self,
        place: &Place,
        watcher: &mut dyn Watcher,
    ) -> Result<Published, Error> {
        let mut patience = Patience::new();
        loop {
            match self.ask(place).await {
                Ok(published) => return Ok(published),
                Err(failed) => patience.wait(failed, watcher).await?,
            }
        }
    }

    /// Asks once.
    async fn ask(&self, place: &Place) -> Result<Published, Failed> {
        let mut url = self.endpoint.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty();
            segments.extend(place.repository.split('/'));
            segments.extend(["resolve", &place.revision]);
            segments.extend(place.path.split('/'));
        }
        let (mut hash, mut size) = (None, None);
        for _ in 0..MOST_REDIRECTS {
            // What is packed has another size.
            let plain = [(header::ACCEPT_ENCODING, "identity")];
            let answer = self.send(Method::HEAD, &url, &plain, place).await?;
            let headers = answer.headers();
            // Of a large file the hub itself tells these, and where the file is.
            hash = hash.or_else(|| etag(headers, "x-linked-etag"));
            size = size.or_else(|| number(headers, "x-linked-size"));
            let next = if answer.status().is_redirection() {
                let next = self.next(&answer, &url, place)?;
                if self.is_own(&next) {
                    url = next;
                    continue;
                }
                next
            } else {
                hash = hash.or_else(|| etag(headers, "etag"));
                size = size.or_else(|| number(headers, "content-length"));
                url
            };
            let server = || self.address().to_owned();
            let lacks = |what| {
                Failed::finally(Error::NoFacts {
                    server: server(),
                    what,
                    place: place.clone(),
                })
            };
            let hash = hash.ok_or_else(|| lacks("hash"))?;
            let size = size.ok_or_else(|| lacks("size"))?;
            if duplex_models::Digest::named(&hash, size).is_none() {
                return Err(lacks("hash"));
            }
            return Ok(Published {
                hash,
                size,
                url: next,
            });
        }
        Err(self.circle(&url, place))
    }

    /// Asks for the bytes of a file from `from` on, if they are still those that `unless_changed` names.
    pub(super) async fn bytes(
        &self,
        published: &Published,
        place: &Place,
        from: u64,
        unless_changed: Option<&str>,
    ) -> Result<Response, Failed> {
        let range = format!("bytes={from}-");
        let mut headers = vec![(header::ACCEPT_ENCODING, "identity")];
        if from > 0 {
            headers.push((header::RANGE, &range));
            if let Some(etag) = unless_changed {
                headers.push((header::IF_RANGE, etag));
            }
        }
        let mut url = published.url.clone();
        for _ in 0..MOST_REDIRECTS {
            let answer = self.send(Method::GET, &url, &headers, place).await?;
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            url = self.next(&answer, &url, place)?;
        }
        Err(self.circle(&url, place))
    }

    fn is_own(&self, url: &Url) -> bool {
        url.origin() == self.endpoint.origin()
    }

    fn next(&self, answer: &Response, from: &Url, place: &Place) -> Result<Url, Failed> {
        let location = answer.headers().get(header::LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let url = location.and_then(|location| from.join(location).ok());
        url.ok_or_else(|| {
            Failed::finally(Error::Answer {
                server: name(from),
                place: place.clone(),
                status: answer.status().as_u16(),
                remedy: "it sends elsewhere and does not say where".into(),
            })
        })
    }

    fn circle(&self, url: &Url, place: &Place) -> Failed {
        Failed::finally(Error::Answer {
            server: name(url),
            place: place.clone(),
            status: StatusCode::FOUND.as_u16(),
            remedy: "one sends to the next without end; is HF_ENDPOINT right?".into(),
        })
    }

    async fn send(
        &self,
        method: Method,
        url: &Url,
        headers: &[(header::HeaderName, &str)],
        place: &Place,
    ) -> Result<Response, Failed> {
        let mut request = self.client.request(method, url.clone());
        for (key, value) in headers {
            request = request.header(key, *value);
        }
        if let Some(token) = self.token.as_ref().filter(|_| self.is_own(url)) {
            request = request.bearer_auth(token);
        }
        let server = name(url);
        let answer = request.send().await.map_err(|error| {
            let why = reason(&error);
            Failed::For {
                why: format!("{server} is not reached: {why}"),
                wait: None,
                error: Box::new(Error::Connection {
                    server: server.clone(),
                    place: place.clone(),
                    why,
                }),
            }
        })?;
        let status = answer.status();
        if status.is_success()
            || status.is_redirection()
            || status == StatusCode::RANGE_NOT_SATISFIABLE
        {
            return Ok(answer);
        }
        Err(self.refused(&answer, url, place))
    }

    /// What an answer that is none means.
    fn refused(&self, answer: &Response, url: &Url, place: &Place) -> Failed {
        let status = answer.status();
        let text = |key: &str| answer.headers().get(key)?.to_str().ok();
        let said = text("x-error-message").map_or_else(String::new, |said| format!(" ({said})"));
        let other = |remedy: &str| Error::Answer {
            server: name(url),
            place: place.clone(),
            status: status.as_u16(),
            remedy: format!("{remedy}{said}"),
        };
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if self.is_own(url) => {
                let (who, login) = match self.token {
                    None => (
                        "somebody whom it does not know",
                        "log in with `hf auth login`, or set HF_TOKEN to a token of yours",
                    ),
                    Some(_) => (
                        "the owner of this token",
                        "log in anew with `hf auth login`, or set HF_TOKEN to a token that may read it",
                    ),
                };
                Failed::finally(Error::Refused {
                    server: self.address().to_owned(),
                    repository: place.repository.clone(),
                    who,
                    login,
                })
            }
            StatusCode::NOT_FOUND | StatusCode::GONE => Failed::finally(Error::NotThere {
                server: self.address().to_owned(),
                place: place.clone(),
                why: said,
            }),
            // Where a file is had expires; the next try is told anew. (Its owner is asked above.)
            StatusCode::FORBIDDEN | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                Failed::For {
                    why: format!("{} answers {}", name(url), status.as_u16()),
                    wait: text("retry-after").and_then(retry_after),
                    error: Box::new(other("try again later")),
                }
            }
            _ if status.is_server_error() => Failed::For {
                why: format!("{} answers {}", name(url), status.as_u16()),
                wait: text("retry-after").and_then(retry_after),
                error: Box::new(other("it is in trouble; try again later")),
            },
            _ => Failed::finally(other(
                "this is not what a hub answers; is HF_ENDPOINT right?",
            )),
        }
    }
}

/// Who is asked, without the rest of the address, which may hold a signature.
fn name(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// What stands behind `reqwest`'s own words, which repeat the address.
pub(super) fn reason(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if error.is_timeout() {
        return format!("nothing came for {} s", PATIENCE.as_secs());
    }
    innermost.to_string()
}

fn etag(headers: &HeaderMap, key: &str) -> Option<String> {
    let value = headers.get(key)?.to_str().ok()?;
    let value = value.strip_prefix("W/").unwrap_or(value);
    Some(value.trim_matches('"').to_owned())
}

fn number(headers: &HeaderMap, key: &str) -> Option<u64> {
    headers.get(key)?.to_str().ok()?.parse().ok()
}

/// Seconds, or a date.
fn retry_after(value: &str) -> Option<Duration> {
    match value.trim().parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let date = httpdate::parse_http_date(value).ok()?;
            Some(date.duration_since(SystemTime::now()).unwrap_or_default())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_seconds_or_by_a_date() {
        assert_eq!(retry_after("7"), Some(Duration::from_secs(7)));
        assert_eq!(
            retry_after("Wed, 21 Oct 2015 07:28:00 GMT"),
            Some(Duration::ZERO)
        );
        let soon = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(90));
        let wait = retry_after(&soon).unwrap();
        assert!(
            wait > Duration::from_secs(60) && wait <= Duration::from_secs(90),
            "{wait:?}"
        );
        assert_eq!(retry_after("soon"), None);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in ["huggingface.co", "ftp://x", "http://", ""] {
            let told = Server::new(wrong, None).unwrap_err().to_string();
            assert!(
                told.contains("is no address such as https://huggingface.co"),
                "{told}"
            );
        }
        let server = Server::new("https://mirror.example/hub/", None).unwrap();
        assert_eq!(server.address(), "https://mirror.example/hub");
    }
}
