//! Who approved the model, when it was in use, and whose keys stand behind all that.

use std::collections::BTreeMap;

use freehold_trust::{KeyId, Role, VerifiedRoot};
use maud::{Markup, html};

use super::Facts;
use crate::audit::{Approval, Use};
use crate::page::elements::{badge, digest, key, keys, lines, note, or_dash, said, table, text, time};

pub(super) fn section(facts: &Facts) -> Markup {
    let model = &facts.run.explanation;
    let needed = facts.run.approvals_needed();
    let asks = match facts.run.approvals_asked() {
        Some(_) => "Before its alias moves, the recipe and the newest trust root ask for",
        None => "Its recipe asks for none before its alias moves; the newest trust root asks for",
    };
    let approvals: Vec<_> = model.approvals.iter().map(approval).collect();
    let uses: Vec<_> = model.uses.iter().map(used).collect();
    html! {
        h3 { "Approvals" }
        @if approvals.is_empty() {
            (note(&format!("Nobody approved it. {asks} {needed}.")))
        } @else {
            (table(
                &format!("Approvals, each verified. {asks} {needed}"),
                &["Approver", "Time (UTC)", "Counts", "Note", "Entry", "Statement"],
                &approvals,
            ))
        }
        h3 { "In use" }
        @if uses.is_empty() {
            (note("It never had an alias."))
        } @else {
            (table("When it was in use", &["Alias", "From (UTC)", "Until (UTC)", "Rests on the approvals of"], &uses))
        }
        h3 { "Keys" }
        (table("Keys behind this record", &["Key", "Id", "What it did", "Roles", "Now"], &key_rows(facts)))
        (roots(facts))
    }
}

fn approval(approval: &Approval) -> Vec<Markup> {
    let counts = html! {
        @match (&approval.revoked, approval.is_trainer) {
            (Some(why), _) => { (badge("deny", "no")) br; (said(why)) }
            (None, true) => { (badge("warn", "yes")) br; "the key also signed records of the run" }
            (None, false) => { (badge("allow", "yes")) }
        }
    };
    vec![
        key(&approval.approver),
        time(approval.time),
        counts,
        or_dash(approval.note.as_deref()),
        text(approval.entry.to_string()),
        digest(&approval.statement),
    ]
}

fn used(used: &Use) -> Vec<Markup> {
    let until = used.until.map_or_else(|| badge("allow", "now"), time);
    let approvers: Vec<String> = used.rests_on.iter().map(|approval| approval.approver.clone()).collect();
    let approvers = if approvers.is_empty() { or_dash(None) } else { keys(&approvers) };
    vec![text(&used.alias), time(used.from), until, approvers]
}

/// Every key that signed something here, with what it signed.
fn key_rows(facts: &Facts) -> Vec<Vec<Markup>> {
    let model = &facts.run.explanation;
    let mut signed: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut note = |id, what| {
        let acts = signed.entry(id).or_default();
        if !acts.contains(&what) {
            acts.push(what);
        }
    };
    model.recorded_by.iter().for_each(|id| note(id.as_str(), "recorded the run"));
    model.approvals.iter().for_each(|approval| note(approval.approver.as_str(), "approved the model"));
    model.plugins.iter().filter_map(|plugin| plugin.signer.as_deref()).for_each(|id| note(id, "signed plugins"));
    let row = |(id, acts): (&str, Vec<&str>)| {
        vec![key(id), html! { code.digest { (id) } }, lines(&acts), lines(&roles(facts, id)), now(facts, id)]
    };
    signed.into_iter().map(row).collect()
}

/// What the trust roots trust a key with: the one in force when the run was recorded, and the newest, under which it was approved.
fn roles(facts: &Facts, id: &str) -> Vec<String> {
    let is_key = |key: &KeyId| key.to_string() == id;
    let mut roles: Vec<String> = Vec::new();
    for root in [&facts.run.root, &facts.run.newest_root].into_iter().flatten() {
        let has = |role: &Role| root.roles.get(role).is_some_and(|members| members.keys.iter().any(is_key));
        let of_root = Role::ALL.into_iter().filter(has).map(|role| role.to_string());
        let rules = root.publishers.iter().filter(|rule| is_key(&rule.key));
        let published = rules.map(|rule| {
            let names: Vec<_> = rule.names.iter().map(ToString::to_string).collect();
            format!("publisher of {}", names.join(", "))
        });
        for role in of_root.chain(published) {
            if !roles.contains(&role) {
                roles.push(role);
            }
        }
    }
    roles
}

fn now(facts: &Facts, id: &str) -> Markup {
    let newest = facts.run.newest_root.as_ref();
    let revoked = newest.and_then(|root| root.revoked_keys.iter().find(|(key, _)| key.to_string() == id));
    html! {
        @match revoked {
            Some((_, why)) => { (badge("deny", "revoked")) br; (said(why.to_string())) }
            None => { (badge("allow", "good")) }
        }
    }
}

fn roots(facts: &Facts) -> Markup {
    let threshold = |root: &VerifiedRoot| {
        let role =
            |role: Role| Some(format!("{role} {} of {}", root.threshold_of(role), root.roles.get(&role)?.keys.len()));
        Role::ALL.into_iter().filter_map(role).collect::<Vec<_>>().join(", ")
    };
    html! {
        @if let Some(root) = &facts.run.root {
            p {
                "In force was trust root " (root.version) ", which has " (threshold(root)) " keys to sign, and expires at "
                (time(root.expires)) " UTC."
            }
        }
    }
}
