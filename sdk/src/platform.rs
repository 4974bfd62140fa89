//! What a plugin can ask of the host. Natively the test harness answers, so that plugin code is the same in both.

#[cfg(target_family = "wasm")]
use crate::bindings::shared::freehold::platform::platform as host;
#[cfg(not(target_family = "wasm"))]
use crate::test::platform as host;

use crate::log::Level;
use crate::settings::Setting;

/// The settings of the recipe as a TOML document, completed with the manifest's defaults. Whoever reads it needs a parser; the
/// settings that a plugin is made with come without one.
pub fn settings() -> String {
    host::settings()
}

/// The same as a list of typed values.
pub(crate) fn typed_settings() -> Vec<Setting> {
    host::typed_settings()
}

/// The bytes of a read-only file, if the manifest asked for it and the recipe granted it.
pub fn asset(name: &str) -> Option<Vec<u8>> {
    host::asset(name)
}

pub(crate) fn log(level: Level, message: &str) {
    host::log(level, message);
}

/// Tells the host message and place of a panic before the trap, which itself says nothing. The macros call it.
pub fn announce_panics() {
    // Natively the test runner reports panics; a hook would take them from it.
    #[cfg(target_family = "wasm")]
    {
        static INSTALLED: std::sync::Once = std::sync::Once::new();
        INSTALLED.call_once(|| {
            std::panic::set_hook(Box::new(|panic| {
                let message = panic.payload_as_str().unwrap_or("panic without a message");
                let location = panic.location().map(ToString::to_string).unwrap_or_default();
                host::panicked(message, &location);
            }));
        });
    }
}
