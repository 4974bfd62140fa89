//! Moves an alias to what a run made, when somebody says so: the policies let it pass before, and whoever has to approve has.

use freehold_core::digest::Digest;
use freehold_core::name::Alias;
use freehold_core::record::Phase;
use freehold_core::verdict::Decision;
use schemars::JsonSchema;
use serde::Serialize;

use crate::aliases::{self, AliasState, Promotion};
use crate::audit::{self, Candidate, RestsOn, counting};
use crate::statements::Recorder;
use crate::{Home, WorkflowError, labels};

/// An alias that was moved to what a run made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Promoted {
    /// The run.
    pub run: String,
    /// The alias.
    pub alias: Alias,
    /// The adapter that it names now.
    pub adapter: Digest,
    /// What it named before.
    pub previous: Option<AliasState>,
    /// The approvals that the move rests on; none if nobody had to approve.
    pub rests_on: Vec<RestsOn>,
    /// The ledger's entry that says so.
    pub entry: u64,
}

/// Why an alias does not move.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The run is not finished.
    #[error("it has no decision yet")]
    Undecided,
    /// It was denied.
    #[error("it was denied: {0}")]
    Denied(String),
    /// Its record does not show what it claims.
    #[error("its record does not show that stage {0} was passed")]
    NotPassed(Phase),
    /// Something that it used is not trusted any more.
    #[error("it used {0}")]
    Revoked(String),
    /// The alias was moved for it before.
    #[error("the alias was moved for it before")]
    Before,
    /// The alias names something else than the run was compared with.
    #[error("the alias was moved after the run was compared with what it named: {now} now, {compared} then")]
    Superseded {
        /// What it names now.
        now: String,
        /// What the run was compared with.
        compared: String,
    },
    /// The alias is not the one of the recipe, and is in use.
    #[error("its recipe promotes to {recipe}; this alias names {now}, with which the run was never compared")]
    OtherAlias {
        /// The alias of the recipe, or that it has none.
        recipe: String,
        /// What this one names.
        now: String,
    },
    /// Fewer than needed have approved.
    #[error("{needed} have to approve, and {counted} of {given} approvals count{}", why(*trainers, *revoked))]
    Approvals {
        /// How many have to.
        needed: usize,
        /// How many count.
        counted: usize,
        /// How many there are.
        given: usize,
        /// Of these, by keys that signed the run's records.
        trainers: usize,
        /// Of these, by keys that were revoked since.
        revoked: usize,
    },
}

fn why(trainers: usize, revoked: usize) -> String {
    let told = [(trainers, "by who trained it"), (revoked, "by keys that were revoked")];
    told.iter().filter(|(count, _)| *count > 0).map(|(count, whose)| format!("; {count} {whose}")).collect()
}

impl Refusal {
    /// What to do about it.
    pub(crate) fn remedy(&self, run: &str) -> String {
        match self {
            Self::Undecided => "run its recipe again: it goes on to a decision".into(),
            Self::Denied(_) | Self::NotPassed(_) => format!("`freehold audit explain {run}` shows what every policy said"),
            Self::Revoked(_) => "run again without it: `freehold plugin list` shows what there is".into(),
            Self::Before => format!("go back to it with `freehold rollback ALIAS --to {run}`"),
            Self::Superseded { .. } => "run again, to be compared with what is there now".into(),
            Self::OtherAlias { .. } => {
                "name the alias of its recipe or one that names nothing yet, or change `promote.alias` in the recipe and run again"
                    .into()
            }
            Self::Approvals { .. } => format!(
                "`freehold approve {run} --key KEY` approves it, with keys in role approver that did not train it; `freehold audit \
                 approvals {run} --distinct-from trainer` shows who has"
            ),
        }
    }
}

/// Moves `alias`, or else that of the recipe, to what `run` made. No other run decides meanwhile.
///
/// # Errors
/// The run may not have the alias, see [`Refusal`]; there is no such run, or its recipe has no alias and none is said; a record
/// does not hold or cannot be written.
pub fn promote(home: &Home, run: &str, alias: Option<&Alias>) -> Result<Promoted, WorkflowError> {
    // What it was compared with stays what the alias names.
    let _deciding = home.lock(aliases::LOCK)?;
    let recorder = Recorder::open(home)?;
    let candidate = audit::candidate(home, run)?;
    let alias = alias.or(candidate.alias.as_ref()).ok_or_else(|| WorkflowError::NoAlias { run: run.into() })?.clone();
    let refused = |refusal| WorkflowError::Promotion { run: run.into(), alias: alias.to_string(), refusal };
    let now = aliases::after(&recorder.ledger.entries()?).remove(&alias.to_string());
    let (record, adapter) = judge(&candidate, &alias, now.as_ref()).map_err(refused)?;
    labels::may_promote(home, &adapter, &alias)?;
    for (_, file) in &recorder.store.artifact(&adapter)?.files {
        recorder.store.verify(file)?;
    }
    let rests_on = candidate.needed.map(|_| counting(&candidate.approvals, true)).unwrap_or_default();
    let approvals = rests_on.iter().map(|approval| approval.statement).collect();
    let promotion = Promotion { adapter, run, record, expected: now.map(|state| state.adapter), approvals };
    let (previous, entry) = aliases::promote(&recorder, &alias, promotion)?;
    let rests_on = rests_on
        .into_iter()
        .map(|approval| RestsOn { approver: approval.approver.clone(), statement: approval.statement });
    Ok(Promoted { run: run.into(), adapter, previous, rests_on: rests_on.collect(), entry, alias })
}

/// Whether a run may have an alias that names `now`; gives the statement of its decision, and its adapter.
fn judge(candidate: &Candidate, alias: &Alias, now: Option<&AliasState>) -> Result<(Digest, Digest), Refusal> {
    let (Some(decision), Some(record)) = (candidate.decision, candidate.record) else { return Err(Refusal::Undecided) };
    let (Decision::Promoted, Some(adapter)) = (decision, candidate.adapter) else {
        return Err(Refusal::Denied(candidate.reason.clone().unwrap_or_else(|| "the record gives no reason".into())));
    };
    if let Some(phase) = candidate.not_passed {
        return Err(Refusal::NotPassed(phase));
    }
    if let Some(revoked) = &candidate.revoked {
        return Err(Refusal::Revoked(revoked.clone()));
    }
    if candidate.named_by.contains(alias) {
        return Err(Refusal::Before);
    }
    let own = candidate.alias.as_ref() == Some(alias);
    if !may_follow(own, now.map(|state| &state.adapter), candidate.compared.as_ref()) {
        let named = now.map_or_else(|| "nothing".into(), |state| format!("what {} made", state.run));
        let recipe = candidate.alias.as_ref().map_or_else(|| "no alias".into(), |alias| format!("`{alias}`"));
        let compared = candidate.compared.map_or_else(|| "nothing".into(), |compared| compared.short());
        return Err(match own {
            true => Refusal::Superseded { now: named, compared },
            false => Refusal::OtherAlias { recipe, now: named },
        });
    }
    enough(candidate)?;
    Ok((record, adapter))
}

/// Whether what a run made may follow what an alias names. An alias that is in use is given to what was compared with it, that of
/// the recipe as well as any other; one that names nothing, to what names it in its recipe if there was nothing to compare with,
/// and to others.
pub(crate) fn may_follow(own: bool, now: Option<&Digest>, compared: Option<&Digest>) -> bool {
    now == compared || (!own && now.is_none())
}

/// Whether enough have approved, where anybody has to.
fn enough(candidate: &Candidate) -> Result<(), Refusal> {
    let Some(needed) = candidate.needed else { return Ok(()) };
    let counted = counting(&candidate.approvals, true).len();
    if counted >= needed {
        return Ok(());
    }
    let revoked = candidate.approvals.iter().filter(|approval| approval.revoked.is_some()).count();
    let trainers =
        candidate.approvals.iter().filter(|approval| approval.is_trainer && approval.revoked.is_none()).count();
    Err(Refusal::Approvals { needed, counted, given: candidate.approvals.len(), trainers, revoked })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_table() {
        let [one, two] = [b"1", b"2"].map(|bytes| Digest::of(bytes));
        for (own, now, compared, may) in [
            (true, None, None, true),
            (true, Some(&one), Some(&one), true),
            (true, Some(&two), Some(&one), false),
            (true, Some(&one), None, false),
            (true, None, Some(&one), false),
            (false, None, None, true),
            (false, None, Some(&one), true),
            (false, Some(&one), Some(&one), true),
            (false, Some(&two), Some(&one), false),
            (false, Some(&one), None, false),
        ] {
            assert_eq!(may_follow(own, now, compared), may, "{own} {now:?} {compared:?}");
        }
    }
}
