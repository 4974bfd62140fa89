//! An insider with every key of the home writes entries that the run does not support. Verification says what does not fit.

#![expect(clippy::unwrap_used, reason = "tests")]

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_core::digest::Digest;
use freehold_core::record::{Entry, Phase, Subject};
use freehold_ledger::Ledger;
use freehold_store::Store;
use freehold_tests::{Outcome, Project, Recipe};
use freehold_trust::{ResourceDescriptor, SecretKey, Statement};
use jiff::Timestamp;
use serde_json::{Value, json};

const ALIAS_TYPE: &str = "urn:freehold:alias:v1";
const PHASE_TYPE: &str = "urn:freehold:phase:v1";

/// The books of a project in the hands of an insider.
struct Insider {
    project: Project,
    store: Store,
    ledger: Ledger,
    recorder: SecretKey,
    log: SecretKey,
}

impl Insider {
    fn of(project: Project) -> Self {
        let open = |folder: &str| Dir::open_ambient_dir(project.path().join(folder), ambient_authority()).unwrap();
        let key = |name: &str| {
            SecretKey::from_pem(&String::from_utf8(project.read(&format!("home/keys/{name}.pem"))).unwrap()).unwrap()
        };
        let (recorder, log) = (key("recorder"), key("log"));
        let origin = format!("freehold-log/{}", log.public().id().short());
        let ledger = Ledger::open(open("home/ledger"), &origin, log.public());
        let store = Store::open(open("home/store")).unwrap();
        Self { project, store, ledger, recorder, log }
    }

    /// The books after a promoted run, `desk-1`, and one that was denied, `desk-2`.
    fn after_two_runs() -> Self {
        let project = Project::new();
        project.run_recipe(&Recipe::default()).expect(0);
        let policies = Recipe::default().policies.replace("minimum = 0.0", "minimum = 2.0");
        project.run_recipe(&Recipe { policies, name: "other".into(), ..Recipe::default() }).expect(3);
        Self::of(project)
    }

    fn entry_of(&self, wanted: impl Fn(&Subject) -> bool) -> Entry {
        self.ledger.entries().unwrap().into_iter().find(|entry| wanted(&entry.subject)).unwrap()
    }

    fn phase_entry(&self, of: &str, wanted: Phase) -> Entry {
        self.entry_of(|subject| matches!(subject, Subject::Phase { run, phase, .. } if run == of && *phase == wanted))
    }

    fn alias_entry(&self) -> Entry {
        self.entry_of(|subject| matches!(subject, Subject::Alias { .. }))
    }

    fn statement(&self, entry: &Entry) -> Value {
        let keys = [(self.recorder.public().id(), self.recorder.public())].into();
        let (statement, _) = Statement::verify(&self.store.get(&entry.statement).unwrap(), &keys).unwrap();
        serde_json::to_value(statement).unwrap()
    }

    /// Signs a statement as the recorder would.
    fn sign(&self, subject: Vec<ResourceDescriptor>, kind: &str, predicate: Value) -> Digest {
        self.store.put(&Statement::new(subject, kind, predicate).sign(&self.recorder).unwrap().to_bytes()).unwrap()
    }

    fn sign_phase(&self, predicate: Value) -> Digest {
        let outputs = predicate["outputs"].as_array().unwrap().iter();
        let subject = outputs.map(|output| {
            let digest: Digest = output["digest"].as_str().unwrap().parse().unwrap();
            ResourceDescriptor::new(output["name"].as_str().unwrap(), digest)
        });
        self.sign(subject.collect(), PHASE_TYPE, predicate)
    }

    fn enter(&self, subject: Subject, statement: Digest) {
        let entry = Entry { subject, statement, time: Timestamp::now() };
        self.ledger.appender(&self.log).unwrap().append(&entry).unwrap();
    }

    /// Moves the alias with a statement that is right but for `change`.
    fn move_alias(&self, run: &str, adapter: Digest, change: impl FnOnce(&mut Value)) {
        let alias = self.alias_entry();
        let Subject::Alias { alias: name, adapter: named, run: before } = &alias.subject else { unreachable!() };
        let mut predicate = json!({
            "alias": name,
            "run": run,
            "record": self.phase_entry(run, Phase::Record).statement,
            "previous": { "adapter": named, "run": before },
            "trust_root": 2,
        });
        change(&mut predicate);
        let subject = vec![ResourceDescriptor::new(name.to_string(), adapter)];
        let statement = self.sign(subject, ALIAS_TYPE, predicate);
        self.enter(Subject::Alias { alias: name.clone(), adapter, run: run.into() }, statement);
    }

    fn adapter_of(&self, run: &str) -> Digest {
        let trained = self.statement(&self.phase_entry(run, Phase::Train));
        let outputs = trained["predicate"]["outputs"].as_array().unwrap();
        let adapter = outputs.iter().find(|output| output["name"] == "adapter").unwrap();
        adapter["digest"].as_str().unwrap().parse().unwrap()
    }

    fn verify(&self) -> Outcome {
        self.project.run(&["audit", "verify"])
    }
}

#[test]
fn an_alias_that_a_denied_run_moves() {
    let insider = Insider::after_two_runs();
    insider.move_alias("other-1", insider.adapter_of("other-1"), |_| {});
    insider.verify().expect(4).says(&["the record of other-1 does not promote this adapter to it"]);
}

#[test]
fn an_alias_that_goes_back_to_what_it_never_named() {
    let insider = Insider::after_two_runs();
    let back = |predicate: &mut Value| predicate["rollback"] = json!(true);
    insider.move_alias("other-1", insider.adapter_of("other-1"), back);
    let refused = ["goes back to other-1, which the alias never named", "does not promote this adapter to it"];
    insider.verify().expect(4).says(&refused);
}

#[test]
fn an_alias_that_goes_back_to_another_adapter_than_it_named() {
    let insider = Insider::after_two_runs();
    let back = |predicate: &mut Value| predicate["rollback"] = json!(true);
    insider.move_alias("desk-1", Digest::of(b"another"), back);
    insider.verify().expect(4).says(&["does not promote this adapter to it"]);
}

#[test]
fn an_alias_that_rests_on_the_record_of_another_run() {
    let insider = Insider::after_two_runs();
    let record = insider.phase_entry("desk-1", Phase::Record).statement;
    insider.move_alias("other-1", insider.adapter_of("other-1"), |predicate| predicate["record"] = json!(record));
    insider.verify().expect(4).says(&["rests on the record", "which other-1 does not have"]);
}

#[test]
fn an_alias_whose_statement_is_replayed() {
    let insider = Insider::after_two_runs();
    let alias = insider.alias_entry();
    insider.enter(alias.subject, alias.statement);
    insider.verify().expect(4).says(&["moves the alias for desk-1 a second time", "does not follow"]);
}

#[test]
fn an_alias_that_hides_what_was_there_before() {
    let insider = Insider::after_two_runs();
    insider.move_alias("other-1", insider.adapter_of("other-1"), |predicate| predicate["previous"] = Value::Null);
    insider.verify().expect(4).says(&["does not follow what the alias named before it"]);
}

#[test]
fn an_alias_under_a_trust_root_that_nobody_entered() {
    let insider = Insider::after_two_runs();
    for version in [json!(9), json!(null), json!("2")] {
        let insider = Insider::of(insider.project.fork());
        insider.move_alias("other-1", insider.adapter_of("other-1"), |predicate| predicate["trust_root"] = version);
        insider.verify().expect(4).says(&["trust root"]);
    }
}

#[test]
fn a_denied_run_that_is_recorded_again_as_promoted() {
    let insider = Insider::after_two_runs();
    let entry = insider.phase_entry("other-1", Phase::Record);
    let statement = insider.statement(&entry);
    let mut predicate = statement["predicate"].clone();
    predicate["detail"]["decision"] = json!("promoted");
    let forged = insider.sign_phase(predicate);
    insider.enter(entry.subject, forged);
    insider.verify().expect(4).says(&["other-1, phase record", "is out of order in the ledger"]);
    insider.verify().expect(4).says(&["is promoted though stage promote was not passed"]);
}

#[test]
fn a_statement_about_other_artifacts_than_it_says() {
    let insider = Insider::after_two_runs();
    let entry = insider.phase_entry("desk-1", Phase::Resolve);
    let Subject::Phase { phase, key, .. } = entry.subject else { unreachable!() };
    let mut predicate = insider.statement(&entry)["predicate"].clone();
    predicate["run"] = json!("stranger-1");
    let subject = vec![ResourceDescriptor::new("recipe", Digest::of(b"another"))];
    let forged = insider.sign(subject, PHASE_TYPE, predicate);
    insider.enter(Subject::Phase { run: "stranger-1".into(), key, phase }, forged);
    insider.verify().expect(4).says(&["stranger-1, phase resolve", "is about other artifacts than it says"]);
}

#[test]
fn a_statement_entered_under_another_name() {
    let insider = Insider::after_two_runs();
    let entry = insider.phase_entry("desk-1", Phase::Resolve);
    let Subject::Phase { key, phase, .. } = entry.subject.clone() else { unreachable!() };
    insider.enter(Subject::Phase { run: "stranger-1".into(), key, phase }, entry.statement);
    insider.verify().expect(4).says(&["stranger-1, phase resolve", "says something else than its ledger entry"]);
}

#[test]
fn a_record_whose_adapter_or_provenance_is_not_that_of_the_run() {
    let two = Insider::after_two_runs();
    let foreign = two.statement(&two.phase_entry("desk-1", Phase::Record));
    let provenance = foreign["predicate"]["outputs"].clone();
    let forge = |change: &dyn Fn(&mut Value), says: &str| {
        let insider = Insider::of(two.project.fork());
        let entry = insider.phase_entry("other-1", Phase::Record);
        let mut predicate = insider.statement(&entry)["predicate"].clone();
        change(&mut predicate);
        let forged = insider.sign_phase(predicate);
        insider.enter(entry.subject, forged);
        insider.verify().expect(4).says(&[says]);
    };
    let another = json!(Digest::of(b"another"));
    forge(&|record| record["detail"]["adapter"] = another.clone(), "names another adapter than phase train made");
    forge(&|record| record["outputs"] = json!([]), "has 0 provenances; an adapter has one");
    forge(&|record| record["outputs"] = provenance.clone(), "is not the provenance of other-1");
    forge(&|record| record["inputs"] = json!([]), "does not rest on the statement of phase train");
}

#[test]
fn an_approval_that_no_approver_gave_or_that_is_of_something_else() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    project.run_recipe(&Recipe { name: "other".into(), ..Recipe::default() }).expect(0);
    for name in ["ada", "eve"] {
        project.run(&["key", "new", name]).expect(0);
    }
    project.run(&["trust", "add", "--role", "approver", "--key", "ada"]).expect(0);
    project.run(&["approve", "desk-1", "--key", "ada"]).expect(0);
    project.assert_intact();
    let pem = |name: &str| String::from_utf8(project.read(&format!("home/keys/{name}.pem"))).unwrap();
    let [ada, eve] = ["ada", "eve"].map(|name| SecretKey::from_pem(&pem(name)).unwrap());
    let forge = |by: &SecretKey, named: &SecretKey, change: &dyn Fn(&Insider, &mut Value), of: &str, says: &str| {
        let insider = Insider::of(project.fork());
        let adapter = insider.adapter_of(of);
        let record = insider.phase_entry(of, Phase::Record).statement;
        let mut predicate = json!({ "run": of, "record": record, "note": null, "trust_root": 3 });
        change(&insider, &mut predicate);
        let subject = vec![ResourceDescriptor::new("adapter", adapter)];
        let signed = Statement::new(subject, "urn:freehold:approval:v1", predicate).sign(by).unwrap().to_bytes();
        let statement = insider.store.put(&signed).unwrap();
        let approver = named.public().id().to_string();
        insider.enter(Subject::Approval { run: of.into(), adapter, approver }, statement);
        let verified = insider.verify();
        if says.is_empty() {
            verified.expect(0);
            return;
        }
        verified.expect(4).says(&["(approval)", says]);
        // What does not hold is an answer to no question.
        insider.project.run(&["audit", "approvals", of]).expect(4);
    };
    forge(&ada, &ada, &|_, _| (), "other-1", "");
    forge(&eve, &eve, &|_, _| (), "other-1", "not trusted for this");
    forge(&eve, &ada, &|_, _| (), "other-1", "not trusted for this");
    forge(&ada, &ada, &|_, said| said["run"] = json!("desk-1"), "other-1", "is of something else than its entry");
    let of_desk = |insider: &Insider, said: &mut Value| {
        said["record"] = json!(insider.phase_entry("desk-1", Phase::Record).statement);
    };
    forge(&ada, &ada, &of_desk, "other-1", "is of something else than its entry");
    // Under the root before she was an approver, and under one that there is not.
    forge(&ada, &ada, &|_, said| said["trust_root"] = json!(2), "other-1", "not trusted for this");
    forge(&ada, &ada, &|_, said| said["trust_root"] = json!(9), "other-1", "which there is not");

    // A good approval entered again for another run.
    let insider = Insider::of(project.fork());
    let good = insider.entry_of(|subject| matches!(subject, Subject::Approval { .. }));
    let Subject::Approval { approver, .. } = good.subject else { unreachable!() };
    let adapter = insider.adapter_of("other-1");
    insider.enter(Subject::Approval { run: "other-1".into(), adapter, approver }, good.statement);
    insider.verify().expect(4).says(&["(approval)"]);
}

impl Insider {
    /// The phases of `desk-1` up to its verdicts once more, as those of `stranger-1`, changed.
    fn retell(&self, change: impl Fn(&str, &mut Value)) {
        for wanted in Phase::ALL.into_iter().take_while(|phase| *phase != Phase::Record) {
            let entry = self.phase_entry("desk-1", wanted);
            let Subject::Phase { key, phase, .. } = entry.subject else { unreachable!() };
            let mut predicate = self.statement(&entry)["predicate"].clone();
            predicate["run"] = json!("stranger-1");
            change(phase.as_str(), &mut predicate);
            let statement = self.sign_phase(predicate);
            self.enter(Subject::Phase { run: "stranger-1".into(), key, phase }, statement);
        }
    }

    /// Keeps other bytes in the place of an output.
    fn replace_output(&self, predicate: &mut Value, name: &str, change: impl FnOnce(&mut Value)) {
        let outputs = predicate["outputs"].as_array_mut().unwrap();
        let output = outputs.iter_mut().find(|output| output["name"] == name).unwrap();
        let digest: Digest = output["digest"].as_str().unwrap().parse().unwrap();
        let mut value: Value = serde_json::from_slice(&self.store.get(&digest).unwrap()).unwrap();
        change(&mut value);
        output["digest"] = json!(self.store.put(&serde_json::to_vec(&value).unwrap()).unwrap());
    }
}

#[test]
fn an_alias_that_moves_without_the_approvals_that_its_recipe_asks_for() {
    let project = Project::new();
    for name in ["ada", "grace", "joan"] {
        project.run(&["key", "new", name]).expect(0);
    }
    for name in ["ada", "grace", "joan", "recorder"] {
        project.run(&["trust", "add", "--role", "approver", "--key", name]).expect(0);
    }
    project.run_recipe(&Recipe::default()).expect(0);
    let promote = "alias = \"desk@production\"\napprovals = { needed = 2 }";
    project.run_recipe(&Recipe { name: "other".into(), promote: promote.into(), ..Recipe::default() }).expect(0);
    for name in ["ada", "recorder", "joan"] {
        project.run(&["approve", "other-1", "--key", name]).expect(0);
    }
    project.run(&["trust", "revoke", "joan", "--reason", "left"]).expect(0);
    let approval = |insider: &Insider, place: usize| {
        let of_run = |entry: &Entry| matches!(&entry.subject, Subject::Approval { run, .. } if run == "other-1");
        insider.ledger.entries().unwrap().into_iter().filter(of_run).nth(place).unwrap().statement
    };
    let forge = |named: &[usize], code: i32, says: &[&str]| {
        let insider = Insider::of(project.fork());
        let adapter = insider.adapter_of("other-1");
        let named: Vec<Digest> = named.iter().map(|place| approval(&insider, *place)).collect();
        insider.move_alias("other-1", adapter, |predicate| {
            predicate["trust_root"] = json!(7);
            predicate["approvals"] = json!(named);
        });
        insider.verify().expect(code).says(says);
        // Nor does a pack of it come about.
        insider.project.run(&["audit", "export", "other-1", "--format", "pack", "--out", "run.pack"]).expect(code);
    };
    forge(&[], 4, &["rests on 0 approvals, 2 are needed"]);
    forge(&[0], 4, &["rests on 1 approvals, 2 are needed"]);
    forge(&[0, 0], 4, &["rests on 1 approvals, 2 are needed"]);
    forge(&[0, 1], 4, &["which is no approval of other-1 that counts", "rests on 1 approvals, 2 are needed"]);
    forge(&[0, 2], 4, &["which is no approval of other-1 that counts"]);
    project.run(&["approve", "other-1", "--key", "grace"]).expect(0);
    forge(&[0, 3], 0, &["Verified"]);
    forge(&[0, 1, 3], 4, &["which is no approval of other-1 that counts"]);

    // Approved after the move.
    let insider = Insider::of(project.fork());
    let (adapter, later) = (insider.adapter_of("other-1"), approval(&insider, 3));
    insider.project.run(&["key", "new", "late"]).expect(0);
    insider.project.run(&["trust", "add", "--role", "approver", "--key", "late"]).expect(0);
    insider.move_alias("other-1", adapter, |predicate| {
        predicate["trust_root"] = json!(8);
        predicate["approvals"] = json!([approval(&insider, 0), Digest::of(b"later")]);
    });
    insider.project.run(&["approve", "other-1", "--key", "late"]).expect(0);
    assert_ne!(approval(&insider, 4), later);
    insider.verify().expect(4).says(&["which is no approval of other-1 that counts", "rests on 1 approvals"]);

    // A record that asks for less than the recipe.
    let insider = Insider::of(project.fork());
    let entry = insider.phase_entry("other-1", Phase::Record);
    let mut predicate = insider.statement(&entry)["predicate"].clone();
    predicate["detail"]["approvals_needed"] = json!(1);
    let forged = insider.sign_phase(predicate);
    insider.enter(entry.subject, forged);
    insider.verify().expect(4).says(&["asks for another alias or for other approvals than its recipe"]);
}

#[test]
fn bars_that_were_moved_when_the_results_were_known() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    let forge = |change: &dyn Fn(&mut Value), says: &str| {
        let insider = Insider::of(project.fork());
        insider.retell(|phase, predicate| {
            if phase == "promote" {
                change(&mut predicate["detail"]["verdicts"])
            }
        });
        let verified = insider.project.run(&["audit", "verify", "--preregistered"]);
        if says.is_empty() { drop(verified.expect(0)) } else { drop(verified.expect(4).says(&["stranger-1", says])) }
    };
    forge(&|_| (), "");
    forge(&|verdicts| verdicts[0]["settings"]["minimum_rows"] = json!(1), "`minimum_rows` was 10 in the recipe and 1");
    forge(&|verdicts| verdicts[0]["version"] = json!("9.9.9"), "is not what was resolved");
    forge(&|verdicts| verdicts[0]["plugin"] = json!("freehold/license-gate"), "was asked in the place of");
    forge(&|verdicts| *verdicts = json!([]), "0 policies were asked, the recipe has 1");
}

#[test]
fn labels_that_an_adapter_lost() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    let insider = Insider::of(project);
    insider.retell(|phase, predicate| {
        if phase == "train" {
            predicate["detail"]["labels"]["license"]["values"] = json!(["MIT"]);
        }
    });
    insider.verify().expect(4).says(&["stranger-1, phase train", "other labels than what it was made of"]);
}

#[test]
fn verdicts_and_values_that_nobody_gave() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    let replay = |change: &dyn Fn(&Insider, &str, &mut Value)| {
        let insider = Insider::of(project.fork());
        insider.retell(|phase, predicate| change(&insider, phase, predicate));
        insider.project.run(&["audit", "replay", "stranger-1", "--json"])
    };
    let differs = |change: &dyn Fn(&Insider, &str, &mut Value)| {
        let replayed = replay(change).expect(4).json();
        let replayed = replayed["replayed"].as_array().unwrap().clone();
        let names =
            replayed.iter().filter(|one| one["same"] == false).map(|one| one["name"].as_str().unwrap().to_owned());
        names.collect::<Vec<_>>()
    };
    let phase = |wanted: &'static str, change: &'static dyn Fn(&mut Value)| {
        move |_: &Insider, phase: &str, predicate: &mut Value| {
            if phase == wanted {
                change(&mut predicate["detail"]);
            }
        }
    };
    drop(
        replay(&|_, phase, said| {
            if phase == "promote" {
                // Policies see the name of the run, and it is in no verdict of these.
                assert_eq!(said["run"], "stranger-1");
            }
        })
        .expect(0),
    );
    let outcome = phase("admit", &|detail| detail["verdicts"][1]["verdict"]["reason"] = json!("because"));
    assert_eq!(differs(&outcome), ["freehold/residency-gate"]);
    let value = phase("evaluate", &|detail| detail["measurements"][0]["adapted"]["low"] = json!(-1.0));
    // What was measured is neither what comes again, nor what the policies were shown.
    assert_eq!(differs(&value), ["exact-match", "measurements"]);
    let shown = |insider: &Insider, phase: &str, predicate: &mut Value| {
        if phase == "promote" {
            insider.replace_output(predicate, "evidence/promote", |evidence| {
                evidence["measurements"][0]["adapted"]["value"] = json!(0.25);
            });
        }
    };
    assert!(differs(&shown).contains(&"measurements".to_owned()));
    let dropped = phase("promote", &|detail| detail["verdicts"] = json!([]));
    drop(replay(&dropped).expect(2).says(&["its record has 0 policies, its recipe 1"]));
}

#[test]
fn a_ledger_that_lost_its_tree_head_or_its_root_is_no_new_ledger() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    let note = project.read("home/ledger/checkpoint");
    std::fs::remove_file(project.path().join("home/ledger/checkpoint")).unwrap();
    for command in [&["run"][..], &["init"], &["audit", "list"], &["audit", "verify"], &["audit", "verify", "desk-1"]] {
        project.run(command).expect(4).says(&["lost its tree head"]);
    }
    std::fs::write(project.path().join("home/ledger/checkpoint"), note).unwrap();
    project.assert_intact();
    // The whole folder gone is no new beginning either.
    std::fs::remove_dir_all(project.path().join("home/ledger")).unwrap();
    std::fs::create_dir(project.path().join("home/ledger")).unwrap();
    project.run(&["init"]).expect(4).says(&["lost its tree head", "restore the folder `ledger`"]);

    // A trust root that was written and never entered: `trust add` was cut off, or the ledger is an older one.
    let project = Project::new();
    project.write("freehold.toml", &Recipe::default().to_string());
    let older = project.fork();
    project.run(&["key", "new", "second"]).expect(0);
    project.run(&["trust", "add", "--key", "second", "--names", "acme/*"]).expect(0);
    older.write("home/trust/3.root.json", &String::from_utf8(project.read("home/trust/3.root.json")).unwrap());
    older.run(&["run"]).expect(4).says(&["trust root 3 has no entry in the ledger", "`freehold init` completes it"]);
    older.run(&["init"]).expect(0);
    older.run(&["run"]).expect(0);
}
