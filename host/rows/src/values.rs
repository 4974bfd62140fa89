//! The values of a column in Arrow's layout.

use arrow_array::cast::AsArray as _;
use arrow_array::types::{
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryViewArray, BooleanArray, LargeListArray, LargeStringArray, ListArray, StringArray,
    StructArray,
};
use arrow_schema::{DataType, Field};
use freehold_core::batch::Message;

use crate::dialogue::{HISTORY, Keys};
use crate::parse::NO_DIALOGUE;
use crate::table::ROW_BYTES_MAX;

/// Bytes that a message counts beside its text.
const MESSAGE_BYTES: usize = 16;

/// What is wrong with a value, and what would be right.
pub(crate) type Problem = (String, String);

/// A value that is not null.
pub(crate) enum Value<'a> {
    Text(&'a str),
    Number(f64),
    Boolean(bool),
    /// Messages, what their fields are called if there are any, and their bytes.
    Dialogue(Vec<Message<'a>>, Option<Keys>, usize),
}

/// A column.
pub(crate) enum Values {
    Nothing,
    Text(Texts),
    Number(ArrayRef),
    Boolean(BooleanArray),
    Dialogue(Lists, Messages),
    /// Lists of pairs: what was asked, and what was answered.
    History(Lists, Lists, Texts),
}

impl Values {
    /// Whether a column of this name and type can be read.
    pub(crate) fn takes(name: &str, kind: &DataType) -> bool {
        match kind {
            DataType::Null | DataType::Boolean => true,
            DataType::List(item) | DataType::LargeList(item) => match item.data_type() {
                DataType::Struct(fields) => Messages::keys(fields).is_some(),
                DataType::List(text) | DataType::LargeList(text) => name == HISTORY && Texts::takes(text.data_type()),
                _ => false,
            },
            kind => is_number(kind) || Texts::takes(kind),
        }
    }

    /// The values of `array`, if they are of a kind that can be read.
    pub(crate) fn new(array: &dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Null => Self::Nothing,
            DataType::Boolean => Self::Boolean(array.as_boolean().clone()),
            DataType::List(_) | DataType::LargeList(_) => {
                let lists = Lists::new(array)?;
                let values = lists.values().clone();
                match Lists::new(&values) {
                    Some(pairs) => {
                        let texts = Texts::new(pairs.values())?;
                        Self::History(lists, pairs, texts)
                    }
                    None => Self::Dialogue(lists, Messages::new(values.as_struct_opt()?)?),
                }
            }
            kind if is_number(kind) => Self::Number(arrow_array::make_array(array.to_data())),
            _ => Self::Text(Texts::new(array)?),
        })
    }

    /// The value of row `row`, of at most `room` bytes; `None` if it is null.
    pub(crate) fn get(&self, row: usize, room: usize) -> Result<Option<Value<'_>>, Problem> {
        let too_long = || (format!("the row has more than {ROW_BYTES_MAX} bytes"), "shorter texts".to_owned());
        Ok(match self {
            Self::Nothing => None,
            Self::Text(texts) => match texts.get(row)? {
                Some(text) if text.len() > room => return Err(too_long()),
                text => text.map(Value::Text),
            },
            Self::Number(numbers) if numbers.is_null(row) => None,
            Self::Number(numbers) => match number(numbers, row) {
                number if number.is_finite() => Some(Value::Number(number)),
                number => return Err((format!("the number is {number}"), "a finite number".into())),
            },
            Self::Boolean(booleans) => booleans.is_valid(row).then(|| Value::Boolean(booleans.value(row))),
            Self::Dialogue(lists, messages) => {
                let Some(range) = lists.get(row) else { return Ok(None) };
                let (mut said, mut bytes) = (Vec::new(), 0_usize);
                for at in range {
                    let (role, text) = messages.get(at)?;
                    bytes = bytes.saturating_add(text.len() + MESSAGE_BYTES);
                    if bytes > room {
                        return Err(too_long());
                    }
                    said.push((role, text));
                }
                let keys = (!said.is_empty()).then_some(messages.keys);
                Some(Value::Dialogue(said, keys, bytes))
            }
            Self::History(lists, pairs, texts) => {
                let Some(range) = lists.get(row) else { return Ok(None) };
                let (mut said, mut bytes) = (Vec::new(), 0_usize);
                let broken = || (NO_DIALOGUE.to_owned(), "pairs of a question and its answer".to_owned());
                for at in range {
                    let pair = pairs.get(at).filter(|pair| pair.len() == 2).ok_or_else(broken)?;
                    let question = texts.get(pair.start)?.ok_or_else(broken)?;
                    let answer = texts.get(pair.start + 1)?.ok_or_else(broken)?;
                    bytes = bytes.saturating_add(question.len() + answer.len() + MESSAGE_BYTES);
                    if bytes > room {
                        return Err(too_long());
                    }
                    said.extend([("user", question), ("assistant", answer)]);
                }
                Some(Value::Dialogue(said, None, bytes))
            }
        })
    }
}

fn is_number(kind: &DataType) -> bool {
    kind.is_integer() || matches!(kind, DataType::Float16 | DataType::Float32 | DataType::Float64)
}

/// As a number of JSON is read.
fn number(array: &ArrayRef, row: usize) -> f64 {
    match array.data_type() {
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row) as f64,
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row) as f64,
        DataType::Float16 => array.as_primitive::<Float16Type>().value(row).into(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
        _ => f64::NAN,
    }
}

/// Texts, however they are laid out.
pub(crate) enum Texts {
    Small(StringArray),
    Large(LargeStringArray),
    /// As bytes: what reads Parquet checks texts that follow each other as one, and not where one ends and the next begins.
    View(BinaryViewArray),
    /// Where each text is among the values, and the values.
    Dictionary(Vec<Option<usize>>, Box<Texts>),
}

impl Texts {
    pub(crate) fn takes(kind: &DataType) -> bool {
        match kind {
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
            DataType::Dictionary(_, values) => !matches!(**values, DataType::Dictionary(..)) && Self::takes(values),
            _ => false,
        }
    }

    fn new(array: &dyn Array) -> Option<Self> {
        Some(match array.data_type() {
            DataType::Utf8 => Self::Small(array.as_string_opt::<i32>()?.clone()),
            DataType::LargeUtf8 => Self::Large(array.as_string_opt::<i64>()?.clone()),
            DataType::Utf8View => {
                let (views, buffers, nulls) = array.as_string_view_opt()?.clone().to_binary_view().into_parts();
                Self::View(BinaryViewArray::try_new(views, buffers, nulls).ok()?)
            }
            kind @ DataType::Dictionary(..) if Self::takes(kind) => {
                let dictionary = array.as_any_dictionary_opt()?;
                let values = Self::new(dictionary.values().as_ref())?;
                let keys = dictionary.keys();
                let places = match dictionary.values().is_empty() {
                    true => vec![None; keys.len()],
                    false => {
                        let places = dictionary.normalized_keys().into_iter().enumerate();
                        places.map(|(row, place)| keys.is_valid(row).then_some(place)).collect()
                    }
                };
                Self::Dictionary(places, Box::new(values))
            }
            _ => return None,
        })
    }

    /// `None` if it is null.
    fn get(&self, row: usize) -> Result<Option<&str>, Problem> {
        Ok(match self {
            Self::Small(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::Large(texts) => texts.is_valid(row).then(|| texts.value(row)),
            Self::View(texts) if texts.is_null(row) => None,
            Self::View(texts) => {
                let text = simdutf8::basic::from_utf8(texts.value(row));
                Some(text.map_err(|_| ("the text is not valid UTF-8".to_owned(), "UTF-8".to_owned()))?)
            }
            Self::Dictionary(places, texts) => match places.get(row).copied().flatten() {
                Some(place) => texts.get(place)?,
                None => None,
            },
        })
    }
}

/// Lists of something.
pub(crate) enum Lists {
    Small(ListArray),
    Large(LargeListArray),
}

impl Lists {
    fn new(array: &dyn Array) -> Option<Self> {
        match array.data_type() {
            DataType::List(_) => Some(Self::Small(array.as_list_opt::<i32>()?.clone())),
            DataType::LargeList(_) => Some(Self::Large(array.as_list_opt::<i64>()?.clone())),
            _ => None,
        }
    }

    fn values(&self) -> &ArrayRef {
        match self {
            Self::Small(lists) => lists.values(),
            Self::Large(lists) => lists.values(),
        }
    }

    /// Where the values of row `row` are; `None` if it is null.
    fn get(&self, row: usize) -> Option<std::ops::Range<usize>> {
        match self {
            Self::Small(lists) => {
                let offsets = lists.value_offsets();
                lists.is_valid(row).then(|| offsets[row] as usize..offsets[row + 1] as usize)
            }
            Self::Large(lists) => {
                let offsets = lists.value_offsets();
                lists.is_valid(row).then(|| offsets[row] as usize..offsets[row + 1] as usize)
            }
        }
    }
}

/// Messages of all dialogues, one after the other.
pub(crate) struct Messages {
    all: StructArray,
    keys: Keys,
    speakers: Texts,
    texts: Texts,
}

impl Messages {
    /// What the fields are called that say who speaks, and what.
    fn keys(fields: &[std::sync::Arc<Field>]) -> Option<Keys> {
        let is_text = |name: &str| fields.iter().any(|field| field.name() == name && Texts::takes(field.data_type()));
        [Keys::RoleContent, Keys::FromValue].into_iter().find(|keys| is_text(keys.names().0) && is_text(keys.names().1))
    }

    fn new(all: &StructArray) -> Option<Self> {
        let keys = Self::keys(all.fields())?;
        let (speaker, text) = keys.names();
        let texts = |name| all.column_by_name(name).and_then(|array| Texts::new(array.as_ref()));
        Some(Self { all: all.clone(), keys, speakers: texts(speaker)?, texts: texts(text)? })
    }

    /// Role and text.
    fn get(&self, at: usize) -> Result<Message<'_>, Problem> {
        let broken = || (format!("it is {NO_DIALOGUE}"), self.keys.described().to_owned());
        if self.all.is_null(at) {
            return Err(broken());
        }
        let speaker = self.speakers.get(at)?.ok_or_else(broken)?;
        let role = self.keys.role(speaker).map_err(|(problem, expected)| (format!("it has {problem}"), expected))?;
        Ok((role, self.texts.get(at)?.ok_or_else(broken)?))
    }
}
