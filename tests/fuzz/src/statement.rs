//! Statements of recorders and approvers: any envelope, and any payload that somebody signed.

use freehold_trust::{Envelope, IN_TOTO_TYPE, Role, Statement};

use crate::keys::{at, keys, root, signers};

/// The input as an envelope, and as a payload that is signed by keys which it decides itself.
pub fn run(data: &[u8]) {
    look(data, false);
    if let Ok(envelope) = Envelope::sign(IN_TOTO_TYPE, data, &signers(data)) {
        let by_recorder = signers(data).iter().any(|key| key.public().id() == keys()[0].public().id());
        look(&envelope.to_bytes(), by_recorder);
    }
}

fn look(envelope: &[u8], by_recorder: bool) {
    let roots = [root().clone()];
    let recorded = Statement::recorded_by(envelope, &roots, |_| Some((1, at(0))));
    match recorded {
        Ok((statement, by)) => {
            let known = root().keys_of(Role::Recorder);
            assert!(!by.is_empty() && by.iter().all(|key| known.contains_key(key)));
            assert!(by_recorder || envelope.len() > 64, "nobody signed it");
            assert!(statement.subject.len() <= envelope.len());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    // This trust root has no approvers: what nobody may sign, nobody signed.
    let approver = keys()[0].public().id();
    assert!(Statement::approved(envelope, &roots, (&approver, at(0)), |_| Some(1)).is_err());
}
