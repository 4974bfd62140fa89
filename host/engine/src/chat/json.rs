//! The filter `tojson`: what Python's `json.dumps` writes, with the defaults of transformers.

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use super::environment::argument;

struct Style {
    ascii: bool,
    /// White space of one level, if every value gets a line.
    indent: Option<String>,
    between_items: String,
    after_key: String,
    sorted: bool,
}

pub(super) fn to_json(
    value: &Value,
    ascii: Option<bool>,
    indent: Option<Value>,
    separators: Option<Value>,
    named: Kwargs,
) -> Result<String, Error> {
    let indent = match argument(indent, &named, "indent")?.filter(|indent| !indent.is_none()) {
        None => None,
        Some(text) if text.kind() == ValueKind::String => Some(text.to_string()),
        Some(width) => Some(" ".repeat(usize::try_from(width)?.min(64))),
    };
    let (between_items, after_key) = match argument(separators, &named, "separators")?.filter(|pair| !pair.is_none()) {
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
        Some(pair) => (pair.get_item_by_index(0)?.to_string(), pair.get_item_by_index(1)?.to_string()),
    };
    let style = Style {
        ascii: argument(ascii, &named, "ensure_ascii")?.unwrap_or(false),
        indent,
        between_items,
        after_key,
        sorted: named.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    named.assert_all_used()?;
    let mut out = String::new();
    style.write(value, 0, &mut out)?;
    Ok(out)
}

impl Style {
    fn write(&self, value: &Value, level: usize, out: &mut String) -> Result<(), Error> {
        match value.kind() {
            ValueKind::None => out.push_str("null"),
            ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => out.push_str(&value.to_string()),
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), out),
            ValueKind::Seq | ValueKind::Iterable => {
                let items = value.try_iter()?.map(|item| (None, item)).collect();
                self.items(['[', ']'], items, level, out)?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sorted {
                    keys.sort();
                }
                let pairs = keys.into_iter().map(|key| Ok((Some(key.clone()), value.get_item(&key)?)));
                self.items(['{', '}'], pairs.collect::<Result<_, Error>>()?, level, out)?;
            }
            kind => return Err(Error::new(ErrorKind::BadSerialization, format!("{kind} is not JSON serializable"))),
        }
        Ok(())
    }

    fn items(
        &self,
        brackets: [char; 2],
        items: Vec<(Option<Value>, Value)>,
        level: usize,
        out: &mut String,
    ) -> Result<(), Error> {
        out.push(brackets[0]);
        let line = |level: usize| self.indent.as_ref().map(|indent| format!("\n{}", indent.repeat(level)));
        let empty = items.is_empty();
        for (index, (key, value)) in items.into_iter().enumerate() {
            if index > 0 {
                out.push_str(&self.between_items);
            }
            out.extend(line(level + 1));
            if let Some(key) = key {
                self.key(&key, out)?;
                out.push_str(&self.after_key);
            }
            self.write(&value, level + 1, out)?;
        }
        if !empty {
            out.extend(line(level));
        }
        out.push(brackets[1]);
        Ok(())
    }

    /// A key that is not a string is written as one.
    fn key(&self, key: &Value, out: &mut String) -> Result<(), Error> {
        if let Some(text) = key.as_str() {
            self.string(text, out);
            return Ok(());
        }
        out.push('"');
        self.write(key, 0, out)?;
        out.push('"');
        Ok(())
    }

    fn string(&self, text: &str, out: &mut String) {
        out.push('"');
        for c in text.chars() {
            match c {
                '"' => out.push_str("\\\""),
                '\\' => out.push_str("\\\\"),
                '\n' => out.push_str("\\n"),
                '\r' => out.push_str("\\r"),
                '\t' => out.push_str("\\t"),
                '\u{8}' => out.push_str("\\b"),
                '\u{c}' => out.push_str("\\f"),
                c if c < ' ' || (self.ascii && !c.is_ascii()) => {
                    let units =
                        c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
                    out.push_str(&units);
                }
                c => out.push(c),
            }
        }
        out.push('"');
    }
}
