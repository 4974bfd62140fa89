//! The support desk: messages of customers with what they want, about which product, and how urgently.
//!
//! A message is drafted with placeholders for personal data first. Two drafts that are equal but for such data count as
//! one, so that redacting a record can never make a held-out message equal to a training message.

use super::desk_phrases as phrases;
use super::personal::{self, Country, Person};
use super::products::{DESK, Product};
use super::random::{Random, hash};
use super::template::{self, Slots};
use super::words;
use serde::Serialize;
use std::collections::BTreeSet;

/// Distinct training messages of the European part.
const EU_MESSAGES: usize = 1_260;
/// Distinct training messages of the American part.
const US_MESSAGES: usize = 804;
/// Held-out messages.
const HELDOUT_MESSAGES: usize = 400;
/// Exact duplicates added to the training parts, in per cent of all their records.
const DUPLICATES_PERCENT: usize = 8;
/// Near duplicates added to the training parts, in per cent of all their records.
const NEAR_DUPLICATES_PERCENT: usize = 6;
/// Two messages that share more of their word triples than this are near duplicates, so only one is drawn.
const MOST_SHARED_TRIPLES: f64 = 0.6;

/// What the customer wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Intent {
    /// Money back.
    Refund,
    /// A parcel that is late, lost or to be redirected.
    Delivery,
    /// An account or app that does not let them in.
    Login,
    /// An order or subscription to be stopped.
    Cancel,
    /// An invoice that is missing or wrong.
    Invoice,
    /// A broken product.
    Defect,
    /// A larger plan or model.
    Upgrade,
    /// Anything they want to know about the product.
    Question,
}

impl Intent {
    /// Every intent, in the order of the phrase lists.
    pub(crate) const ALL: [Intent; 8] = [
        Intent::Refund,
        Intent::Delivery,
        Intent::Login,
        Intent::Cancel,
        Intent::Invoice,
        Intent::Defect,
        Intent::Upgrade,
        Intent::Question,
    ];
}

/// How soon the customer needs an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Urgency {
    /// Whenever there is time.
    Low,
    /// In the usual time, or nothing said.
    Normal,
    /// At once.
    High,
}

/// One labelled message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Record {
    /// Unique over all three parts; says the part and nothing of the label.
    pub(crate) id: String,
    /// The message.
    pub(crate) text: String,
    /// What the customer wants.
    pub(crate) intent: Intent,
    /// The full name of the product.
    pub(crate) product: &'static str,
    /// How soon.
    pub(crate) urgency: Urgency,
}

/// The corpus: two training parts of different origin, and the held-out part.
#[derive(Debug, Clone)]
pub(crate) struct SupportDesk {
    /// Training records of European customers (residency eu, CC-BY-4.0).
    pub(crate) eu: Vec<Record>,
    /// Training records of American customers (residency us, CC0-1.0).
    pub(crate) us: Vec<Record>,
    /// Evaluation records of European customers (residency eu, CC-BY-4.0).
    pub(crate) heldout: Vec<Record>,
}

/// Generates the whole corpus; the same seed gives the same records.
pub(crate) fn support_desk(seed: u64) -> SupportDesk {
    let mut drawn = Drawn::default();
    // The held-out part draws first: what it took, no training part may repeat.
    let heldout = messages("heldout", HELDOUT_MESSAGES, &mut Random::new(seed, "desk heldout"), &mut drawn);
    let eu = messages("eu", EU_MESSAGES, &mut Random::new(seed, "desk eu"), &mut drawn);
    let us = messages("us", US_MESSAGES, &mut Random::new(seed, "desk us"), &mut drawn);
    SupportDesk {
        eu: with_duplicates("eu", eu, &mut Random::new(seed, "desk eu duplicates")),
        us: with_duplicates("us", us, &mut Random::new(seed, "desk us duplicates")),
        heldout,
    }
}

/// One JSON object a line.
pub(crate) fn to_jsonl(records: &[Record]) -> String {
    // A record holds only strings and plain enums, which always serialise.
    records
        .iter()
        .filter_map(|record| serde_json::to_string(record).ok())
        .flat_map(|line| [line, "\n".to_owned()])
        .collect()
}

/// The drafts taken so far, as sorted hashes of their word triples, by intent.
#[derive(Default)]
struct Drawn {
    drafts: [Vec<Vec<u64>>; 8],
}

impl Drawn {
    /// Takes the draft unless it is too near to an earlier one.
    fn admit(&mut self, intent: usize, draft: &str) -> bool {
        let triples = triples(draft);
        let near = self.drafts[intent].iter().any(|earlier| shared(earlier, &triples) > MOST_SHARED_TRIPLES);
        if !near {
            self.drafts[intent].push(triples);
        }
        !near
    }
}

/// The sorted hashes of a text's word triples, without case and punctuation.
fn triples(text: &str) -> Vec<u64> {
    let lower = text.to_lowercase();
    let words: Vec<&str> =
        lower.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.windows(3).map(|triple| hash(&triple.join(" "))).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The Jaccard similarity of two sorted sets.
fn shared(left: &[u64], right: &[u64]) -> f64 {
    let (mut at, mut other, mut both) = (0, 0, 0_usize);
    while let (Some(here), Some(there)) = (left.get(at), right.get(other)) {
        both += usize::from(here == there);
        at += usize::from(here <= there);
        other += usize::from(there <= here);
    }
    both as f64 / (left.len() + right.len() - both).max(1) as f64
}

/// Draws `count` distinct messages with balanced intents and products.
fn messages(part: &str, count: usize, random: &mut Random, drawn: &mut Drawn) -> Vec<Record> {
    let mut records = Vec::with_capacity(count);
    while records.len() < count {
        let intent = records.len() % Intent::ALL.len();
        let product = &DESK[(records.len() / Intent::ALL.len() + records.len()) % DESK.len()];
        let urgency = match random.below(10) {
            0..3 => Urgency::High,
            3..6 => Urgency::Low,
            _ => Urgency::Normal,
        };
        let mut draft = Draft { random, product };
        let text = draft.compose(intent, urgency);
        let words = text.split_whitespace().count();
        if (15..=58).contains(&words) && drawn.admit(intent, &text) {
            let country = country(part, random);
            let text = with_personal_data(&text, &personal::person(random, country), random);
            records.push(Record {
                id: String::new(),
                text,
                intent: Intent::ALL[intent],
                product: product.name,
                urgency,
            });
        }
    }
    random.shuffle(&mut records);
    number(part, &mut records);
    records
}

fn number(part: &str, records: &mut [Record]) {
    for (at, record) in records.iter_mut().enumerate() {
        record.id = format!("{part}-{:04}", at + 1);
    }
}

fn country(part: &str, random: &mut Random) -> Country {
    let countries: &[Country] = match part {
        "us" => &[Country::America, Country::America, Country::America, Country::Britain],
        _ => {
            &[Country::Germany, Country::Germany, Country::Germany, Country::France, Country::France, Country::Britain]
        }
    };
    *random.element(countries)
}

/// A message under construction.
struct Draft<'a> {
    random: &'a mut Random,
    product: &'static Product,
}

impl Draft<'_> {
    /// Puts the sentences of a message together.
    fn compose(&mut self, intent: usize, urgency: Urgency) -> String {
        let ask = self.random.pick(phrases::ASKS[intent]);
        let mut middle = vec![ask];
        if self.random.chance(70) {
            middle.push(self.random.pick(phrases::CONTEXT));
        }
        let pressing = match urgency {
            Urgency::High => Some(self.random.pick(phrases::HIGH)),
            Urgency::Low => Some(self.random.pick(phrases::LOW)),
            Urgency::Normal => self.random.chance(50).then(|| self.random.pick(phrases::NORMAL)),
        };
        if let Some(pressing) = pressing {
            // Before the matter, after it or at the end: the place says nothing, the words do.
            middle.insert(self.random.below(middle.len() + 1), pressing);
        }
        if self.random.chance(75) {
            middle.push(self.random.pick(phrases::CONTACTS));
        }
        let greeting = self.random.pick(phrases::GREETINGS);
        // A letter's greeting stands on a line of its own.
        let space = if greeting.ends_with(',') { "\n" } else { " " };
        let template = format!("{greeting}{space}{} {}", middle.join(" "), self.random.pick(phrases::CLOSINGS));
        template::expand(&template, self)
    }

    /// The product as customers write it.
    fn item(&mut self) -> String {
        let product = self.product;
        match self.random.below(100) {
            0..55 => product.name.to_owned(),
            55..70 => product.brand.to_owned(),
            70..78 => product.name.to_lowercase(),
            _ => product.noun.to_owned(),
        }
    }
}

impl Slots for Draft<'_> {
    fn random(&mut self) -> &mut Random {
        self.random
    }

    fn slot(&mut self, name: &str) -> Option<String> {
        match name {
            "item" => Some(self.item()),
            "fault" => Some(self.random.pick(self.product.faults).to_owned()),
            "part" => Some(self.random.pick(self.product.parts).to_owned()),
            "city" => Some("{CITY}".to_owned()),
            _ => words::list(name).map(|list| self.random.pick(list).to_owned()),
        }
    }
}

/// Replaces the placeholders of a draft by one person's data.
fn with_personal_data(draft: &str, person: &Person, random: &mut Random) -> String {
    let mut text = String::with_capacity(draft.len());
    let mut rest = draft;
    while let Some((before, after)) = rest.split_once('{') {
        text.push_str(before);
        let (name, behind) = after.split_once('}').unwrap_or((after, ""));
        text.push_str(&match name {
            "NAME" => person.name(),
            "FIRST" => person.first.to_owned(),
            "CITY" => person.city.to_owned(),
            "EMAIL" => person.email(random),
            "PHONE" => person.phone(random),
            "IBAN" => person.iban(random),
            "CARD" => personal::card(random),
            "IP" => personal::ip(random),
            _ => personal::order(random),
        });
        rest = behind;
    }
    text.push_str(rest);
    text
}

/// Adds exact and near duplicates of a part's own records, in random places.
fn with_duplicates(part: &str, mut records: Vec<Record>, random: &mut Random) -> Vec<Record> {
    let originals = records.len();
    let share = 100 - DUPLICATES_PERCENT - NEAR_DUPLICATES_PERCENT;
    for _ in 0..originals * DUPLICATES_PERCENT / share {
        let mut copy = records[random.below(originals)].clone();
        copy.text = respelled(&copy.text, random);
        records.push(copy);
    }
    for _ in 0..originals * NEAR_DUPLICATES_PERCENT / share {
        let mut copy = records[random.below(originals)].clone();
        copy.text = altered(&copy.text, random);
        records.push(copy);
    }
    random.shuffle(&mut records);
    number(part, &mut records);
    records
}

/// The same words in another case or spacing, or the very same text.
fn respelled(text: &str, random: &mut Random) -> String {
    match random.below(4) {
        0 => text.to_lowercase(),
        1 => text.replace(". ", ".  "),
        2 => format!(" {text} "),
        _ => text.to_owned(),
    }
}

/// The same message with a word or a punctuation mark changed, none of which a label depends on.
fn altered(text: &str, random: &mut Random) -> String {
    const CHANGES: &[(&str, &str)] = &[
        ("Hello", "Hey"),
        ("Hi", "Hey"),
        ("Dear", "Good day dear"),
        ("Please", "Kindly"),
        ("please", "kindly"),
        ("I have", "I've"),
        ("I am", "I'm"),
        ("Thank", "Many thank"),
        ("My", "And my"),
        (". ", "! "),
    ];
    let start = random.below(CHANGES.len());
    let changes = CHANGES.iter().cycle().skip(start).take(CHANGES.len());
    let fitting = changes.into_iter().find(|(from, _)| text.contains(from));
    match fitting {
        Some((from, to)) => text.replacen(from, to, 1),
        None => format!("{text}!"),
    }
}
