//! The commands that show that the page is true.

use maud::{Markup, html};

use super::Facts;

pub(super) fn section(facts: &Facts) -> Markup {
    let run = &facts.run.explanation.run;
    let mut steps = vec![
        (
            format!("freehold --home HOME audit verify {run} --preregistered --root-key ROOT.pub.pem"),
            "Signatures, digests, the log and its order, and that the bars were set before the results. ROOT.pub.pem is the key of \
             the organisation, as you were told it by other means.",
        ),
        (
            format!("freehold --home HOME audit export {run} --format html | sha256sum"),
            "Has to give the digest of this file, as long as nothing new was recorded of the run.",
        ),
        (
            format!("freehold --home HOME audit show {run}"),
            "What this page is made of, with every file that was read and written.",
        ),
    ];
    if !facts.run.judged.is_empty() {
        let says = "Runs every metric and policy again from what was recorded; each has to give the same bytes.";
        // Records keep only the digests of files that plugins were granted. Their names are free texts, and no part of a command.
        let (metrics, policies) = (&facts.run.recipe.metric, &facts.run.recipe.policy);
        let grants = metrics.iter().flat_map(|it| &it.grants).chain(policies.iter().flat_map(|it| &it.grants));
        let assets: String = grants.map(|_| " --asset FILE").collect();
        steps.push((format!("freehold --home HOME audit replay {run}{assets}"), says));
    }
    if facts.run.trained.is_some() {
        let says =
            "Trains again from the recorded recipe with the data in PROJECT, and compares every output bit for bit.";
        steps.push((format!("freehold --home HOME reproduce {run} --folder PROJECT"), says));
    }
    html! {
        p {
            "None of these needs a network or a secret. HOME is the folder that holds the records, and what is wrong in it ends a "
            "command with exit code 4."
        }
        ol.steps { @for (command, says) in &steps { li { pre { (command) } p { (says) } } } }
    }
}
