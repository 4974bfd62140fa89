use std::collections::BTreeSet;

use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Phase, Subject};
use freehold_core::verdict::Decision;
use jiff::Timestamp;

use super::*;

const NOTHING: [u8; 32] = [0; 32];

fn entry(subject: Subject) -> Entry {
    Entry { subject, statement: Digest::of(b""), time: Timestamp::UNIX_EPOCH }
}

fn phase(run: &str, phase: Phase) -> Entry {
    entry(Subject::Phase { run: run.into(), key: Digest::of(run.as_bytes()), phase })
}

fn moved(alias: &str, run: &str) -> Entry {
    entry(Subject::Alias { alias: alias.parse().unwrap(), adapter: Digest::of(b"a"), run: run.into() })
}

fn facts(second: i64, marks: &[Mark], decision: Option<Decision>) -> Option<Facts> {
    let started = Timestamp::from_second(second).unwrap();
    Some(Facts { started, decision, marks: marks.iter().copied().collect::<BTreeSet<_>>() })
}

fn plugin(name: &str) -> Mark {
    Mark::of(MarkKind::Plugin, name)
}

fn numbered(first: u64, entries: &[(Entry, Option<Facts>)]) -> Vec<(u64, Entry, Option<Facts>)> {
    (first..).zip(entries).map(|(number, (entry, facts))| (number, entry.clone(), facts.clone())).collect()
}

/// Four runs: `a-1` used p and was promoted, `b-1` used p and q and was denied, `a-2` has no decision, `c-1` cannot be read.
fn filled() -> Index {
    let mut index = Index::new(NOTHING).unwrap();
    let entries = [
        (entry(Subject::TrustRoot { version: 1 }), None),
        (phase("a-1", Phase::Resolve), facts(10, &[plugin("p")], None)),
        (phase("b-1", Phase::Resolve), facts(20, &[plugin("p"), plugin("q")], None)),
        (phase("a-1", Phase::Record), facts(30, &[], Some(Decision::Promoted))),
        (moved("m@production", "a-1"), None),
        (phase("b-1", Phase::Record), facts(40, &[], Some(Decision::Denied))),
        (entry(Subject::TrustRoot { version: 2 }), None),
        (phase("a-2", Phase::Resolve), facts(50, &[plugin("q")], None)),
        (entry(Subject::Approval { run: "a-1".into(), adapter: Digest::of(b"a"), approver: "k".into() }), None),
    ];
    index.add(&numbered(0, &entries), 9, [1; 32]).unwrap();
    let more =
        [(phase("c-1", Phase::Resolve), None), (moved("n@staging", "a-1"), None), (moved("m@production", "b-1"), None)];
    index.add(&numbered(9, &more), 12, [2; 32]).unwrap();
    index
}

fn names(index: &Index, wanted: &Wanted) -> Vec<String> {
    let (mut all, mut place) = (Vec::new(), Place::BEGINNING);
    loop {
        let (names, next) = index.wanted(wanted, place, 2).unwrap();
        if names.is_empty() {
            return all;
        }
        all.extend(names);
        place = next;
    }
}

fn marked(marks: &[Mark], names: &[&str]) -> Wanted {
    let group = Group { marks: marks.to_vec(), names: names.iter().map(ToString::to_string).collect() };
    Wanted { groups: vec![group], ..Wanted::default() }
}

#[test]
fn runs_are_found_by_what_they_have_to_do_with_and_what_cannot_be_read_always() {
    let index = filled();
    let found = |wanted: &Wanted| names(&index, wanted).join(" ");
    assert_eq!(found(&Wanted::default()), "c-1 a-2 b-1 a-1");
    assert_eq!(found(&marked(&[plugin("p")], &[])), "c-1 b-1 a-1");
    assert_eq!(found(&marked(&[plugin("q")], &[])), "c-1 a-2 b-1");
    assert_eq!(found(&marked(&[plugin("r")], &[])), "c-1");
    assert_eq!(found(&marked(&[plugin("p")], &["a-2"])), "c-1 a-2 b-1 a-1");
    assert_eq!(found(&marked(&[], &[])), "c-1");
    assert_eq!(found(&marked(&[Mark::of(MarkKind::Recipe, "a")], &[])), "c-1 a-2 a-1");
    assert_eq!(found(&marked(&[Mark::of(MarkKind::Key, "k")], &[])), "c-1 a-1");
    let both = Wanted {
        groups: [marked(&[plugin("p")], &[]).groups, marked(&[plugin("q")], &[]).groups].concat(),
        ..Wanted::default()
    };
    assert_eq!(found(&both), "c-1 b-1");
    let decided = |decision| Wanted { decision: Some(decision), ..Wanted::default() };
    assert_eq!(found(&decided(Some(Decision::Promoted))), "c-1 a-1");
    assert_eq!(found(&decided(None)), "c-1 a-2");
    let since = Wanted { since: Some(Timestamp::from_second(20).unwrap()), ..Wanted::default() };
    assert_eq!(found(&since), "c-1 a-2 b-1");
}

#[test]
fn entries_are_found() {
    let index = filled();
    assert_eq!(index.phases("a-1").unwrap(), [1, 3]);
    assert_eq!(index.phases("none").unwrap(), [0; 0]);
    assert_eq!(index.approvals("a-1").unwrap(), [8]);
    assert_eq!(index.moves_of_alias("m@production").unwrap(), [4, 11]);
    assert_eq!(index.moves_to_run("a-1").unwrap(), [4, 10]);
    assert_eq!(index.last_moves().unwrap(), [10, 11]);
    assert_eq!(Index::new(NOTHING).unwrap().last_moves().unwrap(), [0; 0]);
    assert_eq!((index.trust_root(2).unwrap(), index.trust_root(3).unwrap()), (Some(6), None));
    assert_eq!((index.runs().unwrap(), index.unread().unwrap()), (4, 1));
    assert_eq!(index.position().unwrap(), Position { size: 12, root: [2; 32], newest_root: 2 });
}

#[test]
fn a_kept_index_answers_the_same_and_goes_on() {
    let bytes = filled().to_bytes().unwrap();
    let mut again = Index::from_bytes(&bytes).unwrap();
    assert_eq!(names(&again, &Wanted::default()), names(&filled(), &Wanted::default()));
    again.add(&[(12, phase("d-1", Phase::Resolve), facts(60, &[], None))], 13, [3; 32]).unwrap();
    assert_eq!(again.phases("d-1").unwrap(), [12]);
    assert_eq!(again.position().unwrap().size, 13);
}

/// What comes from elsewhere than the caller thinks is an error, and never the end of the process.
#[test]
fn bytes_that_are_no_index_are_an_error() {
    let good = filled().to_bytes().unwrap();
    let mut other = Index::new(NOTHING).unwrap();
    other.db.pragma_update(None, VERSION, version() ^ 1).unwrap();
    let other = other.to_bytes().unwrap();
    assert!(matches!(Index::from_bytes(&other), Err(IndexError::OtherSchema)));
    for bytes in [&b""[..], b"SQLite format 3\0", &[0; 4096], &good[..good.len() / 2]] {
        let read = Index::from_bytes(bytes).and_then(|index| index.position());
        assert!(read.is_err(), "{} bytes", bytes.len());
    }
}

#[test]
fn what_was_not_added_whole_was_not_added() {
    let mut index = filled();
    let twice = [(12, phase("e-1", Phase::Resolve), None), (13, entry(Subject::TrustRoot { version: 3 }), None)];
    index.db.execute_batch("DROP TABLE trust_root").unwrap();
    assert!(index.add(&twice, 14, [9; 32]).is_err());
    assert_eq!(index.phases("e-1").unwrap(), [0; 0]);
    assert_eq!(index.position().unwrap().size, 12);
}

#[test]
fn an_adapter_is_marked_by_the_beginning_of_its_digest() {
    let digest = Digest::of(b"adapter").hex();
    let mark = Mark::adapter(&digest).unwrap();
    assert_eq!(Mark::adapter(&digest[..8]), Some(mark));
    assert_eq!(Mark::adapter(&digest[..30]), Some(mark));
    for refused in ["", "1234567", "+2345678", "1234567g", "12345é78"] {
        assert_eq!(Mark::adapter(refused), None, "{refused}");
    }
}
