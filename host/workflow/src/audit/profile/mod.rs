//! Frameworks that others wrote, held against a run: which of their items the records of the run answer, which they do not, and
//! which the organisation has to answer itself. A profile is a file that maps items to kinds of evidence. It says that evidence is
//! there, not that it is good enough, and is no legal advice.

mod evidence;
mod exhibit;
mod file;

use schemars::JsonSchema;
use serde::Serialize;

use super::dossier::Dossier;
use crate::{Home, WorkflowError};

pub use evidence::EvidenceKind;
pub use exhibit::{Exhibit, Standing};
use file::{Item, Profile};

/// The profiles that come with the program.
const BUILT_IN: [(&str, &str); 4] = [
    ("eu-ai-act-annex-iv", include_str!("../../../profiles/eu-ai-act-annex-iv.toml")),
    ("eu-ai-act-art-12", include_str!("../../../profiles/eu-ai-act-art-12.toml")),
    ("nist-ai-rmf", include_str!("../../../profiles/nist-ai-rmf.toml")),
    ("sr-26-2", include_str!("../../../profiles/sr-26-2.toml")),
];

/// A profile that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProfileChoice {
    /// One that comes with the program.
    Named(String),
    /// A file of one's own.
    File {
        /// Its name, for errors.
        file: String,
        /// Its text.
        document: String,
    },
}

/// A profile in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProfileSummary {
    /// Its name.
    pub name: String,
    /// The framework.
    pub title: String,
    /// Where the items come from.
    pub source: String,
    /// How many items it has.
    pub items: usize,
    /// How many of them only the organisation can answer.
    pub documents: usize,
}

/// What becomes of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ItemState {
    /// All the evidence that it names is in the records.
    Answered,
    /// Some is; or all is, and a part is for the organisation to write.
    Partly,
    /// None of the evidence that it names is in the records.
    Missing,
    /// Records cannot answer it: it is for the organisation to write.
    ToBeWritten,
}

impl ItemState {
    /// Every state, in the order in which they are counted.
    pub const ALL: [Self; 4] = [Self::Answered, Self::Partly, Self::Missing, Self::ToBeWritten];

    /// As people read it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Partly => "partly",
            Self::Missing => "missing",
            Self::ToBeWritten => "to be written",
        }
    }

    fn of(exhibits: &[Exhibit], to_write: bool) -> Self {
        let all = |standing: Standing| exhibits.iter().all(|exhibit| exhibit.standing == standing);
        match exhibits {
            [] => Self::ToBeWritten,
            _ if all(Standing::Missing) => Self::Missing,
            _ if all(Standing::There) && !to_write => Self::Answered,
            _ => Self::Partly,
        }
    }
}

/// An item of a framework, held against a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ItemReport {
    /// Its number in the framework.
    pub id: String,
    /// What it asks for.
    pub title: String,
    /// What becomes of it.
    pub state: ItemState,
    /// The evidence that it names.
    pub exhibits: Vec<Exhibit>,
    /// What the organisation has to write.
    pub document: Option<String>,
}

/// A framework, held against a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ProfileReport {
    /// The run.
    pub run: String,
    /// The profile.
    pub profile: String,
    /// The framework.
    pub title: String,
    /// Where the items come from.
    pub source: String,
    /// The address of the source.
    pub url: Option<String>,
    /// What a reader has to know about it.
    pub note: Option<String>,
    /// Its items, in their order.
    pub items: Vec<ItemReport>,
}

impl ProfileReport {
    /// How many items are in a state.
    pub fn count(&self, state: ItemState) -> usize {
        self.items.iter().filter(|item| item.state == state).count()
    }

    /// Whether all the evidence that the items name is in the records; what is for the organisation to write does not count.
    pub fn has_all_evidence(&self) -> bool {
        self.items.iter().flat_map(|item| &item.exhibits).all(|exhibit| exhibit.standing == Standing::There)
    }

    fn of(profile: &Profile, dossier: &Dossier) -> Self {
        let item = |item: &Item| {
            let exhibits: Vec<_> = item.evidence.iter().map(|kind| exhibit::find(*kind, dossier)).collect();
            let state = ItemState::of(&exhibits, item.document.is_some());
            let (id, title, document) = (item.id.clone(), item.title.clone(), item.document.clone());
            ItemReport { id, title, state, exhibits, document }
        };
        Self {
            run: dossier.explanation.run.clone(),
            profile: profile.name.clone(),
            title: profile.title.clone(),
            source: profile.source.clone(),
            url: profile.url.clone(),
            note: profile.note.clone(),
            items: profile.item.iter().map(item).collect(),
        }
    }
}

/// The profiles that come with the program.
///
/// # Errors
/// One of them is malformed, which a test excludes.
pub fn profiles() -> Result<Vec<ProfileSummary>, WorkflowError> {
    let summary = |profile: Profile| ProfileSummary {
        items: profile.item.len(),
        documents: profile.item.iter().filter(|item| item.evidence.is_empty()).count(),
        name: profile.name,
        title: profile.title,
        source: profile.source,
    };
    Ok(built_in()?.into_iter().map(summary).collect())
}

/// Holds profiles against a run: those that are asked for, or all that come with the program.
///
/// # Errors
/// There is no such run or profile; a file is no profile; a record cannot be read.
pub fn profile_run(home: &Home, run: &str, choices: &[ProfileChoice]) -> Result<Vec<ProfileReport>, WorkflowError> {
    let chosen = match choices {
        [] => built_in()?,
        _ => choices.iter().map(choose).collect::<Result<_, _>>()?,
    };
    let dossier = Dossier::read(home, run)?;
    Ok(chosen.iter().map(|profile| ProfileReport::of(profile, &dossier)).collect())
}

/// All profiles that come with the program, held against a run that was read.
pub(super) fn of_dossier(dossier: &Dossier) -> Result<Vec<ProfileReport>, WorkflowError> {
    Ok(built_in()?.iter().map(|profile| ProfileReport::of(profile, dossier)).collect())
}

fn built_in() -> Result<Vec<Profile>, WorkflowError> {
    BUILT_IN.iter().map(|(name, document)| Profile::parse(&format!("{name}.toml"), document)).collect()
}

fn choose(choice: &ProfileChoice) -> Result<Profile, WorkflowError> {
    let name = match choice {
        ProfileChoice::File { file, document } => return Profile::parse(file, document),
        ProfileChoice::Named(name) => name,
    };
    if let Some((_, document)) = BUILT_IN.iter().find(|(known, _)| known == name) {
        return Profile::parse(&format!("{name}.toml"), document);
    }
    let names = BUILT_IN.iter().map(|(name, _)| *name);
    let hint = match freehold_core::toml_text::nearest(name, names) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => {
            "`freehold audit profile` lists them; a file of your own is named with its folder or its ending `.toml`"
                .into()
        }
    };
    Err(WorkflowError::NoProfile { profile: name.clone(), hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_an_item_follows_from_its_evidence() {
        use Standing::{Missing, Partly, There};
        for (standings, to_write, state) in [
            (&[][..], false, ItemState::ToBeWritten),
            (&[], true, ItemState::ToBeWritten),
            (&[There], false, ItemState::Answered),
            (&[There], true, ItemState::Partly),
            (&[There, There], false, ItemState::Answered),
            (&[There, Missing], false, ItemState::Partly),
            (&[Partly], false, ItemState::Partly),
            (&[Partly, Missing], false, ItemState::Partly),
            (&[Missing], false, ItemState::Missing),
            (&[Missing, Missing], true, ItemState::Missing),
        ] {
            let exhibit = |standing: &Standing| Exhibit {
                evidence: EvidenceKind::Decision,
                standing: *standing,
                says: String::new(),
                entry: None,
            };
            let exhibits: Vec<_> = standings.iter().map(exhibit).collect();
            assert_eq!(ItemState::of(&exhibits, to_write), state, "{standings:?} {to_write}");
        }
    }

    #[test]
    fn what_comes_with_the_program_is_well_formed_and_named_as_it_says() {
        let profiles = built_in().unwrap();
        let names: Vec<_> = profiles.iter().map(|profile| profile.name.as_str()).collect();
        assert_eq!(names, BUILT_IN.map(|(name, _)| name));
        let used: Vec<_> = profiles.iter().flat_map(|profile| &profile.item).flat_map(|item| &item.evidence).collect();
        for kind in EvidenceKind::ALL {
            assert!(used.contains(&kind), "no profile asks for {}", kind.as_str());
        }
    }
}
