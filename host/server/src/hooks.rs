//! Events that others ask for, such as a system that labels tickets when it is done.

use std::sync::{Arc, PoisonError};

use axum::http::HeaderMap;
use freehold_workflow::{WorkflowError, trigger};
use serde_json::{Value, json};

use crate::api::ApiError;
use crate::shared::Shared;

/// What makes two requests the same event (draft-ietf-httpapi-idempotency-key-header).
const SAME: &str = "idempotency-key";

/// Asks for an event of `(recipe, trigger)`; when it is answered, that is on the disk. The body may be any JSON: `id` and `note`
/// of an object are looked at, if they are texts.
pub(crate) async fn ask(
    shared: &Arc<Shared>,
    (recipe, name): (String, String),
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, ApiError> {
    let value: Value = serde_json::from_slice(body).map_err(|error| ApiError::body(format!("not JSON: {error}")))?;
    let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
    let key = headers.get(SAME).map(|key| key.to_str().map(str::to_owned));
    let key = key.transpose().map_err(|_| ApiError::parameter("Idempotency-Key", "it is not of visible ASCII"))?;
    let (id, note) = (key.or_else(|| text("id")), text("note"));
    let (shared, asked) = (shared.clone(), format!("{recipe}/{name}"));
    let waits = tokio::task::spawn_blocking(move || {
        let home = shared.home.lock().unwrap_or_else(PoisonError::into_inner);
        trigger(&home, &recipe, &name, id, note)
    });
    let failed = |error: &dyn std::fmt::Display| {
        tracing::error!("{asked} cannot be asked for: {error}");
        ApiError::not_kept()
    };
    match waits.await.map_err(|error| failed(&error))? {
        Ok(hook) => Ok(json!({ "recipe": hook.recipe, "trigger": hook.trigger, "id": hook.id, "note": hook.note })),
        Err(error @ WorkflowError::HooksFull { .. }) => Err(ApiError::hooks_full(error.to_string())),
        Err(error @ WorkflowError::Question { .. }) => Err(ApiError::parameter("id", error.to_string())),
        Err(error) => Err(failed(&error)),
    }
}
