//! The heads of Arrow's messages: looked at before anything is made of them, and rewritten where bodies are compressed, so
//! that what decodes them sees lengths that hold and bytes that are there.

use arrow_buffer::Buffer;
use arrow_ipc::{
    CompressionType, DictionaryBatch, DictionaryBatchArgs, FieldNode, Message, RecordBatch, RecordBatchArgs,
};
use flatbuffers::{FlatBufferBuilder, WIPOffset};

use crate::codec::Codec;
use crate::table::TableError;

/// Bytes of the head of a message at most.
pub(crate) const METADATA_BYTES_MAX: usize = 16 << 20;
/// Bytes of the body of a message at most, and of what is made of it.
pub(crate) const BODY_BYTES_MAX: usize = 512 << 20;
/// Values of an array at most, whether bytes stand for them or not.
const VALUES_MAX: i64 = 1 << 26;
/// Behind it a buffer begins.
const ALIGNMENT: usize = 64;

/// The head of a message.
pub(crate) fn root(metadata: &[u8]) -> Result<Message<'_>, TableError> {
    arrow_ipc::root_as_message(metadata).map_err(TableError::damaged)
}

/// A batch of records that is not compressed: its head and its body.
pub(crate) fn plain_batch(batch: RecordBatch<'_>, body: Vec<u8>) -> Result<(Vec<u8>, Buffer), TableError> {
    let mut head = FlatBufferBuilder::new();
    let (batch, body) = plain(&mut head, batch, body)?;
    head.finish(batch, None);
    Ok((head.finished_data().to_vec(), body))
}

/// The values of a dictionary that are not compressed: their head and their body.
pub(crate) fn plain_dictionary(batch: DictionaryBatch<'_>, body: Vec<u8>) -> Result<(Vec<u8>, Buffer), TableError> {
    let data = batch.data().ok_or_else(|| TableError::damaged("a dictionary has no values"))?;
    let mut head = FlatBufferBuilder::new();
    let (data, body) = plain(&mut head, data, body)?;
    let arguments = DictionaryBatchArgs { id: batch.id(), data: Some(data), isDelta: batch.isDelta() };
    let dictionary = DictionaryBatch::create(&mut head, &arguments);
    head.finish(dictionary, None);
    Ok((head.finished_data().to_vec(), body))
}

fn plain<'b>(
    head: &mut FlatBufferBuilder<'b>,
    batch: RecordBatch<'_>,
    body: Vec<u8>,
) -> Result<(WIPOffset<RecordBatch<'b>>, Buffer), TableError> {
    let nodes = nodes(batch)?;
    let codec = match batch.compression().map(|compression| compression.codec()) {
        None => None,
        Some(CompressionType::LZ4_FRAME) => Some(Codec::Lz4Frame),
        Some(CompressionType::ZSTD) => Some(Codec::Zstd),
        Some(_) => return Err(TableError::of_file("a batch is compressed in an unknown way", "lz4 or zstd")),
    };
    let mut buffers = Vec::new();
    let mut plain = Vec::new();
    for buffer in batch.buffers().iter().flatten() {
        let from = usize::try_from(buffer.offset()).ok();
        let length = usize::try_from(buffer.length()).ok();
        let bytes = from.zip(length).and_then(|(from, length)| body.get(from..from.checked_add(length)?));
        let bytes = bytes.ok_or_else(|| TableError::damaged("a buffer is not in its message"))?;
        let Some(codec) = codec else {
            buffers.push(*buffer);
            continue;
        };
        plain.resize(plain.len().next_multiple_of(ALIGNMENT), 0);
        let from = plain.len();
        decompress(codec, bytes, &mut plain)?;
        buffers.push(arrow_ipc::Buffer::new(from as i64, (plain.len() - from) as i64));
    }
    let body = if codec.is_some() { plain } else { body };
    let counts: Option<Vec<i64>> = batch.variadicBufferCounts().map(|counts| counts.iter().collect());
    let arguments = RecordBatchArgs {
        length: batch.length(),
        nodes: Some(head.create_vector(&nodes)),
        buffers: Some(head.create_vector(&buffers)),
        compression: None,
        variadicBufferCounts: counts.map(|counts| head.create_vector(&counts)),
    };
    Ok((RecordBatch::create(head, &arguments), Buffer::from_vec(body)))
}

/// The lengths of all arrays.
fn nodes(batch: RecordBatch<'_>) -> Result<Vec<FieldNode>, TableError> {
    let sane = |length: i64, nulls: i64| (0..=VALUES_MAX).contains(&length) && (0..=length).contains(&nulls);
    let nodes: Vec<FieldNode> = batch.nodes().iter().flatten().copied().collect();
    let fits = sane(batch.length(), 0) && nodes.iter().all(|node| sane(node.length(), node.null_count()));
    if fits { Ok(nodes) } else { Err(TableError::damaged("an array has an absurd length")) }
}

/// A buffer that is compressed: how long it is, then its bytes; -1 before bytes that are not compressed after all.
fn decompress(codec: Codec, bytes: &[u8], plain: &mut Vec<u8>) -> Result<(), TableError> {
    if bytes.is_empty() {
        return Ok(());
    }
    let broken = || TableError::damaged("a compressed buffer is not as long as it says");
    let (length, bytes) = bytes.split_first_chunk::<8>().ok_or_else(broken)?;
    let length = i64::from_le_bytes(*length);
    if length == -1 {
        plain.extend_from_slice(bytes);
        return Ok(());
    }
    let room = BODY_BYTES_MAX.saturating_sub(plain.len());
    let length = usize::try_from(length).map_err(|_| broken())?;
    if length > room {
        let problem = format!("a batch of records has more than {BODY_BYTES_MAX} bytes");
        return Err(TableError::of_file(problem, "smaller batches"));
    }
    if length > 0 {
        let bytes = codec.decompress(bytes, length).map_err(TableError::damaged)?;
        if bytes.len() != length {
            return Err(broken());
        }
        plain.extend_from_slice(&bytes);
    }
    Ok(())
}
