//! Settings: from the host's list into the plugin's own type, with errors that name the setting.
//!
//! Serde's own data formats would bring their parsers, and its default messages the printing of floating-point numbers; both
//! are larger than most plugins.

pub(crate) use crate::bindings::shared::freehold::platform::platform::{Setting, SettingValue};
use serde::de::value::{SeqDeserializer, StringDeserializer};
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess, Unexpected, Visitor,
};
use std::fmt;

pub(crate) fn parse<T: DeserializeOwned>(settings: Vec<Setting>) -> Result<T, String> {
    T::deserialize(Settings { left: settings.into_iter(), value: None }).map_err(|error| match error.setting {
        Some(name) => format!("setting `{name}`: {}", error.message),
        None => format!("settings: {}", error.message),
    })
}

/// What is wrong with a setting; without its name where serde's message has it.
#[derive(Debug)]
struct Error {
    setting: Option<String>,
    message: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { setting: None, message: message.to_string() }
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("invalid type: {}, expected {expected}", described(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::custom(format_args!("invalid value: {}, expected {expected}", described(&found)))
    }
}

/// The kind of a value; serde would print a floating-point number, for which much code is needed.
fn described(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a number",
        Unexpected::Str(_) | Unexpected::Char(_) => "a string",
        Unexpected::Seq => "a list of strings",
        _ => "another value",
    }
}

/// All settings, as a map.
struct Settings {
    left: std::vec::IntoIter<Setting>,
    /// Of the setting whose name was read last.
    value: Option<Setting>,
}

impl<'de> MapAccess<'de> for Settings {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        self.value = self.left.next();
        self.value.as_ref().map(|setting| seed.deserialize(setting.name.as_str().into_deserializer())).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let Setting { name, value } =
            self.value.take().ok_or_else(|| serde::de::Error::custom("a value without a name"))?;
        seed.deserialize(Value(value)).map_err(|error| Error { setting: Some(name), ..error })
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.left.len())
    }
}

impl<'de> Deserializer<'de> for Settings {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_map(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The value of a setting.
struct Value(SettingValue);

impl<'de> Deserializer<'de> for Value {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            SettingValue::Text(text) => visitor.visit_string(text),
            SettingValue::Integer(number) => visitor.visit_i64(number),
            SettingValue::Number(number) => visitor.visit_f64(number),
            SettingValue::Boolean(value) => visitor.visit_bool(value),
            SettingValue::Texts(texts) => visitor.visit_seq(SeqDeserializer::new(texts.into_iter())),
        }
    }

    /// A setting that is there.
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// One of several words.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            SettingValue::Text(text) => {
                let text: StringDeserializer<Error> = text.into_deserializer();
                text.deserialize_enum(name, variants, visitor)
            }
            _ => self.deserialize_any(visitor),
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::test::manifest::typed;

    #[derive(serde::Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        #[expect(dead_code, reason = "only parsed")]
        name: String,
        #[expect(dead_code, reason = "only parsed")]
        threshold: f64,
    }

    fn parsed<T: serde::de::DeserializeOwned>(document: &str) -> Result<T, String> {
        parse(typed(&document.parse().unwrap(), &toml::Table::new())?)
    }

    #[test]
    fn errors_name_the_key() {
        let error = |document| parsed::<Settings>(document).unwrap_err();
        assert!(error("name = 'a'\nthreshold = 'high'").contains("`threshold`"));
        assert!(error("name = 'a'").contains("`threshold`"));
        assert!(error("name = 'a'\nthreshold = 1\nextra = 2").contains("`extra`"));
        assert!(parsed::<Settings>("name = 'a'\nthreshold = 1").is_ok());
    }

    #[test]
    fn errors_say_what_is_wrong() {
        let error = |document| parsed::<Settings>(document).unwrap_err();
        assert_eq!(
            error("name = 'a'\nthreshold = 'high'"),
            "setting `threshold`: invalid type: a string, expected f64"
        );
        assert_eq!(error("name = 0.5\nthreshold = 1"), "setting `name`: invalid type: a number, expected a string");
        assert_eq!(error("name = 'a'"), "settings: missing field `threshold`");
        assert_eq!(
            error("name = 'a'\nthreshold = 1\nextra = 2"),
            "settings: unknown field `extra`, expected `name` or `threshold`"
        );
    }

    #[derive(serde::Deserialize, Debug, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        One,
        Two,
    }

    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Wrapped(u8);

    #[derive(serde::Deserialize, Debug, PartialEq)]
    struct Everything {
        text: String,
        letter: char,
        small: u8,
        large: i64,
        number: f64,
        whole: f32,
        yes: bool,
        list: Vec<String>,
        word: Word,
        wrapped: Wrapped,
        some: Option<f64>,
        none: Option<String>,
        #[serde(default)]
        missing: usize,
    }

    const EVERYTHING: &str = "text = 'ä'\nletter = 'x'\nsmall = 255\nlarge = -9223372036854775808\nnumber = 0.5\nwhole = 3\nyes = true\n\
        list = ['a', '']\nword = 'two'\nwrapped = 7\nsome = 1\nother = ['ignored']";

    #[test]
    fn every_type_of_setting_is_read() {
        let expected = Everything {
            text: "ä".into(),
            letter: 'x',
            small: 255,
            large: i64::MIN,
            number: 0.5,
            whole: 3.0,
            yes: true,
            list: vec!["a".into(), String::new()],
            word: Word::Two,
            wrapped: Wrapped(7),
            some: Some(1.0),
            none: None,
            missing: 0,
        };
        assert_eq!(parsed::<Everything>(EVERYTHING).unwrap(), expected);
        for (from, to, says) in [
            ("small = 255", "small = 256", "setting `small`: invalid value: an integer, expected u8"),
            ("small = 255", "small = -1", "setting `small`: invalid value: an integer, expected u8"),
            ("small = 255", "small = 2.0", "setting `small`: invalid type: a number, expected u8"),
            ("yes = true", "yes = 'true'", "setting `yes`: invalid type: a string, expected a boolean"),
            ("list = ['a', '']", "list = 'a'", "setting `list`: invalid type: a string, expected a sequence"),
            ("text = 'ä'", "text = ['ä']", "setting `text`: invalid type: a list of strings, expected a string"),
            ("'two'", "'three'", "setting `word`: unknown variant `three`, expected `one` or `two`"),
            ("'two'", "2", "setting `word`: invalid type: an integer, expected enum Word"),
            ("letter = 'x'", "letter = 'xy'", "setting `letter`: invalid value: a string, expected a character"),
        ] {
            assert!(EVERYTHING.contains(from));
            assert_eq!(parsed::<Everything>(&EVERYTHING.replace(from, to)).unwrap_err(), says);
        }
    }
}
