//! The wall-clock backstop: a thread that moves the engines' epochs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;

use crate::SandboxError;

const TICK_MS: u64 = 10;

pub(crate) struct EpochClock {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl EpochClock {
    pub(crate) fn start(engines: [&Engine; 2]) -> Result<Self, SandboxError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, engines) = (stop.clone(), engines.map(Engine::weak));
        let tick = move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(TICK_MS));
                engines.iter().filter_map(wasmtime::EngineWeak::upgrade).for_each(|engine| engine.increment_epoch());
            }
        };
        let thread = std::thread::Builder::new().name("plugin-clock".into()).spawn(tick);
        Ok(Self { stop, thread: Some(thread.map_err(|error| SandboxError::Engine(error.to_string()))?) })
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
