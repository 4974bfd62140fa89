use freehold_archive::{ArchiveError, Writer};

use super::*;

fn pack() -> Pack {
    let blobs = [b"one".to_vec(), b"two".to_vec()].map(|bytes| (Digest::of(&bytes), Blob::from(bytes)));
    let witnessed = Witnessed { checkpoint: b"head".to_vec(), consistency: b"".to_vec() };
    let proofs = [(0, b"first".to_vec()), (10, b"last".to_vec()), (9, b"between".to_vec())].into();
    let (run, roots, checkpoint) = ("a-1".into(), vec![b"1".to_vec(), b"2".to_vec()], b"head".to_vec());
    Pack { run, roots, checkpoint, witnessed: Some(witnessed), proofs, blobs: blobs.into() }
}

fn written(pack: &Pack) -> Vec<u8> {
    write(pack, &(), Vec::new()).unwrap()
}

/// A pack of these files.
fn files(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = Writer::new(Vec::new());
    files.iter().for_each(|(name, data)| archive.file(name, data).unwrap());
    archive.finish().unwrap()
}

#[test]
fn parts_come_back_as_they_were_and_the_same_parts_give_the_same_bytes() {
    for witnessed in [true, false] {
        let mut pack = pack();
        pack.witnessed = pack.witnessed.filter(|_| witnessed);
        let bytes = written(&pack);
        assert_eq!(read(&bytes[..]).unwrap(), pack);
        assert_eq!(written(&pack), bytes);
    }
}

#[test]
fn whatever_is_cut_off_or_flipped_is_refused_or_means_nothing() {
    let (pack, bytes) = (pack(), written(&pack()));
    for length in 0..bytes.len() {
        let error = read(&bytes[..length]).unwrap_err();
        let expected = if length == 0 { ArchiveError::Empty } else { ArchiveError::CutOff };
        assert_eq!(error, expected.into(), "{length} of {}", bytes.len());
    }
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if let Ok(read) = read(&changed[..]) {
            assert_eq!(read, pack, "bit {bit}");
        }
    }
}

#[test]
fn each_file_has_its_place_and_one_name() {
    let description: (&str, &[u8]) = ("pack.json", b"{\"format\":\"freehold-pack/1\",\"run\":\"a-1\"}");
    let root: (&str, &[u8]) = ("trust/1.root.json", b"{}");
    let head: (&str, &[u8]) = ("ledger/checkpoint", b"");
    assert!(read(&files(&[description, root, head])[..]).is_ok());
    for (attack, archive, says) in [
        ("nothing", vec![], "holds no `pack.json`"),
        ("no description", vec![root, head], "holds no `pack.json`"),
        ("no root", vec![description, head], "holds no `trust/1.root.json`"),
        ("no head", vec![description, root], "holds no `ledger/checkpoint`"),
        ("twice", vec![description, root, root, head], "behind its place or twice"),
        ("another order", vec![description, head, root], "behind its place or twice"),
        ("a gap", vec![description, root, ("trust/3.root.json", b"{}"), head], "holds no `trust/2.root.json`"),
        ("half of two", vec![description, root, head, ("ledger/witnessed", b"")], "witnessed.consistency`"),
        ("the other half", vec![description, root, head, ("ledger/witnessed.consistency", b"")], "`ledger/witnessed`"),
        ("a zero", vec![description, ("trust/01.root.json", b"{}"), head], "a file that no pack has"),
        ("a sign", vec![description, ("trust/+1.root.json", b"{}"), head], "a file that no pack has"),
        ("a folder above", vec![description, ("../x", b"")], "a file that no pack has"),
        ("another digest", vec![description, root, head, (&blob_name(b"x"), b"y")], "with the bytes of"),
        ("another format", vec![("pack.json", b"{\"format\":\"x\",\"run\":\"a\"}"), root, head], "another format"),
        (
            "a space",
            vec![("pack.json", b"{ \"format\":\"freehold-pack/1\",\"run\":\"a\"}"), root, head],
            "is not written",
        ),
        ("a path", vec![("pack.json", b"{\"format\":\"freehold-pack/1\",\"run\":\"../a\"}"), root, head], "name a run"),
        ("more", vec![("pack.json", b"{\"format\":\"freehold-pack/1\",\"run\":\"a\",\"x\":1}"), root, head], "unknown"),
    ] {
        let error = read(&files(&archive)[..]).unwrap_err();
        assert!(error.to_string().contains(says), "{attack}: {error}");
        assert!(!error.remedy().is_empty());
    }
}

fn blob_name(bytes: &[u8]) -> String {
    format!("blobs/sha256/{}", Digest::of(bytes).hex())
}

#[test]
fn what_is_large_is_hashed_and_not_held() {
    let large = vec![7; HELD_BYTES_MAX as usize + 1];
    let mut pack = pack();
    pack.blobs.insert(Digest::of(&large), large.clone().into());
    let read = read(&written(&pack)[..]).unwrap();
    assert_eq!(read.blobs[&Digest::of(&large)], Blob::Hashed { bytes: large.len() as u64 });
    assert_eq!(read.blobs[&Digest::of(b"one")], Blob::Held(b"one".to_vec()));
}
