//! The one instance of a plugin in its sandbox, made on first use.

use crate::settings::Setting;
use std::cell::RefCell;

/// Holds the plugin. The macros put it in a `thread_local`; the test harness owns one.
pub struct Instance<P>(RefCell<Option<P>>);

impl<P> Instance<P> {
    /// No plugin yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// Calls `act` on the plugin, made before with `make` from the host's settings.
    pub(crate) fn with<R>(
        &self,
        make: impl FnOnce(Vec<Setting>) -> Result<P, String>,
        act: impl FnOnce(&mut P) -> Result<R, String>,
    ) -> Result<R, String> {
        let mut slot = self.0.try_borrow_mut().map_err(|_| "the plugin was entered while it was at work".to_owned())?;
        if slot.is_none() {
            crate::platform::announce_panics();
            *slot = Some(make(crate::platform::typed_settings())?);
        }
        match slot.as_mut() {
            Some(plugin) => act(plugin),
            None => Err("the plugin could not be made".to_owned()),
        }
    }
}

impl<P> Default for Instance<P> {
    fn default() -> Self {
        Self::new()
    }
}
