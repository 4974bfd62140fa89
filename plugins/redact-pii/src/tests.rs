//! The plugin as a whole, and properties over many generated texts.

use super::*;
use freehold_sdk::batch::{Dialogues, Role};
use freehold_sdk::test::{Host, Ran, batch};

fn run(settings: &str, rows: &[&str]) -> Result<Ran, String> {
    let host = Host::of(include_str!("../plugin.toml")).settings(settings);
    host.transform::<RedactPii>().run([batch(0, [("text", rows.into())])])
}

fn redact(text: &str) -> String {
    run("", &[text]).unwrap().texts("text").remove(0)
}

/// A small generator with a fixed seed: the same texts in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

#[test]
fn every_kind_has_its_placeholder() {
    let row = "Ada <ada@example.org>, +49 30 1234567, DE89 3704 0044 0532 0130 00, 4111 1111 1111 1111, 10.0.0.1, ::1.";
    let ran = run("", &[row, "nothing here"]).unwrap();
    assert_eq!(ran.texts("text"), ["Ada <[EMAIL]>, [PHONE], [IBAN], [CARD], [IP], [IP].", "nothing here"]);
    let counts: Vec<(&str, i64)> = ran.counts.iter().map(|(key, count)| (key.as_str(), *count)).collect();
    assert_eq!(counts, [("card", 1), ("email", 1), ("iban", 1), ("ip", 2), ("phone", 1)]);
    assert_eq!(ran.origins, [0, 1]);
}

#[test]
fn what_is_no_personal_data_stays() {
    for text in [
        "Closes: #483920, #1043021",
        "  * New upstream release 2.39.1-4+deb12u1 (2024-05-01).",
        "Mon, 01 May 2024 12:34:56 +0200",
        "std::vec::Vec<u8>, 0x7fff:0010",
        "gcc 13.2.0-25, python3.12 (>= 3.12.1-1~)",
        "12 + 30 = 42; 1.234.567,89 EUR",
        "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "größer als 5 @ 7 Uhr",
        "日本語のテキスト",
        "",
        "@",
        ":",
        "2001",
        "1714564800",
    ] {
        assert_eq!(redact(text), text);
    }
}

#[test]
fn only_the_kinds_that_are_set() {
    let ran = run("kinds = ['email']", &["a@b 10.0.0.1"]).unwrap();
    assert_eq!(ran.texts("text"), ["[EMAIL] 10.0.0.1"]);
    assert_eq!(ran.counts.len(), 1);
    assert_eq!(run("kinds = []", &["a@b 10.0.0.1"]).unwrap().texts("text"), ["a@b 10.0.0.1"]);
    assert!(run("kinds = ['name']", &["a"]).unwrap_err().contains("`kinds`"));
    assert!(run("columns = []", &["a"]).unwrap_err().contains("`columns`"));
    assert!(run("columns = ['body']", &["a"]).unwrap_err().contains("`body`"));
}

#[test]
fn dialogues_are_redacted_message_by_message() {
    let mut dialogues = Dialogues::new();
    dialogues.say(Role::User, "I am ada@example.org");
    dialogues.say(Role::Assistant, "Hello");
    dialogues.end_row();
    let host = Host::of(include_str!("../plugin.toml")).settings("columns = ['messages']");
    let ran = host.transform::<RedactPii>().run([batch(3, [("messages", dialogues.into())])]).unwrap();
    let messages: Vec<_> = ran.batches[0].dialogue("messages").unwrap().messages(0).collect();
    assert_eq!(messages, [("user", "I am [EMAIL]"), ("assistant", "Hello")]);
    assert_eq!(ran.origins, [3]);
}

#[test]
fn no_address_survives_in_any_surroundings() {
    let mut random = Random(1);
    let locals = ["foo", "a.b-c_d", "x+tag", "jörg", "o'neil", "0123456789", "10.0.0.1", "_bot", "user%host", "DE89"];
    let hosts =
        ["localhost", "lists.debian.org", "x-y.co.uk", "müller.example", "10.0.0.1", "bugs.debian.org.", "HOST"];
    let sides =
        ["", " ", "<", ">", "(", ")", ",", ";", "\"", "'", "mailto:", "\n", "ä ", " 5 ", "::", "#1 ", "…", "--", "»"];
    for _ in 0..20_000 {
        let (before, after) = (random.pick(&sides), random.pick(&sides));
        let (local, host) = (random.pick(&locals), random.pick(&hosts));
        let text = format!("x {before}{local}@{host}{after} y");
        let redacted = redact_directly(&text);
        assert!(!redacted.contains('@') && redacted.contains("[EMAIL]"), "{text} -> {redacted}");
    }
}

/// Without the harness, which would dominate the time of a property.
fn redact_directly(text: &str) -> String {
    let mut kinds = Kinds::default();
    KINDS.into_iter().for_each(|kind| kinds.add(kind));
    let (mut redacted, mut copied) = (String::new(), 0);
    scan::scan(text, kinds, &mut |kind, range| {
        assert!(range.start >= copied && range.end > range.start, "{text}: {range:?}");
        redacted.push_str(&text[copied..range.start]);
        redacted.push_str(kind.placeholder());
        copied = range.end;
    });
    redacted + &text[copied..]
}

#[test]
fn any_text_goes_through() {
    let mut random = Random(2);
    let parts = [
        "@",
        ".",
        ":",
        "::",
        "+",
        "-",
        " ",
        "(",
        ")",
        "[",
        "]",
        "\"",
        "0",
        "1",
        "12",
        "255",
        "2024",
        "4111",
        "1111",
        "a",
        "fe80",
        "DE89",
        "ä",
        "\u{301}",
        "\u{a0}",
        "🦀",
        "/",
        "#",
        "%",
        "_",
        "\n",
        "3704 0044 0532 0130 00",
    ];
    for _ in 0..100_000 {
        let count = 1 + random.below(14);
        let text: String = (0..count).map(|_| random.pick(&parts)).collect();
        let redacted = redact_directly(&text);
        assert_eq!(redacted == text, !KINDS.iter().any(|kind| redacted.contains(kind.placeholder())), "{text}");
    }
}

#[test]
fn generated_cards_and_accounts_go() {
    let mut random = Random(3);
    for _ in 0..5_000 {
        let length = 13 + random.below(7);
        let mut digits: Vec<u8> = (1..length).map(|_| random.below(10) as u8).collect();
        digits[0] = digits[0].max(1);
        let sum: u32 = digits.iter().rev().enumerate().fold(0, |sum, (place, &digit)| {
            let digit = u32::from(digit);
            sum + if place % 2 == 0 { digit * 2 % 10 + digit / 5 } else { digit }
        });
        digits.push(((10 - sum % 10) % 10) as u8);
        let card: String = digits.iter().map(|&digit| char::from(b'0' + digit)).collect();
        assert_eq!(redact_directly(&format!("card {card}.")), "card [CARD].");
        let grouped: Vec<&str> = card.as_bytes().chunks(4).map(|group| str::from_utf8(group).unwrap()).collect();
        assert_eq!(redact_directly(&format!("card {}.", grouped.join(" "))), "card [CARD].");
        assert_eq!(redact_directly(&format!("card {}.", grouped.join("-"))), "card [CARD].");
    }
}
