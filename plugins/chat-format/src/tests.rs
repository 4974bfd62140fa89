//! The plugin on batches, under the rules of the harness.

use super::*;
use freehold_sdk::test::{Host, Ran, batch};

fn run(settings: &str, rows: Batch) -> Result<Ran, String> {
    Host::of(include_str!("../plugin.toml")).settings(settings).transform::<ChatFormat>().run([rows])
}

fn messages(ran: &Ran, row: usize) -> Vec<(&str, &str)> {
    ran.batches[0].dialogue("messages").unwrap().messages(row).collect()
}

fn tickets() -> Batch {
    batch(
        10,
        [
            ("text", ["My \"screen\" is\nblack", "Bitte erstatten"].into()),
            ("intent", ["repair", "refund"].into()),
            ("urgency", vec![2.0, 0.5].into()),
            ("open", vec![true, false].into()),
        ],
    )
}

#[test]
fn templates_take_columns() {
    let ran = run("user = '{text}'\nassistant = 'It is {intent}, {urgency}, {open}. {{x}}'", tickets()).unwrap();
    assert_eq!(messages(&ran, 0), [("user", "My \"screen\" is\nblack"), ("assistant", "It is repair, 2, true. {x}"),]);
    assert_eq!(messages(&ran, 1)[1].1, "It is refund, 0.5, false. {x}");
    assert_eq!(ran.origins, [10, 11]);
    assert_eq!(ran.batches[0].columns().len(), 1);
}

#[test]
fn json_is_compact_and_in_order() {
    let settings =
        "system = 'Classify.'\nuser = '{text}'\nassistant = '{json:urgency,intent,open,text}'\nkeep = ['intent']";
    let ran = run(settings, tickets()).unwrap();
    assert_eq!(messages(&ran, 0)[0], ("system", "Classify."));
    let json = r#"{"urgency":2,"intent":"repair","open":true,"text":"My \"screen\" is\nblack"}"#;
    assert_eq!(messages(&ran, 0)[2], ("assistant", json));
    assert_eq!(ran.texts("intent"), ["repair", "refund"]);
}

#[test]
fn control_characters_are_escaped() {
    let rows = batch(0, [("text", ["\u{1}\u{1f}\t\\"].into())]);
    let ran = run("user = 'x'\nassistant = '{json:text}'", rows).unwrap();
    assert_eq!(messages(&ran, 0)[1].1, r#"{"text":"\u0001\u001f\t\\"}"#);
}

#[test]
fn rows_without_a_value_are_dropped() {
    let mut rows = batch(5, [("q", ["a", "b", "c"].into())]);
    rows.set(Column::new("answer", ["x", "", "z"].into()).with_nulls(&[1])).unwrap();
    rows.set(Column::new("note", ["", "", ""].into()).with_nulls(&[0, 1, 2])).unwrap();
    let ran = run("user = '{q}'\nassistant = '{answer}'\nkeep = ['note']", rows).unwrap();
    assert_eq!(ran.dropped, [(6, "missing-answer".to_owned())]);
    assert_eq!(ran.origins, [5, 7]);
    assert_eq!(messages(&ran, 1), [("user", "c"), ("assistant", "z")]);
    assert!(ran.batches[0].column("note").unwrap().is_null(1));
}

#[test]
fn unknown_columns_are_named() {
    let error = run("user = '{body}'\nassistant = '{intent}'", tickets()).unwrap_err();
    assert!(error.contains("`body`") && error.contains("text, intent, urgency, open"), "{error}");
    assert!(run("user = '{text}'\nassistant = '{json:intent,x}'", tickets()).unwrap_err().contains("`x`"));
    assert!(run("user = '{text}'\nassistant = 'a'\nkeep = ['y']", tickets()).unwrap_err().contains("`y`"));
}

#[test]
fn settings_that_make_no_sense_are_errors() {
    for (settings, key) in [
        ("user = '{text'\nassistant = 'a'", "user"),
        ("user = 'text}'\nassistant = 'a'", "user"),
        ("user = '{}'\nassistant = 'a'", "user"),
        ("user = 'a'\nassistant = '{json:}'", "assistant"),
        ("user = 'a'\nassistant = '{json:a,,b}'", "assistant"),
        ("user = 'a'\nassistant = ''", "assistant"),
        ("user = 'a'", "assistant"),
        ("user = 'a'\nassistant = 'b'\nkeep = ['messages']", "output"),
    ] {
        let error = run(settings, tickets()).unwrap_err();
        assert!(error.contains(&format!("`{key}`")), "{settings}: {error}");
    }
}

#[test]
fn the_description_says_what_is_read() {
    let host =
        Host::of(include_str!("../plugin.toml")).settings("user = '{b} {a}'\nassistant = '{json:a,c}'\nkeep = ['d']");
    let (reads, writes, independent) = host.transform::<ChatFormat>().describe().unwrap();
    assert_eq!((reads.join(" "), writes.join(" "), independent), ("a b c d".to_owned(), "messages".to_owned(), true));
}
