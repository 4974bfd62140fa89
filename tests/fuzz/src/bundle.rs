//! A plugin in one file: bytes as the file, and bytes as the archive in it, which no search would compress by itself.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;
use freehold_bundle::{Limits, Parts, read, write};

/// Little, so that what is larger is cheap to try.
const LIMITS: Limits = Limits { manifest_bytes: 4_096, component_bytes: 16_384, yank_bytes: 2_048 };
/// More than any archive of such parts has.
const ARCHIVE_BYTES_MAX: u64 = 64 << 10;

const BLOCK: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// The first byte says what the others are: the file, the archive, or an archive whose checksums are to be set right.
pub fn run(data: &[u8]) {
    let Some((which, rest)) = data.split_first() else { return };
    match which % 3 {
        0 => look(rest),
        1 => look(&compressed(rest)),
        _ => look(&compressed(&summed(rest))),
    }
}

fn look(bundle: &[u8]) {
    let parts = match read(bundle, &LIMITS) {
        Ok(parts) => parts,
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.remedy().is_empty());
            assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
            return;
        }
    };
    let Parts { manifest, component, yank } = &parts;
    assert!(manifest.len() as u64 <= LIMITS.manifest_bytes && component.len() as u64 <= LIMITS.component_bytes);
    assert!(yank.as_ref().is_none_or(|yank| yank.len() as u64 <= LIMITS.yank_bytes));
    let written = write(&parts).expect("it is written to memory");
    assert_eq!(read(&written, &LIMITS).as_ref(), Ok(&parts));
    // One archive for each plugin: nobody else can see something else in it.
    assert_eq!(archive(bundle), archive(&written));
}

pub(crate) fn archive(bundle: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    GzDecoder::new(bundle).take(ARCHIVE_BYTES_MAX).read_to_end(&mut archive).expect("it was just read");
    archive
}

pub(crate) fn compressed(archive: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(archive).expect("memory");
    gzip.finish().expect("memory")
}

/// The archive with the checksum of each header that is found on the way from size to size.
pub(crate) fn summed(archive: &[u8]) -> Vec<u8> {
    let (mut archive, mut at) = (archive.to_vec(), 0_usize);
    while let Some(header) = archive.get_mut(at..at.saturating_add(BLOCK)) {
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        header[CHECKSUM].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[CHECKSUM].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = std::str::from_utf8(&header[124..135]).ok().and_then(|size| usize::from_str_radix(size, 8).ok());
        at = at.saturating_add(BLOCK).saturating_add(size.unwrap_or(0).min(1 << 20).next_multiple_of(BLOCK));
    }
    archive
}
