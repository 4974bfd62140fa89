//! Settings as the host completes them: checked against the schema in `plugin.toml`, with its defaults.

use toml::{Table, Value};

pub(super) fn complete(manifest: &str, settings: &str) -> Result<String, String> {
    let manifest: Table = toml::from_str(manifest).map_err(|error| format!("plugin.toml: {error}"))?;
    let given: Table = toml::from_str(settings).map_err(|error| format!("settings: {error}"))?;
    let none = Table::new();
    let schema = manifest.get("settings").and_then(Value::as_table).unwrap_or(&none);
    if let Some(key) = given.keys().find(|key| !schema.contains_key(*key)) {
        return Err(format!("plugin.toml knows no setting `{key}`"));
    }
    let mut complete = Table::new();
    for (key, rule) in schema {
        let value = given.get(key).or_else(|| rule.get("default"));
        let Some(value) = value else {
            if rule.get("optional").and_then(Value::as_bool) == Some(true) {
                continue;
            }
            return Err(format!("setting `{key}` is required"));
        };
        let kind = rule.get("type").and_then(Value::as_str).unwrap_or_default();
        if !fits(value, kind) {
            return Err(format!("setting `{key}` must be of type {kind}"));
        }
        complete.insert(key.clone(), value.clone());
    }
    toml::to_string(&complete).map_err(|error| error.to_string())
}

fn fits(value: &Value, kind: &str) -> bool {
    match kind {
        "string" => value.is_str(),
        "integer" => value.is_integer(),
        "number" => value.is_integer() || value.is_float(),
        "boolean" => value.is_bool(),
        "strings" => value.as_array().is_some_and(|values| values.iter().all(Value::is_str)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::complete;

    const MANIFEST: &str = "
        [settings.columns]
        type = 'strings'
        [settings.limit]
        type = 'number'
        default = 1.5
        [settings.bar]
        type = 'number'
        optional = true
    ";

    #[test]
    fn settings_are_checked_and_completed() {
        assert_eq!(complete(MANIFEST, "columns = ['a']").unwrap(), "columns = [\"a\"]\nlimit = 1.5\n");
        assert!(complete(MANIFEST, "").unwrap_err().contains("`columns`"));
        assert!(complete(MANIFEST, "columns = [1]").unwrap_err().contains("`columns`"));
        assert!(complete(MANIFEST, "columns = []\nother = 1").unwrap_err().contains("`other`"));
    }
}
