//! Where data and what is made of them may be, and what may be done with it: rules of the operator, in `host.toml`. A flow that breaks
//! one is denied before a byte moves.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use freehold_core::digest::Digest;
use freehold_core::labels::{Broken, LICENSE, Labels, RESIDENCY, Values, flow};
use freehold_core::lock::LockedStart;
use freehold_core::name::Alias;
use freehold_core::toml_text::span_of;
use freehold_store::Blobs;
use serde::Deserialize;

use crate::host::{HOST_FILE, Wrong};
use crate::{Home, Project, WorkflowError};

/// Annotation of an adapter's manifest: its labels, in JSON.
pub(crate) const LABELS: &str = "dev.freehold.labels";

/// `[residency]`
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ResidencyTable {
    /// Where this home is.
    place: Option<String>,
    /// `[residency.rules]`: the places at which data with a label may be. Without any, all data may be anywhere.
    rules: BTreeMap<String, BTreeSet<String>>,
}

/// `[licenses]`
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LicensesTable {
    /// Labels of what may be promoted, served and exported; everything if not said. Each is compared as a whole.
    allow: Option<BTreeSet<String>>,
}

/// `[aliases."NAME"]`
#[derive(Debug, Default, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct AliasTable {
    /// The licenses of what it may name; all if not said.
    licenses: Option<BTreeSet<String>>,
    /// The residency of what it may name; all if not said.
    residency: Option<BTreeSet<String>>,
}

/// The rules of a home.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct LabelRules {
    place: String,
    /// The residencies of what may be here, if there is a rule.
    here: Option<BTreeSet<String>>,
    licenses: Option<BTreeSet<String>>,
    aliases: BTreeMap<Alias, AliasTable>,
}

impl LabelRules {
    /// Checks the tables; an error if there are rules of places, and nobody says where this is.
    pub(crate) fn of(
        residency: ResidencyTable,
        licenses: LicensesTable,
        aliases: BTreeMap<Alias, AliasTable>,
    ) -> Result<Self, Wrong> {
        let ResidencyTable { place, rules } = residency;
        let place = place.unwrap_or_default();
        if place.trim().is_empty() && !rules.is_empty() {
            let message = "there are `residency.rules`, and nobody says at which place this home is".into();
            return Err((&["residency"], message, "write it, such as `place = \"eu\"`"));
        }
        let labels = rules.iter().filter(|(_, places)| places.contains(&place)).map(|(label, _)| label.clone());
        let here = (!rules.is_empty()).then(|| labels.collect());
        Ok(Self { place, here, licenses: licenses.allow, aliases })
    }
}

/// A flow that a rule does not allow.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {problem}")]
pub struct Denial {
    what: String,
    problem: String,
    remedy: String,
    /// The part of the recipe that it is about: file, text and bytes.
    place: Option<Box<(String, String, Range<usize>)>>,
}

impl Denial {
    /// One whose words are known.
    #[cfg(test)]
    pub(crate) fn of_labels(what: &str, problem: &str, remedy: &str) -> Self {
        Self { what: what.into(), problem: problem.into(), remedy: remedy.into(), place: None }
    }

    /// What has to change for it to be allowed.
    pub fn remedy(&self) -> &str {
        &self.remedy
    }

    /// The part of the recipe that it is about, if there is one: file, text and bytes.
    pub fn place(&self) -> Option<(&str, &str, Range<usize>)> {
        let (file, document, span) = self.place.as_deref()?;
        Some((file.as_str(), document.as_str(), span.clone()))
    }

    /// What cannot be known is denied.
    fn unreadable(what: String, error: &WorkflowError) -> Self {
        let remedy =
            error.remedy().unwrap_or_else(|| "`freehold audit verify` says what is wrong with the home".into());
        Self { what, problem: format!("has labels that cannot be read: {error}"), remedy, place: None }
    }
}

/// A rule for one label: what it is about, what it allows, and the key of `host.toml` that would have to change.
struct Rule<'r> {
    label: &'static str,
    values: &'r Values,
    allowed: Option<&'r BTreeSet<String>>,
    whither: String,
    key: String,
}

impl Rule<'_> {
    fn ask(&self, what: &str) -> Result<(), Denial> {
        let Err(broken) = flow(self.values, self.allowed) else { return Ok(()) };
        let Self { label, whither, key, .. } = self;
        let remedy = match broken {
            Broken::NotAllowed(_) => {
                format!("change `{key}` in {HOST_FILE} of the home, or leave out what has this label")
            }
            Broken::Unlabelled | Broken::Nothing => {
                format!("say `labels.{label}` of every dataset and `base.license` in the recipe, and run again")
            }
        };
        let problem = format!("may not {whither}: its {label} has {broken}");
        Err(Denial { what: what.into(), problem, remedy, place: None })
    }
}

impl LabelRules {
    fn here<'r>(&'r self, values: &'r Values) -> Rule<'r> {
        let whither = format!("be at `{}`", self.place);
        Rule { label: RESIDENCY, values, allowed: self.here.as_ref(), whither, key: "residency.rules".into() }
    }

    fn licensed<'r>(&'r self, values: &'r Values) -> Rule<'r> {
        let whither = "be promoted, served or exported".into();
        Rule { label: LICENSE, values, allowed: self.licenses.as_ref(), whither, key: "licenses.allow".into() }
    }

    /// Whether a model with these labels may be used here, and under this alias.
    fn may_use(&self, what: &str, labels: &Labels, alias: Option<&Alias>) -> Result<(), Denial> {
        self.here(&labels.residency).ask(what)?;
        self.licensed(&labels.license).ask(what)?;
        let Some((alias, table)) = alias.and_then(|alias| self.aliases.get_key_value(alias)) else { return Ok(()) };
        let rule = |label, values, allowed, name: &str| {
            let key = format!("aliases.\"{alias}\".{name}");
            Rule { label, values, allowed, whither: format!("have the alias `{alias}`"), key }
        };
        rule(RESIDENCY, &labels.residency, table.residency.as_ref(), "residency").ask(what)?;
        rule(LICENSE, &labels.license, table.licenses.as_ref(), "licenses").ask(what)
    }
}

/// Whether the data of a recipe may be here, and what comes of them may have its alias. Asked before anything of them is read.
///
/// # Errors
/// They may not, or the rules cannot be read.
pub(crate) fn may_run(home: &Home, project: &Project) -> Result<(), WorkflowError> {
    let (rules, recipe) = (home.label_rules()?, &project.recipe);
    for (place, data) in recipe.data.iter().enumerate() {
        let label = data.labels.get(RESIDENCY);
        let Err(mut denial) =
            rules.here(&Values::of(label.map(String::as_str))).ask(&format!("dataset `{}`", data.name))
        else {
            continue;
        };
        let place = place.to_string();
        let path =
            [&["data", place.as_str()][..], if label.is_some() { &["labels", RESIDENCY] } else { &["name"] }].concat();
        denial.locate(project, &path);
        return Err(denial.into());
    }
    let Some(promote) = &recipe.promote else { return Ok(()) };
    let made = format!("what `{}` makes", recipe.run.name);
    rules.may_use(&made, &Labels::of(recipe), Some(&promote.alias)).map_err(|mut denial| {
        denial.locate(project, &["promote", "alias"]);
        denial.into()
    })
}

/// Whether the adapter that a recipe trains further may be here, and what comes of it and the data may have the recipe's alias.
///
/// # Errors
/// They may not, or that cannot be known.
pub(crate) fn may_start(home: &Home, project: &Project, start: &LockedStart) -> Result<(), WorkflowError> {
    let (rules, recipe) = (home.label_rules()?, &project.recipe);
    let mut labels = labels_of(&home.store()?, &start.digest)?;
    let what = format!("`{}`, which is trained further,", start.name);
    let mut asked = rules.here(&labels.residency).ask(&what);
    if let (Ok(()), Some(promote)) = (&asked, &recipe.promote) {
        labels.add(Labels::of(recipe));
        asked = rules.may_use(&format!("what `{}` makes", recipe.run.name), &labels, Some(&promote.alias));
    }
    asked.map_err(|mut denial| {
        denial.locate(project, &["start", "adapter"]);
        denial.into()
    })
}

impl Denial {
    /// Says in which line of the recipe it is.
    fn locate(&mut self, project: &Project, path: &[&str]) {
        let Some(span) = span_of(&project.document, path) else { return };
        let line = project.document.as_bytes().iter().take(span.start).filter(|&&byte| byte == b'\n').count() + 1;
        let file = &project.recipe_file;
        self.what = format!("{} ({file}, line {line})", self.what);
        self.place = Some(Box::new((file.clone(), project.document.clone(), span)));
    }
}

/// Whether an adapter may have an alias.
///
/// # Errors
/// It may not, or that cannot be known.
pub(crate) fn may_promote(home: &Home, adapter: &Digest, alias: &Alias) -> Result<(), Denial> {
    asked(home, adapter, Some(alias))
}

/// Whether an adapter of the store may be served: under its digest, or under an alias. Who serves asks this before it reads the
/// adapter, and again when an alias moved.
///
/// # Errors
/// It may not, or that cannot be known.
pub fn may_serve(home: &Home, adapter: &Digest, alias: Option<&Alias>) -> Result<(), Denial> {
    asked(home, adapter, alias)
}

/// Whether an adapter may be written to a place outside the home.
///
/// # Errors
/// It may not, or that cannot be known.
pub fn may_export(home: &Home, adapter: &Digest) -> Result<(), Denial> {
    asked(home, adapter, None)
}

fn asked(home: &Home, adapter: &Digest, alias: Option<&Alias>) -> Result<(), Denial> {
    let what = format!("the adapter {}", adapter.short());
    let known = home.label_rules().and_then(|rules| Ok((rules, labels_of(&home.store()?, adapter)?)));
    let (rules, labels) = known.map_err(|error| Denial::unreadable(what.clone(), &error))?;
    rules.may_use(&what, &labels, alias)
}

/// The labels of an adapter of the store. Those that earlier versions made have none.
pub(crate) fn labels_of(store: &dyn Blobs, adapter: &Digest) -> Result<Labels, WorkflowError> {
    match store.artifact(adapter)?.annotations.get(LABELS) {
        Some(labels) => serde_json::from_str(labels)
            .map_err(crate::statements::malformed(format!("labels of the adapter {adapter}"))),
        None => Ok(Labels::unknown()),
    }
}
