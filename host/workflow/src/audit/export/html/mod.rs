//! A run as one page for people: what an auditor asks, in the order in which it is asked.

mod data;
mod decision;
mod gaps;
mod metrics;
mod people;
mod plugins;
mod timeline;
mod training;
mod verdicts;
mod verification;

use maud::html;

use crate::audit::dossier::Dossier;
use crate::audit::{ProfileReport, profile};
use crate::page::{Page, Section};
use crate::run::{self, StepLine};
use crate::{Home, WorkflowError};

/// What the page is made of.
struct Facts {
    run: Dossier,
    profiles: Vec<ProfileReport>,
    /// What the home has of the steps of the training. No record speaks of it.
    steps: Option<Vec<StepLine>>,
}

/// The page of a run, finished or not.
pub(super) fn page(home: &Home, name: &str) -> Result<Vec<u8>, WorkflowError> {
    let run = Dossier::read(home, name)?;
    let profiles = profile::of_dossier(&run)?;
    // What is no evidence stops no page.
    let steps = run::steps(home, name).unwrap_or_default();
    Ok(document(&Facts { run, profiles, steps }))
}

fn document(facts: &Facts) -> Vec<u8> {
    let sections: [Section; 9] = [
        ("verdicts", "Verdicts of the policies", verdicts::section(facts)),
        ("metrics", "Metrics", metrics::section(facts)),
        ("data", "Base model and data", data::section(facts)),
        ("training", "Training", training::section(facts)),
        ("plugins", "Plugins", plugins::section(facts)),
        ("people", "Approvals, use and keys", people::section(facts)),
        ("statements", "Phases and statements", timeline::section(facts)),
        ("frameworks", "Frameworks: what is missing", gaps::section(facts)),
        ("verify", "How to verify it", verification::section(facts)),
    ];
    let name = &facts.run.explanation.run;
    let page = Page {
        title: format!("Run {name}: {}", decision::word(facts)),
        header: decision::header(facts),
        sections: &sections,
        footer: html! {
            p {
                "Written by freehold " (env!("CARGO_PKG_VERSION")) " from the records of run " bdi { (name) } ". "
                "The same records give the same page, byte for byte."
            }
        },
    };
    page.to_bytes()
}
