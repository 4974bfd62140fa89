//! What is trained on, as people see it: before a training and in what is told of a run.

use freehold_workflow::{Bin, NamedRow, Packing, SplitCounts, TooLong, Validation};

use crate::page::{headline, pairs, say, table};

/// Columns of the longest bar.
const BAR: u64 = 56;

/// A share in per cent.
fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// Some rows by name, and how many more there are.
fn named(first: &[NamedRow], all: u64) -> String {
    let names: Vec<String> = first.iter().map(NamedRow::to_string).collect();
    let more = all.saturating_sub(first.len() as u64);
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{rest}", names.join(", "))
}

/// The lines that are told before a training begins, and of it later.
pub(crate) fn in_short(validation: &Validation) -> Vec<(&'static str, String)> {
    let Validation { train, packing, .. } = validation;
    let SplitCounts { examples, tokens, learned, lengths, .. } = train;
    let share = percent(*learned, *tokens);
    vec![
        (
            "learned",
            format!("{learned} of {tokens} tokens ({share}) in {examples} examples, {} answers", train.answers),
        ),
        (
            "lengths",
            format!("{} to {} tokens, median {}, 95 % up to {}", lengths.min, lengths.max, lengths.median, lengths.p95),
        ),
        ("packed", steps(packing)),
    ]
}

fn steps(packing: &Packing) -> String {
    let Packing { steps, tokens_per_step, epochs, tokens, .. } = packing;
    let full = percent(*tokens, (*steps * *tokens_per_step) as u64);
    format!("{steps} steps of up to {tokens_per_step} tokens, {full} full; {tokens} tokens in {epochs} epochs")
}

/// What a run says of what it trained on.
pub(super) fn short(validation: &Validation) {
    headline("What was trained on");
    pairs(&in_short(validation));
}

/// All that was counted.
pub(super) fn page(validation: &Validation) {
    let Validation { train, eval, packing, end, .. } = validation;
    headline("What would be trained on");
    let row = |name: &str, of: &dyn Fn(&SplitCounts) -> String| vec![name.to_owned(), of(train), of(eval)];
    let share = |part: u64, counts: &SplitCounts| format!("{part} ({})", percent(part, counts.tokens));
    let rows = vec![
        row("rows", &|counts| counts.rows.to_string()),
        row("turns", &|counts| counts.turns.to_string()),
        row("answers", &|counts| counts.answers.to_string()),
        row("examples", &|counts| counts.examples.to_string()),
        row("tokens", &|counts| counts.tokens.to_string()),
        row("learned", &|counts| share(counts.learned, counts)),
        row("masked", &|counts| share(counts.masked, counts)),
        row("shortest, median", &|counts| format!("{}, {}", counts.lengths.min, counts.lengths.median)),
        row("95 % up to, longest", &|counts| format!("{}, {}", counts.lengths.p95, counts.lengths.max)),
    ];
    table(&["", "train", "held out"], rows);
    headline("Tokens of the training examples");
    histogram(&train.lengths.bins);
    headline("What is cut, masked and padded");
    let mut lines = vec![("too long", too_long(&train.too_long, "examples")), ("no room", no_room(&eval.too_long))];
    let nothing = &train.nothing_to_learn;
    lines.push(match nothing.rows {
        0 => ("masked", "no row has every token masked".into()),
        rows => {
            ("masked", format!("{rows} rows have every token masked; a run stops: {}", named(&nothing.first, rows)))
        }
    });
    let without = &train.without_end;
    lines.push(match without.rows {
        0 => ("ends", format!("every answer is learned to {end}, which stops generation")),
        rows => (
            "ends",
            format!("{rows} rows have an answer that does not end with {end}: {}", named(&without.first, rows)),
        ),
    });
    lines.push(("packed", steps(packing)));
    let Packing { sequences, longest_sequence, computed, padded_to_longest, padded_to_max, .. } = packing;
    lines.push(("at once", format!("{sequences} sequences of examples, the longest of {longest_sequence} tokens")));
    let saved = |padded: u64| percent(padded.saturating_sub(*computed), padded);
    lines.push((
        "padding",
        format!(
            "none: {} less is computed than padded to the longest of a sequence, {} less than padded to max_length",
            saved(*padded_to_longest),
            saved(*padded_to_max)
        ),
    ));
    pairs(&lines);
}

fn too_long(TooLong { limit, examples, tokens_beyond, first }: &TooLong, what: &str) -> String {
    match examples {
        0 => format!("none of the {what} has more than max_length = {limit} tokens"),
        _ => format!(
            "{examples} {what} have more than max_length = {limit} tokens, {tokens_beyond} in all; none is cut, a run \
             stops: {}",
            named(first, *examples)
        ),
    }
}

fn no_room(TooLong { limit, examples, first, .. }: &TooLong) -> String {
    match examples {
        0 => format!("no held-out prompt has more than the {limit} tokens that leave room for an answer"),
        _ => format!(
            "{examples} held-out prompts have more than the {limit} tokens that leave room for an answer; a run stops: {}",
            named(first, *examples)
        ),
    }
}

/// A line a bin.
fn histogram(bins: &[Bin]) {
    let most = bins.iter().map(|bin| bin.examples).max().unwrap_or(0).max(1);
    let names: Vec<String> = bins.iter().map(|bin| format!("{}-{}", bin.from, bin.to)).collect();
    let width = names.iter().map(String::len).max().unwrap_or(0);
    for (bin, name) in bins.iter().zip(names) {
        // What is there at all is seen.
        let bar = (bin.examples * BAR).div_ceil(most) as usize;
        say(format!("  {name:>width$}  {:>9}  {}", bin.examples, "█".repeat(bar)).trim_end());
    }
}
