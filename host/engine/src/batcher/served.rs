//! Adapters with what follows from their weights alone.

use std::sync::Arc;

use crate::adapter::Adapter;
use crate::model::{Added, Model};
use crate::update::Factors;

/// An adapter and DoRA's factors, which are computed once.
#[derive(Debug)]
pub(super) struct Served {
    adapter: Arc<Adapter>,
    factors: Factors<f32>,
}

impl Served {
    /// What it adds to the model.
    pub(super) fn added(&self) -> Added<'_, f32> {
        Added { update: &self.adapter.update, factors: &self.factors }
    }
}

/// The adapters that rows have, or that somebody may ask for again.
#[derive(Debug, Default)]
pub(super) struct ServedAdapters(Vec<Arc<Served>>);

impl ServedAdapters {
    /// Prepares an adapter, if it was not. Forgets those that nobody else has any more.
    pub(super) fn serve(&mut self, adapter: Arc<Adapter>, model: &Model) -> Arc<Served> {
        self.0.retain(|served| Arc::strong_count(served) > 1 || Arc::strong_count(&served.adapter) > 1);
        if let Some(served) = self.0.iter().find(|served| Arc::ptr_eq(&served.adapter, &adapter)) {
            return Arc::clone(served);
        }
        let factors = adapter.update.factors(&model.weights);
        let served = Arc::new(Served { adapter, factors });
        self.0.push(Arc::clone(&served));
        served
    }
}
