//! Settings as a list of typed values, so that no plugin needs a parser for them.

use freehold_core::manifest::{SettingType, SettingsSchema};
use freehold_core::recipe::Settings;
use toml::Value;

use crate::bindings::platform::{Setting, SettingValue};

/// The settings, each of the type that the schema gives it: a whole number is a number where it says number. What is completed
/// by its schema has no other types.
pub(crate) fn typed(settings: &Settings, schema: &SettingsSchema) -> wasmtime::Result<Vec<Setting>> {
    let is_number = |name: &str| schema.get(name).is_some_and(|schema| schema.kind == SettingType::Number);
    let typed = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::String(text) => SettingValue::Text(text.clone()),
            Value::Integer(number) if is_number(name) => SettingValue::Number(*number as f64),
            Value::Integer(number) => SettingValue::Integer(*number),
            Value::Float(number) => SettingValue::Number(*number),
            Value::Boolean(value) => SettingValue::Boolean(*value),
            Value::Array(values) => SettingValue::Texts(texts(values).ok_or_else(|| untyped(name))?),
            Value::Table(_) | Value::Datetime(_) => return Err(untyped(name)),
        };
        Ok(Setting { name: name.clone(), value })
    };
    settings.iter().map(typed).collect()
}

fn texts(values: &[Value]) -> Option<Vec<String>> {
    values.iter().map(|value| Some(value.as_str()?.to_owned())).collect()
}

fn untyped(name: &str) -> wasmtime::Error {
    wasmtime::Error::msg(format!("setting `{name}` is of no type that a setting can have"))
}

/// Bytes that are handed over: the texts, and eight for every other value.
pub(crate) fn bytes(settings: &[Setting]) -> u64 {
    let value = |value: &SettingValue| match value {
        SettingValue::Text(text) => text.len(),
        SettingValue::Texts(texts) => texts.iter().map(|text| text.len() + 8).sum(),
        SettingValue::Integer(_) | SettingValue::Number(_) | SettingValue::Boolean(_) => 8,
    };
    settings.iter().map(|setting| (setting.name.len() + value(&setting.value)) as u64).sum()
}

#[cfg(test)]
mod tests {
    use freehold_core::manifest::SettingSchema;

    use super::*;

    fn schema() -> SettingsSchema {
        [("number", SettingType::Number), ("integer", SettingType::Integer)]
            .map(|(name, kind)| {
                (name.to_owned(), SettingSchema { kind, default: None, optional: true, description: String::new() })
            })
            .into()
    }

    #[test]
    fn every_type_is_handed_over_as_the_schema_says() {
        let document =
            "text = 'ä'\nnumber = 2\ninteger = 2\nfloat = 0.5\nyes = true\ntexts = ['a', '']\nnone = []\nunknown = 3";
        let typed = typed(&document.parse().unwrap(), &schema()).unwrap();
        let named = |name: &str| typed.iter().find(|setting| setting.name == name).unwrap().value.clone();
        assert!(matches!(named("text"), SettingValue::Text(text) if text == "ä"));
        assert!(matches!(named("number"), SettingValue::Number(2.0)));
        assert!(matches!(named("integer"), SettingValue::Integer(2)));
        assert!(matches!(named("float"), SettingValue::Number(0.5)));
        assert!(matches!(named("yes"), SettingValue::Boolean(true)));
        assert!(matches!(named("texts"), SettingValue::Texts(texts) if texts == ["a", ""]));
        assert!(matches!(named("none"), SettingValue::Texts(texts) if texts.is_empty()));
        assert!(matches!(named("unknown"), SettingValue::Integer(3)));
        assert_eq!(typed.len(), 8);
    }

    #[test]
    fn what_no_setting_can_be_is_an_error_and_every_byte_counts() {
        for document in ["t = { a = 1 }", "t = [1]", "t = 2020-01-01", "t = [['a']]"] {
            let error = typed(&document.parse().unwrap(), &schema()).unwrap_err().to_string();
            assert!(error.contains("`t`"), "{error}");
        }
        let counted = |document: &str| bytes(&typed(&document.parse().unwrap(), &schema()).unwrap());
        assert_eq!(counted(""), 0);
        assert_eq!(counted("ab = 'cde'"), 5);
        assert_eq!(counted("ab = 1\ncd = true"), 20);
        // A list of empty texts is not free.
        assert_eq!(counted("ab = ['c', '']"), 19);
    }
}
