//! Arrow IPC, as a stream or as a file: message by message, a batch of records at a time.
//!
//! <https://arrow.apache.org/docs/format/Columnar.html#serialization-and-interprocess-communication-ipc>: a file is a stream
//! between magic bytes, with a footer that says where its batches are. It is read as the stream that it is.

use std::collections::HashMap;

use arrow_array::ArrayRef;
use arrow_buffer::Buffer;
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_ipc::{Message, MessageHeader, MetadataVersion};
use arrow_schema::{Schema, SchemaRef};

use crate::BatchBuilder;
use crate::guard::guarded;
use crate::lines::Source;
use crate::message::{BODY_BYTES_MAX, METADATA_BYTES_MAX, plain_batch, plain_dictionary, root};
use crate::table::{ReadError, Records, TableError, check_fields};

/// How a file of Arrow's begins and ends.
pub(crate) const MAGIC: &[u8] = b"ARROW1";
/// How a message begins.
const CONTINUATION: [u8; 4] = [0xff; 4];
/// Bytes that are asked for at a time.
const READ_BYTES: usize = 1 << 20;
/// Bytes between the magic bytes of a file and its first message at most.
const PADDING_BYTES_MAX: usize = 128;
/// The length of the footer and the magic bytes.
const TAIL_BYTES: usize = 10;

/// What was learned from the first message, and since.
struct Decoder {
    schema: SchemaRef,
    version: MetadataVersion,
    dictionaries: HashMap<i64, ArrayRef>,
    dictionary_bytes: usize,
}

/// Reads the rows of a file or stream, one after the other.
pub struct ArrowReader<S> {
    source: S,
    /// Whether a footer follows the stream.
    is_file: bool,
    decoder: Decoder,
    records: Option<Records>,
    /// How many batches of records and of dictionaries there were.
    batches: (usize, usize),
    ended: bool,
    row: u64,
}

impl<S: Source> ArrowReader<S> {
    /// Reads as far as the schema.
    pub fn new(mut source: S, is_file: bool) -> Result<Self, ReadError<S::Error>> {
        let mark = if is_file { after_magic(&mut source)? } else { at_most(&mut source, CONTINUATION.len())? };
        let Some((metadata, body)) = message(&mut source, &mark)? else {
            return Err(TableError::damaged("it has no schema").into());
        };
        if !body.is_empty() {
            return Err(TableError::damaged("its schema has a body").into());
        }
        let (schema, version) = guarded(|| schema(&metadata))?;
        let decoder = Decoder { schema, version, dictionaries: HashMap::new(), dictionary_bytes: 0 };
        Ok(Self { source, is_file, decoder, records: None, batches: (0, 0), ended: false, row: 0 })
    }

    /// Where the bytes come from.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Adds the next row to `columns`; `false` at the end, when every byte was read.
    pub fn next_row(&mut self, columns: &mut BatchBuilder) -> Result<bool, ReadError<S::Error>> {
        loop {
            if let Some(records) = &mut self.records {
                let number = self.row + 1;
                if guarded(|| records.push(columns, number))? {
                    self.row = number;
                    return Ok(true);
                }
                self.records = None;
            }
            if self.ended {
                return Ok(false);
            }
            let mark = at_most(&mut self.source, CONTINUATION.len())?;
            match message(&mut self.source, &mark)? {
                Some((metadata, body)) => {
                    let decoder = &mut self.decoder;
                    match guarded(|| decoder.take(&metadata, body))? {
                        Some(records) => (self.records, self.batches.0) = (Some(records), self.batches.0 + 1),
                        None => self.batches.1 += 1,
                    }
                }
                None => {
                    self.end()?;
                    self.ended = true;
                }
            }
        }
    }

    /// Behind the stream there is the footer of a file, or nothing.
    fn end(&mut self) -> Result<(), ReadError<S::Error>> {
        let rest = at_most(&mut self.source, METADATA_BYTES_MAX + 1)?;
        if rest.len() > METADATA_BYTES_MAX {
            return Err(TableError::damaged("it goes on after its end").into());
        }
        match (self.is_file, rest.is_empty()) {
            (false, true) => Ok(()),
            (false, false) => Err(TableError::damaged("bytes follow the end of the stream").into()),
            (true, _) => Ok(guarded(|| check_footer(&rest, self.batches))?),
        }
    }
}

/// The footer has to know the batches that were read: a reader that goes by it would read the same.
fn check_footer(rest: &[u8], (records, dictionaries): (usize, usize)) -> Result<(), TableError> {
    let damaged = |problem| TableError::damaged(problem);
    let (footer, tail) =
        rest.len().checked_sub(TAIL_BYTES).map(|at| rest.split_at(at)).ok_or_else(|| damaged("its end is missing"))?;
    let (length, magic) = tail.split_at(4);
    if magic != MAGIC {
        return Err(damaged("its end is missing"));
    }
    let length = length.try_into().map(i32::from_le_bytes).ok().and_then(|length| usize::try_from(length).ok());
    if length != Some(footer.len()) {
        return Err(damaged("its footer is not as long as it says"));
    }
    let aligned = Buffer::from(footer);
    let footer = arrow_ipc::root_as_footer(&aligned).map_err(TableError::damaged)?;
    let count = |blocks: Option<usize>| blocks.unwrap_or(0);
    let listed = (count(footer.recordBatches().map(|b| b.len())), count(footer.dictionaries().map(|b| b.len())));
    match listed == (records, dictionaries) {
        true => Ok(()),
        false => Err(damaged("its footer lists other batches than it has")),
    }
}

fn schema(metadata: &Buffer) -> Result<(SchemaRef, MetadataVersion), TableError> {
    let message = root(metadata)?;
    let Some(schema) = message.header_as_schema() else {
        return Err(TableError::damaged("its first message is no schema"));
    };
    if !schema.endianness().equals_to_target_endianness() {
        return Err(TableError::of_file("its numbers are big-endian", "little-endian numbers"));
    }
    let schema: Schema = arrow_ipc::convert::try_fb_to_schema(schema).map_err(TableError::damaged)?;
    check_fields(schema.fields())?;
    Ok((SchemaRef::new(schema), message.version()))
}

impl Decoder {
    /// Takes a message in; the records of one that has some.
    fn take(&mut self, metadata: &Buffer, body: Vec<u8>) -> Result<Option<Records>, TableError> {
        let message: Message<'_> = root(metadata)?;
        match message.header_type() {
            MessageHeader::RecordBatch => {
                let header = message.header_as_record_batch().ok_or_else(|| TableError::damaged("no batch"))?;
                let (header, body) = plain_batch(header, body)?;
                let batch = flatbuffers::root::<arrow_ipc::RecordBatch<'_>>(&header).map_err(TableError::damaged)?;
                let (schema, version) = (self.schema.clone(), &self.version);
                let batch = read_record_batch(&body, batch, schema, &self.dictionaries, None, version);
                Ok(Some(Records::new(&batch.map_err(TableError::damaged)?)?))
            }
            MessageHeader::DictionaryBatch => {
                let header = message.header_as_dictionary_batch().ok_or_else(|| TableError::damaged("no batch"))?;
                let (header, body) = plain_dictionary(header, body)?;
                let batch =
                    flatbuffers::root::<arrow_ipc::DictionaryBatch<'_>>(&header).map_err(TableError::damaged)?;
                self.dictionary_bytes = self.dictionary_bytes.saturating_add(body.len());
                if self.dictionary_bytes > BODY_BYTES_MAX {
                    let problem = format!("the dictionaries have more than {BODY_BYTES_MAX} bytes");
                    return Err(TableError::of_file(problem, "texts without a dictionary"));
                }
                read_dictionary(&body, batch, &self.schema, &mut self.dictionaries, &self.version)
                    .map_err(TableError::damaged)?;
                Ok(None)
            }
            _ => Err(TableError::damaged("a message is no batch")),
        }
    }
}

/// The first bytes behind the magic bytes of a file, which writers fill up with zeros to 8 bytes or to 64.
fn after_magic<S: Source>(source: &mut S) -> Result<Vec<u8>, ReadError<S::Error>> {
    let magic = exactly(source, MAGIC.len() + 2)?;
    if !magic.starts_with(MAGIC) {
        return Err(TableError::damaged("it does not begin as an Arrow file").into());
    }
    for _ in 0..PADDING_BYTES_MAX / CONTINUATION.len() {
        let mark = at_most(source, CONTINUATION.len())?;
        if mark != [0; CONTINUATION.len()] {
            return Ok(mark);
        }
    }
    Err(TableError::damaged("it has no schema").into())
}

/// The metadata of a message, and its body.
type Encapsulated = (Buffer, Vec<u8>);

/// The message that begins with `mark`; `None` at the end of the stream.
fn message<S: Source>(source: &mut S, mark: &[u8]) -> Result<Option<Encapsulated>, ReadError<S::Error>> {
    if mark.is_empty() {
        return Ok(None);
    }
    if mark != CONTINUATION {
        return Err(TableError::damaged("a message does not begin where it should").into());
    }
    let length = exactly(source, 4)?;
    let length = length.as_slice().try_into().map(i32::from_le_bytes).unwrap_or(-1);
    if length == 0 {
        return Ok(None);
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= METADATA_BYTES_MAX);
    let length = length.ok_or_else(|| TableError::damaged("the head of a message has an absurd length"))?;
    let metadata = Buffer::from(exactly(source, length)?.as_slice());
    let body = guarded(|| Ok(root(&metadata)?.bodyLength()))?;
    let body = usize::try_from(body).map_err(|_| TableError::damaged("the length of a message is negative"))?;
    if body > BODY_BYTES_MAX {
        let problem = format!("a batch of records has {body} bytes");
        return Err(TableError::of_file(problem, format!("at most {BODY_BYTES_MAX}; write smaller batches")).into());
    }
    Ok(Some((metadata, exactly(source, body)?)))
}

/// The next `length` bytes.
fn exactly<S: Source>(source: &mut S, length: usize) -> Result<Vec<u8>, ReadError<S::Error>> {
    let bytes = at_most(source, length)?;
    if bytes.len() < length { Err(TableError::damaged("it ends too early").into()) } else { Ok(bytes) }
}

/// The next `length` bytes, or those that there are. Memory grows with what is there, not with what is asked for.
fn at_most<S: Source>(source: &mut S, length: usize) -> Result<Vec<u8>, ReadError<S::Error>> {
    let mut bytes = Vec::new();
    while bytes.len() < length {
        let from = bytes.len();
        bytes.resize(length.min(from + READ_BYTES), 0);
        let count = source.read(&mut bytes[from..]).map_err(ReadError::Source)?;
        bytes.truncate(from + count);
        if count == 0 {
            break;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bytes<'a>(&'a [u8]);

    impl Source for Bytes<'_> {
        type Error = ();

        fn read(&mut self, buffer: &mut [u8]) -> Result<usize, ()> {
            let count = self.0.len().min(buffer.len()).min(3);
            buffer[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn refusal(bytes: &[u8], is_file: bool) -> String {
        match ArrowReader::new(Bytes(bytes), is_file) {
            Err(ReadError::Table(error)) => error.to_string(),
            _ => String::new(),
        }
    }

    #[test]
    fn heads_that_lie_are_named() {
        let message = |length: i32| [&CONTINUATION[..], &length.to_le_bytes(), &[0; 64]].concat();
        for (bytes, is_file, part) in [
            (b"".to_vec(), false, "it has no schema"),
            (b"ARROW1\0\0".to_vec(), true, "it has no schema"),
            ([b"ARROW1".as_slice(), &[0; 4096]].concat(), true, "it has no schema"),
            (b"ARROW2\0\0".to_vec(), true, "does not begin as an Arrow file"),
            (b"ARRO".to_vec(), true, "it ends too early"),
            (b"{\"a\":1}".to_vec(), false, "does not begin where it should"),
            (message(0), false, "it has no schema"),
            (message(-1), false, "absurd length"),
            (message(i32::MAX), false, "absurd length"),
            (message(65), false, "it ends too early"),
            (message(64), false, "damaged"),
        ] {
            let said = refusal(&bytes, is_file);
            assert!(said.contains(part), "{bytes:?}: {said}");
        }
    }
}
