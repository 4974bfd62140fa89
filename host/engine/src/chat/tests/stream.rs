//! The text of answers as it comes, against the text of the whole.

use std::sync::Arc;

use super::*;
use crate::random::Random;

/// What each token gives, and what comes at the end.
fn streamed(mut stream: TextStream, ids: &[u32]) -> (Vec<String>, bool) {
    let mut parts: Vec<String> = ids.iter().map(|id| stream.push(*id).unwrap()).collect();
    let (rest, stopped) = stream.finish().unwrap();
    parts.push(rest);
    (parts, stopped)
}

fn tokens(chat: &ChatTokenizer, text: &str) -> Vec<u32> {
    chat.encoder.tokenizer().encode(text, false).unwrap().get_ids().to_vec()
}

#[test]
fn the_parts_are_the_whole_for_every_tokenizer_and_any_tokens() {
    let (mut whole_texts, mut broken) = (0, 0);
    for Fixture { name, chat, .. } in fixtures() {
        let chat = Arc::new(chat);
        let mut random = Random::new(11, &name);
        let vocabulary = chat.encoder.tokenizer().get_vocab_size(true) as u64;
        for round in 0..60 {
            let ids: Vec<u32> = if round % 3 == 0 {
                (0..random.below(30)).map(|_| random.below(vocabulary) as u32).collect()
            } else {
                tokens(&chat, &any_text::said(&mut random))
            };
            let whole = chat.decode(&ids).unwrap();
            let (parts, stopped) = streamed(TextStream::of_text(Arc::clone(&chat), &[]), &ids);
            assert!(!stopped);
            if whole.contains('\u{FFFD}') {
                // Bytes that are no text: what was given before them stays.
                broken += 1;
                continue;
            }
            whole_texts += 1;
            assert_eq!(parts.concat(), whole, "{name}: {ids:?}");
            let (parts, _) = streamed(TextStream::of_answer(Arc::clone(&chat), &[]), &ids);
            assert_eq!(parts.concat(), chat.answer(&ids).unwrap(), "{name}: {ids:?}");
        }
    }
    assert!(whole_texts > 400 && broken > 20, "{whole_texts} {broken}");
}

#[test]
fn characters_come_whole_and_bytes_that_are_none_are_shown() {
    let chat = Arc::new(chat(CHATML));
    let ids = tokens(&chat, "a🙂é");
    let (parts, _) = streamed(TextStream::of_text(Arc::clone(&chat), &[]), &ids);
    let parts: Vec<&str> = parts.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
    assert_eq!(parts, ["a", "🙂", "é"]);
    let smile = tokens(&chat, "🙂");
    assert!(smile.len() > 1, "the tokenizer has bytes");
    let (parts, _) = streamed(TextStream::of_text(Arc::clone(&chat), &[]), &smile[..smile.len() - 1]);
    assert_eq!(parts.concat(), chat.decode(&smile[..smile.len() - 1]).unwrap());
    // A model that says nothing but beginnings of characters is not kept for ever.
    let (parts, _) = streamed(TextStream::of_text(Arc::clone(&chat), &[]), &[smile[0]; 100]);
    assert!(parts[..50].concat().chars().count() > 30, "{parts:?}");
}

#[test]
fn a_text_that_ends_the_answer_is_found_across_tokens_and_nothing_of_it_is_given() {
    let chat = Arc::new(chat(CHATML));
    let stop = ["END.", "ENDE", "é"].map(String::from);
    for (text, expected, stops) in [
        ("we END. more", "we ", true),
        ("we ENDE. more", "we ", true),
        ("an EN", "an EN", false),
        ("an EENEND.", "an EEN", true),
        ("café END.", "caf", true),
        ("END.", "", true),
        ("", "", false),
        ("🙂EN🙂END🙂", "🙂EN🙂END🙂", false),
    ] {
        let ids = tokens(&chat, text);
        let mut stream = TextStream::of_text(Arc::clone(&chat), &stop);
        let mut given = String::new();
        for id in &ids {
            given.push_str(&stream.push(*id).unwrap());
            assert!(expected.starts_with(&given), "{text}: {given}");
            if stream.is_stopped() {
                break;
            }
        }
        assert_eq!(stream.is_stopped(), stops, "{text}");
        let (rest, stopped) = stream.finish().unwrap();
        assert_eq!((given + &rest, stopped), (expected.into(), stops), "{text}");
    }
}

/// Some templates write a space or an empty thought around every answer.
#[test]
fn what_the_template_writes_around_an_answer_is_left_out() {
    let template = CHATML
        .replace("m.content + '<|im_end|>", "(m.role == 'assistant' and '<t></t> ' or '') + m.content + ' .<|im_end|>");
    let chat = Arc::new(chat(&template));
    let (lead, tail) = chat.around();
    assert_eq!((lead, tail), ("<t></t> ", " ."));
    for (said, answer, stops) in [
        ("<t></t> yes .", "yes", false),
        ("<t></t> yes . no .", "yes . no", false),
        ("<t></t yes .", "<t></t yes", false),
        ("<t></", "<t></", false),
        ("yes", "yes", false),
        ("", "", false),
        ("<t></t> STOP .", "", true),
        ("<t></t> yes . STOP", "yes . ", true),
    ] {
        let ids = tokens(&chat, said);
        let (parts, stopped) = streamed(TextStream::of_answer(Arc::clone(&chat), &["STOP".into()]), &ids);
        assert_eq!((parts.concat().as_str(), stopped), (answer, stops), "{said}");
        if !stops {
            assert_eq!(answer, chat.answer(&ids).unwrap(), "{said}");
        }
    }
}
