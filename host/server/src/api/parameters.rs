//! Parameters of a request, taken one after the other: what is left over at the end is what nobody knows.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::error::ApiError;

/// The parameters of a request that were not taken yet.
#[derive(Debug)]
pub(crate) struct Parameters(Map<String, Value>);

impl Parameters {
    /// Reads a body.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, ApiError> {
        match serde_json::from_slice(body) {
            Ok(Value::Object(map)) => Ok(Self(map)),
            Ok(_) => Err(ApiError::body("the body has to be a JSON object")),
            Err(error) => Err(ApiError::body(format!("the body is not valid JSON: {error}"))),
        }
    }

    /// A parameter; one that is null is as one that is not there.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn text(&mut self, name: &str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ApiError::parameter(name, format!("`{name}` has to be a text"))),
        }
    }

    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, ApiError> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(ApiError::parameter(name, format!("`{name}` has to be true or false"))),
        }
    }

    pub(crate) fn number(&mut self, name: &str, range: RangeInclusive<f64>) -> Result<Option<f64>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let number = value.as_f64().filter(|number| range.contains(number));
        let expected = || format!("`{name}` has to be a number from {} to {}", range.start(), range.end());
        number.map(Some).ok_or_else(|| ApiError::parameter(name, expected()))
    }

    /// A whole number that is at least `least`.
    pub(crate) fn count(&mut self, name: &str, least: u64) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let count = value.as_u64().filter(|count| *count >= least);
        let expected = || format!("`{name}` has to be a whole number of at least {least}");
        count.map(Some).ok_or_else(|| ApiError::parameter(name, expected()))
    }

    /// A whole number, which may be negative; its bits count.
    pub(crate) fn seed(&mut self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let seed = value.as_u64().or_else(|| value.as_i64().map(i64::cast_unsigned));
        seed.map(Some).ok_or_else(|| ApiError::parameter(name, format!("`{name}` has to be a whole number")))
    }

    /// A text, or a list of up to four; none may be empty.
    pub(crate) fn texts(&mut self, name: &str) -> Result<Vec<String>, ApiError> {
        let wrong =
            || ApiError::parameter(name, format!("`{name}` has to be a text or up to 4 of them, none of them empty"));
        let values = match self.take(name) {
            None => return Ok(Vec::new()),
            Some(Value::Array(values)) => values,
            Some(value) => vec![value],
        };
        let text = |value: Value| match value {
            Value::String(text) if !text.is_empty() => Ok(text),
            _ => Err(wrong()),
        };
        if values.len() > 4 { Err(wrong()) } else { values.into_iter().map(text).collect() }
    }

    /// Takes what there is not, if it asks for no more than there is without it.
    pub(crate) fn without(&mut self, name: &str, harmless: &[Value]) -> Result<(), ApiError> {
        match self.take(name) {
            Some(value) if !harmless.iter().any(|other| same(other, &value)) => {
                Err(ApiError::unsupported(name, format!("`{name}` is not supported here")))
            }
            _ => Ok(()),
        }
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), ApiError> {
        match self.0.into_iter().find(|(_, value)| !value.is_null()) {
            Some((name, _)) => {
                let shown: String = name.chars().take(100).collect();
                Err(ApiError::unsupported(&shown, format!("unknown parameter: `{shown}`")))
            }
            None => Ok(()),
        }
    }
}

/// Numbers are the same whether they are written with a point or not.
fn same(one: &Value, other: &Value) -> bool {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parameters(value: Value) -> Parameters {
        Parameters::parse(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn bodies_that_are_no_object_are_refused() {
        for body in ["", "{", "[]", "null", "\"x\"", "{\"a\":}", "\u{feff}{}", "{} {}"] {
            assert!(Parameters::parse(body.as_bytes()).is_err(), "{body}");
        }
        assert!(Parameters::parse(&[0xff, 0xfe]).is_err());
        let deep = format!("{{\"a\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(Parameters::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn values_of_another_kind_name_their_parameter() {
        type Take = fn(&mut Parameters) -> Result<(), ApiError>;
        let cases: [(Value, Take); 12] = [
            (json!({"p": 1}), |p| p.text("p").map(drop)),
            (json!({"p": "x"}), |p| p.flag("p").map(drop)),
            (json!({"p": "1"}), |p| p.number("p", 0.0..=2.0).map(drop)),
            (json!({"p": 2.1}), |p| p.number("p", 0.0..=2.0).map(drop)),
            (json!({"p": -1}), |p| p.count("p", 0).map(drop)),
            (json!({"p": 0}), |p| p.count("p", 1).map(drop)),
            (json!({"p": 1.5}), |p| p.count("p", 1).map(drop)),
            (json!({"p": 1e30}), |p| p.seed("p").map(drop)),
            (json!({"p": ["a", ""]}), |p| p.texts("p").map(drop)),
            (json!({"p": ["a", "b", "c", "d", "e"]}), |p| p.texts("p").map(drop)),
            (json!({"p": 2}), |p| p.without("p", &[json!(1)])),
            (json!({"p": {}}), |p| p.without("p", &[json!([])])),
        ];
        for (value, take) in cases {
            let error = take(&mut parameters(value.clone())).unwrap_err().value();
            assert_eq!(error["error"]["param"], "p", "{value}");
        }
    }

    #[test]
    fn what_is_null_is_not_there_and_what_is_left_is_unknown() {
        let mut given = parameters(json!({"a": null, "b": 1.0, "seed": -1, "x": null}));
        assert!(given.text("a").unwrap().is_none());
        given.without("b", &[json!(1)]).unwrap();
        assert_eq!(given.seed("seed").unwrap(), Some(u64::MAX));
        given.end().unwrap();
        let left = parameters(json!({"tool": 1})).end().unwrap_err().value();
        assert_eq!(
            (&left["error"]["param"], &left["error"]["code"]),
            (&json!("tool"), &json!("unsupported_parameter"))
        );
    }
}
