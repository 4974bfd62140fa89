//! What is trained: the parts of an adapter, or every tensor of a model.

use freehold_core::digest::{Digest, Hasher};

use crate::adapter::Adapter;
use crate::model::{Dropout, Gradients, LossRequest, Model, Trained, loss_and_gradients};
use crate::tensor::Tensor;

/// What a training changes.
#[derive(Debug, Clone)]
pub enum Learned {
    /// What an adapter adds to a model that stays as it is.
    Adapter(Adapter),
    /// The model itself.
    Model(Box<Model>),
}

impl Learned {
    /// The loss of packed examples and the gradients of everything that is trained; `part` counts those of a step.
    pub(super) fn gradients(
        &self,
        base: &Model,
        request: &LossRequest<'_>,
        (seed, step, part): (u64, usize, usize),
    ) -> (f64, Gradients<f32>) {
        match self {
            Self::Adapter(adapter) => {
                let probability = adapter.dropout();
                let dropout = Dropout { probability, seed, step: step * 1024 + part };
                let trained = Trained::Update(&adapter.update, (probability > 0.0).then_some(dropout));
                loss_and_gradients((base, &base.weights, &base.rope), trained, request)
            }
            Self::Model(model) => loss_and_gradients((model, &model.weights, &model.rope), Trained::Model, request),
        }
    }

    /// Digest of all values.
    pub(super) fn digest(&self) -> Digest {
        let mut hasher = Hasher::new();
        for (name, tensor) in self.variables() {
            hasher.update(format!("{name}\0{}\0", tensor.len()).as_bytes());
            tensor.vector::<f32>().iter().for_each(|value| hasher.update(&value.to_le_bytes()));
        }
        hasher.finish()
    }

    /// What the optimizer changes, by name.
    pub(super) fn variables(&self) -> Vec<(String, &Tensor)> {
        match self {
            Self::Adapter(adapter) => adapter.update.named(),
            Self::Model(model) => model.weights.named(),
        }
    }

    /// The same, to be changed.
    pub(super) fn variables_mut(&mut self) -> Vec<(String, &mut Tensor)> {
        match self {
            Self::Adapter(adapter) => adapter.update.named_mut(),
            Self::Model(model) => model.weights.named_mut(),
        }
    }

    /// The model and the adapter that answer: a model that was trained has none.
    pub fn answering<'a>(&'a self, base: &'a Model) -> (&'a Model, Option<&'a Adapter>) {
        match self {
            Self::Adapter(adapter) => (base, Some(adapter)),
            Self::Model(model) => (model, None),
        }
    }
}
