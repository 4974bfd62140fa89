//! Whether an adapter may be served. This is the only place that decides it: what is not known denies.

use freehold_core::digest::Digest;
use freehold_core::verdict::Decision;
use freehold_trust::VerifiedRoot;

use crate::Denial;
use crate::audit::MovedRun;

/// Why what a run made may not be served; `None` if it may. `labels` is what [`crate::may_serve`] says of the adapter.
pub(super) fn refusal(
    run: &MovedRun,
    adapter: &Digest,
    root: &VerifiedRoot,
    labels: Result<(), Denial>,
) -> Option<String> {
    if let Some(finding) = run.findings.first() {
        return Some(format!("{}: {}", finding.what, finding.problem));
    }
    let explained = match &run.explained {
        Ok(explained) => explained,
        Err(error) => return Some(error.to_string()),
    };
    if explained.decision != Some(Decision::Promoted) {
        return Some("its run was not promoted".into());
    }
    if explained.adapter != Some(*adapter) {
        return Some("its run made another adapter".into());
    }
    // Nobody signed is not the same as nobody was revoked.
    if run.signers.is_empty() {
        return Some("nobody signed its records".into());
    }
    if let Some((key, why)) = run.signers.iter().find_map(|key| Some((key, root.revoked_keys.get(key)?))) {
        return Some(format!("the key {} signed its records, {why}", key.short()));
    }
    let digests = [adapter, &explained.base.digest].into_iter();
    if let Some(why) = digests.filter_map(|digest| root.revoked_digests.get(digest)).next() {
        return Some(format!("its weights were {why}"));
    }
    let plugin = explained.plugins.iter().find_map(|plugin| Some((plugin, plugin.revoked.as_ref()?)));
    if let Some((plugin, why)) = plugin {
        return Some(format!("its run used {} {}, {why}", plugin.name, plugin.version));
    }
    labels.err().map(|denial| format!("{denial}; {}", denial.remedy()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use freehold_trust::{KeyId, Revocation, Role, SecretKey, TrustRoot};
    use jiff::Timestamp;

    use super::*;
    use crate::audit::{ExplainedBase, ExplainedPlugin, Explanation, Finding};

    fn key() -> KeyId {
        SecretKey::generate().unwrap().public().id()
    }

    fn verified(change: impl FnOnce(&mut TrustRoot)) -> VerifiedRoot {
        let key = SecretKey::generate().unwrap();
        let keys = [Role::Root, Role::Recorder, Role::Log].map(|role| (role, key.public()));
        let mut root = TrustRoot::first("2100-01-01T00:00:00Z".parse().unwrap(), keys);
        change(&mut root);
        VerifiedRoot::first(&root.sign(&[&key]).unwrap().to_bytes()).unwrap()
    }

    fn plugin(revoked: Option<&str>) -> ExplainedPlugin {
        ExplainedPlugin {
            name: "acme/redact".into(),
            version: "1.0.0".into(),
            used_as: Vec::new(),
            component: Digest::of(b"component"),
            manifest: Digest::of(b"manifest"),
            signer: None,
            revoked: revoked.map(str::to_owned),
            yanked: None,
        }
    }

    fn explained() -> Explanation {
        let base = ExplainedBase { name: "m".into(), digest: Digest::of(b"base"), license: None, commit: None };
        Explanation {
            run: "desk-1".into(),
            adapter: Some(Digest::of(b"adapter")),
            started: Timestamp::UNIX_EPOCH,
            finished: Timestamp::UNIX_EPOCH,
            trust_root: 1,
            recorded_by: Vec::new(),
            base,
            data: Vec::new(),
            plugins: vec![plugin(None)],
            metrics: Vec::new(),
            policies: Vec::new(),
            decision: Some(Decision::Promoted),
            reason: None,
            approvals: Vec::new(),
            uses: Vec::new(),
            labels: None,
            spent: None,
        }
    }

    fn run(change: impl FnOnce(&mut Explanation)) -> MovedRun {
        let mut explained = explained();
        change(&mut explained);
        MovedRun { findings: Vec::new(), explained: Ok(explained), signers: [key()].into() }
    }

    fn refused(run: &MovedRun, root: &VerifiedRoot) -> String {
        refusal(run, &Digest::of(b"adapter"), root, Ok(())).unwrap_or_default()
    }

    #[test]
    fn only_what_is_verified_promoted_and_unrevoked_is_served() {
        let root = verified(|_| {});
        assert_eq!(refused(&run(|_| {}), &root), "");
        assert_eq!(refused(&run(|explained| explained.plugins.clear()), &root), "");
        let found = |what: &str| Finding { what: what.into(), problem: "changed".into() };
        for (run, why) in [
            (MovedRun { findings: vec![found("a"), found("b")], ..run(|_| {}) }, "a: changed"),
            (
                MovedRun {
                    explained: Err(crate::WorkflowError::NoRun { run: "x".into(), hint: "".into() }),
                    ..run(|_| {})
                },
                "no run `x`",
            ),
            (MovedRun { signers: BTreeSet::new(), ..run(|_| {}) }, "nobody signed"),
            (run(|explained| explained.decision = None), "not promoted"),
            (run(|explained| explained.decision = Some(Decision::Denied)), "not promoted"),
            (run(|explained| explained.adapter = None), "another adapter"),
            (run(|explained| explained.adapter = Some(Digest::of(b"other"))), "another adapter"),
            (
                run(|explained| explained.plugins.push(plugin(Some("revoked: stolen")))),
                "acme/redact 1.0.0, revoked: stolen",
            ),
        ] {
            assert!(refused(&run, &root).contains(why), "{why}: {}", refused(&run, &root));
        }
    }

    #[test]
    fn what_a_label_forbids_is_not_served() {
        let (run, root) = (run(|_| {}), verified(|_| {}));
        let denial = Denial::of_labels("the adapter", "may not be at `us`", "change `residency.rules`");
        let why = refusal(&run, &Digest::of(b"adapter"), &root, Err(denial)).unwrap_or_default();
        assert_eq!(why, "the adapter may not be at `us`; change `residency.rules`");
    }

    #[test]
    fn what_the_trust_root_revokes_is_not_served() {
        let revocation = || Revocation { reason: "stolen".into(), time: Timestamp::UNIX_EPOCH };
        let signed = run(|_| {});
        let signer = *signed.signers.first().unwrap();
        let others: BTreeMap<KeyId, Revocation> = [(key(), revocation())].into();
        assert_eq!(refused(&signed, &verified(|root| root.revoked_keys = others)), "");
        let own: BTreeMap<KeyId, Revocation> = [(signer, revocation())].into();
        assert!(refused(&signed, &verified(|root| root.revoked_keys = own)).contains("signed its records, revoked"));
        for (digest, refuses) in [(&b"adapter"[..], true), (b"base", true), (b"other", false)] {
            let revoked = [(Digest::of(digest), revocation())].into();
            let why = refused(&signed, &verified(|root| root.revoked_digests = revoked));
            assert_eq!(why.contains("weights were revoked"), refuses, "{why}");
        }
    }
}
