use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use freehold_archive::ArchiveError;

use super::*;

const LIMITS: Limits = Limits { manifest_bytes: 1_000, component_bytes: 2_000, yank_bytes: 500 };

fn parts(yank: Option<&[u8]>) -> Parts {
    let component = (0..1_500_u32).flat_map(|n| (n * n).to_le_bytes()).take(1_500).collect();
    Parts { manifest: b"{\"payload\":\"\"}".to_vec(), component, yank: yank.map(<[u8]>::to_vec) }
}

fn archive(bundle: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    GzDecoder::new(bundle).read_to_end(&mut archive).unwrap();
    archive
}

fn compressed(archive: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(archive).unwrap();
    gzip.finish().unwrap()
}

#[test]
fn parts_come_back_as_they_were() {
    for yank in [None, Some(&b"{}"[..]), Some(&[7; 500])] {
        let parts = parts(yank);
        let bundle = write(&parts).unwrap();
        assert_eq!(read(&bundle, &LIMITS).unwrap(), parts);
        assert_eq!(read(&compressed(&archive(&bundle)), &LIMITS).unwrap(), parts, "compressed by somebody else");
    }
    // Sizes around a block, where the padding is all or nothing.
    for size in [0, 1, 511, 512, 513, 1_024] {
        let parts = Parts { manifest: vec![b'm'; size.min(1_000)], component: vec![b'c'; size], yank: None };
        assert_eq!(read(&write(&parts).unwrap(), &LIMITS).unwrap(), parts, "{size}");
    }
}

#[test]
fn the_same_parts_give_the_same_bytes_and_other_programs_can_read_them() {
    let parts = parts(Some(b"{}"));
    let bundle = write(&parts).unwrap();
    assert_eq!(write(&parts).unwrap(), bundle);
    // No time, no name, no system in the header of gzip.
    assert_eq!(bundle[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
    let archive = archive(&bundle);
    assert_eq!(archive.len(), 512 + 512 + 512 + 1_536 + 512 + 512 + 1_024);
    let mut reader = tar::Archive::new(&archive[..]);
    let entries = reader.entries().unwrap().map(|entry| {
        let header = entry.unwrap().header().clone();
        let field = |value: std::io::Result<u64>| value.unwrap();
        let name = String::from_utf8(header.path_bytes().into_owned()).unwrap();
        let owner = (field(header.uid()), field(header.gid()), field(header.mtime()));
        (name, field(header.size()), header.mode().unwrap(), owner)
    });
    let expected = [(MANIFEST_FILE, 14), (COMPONENT_FILE, 1_500), (YANK_FILE, 2)];
    let expected = expected.map(|(name, size)| (name.to_owned(), size, 0o644, (0, 0, 0)));
    assert_eq!(entries.collect::<Vec<_>>(), expected);
}

#[test]
fn sizes_are_allowed_up_to_their_limit_and_no_further() {
    let bundle = write(&parts(Some(&[7; 500]))).unwrap();
    assert!(read(&bundle, &Limits { component_bytes: 1_500, ..LIMITS }).is_ok());
    for (limits, file, bytes, limit) in [
        (Limits { component_bytes: 1_499, ..LIMITS }, COMPONENT_FILE, 1_500, 1_499),
        (Limits { manifest_bytes: 13, ..LIMITS }, MANIFEST_FILE, 14, 13),
        (Limits { yank_bytes: 0, ..LIMITS }, YANK_FILE, 500, 0),
    ] {
        let error = read(&bundle, &limits).unwrap_err();
        assert_eq!(error, ArchiveError::TooLarge { file: file.into(), bytes, limit }.into());
    }
}

#[test]
fn whatever_is_cut_off_is_refused() {
    for yank in [None, Some(&b"{}"[..])] {
        let bundle = write(&parts(yank)).unwrap();
        for length in 0..bundle.len() {
            let error = read(&bundle[..length], &LIMITS).unwrap_err();
            let expected = if length == 0 { ArchiveError::Empty } else { ArchiveError::CutOff };
            assert_eq!(error, expected.into(), "{length} of {} bytes", bundle.len());
        }
        // The archive alone, in gzip that is whole.
        let archive = archive(&bundle);
        for length in 0..archive.len() {
            let error = read(&compressed(&archive[..length]), &LIMITS).unwrap_err();
            assert_eq!(error, ArchiveError::CutOff.into(), "{length} of {} bytes", archive.len());
        }
    }
}

#[test]
fn every_flipped_bit_is_refused_or_means_nothing() {
    let parts = parts(Some(b"{}"));
    let bundle = write(&parts).unwrap();
    let mut same = 0;
    for bit in 0..bundle.len() * 8 {
        let mut changed = bundle.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = read(&changed, &LIMITS) {
            assert!(read == parts, "bit {bit}");
            same += 1;
        }
    }
    // Time and system in gzip's header, codes that the compressor gave and did not use, what fills its last byte.
    assert!((48..100).contains(&same), "{same}");
    // In the archive, under a checksum that fits: only what the parts hold may differ.
    let archive = archive(&bundle);
    for byte in 0..archive.len() {
        let mut changed = archive.clone();
        changed[byte] ^= 1;
        let data = [512..526, 1_536..3_036, 3_584..3_586].iter().any(|data| data.contains(&byte));
        match read(&compressed(&changed), &LIMITS) {
            Err(_) => assert!(!data, "byte {byte}"),
            Ok(read) => assert!(data && read != parts, "byte {byte}"),
        }
    }
}

#[test]
fn a_field_that_no_bundle_has_is_named() {
    let bundle = archive(&write(&parts(None)).unwrap());
    for (at, byte, field) in [
        (20, b'x', "name"),
        (106, b'5', "mode"),
        (114, b'1', "uid"),
        (122, b'1', "gid"),
        (135, b' ', "size"),
        (146, b'1', "mtime"),
        (160, b'/', "linkname"),
        (262, b' ', "magic"),
        (270, b'u', "uname"),
        (300, b'g', "gname"),
        (330, b'0', "devmajor"),
        (340, b'0', "devminor"),
        (505, b'x', "padding"),
        (530, b'x', "padding"),
    ] {
        let mut changed = bundle.clone();
        changed[at] = byte;
        let mut block: [u8; 512] = changed[..512].try_into().unwrap();
        let mut header = tar::Header::from_byte_slice(&block).clone();
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
        changed[..512].copy_from_slice(&block);
        let error = read(&compressed(&changed), &LIMITS).unwrap_err();
        assert_eq!(error, ArchiveError::NotCanonical { file: MANIFEST_FILE.into(), field }.into());
    }
}

#[test]
fn every_error_has_a_remedy() {
    let large = ArchiveError::TooLarge { file: COMPONENT_FILE.into(), bytes: 9, limit: 8 };
    let large = BundleError::from(large);
    assert!(large.remedy().contains("component_bytes"));
    let archive = [ArchiveError::Empty, ArchiveError::NotGzip, ArchiveError::Trailing].map(BundleError::from);
    for error in archive.into_iter().chain([BundleError::Foreign("x".into())]) {
        assert!(error.remedy().contains("freehold plugin pack"), "{error}");
    }
}
