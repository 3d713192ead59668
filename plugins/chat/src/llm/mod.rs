// SPDX-License-Identifier: MPL-2.0

//! An OpenAI-compatible endpoint as somebody who answers. No GStreamer here.
//!
//! One answer is one [`answer`](answer::answer), a future that lives in the runtime of the plugin and ends, with its
//! connection, when it is dropped. All requests of the process share one pool of connections.

pub mod answer;
mod failure;
mod request;
mod runtime;
mod sse;
pub mod tools;

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use reqwest::{
    Client, Url,
    header::{AUTHORIZATION, HeaderMap, HeaderValue},
};

pub use self::runtime::runtime;

/// Where an endpoint is, when nobody says otherwise.
pub const DEFAULT_URI: &str = "https://api.openai.com/v1";

/// Connections to one endpoint that are kept for the next answer.
const IDLE_CONNECTIONS: usize = 8;
const IDLE: Duration = Duration::from_secs(60);

/// Everything about an endpoint, and what is asked of it.
pub struct Endpoint {
    /// Of the completions.
    url: Url,
    /// Of the list of models.
    models: Url,
    /// For people: without a password that may stand in it.
    pub name: String,
    headers: HeaderMap,
    /// What must not be told to anybody.
    key: Option<String>,
    client: Client,
    pub options: Options,
    pub counts: Counts,
}

/// What is asked of an endpoint.
#[derive(Clone, Debug)]
pub struct Options {
    pub model: String,
    pub system_prompt: Option<String>,
    pub temperature: Option<f64>,
    pub max_tokens: Option<u32>,
    pub tools: Option<serde_json::Value>,
    pub connect_timeout: Duration,
    /// From the question to the first token, retries included.
    pub first_token_timeout: Duration,
    /// From each token to the next, and for a tool's result.
    pub timeout: Duration,
    pub retries: u32,
    /// Said where no answer comes.
    pub fallback: String,
}

/// For `stats`.
#[derive(Debug, Default)]
pub struct Counts {
    pub requests: AtomicU64,
    pub retries: AtomicU64,
    pub tokens: AtomicU64,
    /// Of the last answer, in nanoseconds; 0 before the first.
    pub first_token: AtomicU64,
}

impl Counts {
    fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Endpoint {
    /// Not asked yet. `Err` is a sentence on what is wrong with it.
    pub fn new(uri: &str, key: Option<String>, options: Options) -> Result<Self, String> {
        let wrong = |why: &str| {
            format!(
                "uri={uri} is no address of an endpoint ({why}): it looks like http://127.0.0.1:8000/v1"
            )
        };
        let mut base = Url::parse(uri.trim()).map_err(|error| wrong(&error.to_string()))?;
        if !["http", "https"].contains(&base.scheme()) || base.host_str().is_none() {
            return Err(wrong("only http and https are spoken"));
        }
        let path = base.path().trim_end_matches('/');
        let path = path.trim_end_matches("/chat/completions").to_owned() + "/";
        base.set_path(&path);
        base.set_query(None);
        base.set_fragment(None);
        let join = |more| base.join(more).map_err(|error| wrong(&error.to_string()));
        let (url, models) = (join("chat/completions")?, join("models")?);
        let mut name = base.clone();
        // Fails only for addresses that can have no password.
        let _ = name.set_password(None);
        let _ = name.set_username("");
        let mut headers = HeaderMap::new();
        let key = key
            .map(|key| key.trim().to_owned())
            .filter(|key| !key.is_empty());
        if let Some(key) = &key {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
                "api-key holds characters that no key has: copy it once more".to_owned()
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(Self {
            client: client(options.connect_timeout)?,
            url,
            models,
            name: name.as_str().trim_end_matches('/').to_owned(),
            headers,
            key,
            options,
            counts: Counts::default(),
        })
    }

    /// Without what must not be told: endpoints repeat what they were sent.
    fn without_key(&self, text: &str) -> String {
        match &self.key {
            Some(key) => text.replace(key.as_str(), "…"),
            None => text.to_owned(),
        }
    }
}

/// A client is a pool of connections and what is known of certificates: costly, and the same for all.
fn client(connect_timeout: Duration) -> Result<Client, String> {
    static CLIENTS: Mutex<Vec<(Duration, Client)>> = Mutex::new(Vec::new());
    let mut clients = CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, client)) = clients.iter().find(|(time, _)| *time == connect_timeout) {
        return Ok(client.clone());
    }
    let client = Client::builder()
        .connect_timeout(connect_timeout)
        .pool_max_idle_per_host(IDLE_CONNECTIONS)
        .pool_idle_timeout(IDLE)
        .tcp_nodelay(true)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("gst-duplex/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| {
            format!(
                "there can be no connections to endpoints: {}",
                failure::causes(&error)
            )
        })?;
    // Whoever sets a time of his own for each element does without a common pool.
    clients.truncate(3);
    clients.push((connect_timeout, client.clone()));
    Ok(client)
}
