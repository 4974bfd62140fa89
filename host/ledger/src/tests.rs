use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Subject};
use freehold_trust::SecretKey;

use super::*;

fn entry(version: u64) -> Entry {
    let time = "2026-01-01T00:00:00Z".parse().unwrap();
    Entry { subject: Subject::TrustRoot { version }, statement: Digest::of(&version.to_be_bytes()), time }
}

fn open(folder: &std::path::Path, key: &SecretKey) -> Ledger {
    let dir = Dir::open_ambient_dir(folder, cap_std::ambient_authority()).unwrap();
    Ledger::open(dir, "test-log", key.public())
}

fn filled(entries: u64) -> (tempfile::TempDir, SecretKey) {
    let folder = tempfile::tempdir().unwrap();
    let key = SecretKey::generate().unwrap();
    let ledger = open(folder.path(), &key);
    ledger.begin(&key).unwrap();
    let appender = ledger.appender(&key).unwrap();
    for version in 0..entries {
        assert_eq!(appender.append(&entry(version)).unwrap(), version);
    }
    (folder, key)
}

#[test]
fn entries_come_back_in_order_across_full_tiles() {
    let (folder, key) = filled(260);
    let ledger = open(folder.path(), &key);
    let entries = ledger.entries().unwrap();
    assert_eq!(entries.len(), 260);
    assert!(entries.iter().enumerate().all(|(version, found)| *found == entry(version as u64)));
    let check = ledger.check().unwrap();
    assert_eq!((check.problems, check.head.size), (vec![], 260));
    for path in ["tile/0/000", "tile/0/001.p/4", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/4"] {
        assert!(folder.path().join(path).is_file(), "{path}");
    }
    assert!(!folder.path().join("tile/0/001.p/3").exists());
}

#[test]
fn proofs_of_inclusion_verify() {
    let (folder, key) = filled(9);
    let ledger = open(folder.path(), &key);
    let head = ledger.tree_head().unwrap();
    for index in 0..9 {
        let (under, proof) = ledger.prove(index).unwrap();
        assert_eq!(under, head);
        verify_inclusion(&head, index, &serde_json::to_vec(&entry(index)).unwrap(), &proof).unwrap();
        assert!(verify_inclusion(&head, index, b"other", &proof).is_err());
    }
    assert!(matches!(ledger.prove(9), Err(LedgerError::NoEntry { .. })));
}

#[test]
fn every_flipped_bit_is_found_and_its_file_named() {
    let (folder, key) = filled(5);
    let clean = open(folder.path(), &key).check().unwrap();
    assert!(clean.problems.is_empty());
    for file in ["tile/0/000.p/5", "tile/entries/000.p/5"] {
        let path = folder.path().join(file);
        let bytes = std::fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << (at % 8);
            std::fs::write(&path, &changed).unwrap();
            let check = open(folder.path(), &key).check().unwrap();
            assert!(
                check.problems.iter().any(|problem| problem.file == file),
                "{file} byte {at}: {:?}",
                check.problems
            );
        }
        std::fs::write(&path, &bytes).unwrap();
    }
    let path = folder.path().join("checkpoint");
    let bytes = std::fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        assert!(open(folder.path(), &key).check().is_err(), "checkpoint byte {at}");
    }
}

#[test]
fn a_stranger_cannot_append_and_a_stray_tile_is_named() {
    let (folder, key) = filled(3);
    let stranger = SecretKey::generate().unwrap();
    let ledger = open(folder.path(), &key);
    assert!(ledger.appender(&stranger).unwrap().append(&entry(3)).is_err());
    assert_eq!(ledger.entries().unwrap().len(), 3);
    assert!(ledger.check().unwrap().problems.is_empty());
    std::fs::create_dir_all(folder.path().join("tile/5")).unwrap();
    std::fs::write(folder.path().join("tile/5/000"), b"x").unwrap();
    assert_eq!(ledger.check().unwrap().problems[0].file, "tile/5/000");
}

#[test]
fn what_a_cut_off_append_left_is_overwritten() {
    let (folder, key) = filled(3);
    std::fs::write(folder.path().join("tile/0/000.p/4"), b"half").unwrap();
    std::fs::write(folder.path().join("tile/entries/000.p/4"), b"half").unwrap();
    let ledger = open(folder.path(), &key);
    assert!(ledger.check().unwrap().problems.is_empty());
    ledger.appender(&key).unwrap().append(&entry(3)).unwrap();
    assert!(ledger.check().unwrap().problems.is_empty());
    assert_eq!(ledger.entries().unwrap().len(), 4);
}

#[test]
fn an_outgrown_tile_may_stay_but_has_to_agree() {
    let (folder, key) = filled(3);
    let tiles =
        ["tile/0/000.p/3", "tile/entries/000.p/3"].map(|file| (file, std::fs::read(folder.path().join(file)).unwrap()));
    let ledger = open(folder.path(), &key);
    for version in 3..6 {
        ledger.appender(&key).unwrap().append(&entry(version)).unwrap();
    }
    for (file, bytes) in &tiles {
        std::fs::write(folder.path().join(file), bytes).unwrap();
        assert!(ledger.check().unwrap().problems.is_empty());
        let mut changed = bytes.clone();
        changed[10] ^= 1;
        std::fs::write(folder.path().join(file), changed).unwrap();
        assert_eq!(ledger.check().unwrap().problems[0].file, *file);
        std::fs::remove_file(folder.path().join(file)).unwrap();
    }
}

#[test]
fn a_tile_is_outgrown_at_every_level_when_its_width_changes() {
    let paths = |size| tiles::outgrown(size, size + 1).iter().map(tiles::path_of).collect::<Vec<_>>();
    assert!(paths(0).is_empty());
    assert_eq!(paths(1), ["tile/0/000.p/1", "tile/entries/000.p/1"]);
    assert_eq!(paths(255), ["tile/0/000.p/255", "tile/entries/000.p/255"]);
    assert!(paths(256).is_empty());
    assert_eq!(paths(511), ["tile/0/001.p/255", "tile/entries/001.p/255", "tile/1/000.p/1"]);
    assert_eq!(paths(767), ["tile/0/002.p/255", "tile/entries/002.p/255", "tile/1/000.p/2"]);
    assert_eq!(paths(2 * 65536 - 1).last().unwrap(), "tile/2/000.p/1");
}

#[test]
fn a_tree_head_that_is_gone_is_a_loss_and_no_empty_log() {
    let (folder, key) = filled(3);
    std::fs::remove_file(folder.path().join("checkpoint")).unwrap();
    let ledger = open(folder.path(), &key);
    for error in [
        ledger.tree_head().map(|_| ()).unwrap_err(),
        ledger.entries().map(|_| ()).unwrap_err(),
        ledger.check().map(|_| ()).unwrap_err(),
        ledger.prove(0).map(|_| ()).unwrap_err(),
        ledger.begin(&key).unwrap_err(),
        ledger.appender(&key).unwrap().append(&entry(3)).map(|_| ()).unwrap_err(),
    ] {
        assert!(matches!(error, LedgerError::NoTreeHead), "{error}");
    }
    // A log that was begun may be begun again, and stays.
    let (folder, key) = filled(2);
    open(folder.path(), &key).begin(&key).unwrap();
    assert_eq!(open(folder.path(), &key).entries().unwrap().len(), 2);
    let stranger = SecretKey::generate().unwrap();
    let empty = tempfile::tempdir().unwrap();
    assert!(open(empty.path(), &key).begin(&stranger).is_err());
}

#[test]
fn readers_keep_up_with_a_writer_that_removes_what_is_outgrown() {
    let (folder, key) = filled(1);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let (ledger, mut reads, mut last) = (open(folder.path(), &key), 0, 0);
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                let entries = ledger.entries().unwrap().len();
                assert!(entries >= last);
                ledger.prove(0).unwrap();
                (reads, last) = (reads + 1, entries);
            }
            reads
        });
        let ledger = open(folder.path(), &key);
        for version in 1..280 {
            ledger.appender(&key).unwrap().append(&entry(version)).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert!(reader.join().unwrap() > 10);
    });
}

#[test]
fn many_writers_leave_no_gap() {
    let (folder, key) = filled(0);
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (folder, key) = (folder.path(), &key);
            scope.spawn(move || {
                for n in 0..10 {
                    open(folder, key).appender(key).unwrap().append(&entry(writer * 10 + n)).unwrap();
                }
            });
        }
    });
    let ledger = open(folder.path(), &key);
    assert_eq!(ledger.entries().unwrap().len(), 40);
    assert!(ledger.check().unwrap().problems.is_empty());
}

/// Whoever has the log's key may sign any size: a stranger who verifies the log must neither run out of memory nor panic.
#[test]
fn a_signed_tree_head_of_any_size_is_only_a_wrong_one() {
    let (folder, key) = filled(3);
    let ledger = open(folder.path(), &key);
    let root = ledger.tree_head().unwrap().root;
    for size in [4, 300, 1 << 32, 1 << 62, (1 << 62) + 1, 1 << 63, u64::MAX] {
        let note = TreeHead { size, root }.sign("test-log", &[&key]).unwrap();
        std::fs::write(folder.path().join("checkpoint"), note).unwrap();
        assert!(ledger.entries().is_err(), "{size}");
        assert!(ledger.check().map_or(true, |check| !check.problems.is_empty()), "{size}");
        for index in [0, size / 2, size - 1] {
            assert!(ledger.prove(index).is_err(), "{index} of {size}");
        }
    }
}

#[test]
fn a_reading_gives_the_same_entries_piece_by_piece_and_no_others() {
    let (folder, key) = filled(600);
    let whole = open(folder.path(), &key).entries().unwrap();
    let reading = open(folder.path(), &key).reading().unwrap();
    let all: Vec<u64> = (0..600).collect();
    for places in [&all[..], &[0], &[255, 256], &[1, 3, 300, 599], &[], &[599, 600, u64::MAX]] {
        let expected =
            places.iter().filter(|place| **place < 600).map(|place| (*place, whole[*place as usize].clone()));
        assert_eq!(reading.entries_at(places).unwrap(), expected.collect::<Vec<_>>(), "{places:?}");
    }
    let root = open(folder.path(), &key).tree_head().unwrap().root;
    assert_eq!((reading.root_at(600).unwrap(), reading.root_at(0).unwrap()), (root, EMPTY_HASH));
    assert_eq!(reading.root_at(300).unwrap(), root_of(300));
    assert!(matches!(reading.root_at(601), Err(LedgerError::Rollback { .. })));
    reading.judge(1).unwrap();
    // What is appended meanwhile is not under this tree head, and what was there still is.
    open(folder.path(), &key).appender(&key).unwrap().append(&entry(600)).unwrap();
    assert_eq!(reading.entries_at(&all).unwrap().len(), 600);
    assert_eq!(reading.entries_at(&[600]).unwrap(), []);
}

/// The root of the tree of so many of the entries of [`filled`].
fn root_of(entries: u64) -> Hash {
    let records: Vec<Vec<u8>> = (0..entries).map(|version| serde_json::to_vec(&entry(version)).unwrap()).collect();
    Hashes::of(&records).root().unwrap()
}

#[test]
fn a_reading_finds_what_was_changed_in_what_it_reads() {
    let (folder, key) = filled(600);
    for (file, index) in [("tile/entries/001", 300), ("tile/0/001", 300), ("tile/1/000.p/2", 300)] {
        let path = folder.path().join(file);
        let bytes = std::fs::read(&path).unwrap();
        let reading = || open(folder.path(), &key).reading().unwrap();
        // The same entry and its hash lie at other places in the two kinds of file.
        let changed: Vec<u8> = bytes.iter().map(|byte| byte ^ 1).collect();
        std::fs::write(&path, &changed).unwrap();
        assert!(reading().entries_at(&[index]).is_err(), "{file}");
        std::fs::write(&path, &bytes).unwrap();
        reading().entries_at(&[index]).unwrap();
    }
}
