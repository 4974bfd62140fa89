//! What must hold for the support desk's records.

use super::desk::{Intent, Record, SupportDesk, Urgency, support_desk, to_jsonl};
use super::desk_phrases::{CUES_HIGH, CUES_LOW};
use super::personal::{card_is_valid, iban_is_valid};
use super::products::DESK;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

fn desk() -> &'static SupportDesk {
    static DESK: OnceLock<SupportDesk> = OnceLock::new();
    DESK.get_or_init(|| support_desk(42))
}

fn all() -> impl Iterator<Item = &'static Record> {
    desk().eu.iter().chain(&desk().us).chain(&desk().heldout)
}

/// The text without what personal data could differ in: every word with a digit or an at sign.
fn masked(text: &str) -> String {
    let lower = text.to_lowercase();
    let words =
        lower.split_whitespace().filter(|word| !word.contains(|letter: char| letter.is_ascii_digit() || letter == '@'));
    words.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_seed_decides_every_byte() {
    let again = support_desk(42);
    assert_eq!(to_jsonl(&again.eu), to_jsonl(&desk().eu));
    assert_eq!(to_jsonl(&again.heldout), to_jsonl(&desk().heldout));
    assert_ne!(to_jsonl(&support_desk(43).heldout), to_jsonl(&desk().heldout));
}

#[test]
fn sizes_and_balance_are_as_promised() {
    let training = desk().eu.len() + desk().us.len();
    assert!((2_380..=2_420).contains(&training), "{training}");
    assert_eq!(desk().heldout.len(), 400);
    let ids: BTreeSet<&str> = all().map(|record| record.id.as_str()).collect();
    assert_eq!(ids.len(), training + 400);
    for intent in Intent::ALL {
        assert!(desk().heldout.iter().filter(|record| record.intent == intent).count() == 50);
    }
    for product in &DESK {
        assert!(desk().heldout.iter().filter(|record| record.product == product.name).count() >= 30);
    }
    for urgency in [Urgency::Low, Urgency::Normal, Urgency::High] {
        assert!(desk().heldout.iter().filter(|record| record.urgency == urgency).count() >= 80);
    }
}

#[test]
fn texts_have_the_promised_length_and_no_open_slot() {
    for record in all() {
        let words = record.text.split_whitespace().count();
        assert!((13..=75).contains(&words), "{words}: {}", record.text);
        assert!(!record.text.contains(['$', '{', '}', '[', ']', '|']), "{}", record.text);
    }
}

#[test]
fn only_the_urgencys_own_words_mark_it() {
    for record in all() {
        let text = record.text.to_lowercase();
        let high = CUES_HIGH.iter().any(|cue| text.contains(cue));
        let low = CUES_LOW.iter().any(|cue| text.contains(cue));
        assert_eq!((high, low), (record.urgency == Urgency::High, record.urgency == Urgency::Low), "{}", record.text);
    }
}

#[test]
fn exactly_one_product_is_named() {
    for record in all() {
        let text = record.text.to_lowercase();
        let words: BTreeSet<&str> = text.split(|letter: char| !letter.is_alphanumeric()).collect();
        let named = DESK
            .iter()
            .filter(|product| words.contains(product.noun) || words.contains(product.brand.to_lowercase().as_str()));
        assert_eq!(named.map(|product| product.name).collect::<Vec<_>>(), [record.product], "{}", record.text);
    }
}

#[test]
fn no_heldout_message_is_a_training_message_even_without_personal_data() {
    let training: BTreeSet<String> = desk().eu.iter().chain(&desk().us).map(|record| masked(&record.text)).collect();
    assert!(desk().heldout.iter().all(|record| !training.contains(&masked(&record.text))));
    let heldout: BTreeSet<String> = desk().heldout.iter().map(|record| masked(&record.text)).collect();
    assert_eq!(heldout.len(), 400);
}

#[test]
fn duplicates_agree_on_their_labels() {
    let mut labels = BTreeMap::new();
    let mut exact = 0;
    for record in desk().eu.iter().chain(&desk().us) {
        let text = record.text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
        let label = (record.intent, record.product, record.urgency);
        if let Some(earlier) = labels.insert(text, label) {
            exact += 1;
            assert_eq!(earlier, label);
        }
    }
    assert!((170..=215).contains(&exact), "{exact}");
}

#[test]
fn personal_data_is_frequent_and_valid() {
    let mut kinds = [0; 3];
    for record in all() {
        kinds[0] += usize::from(record.text.contains('@'));
        if let Some((_, iban)) = record.text.split_once("IBAN is ") {
            kinds[1] += 1;
            let iban = iban.split_once(',').map_or(iban, |(iban, _)| iban);
            assert!(iban_is_valid(&iban.to_uppercase()), "{}", record.text);
        }
        if let Some((_, number)) = record.text.split_once("card I used is ") {
            kinds[2] += 1;
            let number: String = number.chars().take_while(|letter| !matches!(letter, '.' | '!')).collect();
            assert!(card_is_valid(&number), "{}", record.text);
        }
    }
    assert!(kinds[0] > 700 && kinds[1] > 60 && kinds[2] > 60, "{kinds:?}");
}
