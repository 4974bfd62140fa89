//! Makes components of modules.

use wit_component::ComponentEncoder;

use crate::BuildError;

/// The component of a module that was built with the SDK.
pub fn encode(module: &[u8]) -> Result<Vec<u8>, BuildError> {
    let encoded = ComponentEncoder::default().module(module).and_then(|encoder| encoder.validate(true).encode());
    encoded.map_err(|error| BuildError::Encode(format!("{error:#}")))
}
