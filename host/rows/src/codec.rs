//! Decompression of what strangers compressed: in safe Rust, and to a limit.

use std::io::Read;

/// How bytes are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Snappy,
    Gzip,
    Zstd,
    /// A block without a frame.
    Lz4Block,
    Lz4Frame,
}

impl Codec {
    /// The bytes that `input` was made of, `limit` at most.
    ///
    /// # Errors
    /// What is wrong with `input`, or that there are more.
    pub(crate) fn decompress(self, input: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        match self {
            Self::Snappy => snappy(input, limit),
            Self::Lz4Block => lz4_block(input, limit),
            Self::Gzip => read(flate2::bufread::MultiGzDecoder::new(input), limit),
            Self::Lz4Frame => read(lz4_flex::frame::FrameDecoder::new(input), limit),
            Self::Zstd => {
                let decoder = ruzstd::decoding::StreamingDecoder::new(input).map_err(|error| error.to_string())?;
                read(decoder, limit)
            }
        }
    }
}

fn too_many(limit: usize) -> String {
    format!("more than {limit} bytes are compressed in one piece")
}

fn read(decoder: impl Read, limit: usize) -> Result<Vec<u8>, String> {
    let mut output = Vec::new();
    let room = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    decoder.take(room).read_to_end(&mut output).map_err(|error| error.to_string())?;
    if output.len() > limit { Err(too_many(limit)) } else { Ok(output) }
}

fn snappy(input: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let length = snap::raw::decompress_len(input).map_err(|error| error.to_string())?;
    if length > limit {
        return Err(too_many(limit));
    }
    snap::raw::Decoder::new().decompress_vec(input).map_err(|error| error.to_string())
}

/// The length is not written down: what is too short is tried again with more.
fn lz4_block(input: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    let mut room = input.len().saturating_mul(4).clamp(4096, limit.max(4096));
    loop {
        let mut output = vec![0; room];
        match lz4_flex::block::decompress_into(input, &mut output) {
            Ok(length) if length <= limit => {
                output.truncate(length);
                return Ok(output);
            }
            Ok(_) => return Err(too_many(limit)),
            Err(lz4_flex::block::DecompressError::OutputTooSmall { .. }) if room < limit => {
                room = room.saturating_mul(4).min(limit);
            }
            Err(error) => return Err(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn compressed(codec: Codec, bytes: &[u8]) -> Vec<u8> {
        match codec {
            Codec::Snappy => snap::raw::Encoder::new().compress_vec(bytes).unwrap(),
            Codec::Gzip => {
                let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
                gzip.write_all(bytes).unwrap();
                gzip.finish().unwrap()
            }
            Codec::Zstd => ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest),
            Codec::Lz4Block => lz4_flex::block::compress(bytes),
            Codec::Lz4Frame => {
                let mut frame = lz4_flex::frame::FrameEncoder::new(Vec::new());
                frame.write_all(bytes).unwrap();
                frame.finish().unwrap()
            }
        }
    }

    #[test]
    fn what_was_compressed_comes_back_up_to_the_limit() {
        let bytes = "there and back again, ".repeat(100_000).into_bytes();
        for codec in [Codec::Snappy, Codec::Gzip, Codec::Zstd, Codec::Lz4Block, Codec::Lz4Frame] {
            let small = compressed(codec, &bytes);
            assert!(small.len() < bytes.len() / 10, "{codec:?}");
            assert!(codec.decompress(&small, bytes.len()).as_ref() == Ok(&bytes), "{codec:?}");
            assert!(codec.decompress(&small, bytes.len() - 1).is_err(), "{codec:?}");
            assert!(codec.decompress(&small[..small.len() / 2], bytes.len()).as_ref() != Ok(&bytes), "{codec:?}");
            assert!(codec.decompress(b"no such thing", 1 << 20).is_err(), "{codec:?}");
            assert_eq!(codec.decompress(&compressed(codec, b""), 0), Ok(vec![]), "{codec:?}");
        }
    }
}
