//! What must hold whatever is said: dialogues of random pieces, for every template and tokenizer of the fixtures.

use super::*;
use crate::random::Random;

const PIECES: [&str; 28] = [
    " ",
    "\n",
    "  ",
    "the parcel",
    "depot",
    "Grüße",
    "🙂",
    "日本",
    "<think>",
    "</think>",
    "<|im_end|>",
    "<|im_start|>",
    "<|im_",
    "|>",
    "<",
    ">",
    "</s>",
    "<s>",
    "[EOS]",
    "[",
    "]",
    "<|eot|>",
    "<|begin|>",
    "assistant",
    "### Answer: ",
    "\t",
    "\u{a0}",
    "é",
];

pub(super) fn said(random: &mut Random) -> String {
    (0..random.below(7)).map(|_| PIECES[random.below(PIECES.len() as u64) as usize]).collect()
}

#[test]
fn prompts_are_served_as_learned_and_answers_end_whatever_is_said() {
    let (mut learned, mut refused) = (0, 0);
    for Fixture { name, chat, .. } in fixtures() {
        let mut random = Random::new(7, &name);
        for _ in 0..120 {
            let turns = 1 + random.below(3);
            let mut dialogue = Vec::new();
            for _ in 0..turns {
                dialogue.extend(messages(&[("user", &said(&mut random)), ("assistant", &said(&mut random))]));
            }
            let first = chat.template.render(&dialogue[..1], true, &chat.encoder.controls).unwrap();
            let tokens = chat.encoder.part(&first).unwrap().ids;
            let unknown = chat.encoder.tokenizer().token_to_id("[UNK]");
            let written =
                tokens.iter().filter(|id| chat.encoder.controls.contains(**id) && Some(**id) != unknown).count();
            assert_eq!(written, first.controls.len(), "{name}: {:?}", first.text);
            if name != "words" {
                let read = text(&chat, &tokens);
                assert_eq!(read.replace(' ', ""), first.text.replace(' ', ""), "{name}");
            }
            let examples = match chat.examples(&dialogue) {
                Ok(examples) => examples,
                Err(ChatError::WrittenEnd { .. } | ChatError::NotLocated { .. } | ChatError::Border { .. }) => {
                    refused += 1;
                    continue;
                }
                Err(error) => panic!("{name}: {error}: {dialogue:?}"),
            };
            for index in (1..dialogue.len()).step_by(2) {
                let prompt = chat.prompt(&dialogue[..index]).unwrap();
                let follows = |example: &&Example| example.ids.starts_with(&prompt) && example.mask[prompt.len()];
                assert!(examples.iter().any(|example| follows(&example)), "{name}: {dialogue:?}");
            }
            let ends = |example: &Example| {
                example.ids.last() == Some(&chat.end_of_turn().id) && example.mask.last() == Some(&true)
            };
            assert!(examples.iter().all(ends), "{name}: {dialogue:?}");
            learned += 1;
        }
    }
    assert!(learned > 800, "{learned} learned, {refused} refused");
}
