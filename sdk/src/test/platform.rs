//! The platform as the harness plays it: one host a thread.

use crate::log::Level;
use crate::settings::Setting;
use std::cell::RefCell;
use std::collections::BTreeMap;

#[derive(Default)]
struct Played {
    settings: String,
    typed: Vec<Setting>,
    assets: BTreeMap<String, Vec<u8>>,
    log: Vec<(Level, String)>,
}

thread_local! {
    static HOST: RefCell<Played> = RefCell::default();
}

pub(crate) fn play((settings, typed): (String, Vec<Setting>), assets: BTreeMap<String, Vec<u8>>) {
    HOST.with_borrow_mut(|host| {
        host.settings = settings;
        host.typed = typed;
        host.assets = assets;
    });
}

pub(crate) fn settings() -> String {
    HOST.with_borrow(|host| host.settings.clone())
}

pub(crate) fn typed_settings() -> Vec<Setting> {
    HOST.with_borrow(|host| host.typed.clone())
}

pub(crate) fn asset(name: &str) -> Option<Vec<u8>> {
    HOST.with_borrow(|host| host.assets.get(name).cloned())
}

pub(crate) fn log(level: Level, message: &str) {
    HOST.with_borrow_mut(|host| host.log.push((level, message.to_owned())));
}

/// What plugins on this thread have logged since this was last asked.
pub fn logged() -> Vec<(Level, String)> {
    HOST.with_borrow_mut(|host| std::mem::take(&mut host.log))
}
