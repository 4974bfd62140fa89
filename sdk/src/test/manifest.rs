//! Settings as the host completes them: checked against the schema in `plugin.toml`, with its defaults.

use crate::settings::{Setting, SettingValue};
use toml::{Table, Value};

/// The settings as a document and as a list. Without a manifest they are what they are.
pub(super) fn complete(manifest: Option<&str>, settings: &str) -> Result<(String, Vec<Setting>), String> {
    let given: Table = toml::from_str(settings).map_err(|error| format!("settings: {error}"))?;
    let Some(manifest) = manifest else {
        return Ok((settings.to_owned(), typed(&given, &Table::new())?));
    };
    let manifest: Table = toml::from_str(manifest).map_err(|error| format!("plugin.toml: {error}"))?;
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
        let kind = kind_of(rule);
        if !fits(value, kind) {
            return Err(format!("setting `{key}` must be of type {kind}"));
        }
        complete.insert(key.clone(), value.clone());
    }
    let document = toml::to_string(&complete).map_err(|error| error.to_string())?;
    Ok((document, typed(&complete, schema)?))
}

fn kind_of(rule: &Value) -> &str {
    rule.get("type").and_then(Value::as_str).unwrap_or_default()
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

/// Settings as the host hands them over: a whole number is a number where the schema says so.
pub(crate) fn typed(settings: &Table, schema: &Table) -> Result<Vec<Setting>, String> {
    let is_number = |key: &str| schema.get(key).is_some_and(|rule| kind_of(rule) == "number");
    let typed = |(key, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => SettingValue::Text(text.clone()),
            Value::Integer(number) if is_number(key) => SettingValue::Number(*number as f64),
            Value::Integer(number) => SettingValue::Integer(*number),
            Value::Float(number) => SettingValue::Number(*number),
            Value::Boolean(value) => SettingValue::Boolean(*value),
            Value::Array(values) if fits(&Value::Array(values.clone()), "strings") => {
                SettingValue::Texts(values.iter().filter_map(Value::as_str).map(str::to_owned).collect())
            }
            _ => return Err(format!("setting `{key}` is of no type that a setting can have")),
        };
        Ok(Setting { name: key.clone(), value })
    };
    settings.iter().map(typed).collect()
}

#[cfg(test)]
mod tests {
    use super::{Setting, SettingValue, complete};

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
        let complete = |settings| complete(Some(MANIFEST), settings);
        assert_eq!(complete("columns = ['a']").unwrap().0, "columns = [\"a\"]\nlimit = 1.5\n");
        assert!(complete("").unwrap_err().contains("`columns`"));
        assert!(complete("columns = [1]").unwrap_err().contains("`columns`"));
        assert!(complete("columns = []\nother = 1").unwrap_err().contains("`other`"));
    }

    #[test]
    fn a_whole_number_is_a_number_where_the_schema_says_so() {
        let number = |name: &str, value| Setting { name: name.to_owned(), value: SettingValue::Number(value) };
        let typed = complete(Some(MANIFEST), "columns = []\nbar = 2").unwrap().1;
        let columns = Setting { name: "columns".to_owned(), value: SettingValue::Texts(Vec::new()) };
        assert_eq!(typed, [number("bar", 2.0), columns, number("limit", 1.5)]);
        let unknown = complete(None, "bar = 2\nrest = [1]").unwrap_err();
        assert!(unknown.contains("`rest`"), "{unknown}");
    }
}
