// SPDX-License-Identifier: MPL-2.0

//! Who may come in: so many at a time, so many of one address, and so much of each.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use governor::clock::DefaultClock;
use governor::state::keyed::HashMapStateStore;
use governor::{Quota, RateLimiter};

type Rate = RateLimiter<IpAddr, HashMapStateStore<IpAddr>, DefaultClock>;

/// What is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// Sessions at a time.
    pub sessions: usize,
    /// Of these, those of one address.
    pub sessions_of_address: usize,
    /// New sessions of one address in a second; ten times as many at once.
    pub starts_per_second: NonZeroU32,
    /// Messages of one address in a second, sound not counted; ten times as many at once. More wait.
    pub messages_per_second: NonZeroU32,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            sessions: 100,
            sessions_of_address: 100,
            starts_per_second: NonZeroU32::new(200).unwrap_or(NonZeroU32::MIN),
            messages_per_second: NonZeroU32::new(1_000).unwrap_or(NonZeroU32::MIN),
        }
    }
}

/// Why somebody is turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are as many sessions as there may be.
    Full,
    /// There are as many of that address.
    AddressFull,
    /// That address comes too often.
    TooOften,
}

/// Counts sessions.
#[derive(Debug)]
pub struct Admission {
    allowance: Allowance,
    open: Mutex<Open>,
    starts: Rate,
    messages: Rate,
}

#[derive(Debug, Default)]
struct Open {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

impl Admission {
    /// An empty house.
    pub fn new(allowance: Allowance) -> Admission {
        let rate = |per_second: NonZeroU32| {
            let burst = per_second.saturating_mul(NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN));
            RateLimiter::hashmap(Quota::per_second(per_second).allow_burst(burst))
        };
        Admission {
            starts: rate(allowance.starts_per_second),
            messages: rate(allowance.messages_per_second),
            open: Mutex::default(),
            allowance,
        }
    }

    /// What is allowed.
    pub fn allowance(&self) -> &Allowance {
        &self.allowance
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a session in, for as long as the permit lives.
    pub fn enter(self: &Arc<Self>, address: IpAddr) -> Result<Permit, Refusal> {
        if self.starts.check_key(&address).is_err() {
            return Err(Refusal::TooOften);
        }
        let mut open = self.open();
        if open.all >= self.allowance.sessions {
            return Err(Refusal::Full);
        }
        let of_address = open.by_address.entry(address).or_default();
        if *of_address >= self.allowance.sessions_of_address {
            return Err(Refusal::AddressFull);
        }
        *of_address += 1;
        open.all += 1;
        Ok(Permit {
            admission: self.clone(),
            address,
        })
    }

    /// How many are in.
    pub fn sessions(&self) -> usize {
        self.open().all
    }

    /// Waits until that address may send another message.
    pub async fn message(&self, address: IpAddr) {
        self.messages.until_key_ready(&address).await;
    }

    /// Forgets addresses that have not come for a while.
    pub fn forget(&self) {
        for rate in [&self.starts, &self.messages] {
            rate.retain_recent();
            rate.shrink_to_fit();
        }
    }
}

/// A session's place; given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
    address: IpAddr,
}

impl Permit {
    /// Whose it is.
    pub fn address(&self) -> IpAddr {
        self.address
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self.admission.open();
        open.all -= 1;
        if let Some(count) = open.by_address.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bound_is_hit() {
        let admission = Arc::new(Admission::new(Allowance {
            sessions: 3,
            sessions_of_address: 2,
            ..Allowance::default()
        }));
        let (a, b): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), [127, 0, 0, 2].into());
        let first = admission.enter(a).unwrap();
        let _second = admission.enter(a).unwrap();
        assert_eq!(admission.enter(a).unwrap_err(), Refusal::AddressFull);
        let _third = admission.enter(b).unwrap();
        assert_eq!(admission.enter(b).unwrap_err(), Refusal::Full);
        drop(first);
        assert_eq!(admission.sessions(), 2);
        let _fourth = admission.enter(b).unwrap();
        admission.forget();

        let eager = Arc::new(Admission::new(Allowance {
            starts_per_second: NonZeroU32::MIN,
            ..Allowance::default()
        }));
        let came = (0..20).filter(|_| eager.enter(a).is_ok()).count();
        assert!((10..20).contains(&came), "{came}");
        assert_eq!(eager.enter(a).unwrap_err(), Refusal::TooOften);
        assert!(eager.enter(b).is_ok());
    }
}
