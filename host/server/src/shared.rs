//! What all requests share.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use freehold_workflow::Home;
use freehold_workflow::serving::ServeSettings;

use crate::capture::Sink;
use crate::keeper::Current;
use crate::metrics::Metrics;

/// What all requests share.
pub(crate) struct Shared {
    /// For what is asked of watches, one event after another.
    pub(crate) home: Mutex<Home>,
    pub(crate) settings: ServeSettings,
    /// Whether only this machine can ask.
    pub(crate) loopback: bool,
    pub(crate) current: Arc<Current>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) places: Places,
    pub(crate) ids: Ids,
    pub(crate) capture: Option<Sink>,
    pub(crate) is_ending: AtomicBool,
}

impl Shared {
    pub(crate) fn request_max(&self) -> Duration {
        Duration::from_secs(self.settings.request_seconds_max)
    }
}

/// Ids of requests, which no two have, and seeds for those who name none. Nothing secret rests on them.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    random: RandomState,
    count: AtomicU64,
}

impl Ids {
    pub(crate) fn random(&self) -> u64 {
        self.random.hash_one(self.count.fetch_add(1, Ordering::Relaxed))
    }

    pub(crate) fn id(&self, prefix: &str) -> String {
        format!("{prefix}{:016x}{:016x}", self.random(), self.random())
    }
}

/// How many requests of each API key are under way.
#[derive(Debug, Default)]
pub(crate) struct Places(Arc<Mutex<BTreeMap<String, u64>>>);

/// A request under way.
#[derive(Debug)]
pub(crate) struct Place {
    key: String,
    places: Arc<Mutex<BTreeMap<String, u64>>>,
}

impl Places {
    /// A place for one more request of a key, if fewer than `most` are under way.
    pub(crate) fn take(&self, key: &str, most: u64) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(key.to_owned()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { key: key.to_owned(), places: self.0.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let left = taken.get(&self.key).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            taken.remove(&self.key);
        } else {
            taken.insert(self.key.clone(), left);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_so_many_places_and_gets_them_back() {
        let places = Places::default();
        let (one, _two) = (places.take("a", 2).unwrap(), places.take("a", 2).unwrap());
        assert!(places.take("a", 2).is_none());
        let _other = places.take("b", 2).unwrap();
        drop(one);
        let again = places.take("a", 2);
        assert!(again.is_some() && places.take("a", 2).is_none() && places.take("c", 0).is_none());
    }
}
