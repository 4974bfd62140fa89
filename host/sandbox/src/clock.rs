//! The wall-clock backstop: a thread that moves the engines' epochs.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::{Engine, EngineWeak};

use crate::SandboxError;

const TICK_MS: u64 = 10;

pub(crate) struct EpochClock {
    stop: Arc<AtomicBool>,
    engines: Arc<Mutex<Vec<EngineWeak>>>,
    thread: Option<JoinHandle<()>>,
}

impl EpochClock {
    /// A clock that moves no engine yet.
    pub(crate) fn start() -> Result<Self, SandboxError> {
        let (stop, engines) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::<EngineWeak>::new())));
        let (stopped, moved) = (stop.clone(), engines.clone());
        let tick = move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(TICK_MS));
                let engines = moved.lock().unwrap_or_else(PoisonError::into_inner);
                engines.iter().filter_map(EngineWeak::upgrade).for_each(|engine| engine.increment_epoch());
            }
        };
        let thread = std::thread::Builder::new().name("plugin-clock".into()).spawn(tick);
        let thread = Some(thread.map_err(|error| SandboxError::Engine(error.to_string()))?);
        Ok(Self { stop, engines, thread })
    }

    /// Moves one engine more from now on.
    pub(crate) fn moves(&self, engine: &Engine) {
        self.engines.lock().unwrap_or_else(PoisonError::into_inner).push(engine.weak());
    }

    /// Ticks that are at least `milliseconds` long.
    pub(crate) fn ticks(milliseconds: u64) -> u64 {
        milliseconds.div_ceil(TICK_MS) + 1
    }
}

impl Drop for EpochClock {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A clock that panicked has stopped as well.
            let _ = thread.join();
        }
    }
}
