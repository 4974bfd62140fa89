//! A line of JSON straight into columns, without a tree of values between.

use std::borrow::Cow;
use std::fmt;

use freehold_core::batch::Message;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::builder::{BatchBuilder, Cell, CellProblem, Expected, Kind, Place};
use crate::dialogue::{HISTORY, Keys};
use crate::{Line, RowError};

pub(crate) const NO_DIALOGUE: &str = "a list that is no dialogue";
pub(crate) const ANY_VALUE: &str = "a text, a number, true or false, null, or a list of messages";

/// Adds the row of `line` to the columns.
pub(crate) fn parse_row(builder: &mut BatchBuilder, line: &Line<'_>) -> Result<(), RowError> {
    let mut parser = RowParser { builder, list: None, problem: None };
    let mut json = serde_json::Deserializer::from_slice(line.bytes);
    let Err(error) = parser.deserialize(&mut json).and_then(|()| json.end()) else { return Ok(()) };
    let RowParser { list, problem, .. } = parser;
    let refused =
        |column: usize, problem: String, expected: String| RowError { line: line.number, column, problem, expected };
    let cell =
        |cell: CellProblem| refused(column_of(line.bytes, &cell.name), cell.problem, cell.expected.told("lines"));
    Err(match (problem, list) {
        (Some(problem), _) => cell(problem),
        // Only lists and whole lines leave it to the reader of JSON to say that they are not what was wanted.
        (None, Some(list)) if error.is_data() => cell(list),
        (None, _) if error.is_data() => {
            refused(1, format!("the line is {}", described(line.bytes)), "one JSON object on the line".into())
        }
        (None, _) => {
            let text = error.to_string();
            let problem = text.rsplit_once(" at line ").map_or(text.as_str(), |(problem, _)| problem);
            refused(error.column().max(1), problem.into(), "one JSON object on the line".into())
        }
    })
}

/// Where a key stands in its line, as near as a search can tell.
fn column_of(line: &[u8], key: &str) -> usize {
    memchr::memmem::find(line, format!("\"{key}\"").as_bytes()).map_or(1, |at| at + 1)
}

/// A key as it is shown: it may be as long as its line.
pub(crate) fn shown(key: &str) -> &str {
    key.char_indices().nth(100).map_or(key, |(end, _)| &key[..end])
}

/// What a line holds that is no object, by its first character.
fn described(line: &[u8]) -> &'static str {
    match line.trim_ascii_start().first() {
        Some(b'[') => "a list",
        Some(b'"') => "a text",
        Some(b't' | b'f') => "true or false",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// Reads one row.
struct RowParser<'b> {
    builder: &'b mut BatchBuilder,
    /// What is wrong if the list that is being read is no dialogue.
    list: Option<CellProblem>,
    problem: Option<CellProblem>,
}

impl<'de> DeserializeSeed<'de> for &mut RowParser<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut RowParser<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut expected = 0;
        while let Some(place) = map.next_key_seed(Key { builder: self.builder, expected })? {
            if let Place::Known(at) = place {
                expected = at + 1;
            }
            map.next_value_seed(Value { parser: self, place })?;
        }
        Ok(())
    }
}

/// Reads a key.
struct Key<'b> {
    builder: &'b BatchBuilder,
    expected: usize,
}

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Place;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Place, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Place;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Place, E> {
        Ok(self.builder.place(name, self.expected))
    }
}

/// Reads the value of a key.
struct Value<'p, 'b> {
    parser: &'p mut RowParser<'b>,
    place: Place,
}

impl Value<'_, '_> {
    fn set<E: Error>(self, value: Cell<'_>) -> Result<(), E> {
        self.parser.builder.set(self.place, value, value.kind().described()).map_err(|problem| {
            self.parser.problem = Some(problem);
            E::custom("refused")
        })
    }

    /// The value is of no kind that a column can hold.
    fn refusal(&self, found: &str) -> CellProblem {
        let (name, expected) = match &self.place {
            Place::Known(at) => {
                let column = &self.parser.builder.columns[*at];
                (column.name.clone(), Expected::AsBefore(column.kind().described()))
            }
            Place::New(name) => (name.clone(), Expected::Other(ANY_VALUE.into())),
        };
        CellProblem { problem: format!("`{}` is {found}", shown(&name)), name, expected }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(ANY_VALUE)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.set(Cell::Boolean(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.set(Cell::Number(value as f64))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.set(Cell::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.set(Cell::Number(value))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.set(Cell::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let pairs = match &self.place {
            Place::Known(at) => self.parser.builder.columns[*at].name == HISTORY,
            Place::New(name) => name == HISTORY,
        };
        self.parser.list = Some(self.refusal(NO_DIALOGUE));
        let (mut said, mut keys) = (Vec::new(), None);
        while let Some(item) = list.next_element_seed(ItemSeed { pairs })? {
            match item {
                Item::Pair(question, answer) => {
                    said.extend([(Cow::Borrowed("user"), question), (Cow::Borrowed("assistant"), answer)]);
                }
                Item::Message(named, speaker, text) => {
                    match named.role(&speaker) {
                        Ok(role) if keys.is_none_or(|keys| keys == named) => {
                            // A role that is what was written stays where it lies.
                            let role = (role != speaker.as_ref()).then(|| Cow::Owned(role.to_owned()));
                            said.push((role.unwrap_or(speaker), text));
                        }
                        Ok(_) => return Err(A::Error::custom("messages of two kinds")),
                        Err((problem, expected)) => {
                            let refusal = self.refusal("");
                            let problem = format!("`{}` has {problem}", shown(&refusal.name));
                            let expected = Expected::Other(expected);
                            self.parser.problem = Some(CellProblem { problem, expected, ..refusal });
                            return Err(A::Error::custom("refused"));
                        }
                    }
                    keys = Some(named);
                }
            }
        }
        self.parser.list = None;
        let said: Vec<Message<'_>> = said.iter().map(|(role, text)| (role.as_ref(), text.as_ref())).collect();
        self.set(Cell::Dialogue(&said, keys))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        self.parser.problem = Some(self.refusal("an object"));
        Err(A::Error::custom("refused"))
    }
}

/// What a list of messages holds.
enum Item<'de> {
    /// Who says it, and what.
    Message(Keys, Cow<'de, str>, Cow<'de, str>),
    /// What was asked, and what was answered.
    Pair(Cow<'de, str>, Cow<'de, str>),
}

/// Reads a message: who says it, and what. What else it holds is left out.
struct ItemSeed {
    /// Whether pairs are messages too.
    pairs: bool,
}

impl<'de> DeserializeSeed<'de> for ItemSeed {
    type Value = Item<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        if self.pairs { json.deserialize_any(self) } else { json.deserialize_map(self) }
    }
}

impl<'de> Visitor<'de> for ItemSeed {
    type Value = Item<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Kind::Dialogue.described())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut pair: A) -> Result<Self::Value, A::Error> {
        let (question, answer) = (pair.next_element_seed(TextSeed)?, pair.next_element_seed(TextSeed)?);
        match (question, answer, pair.next_element::<IgnoredAny>()?) {
            (Some(question), Some(answer), None) => Ok(Item::Pair(question, answer)),
            _ => Err(A::Error::custom("not a pair")),
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut role, mut content, mut from, mut value) = (None, None, None, None);
        while let Some(key) = map.next_key_seed(TextSeed)? {
            let part = match key.as_ref() {
                "role" => &mut role,
                "content" => &mut content,
                // A message with a role may say anything else, of any kind.
                "from" | "value" => {
                    let text = map.next_value_seed(MaybeText)?;
                    let part = if key == "from" { &mut from } else { &mut value };
                    if part.replace(text).is_some() {
                        return Err(A::Error::custom("a key is there twice"));
                    }
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if part.replace(map.next_value_seed(TextSeed)?).is_some() {
                return Err(A::Error::custom("a key is there twice"));
            }
        }
        match (role, content, from.flatten(), value.flatten()) {
            (Some(role), Some(content), ..) => Ok(Item::Message(Keys::RoleContent, role, content)),
            (None, None, Some(from), Some(value)) => Ok(Item::Message(Keys::FromValue, from, value)),
            _ => Err(A::Error::custom("not a message")),
        }
    }
}

/// Reads a text, from where it lies if it can.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.into()))
    }
}

/// Reads a text; what is none is left out.
struct MaybeText;

impl<'de> DeserializeSeed<'de> for MaybeText {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for MaybeText {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.into())))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }
}
