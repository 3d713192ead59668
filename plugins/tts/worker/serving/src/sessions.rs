// SPDX-License-Identifier: MPL-2.0

//! Who has a session: admission, calls, control, and the end of those who vanish.
//!
//! Locks: the table, the connections, then a session's calls, then its others; none is held over an await or an engine.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use duplex_synthesis::Request;

use crate::{call::Call, models::Model};

/// Which connection something came by; unique in the process.
pub type ConnectionId = u64;

/// What is enforced.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Sessions at a time.
    pub sessions: usize,
    /// Calls of one session at a time.
    pub calls: usize,
    /// A session without a call for so long ends.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 2_000,
            calls: 16,
            idle: Duration::from_secs(300),
        }
    }
}

/// Why a session or a call is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There are as many sessions as may be.
    #[error(
        "this worker has {0} sessions, as many as it takes (max_concurrent_sessions); try another worker"
    )]
    Full(usize),
    /// The session has as many calls as may be.
    #[error("this session has {0} calls running, as many as it may; wait for one to end")]
    Busy(usize),
    /// There is no such session.
    #[error("Session {0} not found; open it with StartSession")]
    Unknown(String),
}

/// One session.
pub struct Session {
    /// As the client calls it.
    pub id: String,
    /// Keeps the model loaded.
    pub model: Model,
    /// What its utterances are like; the utterance's id is still to be filled in.
    pub request: Request,
    calls: Mutex<Vec<Arc<Call>>>,
    /// Those that have opened it or called on it, and that are not gone.
    connections: Mutex<Vec<ConnectionId>>,
    used: Mutex<Instant>,
}

impl Session {
    fn calls(&self) -> MutexGuard<'_, Vec<Arc<Call>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call begins.
    pub fn begin(&self, call: Arc<Call>, most: usize, by: ConnectionId) -> Result<(), Refused> {
        let mut calls = self.calls();
        if calls.len() >= most {
            return Err(Refused::Busy(most));
        }
        calls.push(call);
        self.touch(by);
        Ok(())
    }

    /// A call is over.
    pub fn end(&self, call: &Arc<Call>) {
        call.end();
        self.calls().retain(|other| !Arc::ptr_eq(other, call));
        *self.used() = Instant::now();
    }

    /// The calls that began before this one and still run.
    pub fn ahead_of(&self, call: &Arc<Call>) -> Vec<Arc<Call>> {
        let calls = self.calls();
        let ahead = calls.iter().take_while(|other| !Arc::ptr_eq(other, call));
        ahead.cloned().collect()
    }

    /// The calls that run, or the one of this utterance.
    pub fn running(&self, utterance_id: &str) -> Vec<Arc<Call>> {
        let calls = self.calls();
        let wanted =
            |call: &&Arc<Call>| utterance_id.is_empty() || call.utterance_id == utterance_id;
        calls.iter().filter(wanted).cloned().collect()
    }

    fn connections(&self) -> MutexGuard<'_, Vec<ConnectionId>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn touch(&self, by: ConnectionId) {
        let mut connections = self.connections();
        if !connections.contains(&by) {
            connections.push(by);
        }
        *self.used() = Instant::now();
    }

    /// Whether nobody is left now that this connection is gone.
    fn is_left(&self, gone: ConnectionId) -> bool {
        let mut connections = self.connections();
        let before = connections.len();
        connections.retain(|connection| *connection != gone);
        connections.is_empty() && before > 0
    }

    fn used(&self) -> MutexGuard<'_, Instant> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn idle(&self, now: Instant) -> Option<Duration> {
        let idle = self.calls().is_empty();
        idle.then(|| now.saturating_duration_since(*self.used()))
    }
}

/// All sessions of a worker.
pub struct Sessions {
    limits: Limits,
    /// `None` stands for a session whose model is being loaded.
    open: Mutex<HashMap<String, Option<Arc<Session>>>>,
    /// Connections that are there. A request may outlive its own by a moment: nothing is opened for it then.
    connections: Mutex<HashSet<ConnectionId>>,
}

/// A place among the sessions that is held while a model loads; given back when dropped.
pub struct Place<'a> {
    sessions: &'a Sessions,
    id: Option<String>,
}

/// What [`Sessions::reserve`] finds.
pub enum Reserved<'a> {
    /// A place for a new one.
    Place(Place<'a>),
    /// It is open already.
    Open(Arc<Session>),
    /// Somebody else is opening it at this moment.
    Opening,
}

impl Sessions {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            open: Mutex::default(),
            // What comes by no connection that is known stays until it is ended or idle.
            connections: Mutex::new(HashSet::from([0])),
        }
    }

    fn connections(&self) -> MutexGuard<'_, HashSet<ConnectionId>> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection has come; to be told before anything comes by it.
    pub fn connection_came(&self, connection: ConnectionId) {
        self.connections().insert(connection);
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Option<Arc<Session>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is enforced.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.open().len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Calls that run.
    pub fn calls(&self) -> usize {
        let open = self.open();
        open.values()
            .flatten()
            .map(|session| session.calls().len())
            .sum()
    }

    /// A place for a session of this id, before any work is done for it.
    pub fn reserve(&self, id: &str) -> Result<Reserved<'_>, Refused> {
        let mut open = self.open();
        match open.get(id) {
            Some(Some(session)) => return Ok(Reserved::Open(session.clone())),
            Some(None) => return Ok(Reserved::Opening),
            None => (),
        }
        if open.len() >= self.limits.sessions {
            return Err(Refused::Full(self.limits.sessions));
        }
        open.insert(id.to_owned(), None);
        Ok(Reserved::Place(Place {
            sessions: self,
            id: Some(id.to_owned()),
        }))
    }

    /// The session of this id.
    pub fn get(&self, id: &str) -> Result<Arc<Session>, Refused> {
        let session = self.open().get(id).cloned().flatten();
        session.ok_or_else(|| Refused::Unknown(id.to_owned()))
    }

    /// The same, which this connection now uses: it lives as long as one of those that do.
    pub fn get_for(&self, id: &str, by: ConnectionId) -> Result<Arc<Session>, Refused> {
        // Under the table's lock: a session that is being reaped is not to be used.
        let open = self.open();
        let session = open.get(id).cloned().flatten();
        let session = session.ok_or_else(|| Refused::Unknown(id.to_owned()))?;
        if self.connections().contains(&by) {
            session.touch(by);
        }
        Ok(session)
    }

    /// Ends a session and what it speaks; false where there is none.
    pub async fn close(&self, id: &str) -> bool {
        let session = self.open().remove(id);
        match session {
            Some(Some(session)) => {
                stop_all(&session).await;
                true
            }
            Some(None) => true,
            None => false,
        }
    }

    /// Ends the sessions of which this connection was the last one: nobody is left to speak to.
    /// Returns their ids.
    pub async fn connection_gone(&self, connection: ConnectionId) -> Vec<String> {
        // From here on it opens nothing; what it has opened is found below.
        self.connections().remove(&connection);
        self.reap(|session| session.is_left(connection)).await
    }

    /// Ends the sessions that have idled too long, and returns their ids.
    pub async fn reap_idle(&self, now: Instant) -> Vec<String> {
        let most = self.limits.idle;
        self.reap(|session| session.idle(now).is_some_and(|idle| idle >= most))
            .await
    }

    async fn reap(&self, is_gone: impl Fn(&Session) -> bool) -> Vec<String> {
        let gone: Vec<Arc<Session>> = {
            let mut open = self.open();
            let gone: Vec<Arc<Session>> = open
                .values()
                .flatten()
                .filter(|session| is_gone(session))
                .cloned()
                .collect();
            for session in &gone {
                open.remove(&session.id);
            }
            gone
        };
        for session in &gone {
            stop_all(session).await;
        }
        gone.iter().map(|session| session.id.clone()).collect()
    }
}

async fn stop_all(session: &Session) {
    for call in session.running("") {
        call.change(|wanted| wanted.stopped = true).await;
    }
}

impl Place<'_> {
    /// The session takes its place.
    pub fn fill(mut self, model: Model, request: Request, by: ConnectionId) -> Arc<Session> {
        let id = self.id.take().unwrap_or_default();
        let session = Arc::new(Session {
            id: id.clone(),
            model,
            request,
            calls: Mutex::default(),
            connections: Mutex::new(vec![by]),
            used: Mutex::new(Instant::now()),
        });
        let mut open = self.sessions.open();
        if !self.sessions.connections().contains(&by) {
            open.remove(&id);
        } else if let Some(place) = open.get_mut(&id) {
            // Ended while it was being opened, it is not opened behind the client's back.
            *place = Some(session.clone());
        }
        drop(open);
        session
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            let mut open = self.sessions.open();
            if matches!(open.get(&id), Some(None)) {
                open.remove(&id);
            }
        }
    }
}
