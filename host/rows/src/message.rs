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
        decompress(codec, bytes, BODY_BYTES_MAX - body.len(), &mut plain)?;
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

/// A buffer that is compressed: how long it is, then its bytes; -1 before bytes that are not compressed after all. There are
/// `limit` bytes at most in `plain`.
fn decompress(codec: Codec, bytes: &[u8], limit: usize, plain: &mut Vec<u8>) -> Result<(), TableError> {
    if bytes.is_empty() {
        return Ok(());
    }
    let broken = || TableError::damaged("a compressed buffer is not as long as it says");
    let (length, bytes) = bytes.split_first_chunk::<8>().ok_or_else(broken)?;
    let length = i64::from_le_bytes(*length);
    let stored = length == -1;
    let length = if stored { bytes.len() } else { usize::try_from(length).map_err(|_| broken())? };
    if length > limit.saturating_sub(plain.len()) {
        let problem = format!("a batch of records, compressed and not, has more than {BODY_BYTES_MAX} bytes");
        return Err(TableError::of_file(problem, "smaller batches"));
    }
    if stored {
        plain.extend_from_slice(bytes);
    } else if length > 0 {
        let bytes = codec.decompress(bytes, length).map_err(TableError::damaged)?;
        if bytes.len() != length {
            return Err(broken());
        }
        plain.extend_from_slice(&bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A batch of one array in one buffer, said to be at `from` and of so many bytes.
    fn batch(node: (i64, i64), from: i64, length: i64, codec: Option<CompressionType>) -> Vec<u8> {
        let mut head = FlatBufferBuilder::new();
        let (node, buffer) = (FieldNode::new(node.0, node.1), arrow_ipc::Buffer::new(from, length));
        let compression = codec.map(|codec| {
            let arguments = arrow_ipc::BodyCompressionArgs { codec, ..Default::default() };
            arrow_ipc::BodyCompression::create(&mut head, &arguments)
        });
        let (nodes, buffers) = (Some(head.create_vector(&[node])), Some(head.create_vector(&[buffer])));
        let arguments = RecordBatchArgs { length: 1, nodes, buffers, compression, variadicBufferCounts: None };
        let batch = RecordBatch::create(&mut head, &arguments);
        head.finish(batch, None);
        head.finished_data().to_vec()
    }

    fn read(head: &[u8], body: &[u8]) -> Result<Vec<u8>, String> {
        let batch = flatbuffers::root::<RecordBatch<'_>>(head).unwrap();
        let (_, body) = plain_batch(batch, body.to_vec()).map_err(|error| error.to_string())?;
        Ok(body.to_vec())
    }

    #[test]
    fn lengths_that_lie_are_named() {
        let one = (1, 0);
        assert_eq!(read(&batch(one, 0, 8, None), &[7; 8]), Ok(vec![7; 8]));
        for (from, length) in [(0, 9), (8, 1), (-1, 4), (0, -1), (i64::MAX, 8), (i64::MAX, i64::MAX)] {
            let error = read(&batch(one, from, length, None), &[7; 8]).unwrap_err();
            assert!(error.contains("a buffer is not in its message"), "{from} {length}: {error}");
        }
        for node in [(-1, 0), (1, 2), (1, -1), (i64::MAX, 0), (VALUES_MAX + 1, 0)] {
            let error = read(&batch(node, 0, 8, None), &[7; 8]).unwrap_err();
            assert!(error.contains("an array has an absurd length"), "{node:?}: {error}");
        }
    }

    #[test]
    fn compressed_buffers_are_as_long_as_they_say() {
        let text = "again and again, ".repeat(1000);
        let small = ruzstd::encoding::compress_to_vec(text.as_bytes(), ruzstd::encoding::CompressionLevel::Fastest);
        let said = |length: i64| {
            let body = [&length.to_le_bytes()[..], &small].concat();
            read(&batch((1, 0), 0, body.len() as i64, Some(CompressionType::ZSTD)), &body)
        };
        assert_eq!(said(text.len() as i64), Ok(text.clone().into_bytes()));
        assert_eq!(said(-1), Ok(small.clone()));
        for length in [1, text.len() as i64 - 1, text.len() as i64 + 1, -2] {
            assert!(said(length).unwrap_err().contains("damaged"), "{length}");
        }
        for length in [1 << 30, i64::MAX] {
            assert!(said(length).unwrap_err().contains("more than 536870912 bytes"), "{length}");
        }
    }
}
