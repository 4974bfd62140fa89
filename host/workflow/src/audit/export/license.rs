//! Licences as bills of materials name them.

use serde_json::{Value, json};

/// The licence that a recipe or a label names, as a CycloneDX `licenseChoice`: an identifier of the SPDX list, an expression
/// of such, or else the name as it stands.
pub(super) fn choice(named: &str) -> Value {
    if spdx::license_id(named).is_some_and(|license| license.name == named) {
        return json!([{ "license": { "id": named } }]);
    }
    match spdx::Expression::parse(named) {
        Ok(_) => json!([{ "expression": named }]),
        Err(_) => json!([{ "license": { "name": named } }]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_on_the_list_is_told_from_what_is_not() {
        assert_eq!(choice("CC-BY-4.0"), json!([{ "license": { "id": "CC-BY-4.0" } }]));
        assert_eq!(choice("MIT OR Apache-2.0"), json!([{ "expression": "MIT OR Apache-2.0" }]));
        for other in ["bought from Acme", "proprietary", "cc-by-4.0"] {
            assert_eq!(choice(other), json!([{ "license": { "name": other } }]), "{other}");
        }
    }
}
