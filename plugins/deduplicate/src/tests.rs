//! The plugin on streams, under the rules of the harness.

use super::*;
use freehold_sdk::test::{Host, Ran, batch};

fn run(settings: &str, batches: impl IntoIterator<Item = Batch>) -> Result<Ran, String> {
    Host::of(include_str!("../plugin.toml")).settings(settings).transform::<Deduplicate>().run(batches)
}

fn reasons(ran: &Ran) -> Vec<(u64, &str)> {
    ran.dropped.iter().map(|(row, reason)| (*row, reason.as_str())).collect()
}

#[test]
fn the_first_stays_over_batches() {
    let first =
        batch(0, [("text", ["Hello  World", "other", "hello world\n"].into()), ("n", vec![1.0, 2.0, 3.0].into())]);
    let second = batch(3, [("text", ["OTHER", "new"].into()), ("n", vec![4.0, 5.0].into())]);
    let ran = run("", [first, second]).unwrap();
    assert_eq!(ran.texts("text"), ["Hello  World", "other", "new"]);
    assert_eq!(ran.origins, [0, 1, 4]);
    assert_eq!(reasons(&ran), [(2, "exact-duplicate"), (3, "exact-duplicate")]);
    assert_eq!(ran.batches[1].column("n").unwrap().values(), &Values::Numbers(vec![5.0]));
    assert_eq!(ran.counts["exact-duplicate"], 2);
    assert_eq!(ran.counts["near-duplicate"], 0);
}

const LONG: &str = "Sehr geehrte Damen und Herren, meine Bestellung ist seit zwei Wochen unterwegs und noch immer nicht \
    angekommen. Bitte teilen Sie mir mit, wo sie sich befindet und wann ich damit rechnen kann.";

#[test]
fn near_duplicates_go_if_asked() {
    let near = LONG.replace("zwei", "drei");
    let rows = || [batch(0, [("text", [LONG, near.as_str(), "etwas ganz anderes"].into())])];
    assert_eq!(reasons(&run("", rows()).unwrap()), [(1, "near-duplicate")]);
    assert_eq!(reasons(&run("near = false", rows()).unwrap()), []);
    assert_eq!(reasons(&run("threshold = 0.99", rows()).unwrap()), []);
    assert_eq!(reasons(&run("threshold = 0.5\npermutations = 32", rows()).unwrap()), [(1, "near-duplicate")]);
}

#[test]
fn columns_stay_apart() {
    let rows = [batch(0, [("a", ["x", "x y", "x"].into()), ("b", ["y z", "z", "y z"].into())])];
    assert_eq!(reasons(&run("columns = ['a', 'b']\nnear = false", rows).unwrap()), [(2, "exact-duplicate")]);
}

#[test]
fn no_value_is_not_an_empty_text() {
    let mut rows = batch(0, [("id", vec![1.0, 2.0, 3.0].into())]);
    let column = freehold_sdk::batch::Column::new("text", ["", "", ""].into()).with_nulls(&[0, 2]);
    rows.set(column).unwrap();
    assert_eq!(reasons(&run("near = false", [rows]).unwrap()), [(2, "exact-duplicate")]);
}

#[test]
fn thousands_of_rows_of_one_make_stay_exact() {
    // Templates with one number differ little: near duplicates all, but exact duplicates none.
    let texts: Vec<String> = (0..3000).map(|number| format!("Ticket {number}: {LONG}")).collect();
    let rows: Vec<&str> = texts.iter().map(String::as_str).collect();
    let ran = run("", [batch(0, [("text", rows.as_slice().into())])]).unwrap();
    assert_eq!(ran.origins, [0]);
    let ran = run("near = false", [batch(0, [("text", rows.as_slice().into())])]).unwrap();
    assert_eq!(ran.origins.len(), 3000);
}

#[test]
fn found_as_a_full_comparison_finds() {
    // Texts from few words, so that shares of every size occur; the reference compares all pairs.
    let words = ["toner", "printer", "screen", "invoice", "refund", "delivery", "broken", "late", "again", "please"];
    let mut state = 7u64;
    let mut below = |limit: usize| {
        state = shingles::mix(state);
        (state >> 33) as usize % limit
    };
    let mut texts: Vec<String> = Vec::new();
    for _ in 0..400 {
        let text = if texts.is_empty() || below(2) == 0 {
            (0..30).map(|_| words[below(10)]).collect::<Vec<_>>().join(" ")
        } else {
            let (from, to) = (words[below(10)], words[below(10)]);
            texts[below(texts.len())].replacen(from, to, 1 + below(2))
        };
        texts.push(text);
    }
    let rows: Vec<&str> = texts.iter().map(String::as_str).collect();
    let ran = run("threshold = 0.8", [batch(0, [("text", rows.as_slice().into())])]).unwrap();
    let mut kept: Vec<Vec<u32>> = Vec::new();
    let mut expected = 0;
    for text in &texts {
        let own = shingles::shingles(text);
        match kept.iter().any(|other| shingles::jaccard(&own, other) >= 0.8) {
            true => expected += 1,
            false => kept.push(own),
        }
    }
    let missed = expected as i64 - ran.dropped.len() as i64;
    assert!(expected > 100 && missed.abs() <= 2, "{missed} of {expected} missed");
}

#[test]
fn settings_that_make_no_sense_are_errors() {
    for (settings, key) in [
        ("columns = []", "columns"),
        ("threshold = 0", "threshold"),
        ("threshold = 1.5", "threshold"),
        ("permutations = 8", "permutations"),
    ] {
        let error = run(settings, [batch(0, [("text", ["a"].into())])]).unwrap_err();
        assert!(error.contains(&format!("`{key}`")), "{error}");
    }
    assert!(run("columns = ['body']", [batch(0, [("text", ["a"].into())])]).unwrap_err().contains("`body`"));
}
