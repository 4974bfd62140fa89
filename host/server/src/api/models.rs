//! `/v1/models`.

use serde_json::{Value, json};

use super::error::ApiError;
use crate::catalogue::{Catalogue, Served};

fn value(name: &str, served: &Served) -> Value {
    json!({
        "id": name, "object": "model", "created": served.since.as_second(), "owned_by": "freehold",
        "root": served.adapter, "parent": served.base.digest, "run": served.run,
    })
}

/// All that are served.
pub(crate) fn list(catalogue: &Catalogue) -> Value {
    let models: Vec<Value> = catalogue.models.iter().map(|(name, served)| value(name, served)).collect();
    json!({ "object": "list", "data": models })
}

/// One of them.
pub(crate) fn show(catalogue: &Catalogue, name: &str) -> Result<Value, ApiError> {
    let served = catalogue.models.get(name).ok_or_else(|| ApiError::no_model(name, catalogue.refusal(name)))?;
    Ok(value(name, served))
}
