//! What a run gives to a plugin.

use std::collections::BTreeMap;
use std::sync::Arc;

use freehold_core::recipe::Settings;

/// Settings and files for a plugin. All of its instances share them, so that a copy costs nothing.
#[derive(Debug, Clone, Default)]
pub struct Grants(Arc<Granted>);

#[derive(Debug, Default)]
struct Granted {
    settings: Settings,
    /// The settings as the plugin reads them.
    document: String,
    assets: BTreeMap<String, Vec<u8>>,
}

impl Grants {
    /// Settings, completed with the manifest's defaults, and the files that the plugin may read, by name.
    pub fn new(settings: Settings, assets: BTreeMap<String, Vec<u8>>) -> Self {
        Self(Arc::new(Granted { document: settings.to_string(), settings, assets }))
    }

    /// The settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn document(&self) -> &str {
        &self.0.document
    }

    pub(crate) fn asset(&self, name: &str) -> Option<&[u8]> {
        self.0.assets.get(name).map(Vec::as_slice)
    }
}
