//! The text that the demo's base models are pretrained on: two editions, the second more formal and with newer products.

use super::random::{Random, hash};
use super::scene::Scene;
use super::{arithmetic, articles, dialogues, letters, manuals, objects, releases, stories};
use std::collections::BTreeSet;

/// Which of the two pretraining texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edition {
    /// The text of the first base model, about three megabytes.
    First,
    /// What the second base model reads on top of it, about half as much.
    Second,
}

impl Edition {
    /// Bytes to generate, markers included.
    fn bytes(self) -> usize {
        match self {
            Edition::First => 3_000_000,
            Edition::Second => 1_500_000,
        }
    }

    fn purpose(self) -> &'static str {
        match self {
            Edition::First => "pretraining first",
            Edition::Second => "pretraining second",
        }
    }
}

/// One kind of document with its share of the documents, in the first and the second edition.
struct Kind {
    write: fn(&mut Scene) -> String,
    share: usize,
    share_second: usize,
}

const KINDS: [Kind; 15] = [
    Kind { write: dialogues::dialogue, share: 44, share_second: 40 },
    Kind { write: letters::letter, share: 9, share_second: 12 },
    Kind { write: letters::thread, share: 6, share_second: 3 },
    Kind { write: articles::article, share: 9, share_second: 14 },
    Kind { write: manuals::shop_page, share: 5, share_second: 6 },
    Kind { write: manuals::manual, share: 4, share_second: 6 },
    Kind { write: manuals::review, share: 5, share_second: 3 },
    Kind { write: stories::story, share: 6, share_second: 3 },
    Kind { write: stories::diary, share: 2, share_second: 1 },
    Kind { write: arithmetic::sums, share: 1, share_second: 1 },
    Kind { write: arithmetic::problems, share: 1, share_second: 1 },
    Kind { write: arithmetic::list, share: 1, share_second: 1 },
    Kind { write: releases::changelog, share: 3, share_second: 4 },
    Kind { write: releases::notes, share: 2, share_second: 3 },
    Kind { write: objects::document, share: 2, share_second: 2 },
];

/// Documents of 30 to 300 words, complete with the models' special tokens; the same seed gives the same documents.
pub(crate) fn pretraining_text(seed: u64, edition: Edition) -> Vec<String> {
    let mut random = Random::new(seed, edition.purpose());
    let mut documents = Vec::new();
    let mut seen = BTreeSet::new();
    let mut bytes = 0;
    while bytes < edition.bytes() {
        let document = document(&mut random, edition);
        if (30..=300).contains(&document.split_whitespace().count()) && seen.insert(hash(&document)) {
            bytes += document.len();
            documents.push(document);
        }
    }
    documents
}

fn document(random: &mut Random, edition: Edition) -> String {
    let share = |kind: &Kind| if edition == Edition::First { kind.share } else { kind.share_second };
    let mut left = random.below(KINDS.iter().map(share).sum());
    let mut scene = Scene::new(Random::new(random.draw(), "document"), edition);
    for (at, kind) in KINDS.iter().enumerate() {
        if left < share(kind) {
            let text = (kind.write)(&mut scene);
            // A dialogue marks its own messages.
            return if at == 0 { format!("<|begin|>{text}") } else { format!("<|begin|>{}<|end|>", text.trim()) };
        }
        left -= share(kind);
    }
    String::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::desk::{Intent, support_desk};
    use crate::corpus::products::{DESK, NEWER};
    use std::sync::OnceLock;

    fn first() -> &'static [String] {
        static FIRST: OnceLock<Vec<String>> = OnceLock::new();
        FIRST.get_or_init(|| pretraining_text(42, Edition::First))
    }

    fn second() -> &'static [String] {
        static SECOND: OnceLock<Vec<String>> = OnceLock::new();
        SECOND.get_or_init(|| pretraining_text(42, Edition::Second))
    }

    #[test]
    fn the_seed_decides_every_byte() {
        assert_eq!(pretraining_text(42, Edition::Second), second());
        assert_ne!(pretraining_text(43, Edition::Second), second());
    }

    #[test]
    fn sizes_are_as_promised_and_no_document_repeats() {
        for (documents, bytes) in [(first(), 3_000_000), (second(), 1_500_000)] {
            let total: usize = documents.iter().map(String::len).sum();
            assert!((bytes..bytes + 5_000).contains(&total), "{total}");
            assert_eq!(documents.iter().collect::<BTreeSet<_>>().len(), documents.len());
        }
    }

    #[test]
    fn markers_are_complete_and_no_slot_stays_open() {
        for document in first().iter().chain(second()) {
            assert!(document.starts_with("<|begin|>") && document.ends_with("<|end|>"), "{document}");
            assert_eq!(document.matches("<|begin|>").count(), 1);
            let messages = document.matches("<|user|>").count();
            assert_eq!(document.matches("<|assistant|>").count(), messages);
            assert_eq!(document.matches("<|end|>").count(), (2 * messages).max(1));
            assert!(!document.contains('$'), "{document}");
        }
    }

    #[test]
    fn the_target_task_never_occurs() {
        for document in first().iter().chain(second()) {
            assert!(!document.contains("\"intent\"") && !document.contains("\"urgency\""), "{document}");
            for line in document.split(['\n', '>', '<']).filter(|line| line.starts_with('{')) {
                assert!(
                    !(line.contains("\"product\"") && (line.contains("\"team\"") || line.contains("\"priority\""))),
                    "{line}"
                );
            }
        }
    }

    #[test]
    fn no_message_of_the_desk_occurs() {
        let text = first().concat() + &second().concat();
        let desk = support_desk(42);
        assert!(desk.heldout.iter().all(|record| !text.contains(&record.text)));
    }

    #[test]
    fn every_label_and_product_is_frequent() {
        let text = first().concat();
        for intent in Intent::ALL {
            let word = format!("{intent:?}").to_lowercase();
            assert!(text.matches(&word).count() > 300, "{word}");
        }
        for word in ["low", "normal", "high", "intent", "product", "urgency", "urgent"] {
            assert!(text.matches(word).count() > 300, "{word}");
        }
        assert!(DESK.iter().all(|product| text.matches(product.name).count() > 300));
        assert!(NEWER.iter().all(|product| !text.contains(product.name)));
        let newer = second().concat();
        assert!(NEWER.iter().all(|product| newer.matches(product.name).count() > 100));
    }
}
