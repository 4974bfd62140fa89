//! What a run left, in formats of other tools: those tools accept it, and refuse it once a byte has changed.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use freehold_tests::{Outcome, Project, Recipe, Tools, skipped};
use freehold_trust::{P256PublicKey, P256SecretKey};
use serde_json::Value;
use sigstore_bundle::{ValidationOptions, validate_bundle_with_options};
use sigstore_types::bundle::{SignatureContent, VerificationMaterialContent};

const PUBLIC_KEY: &str = "home/keys/office.p256.pub.pem";

/// A promoted run, `desk-1`, and a key that other tools know.
fn promoted() -> Project {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    project.run(&["key", "new", "office", "--p256"]).expect(0);
    project
}

/// Adds a run that was denied before it trained, `eu-1`.
fn deny(project: &Project) {
    let policies = Recipe::default().policies.replace("allow = [\"eu\"]", "allow = [\"us\"]");
    project.run_recipe(&Recipe { name: "eu".into(), policies, ..Recipe::default() }).expect(3);
}

fn export(project: &Project, run: &str, format: &str) -> Outcome {
    project.run(&["audit", "export", run, "--format", format])
}

/// The payload of a bundle, after its structure was looked at by crates of Sigstore's and its signature by ours.
fn payload(project: &Project, bundle: &str) -> Value {
    let parsed = sigstore_types::Bundle::from_json(bundle).unwrap();
    // All that is missing is what Sigstore's own services add; without it the crates above these take no bundle.
    let structure =
        validate_bundle_with_options(&parsed, &ValidationOptions::new().with_require_inclusion_proof(false));
    assert!(matches!(structure, Err(sigstore_bundle::Error::MissingSigningTimeEvidence)), "{structure:?}");
    assert!(matches!(parsed.verification_material.content, VerificationMaterialContent::PublicKey(_)));
    let SignatureContent::DsseEnvelope(envelope) = &parsed.content else { unreachable!("{parsed:?}") };
    let key = String::from_utf8(project.read(PUBLIC_KEY)).unwrap();
    let key = P256PublicKey::from_pem(&key).unwrap();
    assert!(key.verifies(&envelope.pae(), envelope.signature.sig.as_bytes()));
    serde_json::from_slice(envelope.payload.as_bytes()).unwrap()
}

#[test]
fn bundles_say_what_the_records_say() {
    let project = promoted();
    deny(&project);
    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();

    let bundle = export(&project, "desk-1", "sigstore").expect(0).stdout;
    assert_eq!(export(&project, "desk-1", "sigstore").expect(0).stdout, bundle, "the same run, the same bytes");
    let provenance = payload(&project, &bundle);
    assert_eq!(provenance["predicateType"], "https://slsa.dev/provenance/v1");
    // Byte for byte the payload that the recorders signed.
    let recorded = shown["phases"][7]["outputs"][0]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let recorded: Value =
        serde_json::from_slice(&project.read(&format!("home/store/blobs/sha256/{recorded}"))).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&bundle).unwrap()["dsseEnvelope"]["payload"], recorded["payload"]);
    let weights = format!("sha256:{}", provenance["subject"][1]["digest"]["sha256"].as_str().unwrap());
    assert_eq!(
        (weights.as_str(), &provenance["subject"][1]["name"]),
        (shown["report"]["weights"].as_str().unwrap(), &Value::from("adapter_model.safetensors"))
    );

    let summary = payload(&project, &export(&project, "desk-1", "vsa").expect(0).stdout);
    let predicate = &summary["predicate"];
    assert_eq!(
        (&predicate["verificationResult"], &summary["subject"]),
        (&Value::from("PASSED"), &provenance["subject"])
    );
    assert_eq!(predicate["verifiedLevels"], serde_json::json!(["FREEHOLD_ADMIT", "FREEHOLD_PROMOTE"]));
    let verdicts = predicate["urn:freehold:verdicts:v1"]["verdicts"].as_array().unwrap();
    assert_eq!((verdicts.len(), &verdicts[2]["policy"]), (3, &Value::from("freehold/metric-gate")));

    let denied = payload(&project, &export(&project, "eu-1", "vsa").expect(0).stdout);
    assert_eq!(denied["predicate"]["verificationResult"], "FAILED");
    assert_eq!(denied["predicate"]["verifiedLevels"], serde_json::json!(["FAILED"]));
    assert_eq!(denied["subject"][1]["name"], "lockfile");
    for format in ["sigstore", "oms", "cyclonedx"] {
        export(&project, "eu-1", format).expect(2).says(&["run `eu-1` has no adapter: it was denied", "--format vsa"]);
    }
    cosign(&project, &bundle);
}

/// Cosign is in no registry of packages; where it is installed, it verifies too.
fn cosign(project: &Project, bundle: &str) {
    if Command::new("cosign").arg("version").output().is_err() {
        return skipped("cosign is not installed; what it would verify is held against crates of Sigstore's instead");
    }
    project.write("bundle.json", bundle);
    project.run(&["adapter", "export", "desk-1", "--out", "adapter"]).expect(0);
    let arguments =
        ["verify-blob-attestation", "--key", PUBLIC_KEY, "--insecure-ignore-tlog", "--bundle", "bundle.json"];
    let mut cosign = Command::new("cosign");
    cosign.args(arguments).args(["--type", "slsaprovenance1", "adapter/adapter_model.safetensors"]);
    Outcome::from(cosign.current_dir(project.path()).output().unwrap()).expect(0);
}

#[test]
fn tables_are_for_spreadsheets() {
    let project = promoted();
    deny(&project);
    let table = export(&project, "desk-1", "csv").expect(0).stdout;
    assert!(table.lines().count() > 5 && table.split('\n').all(|line| line.is_empty() || line.ends_with('\r')));
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let lines: Vec<std::collections::BTreeMap<String, String>> = reader.deserialize().map(Result::unwrap).collect();
    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    let adapted = lines.iter().find(|line| line["kind"] == "metric" && line["model"] == "adapted").unwrap();
    let measured = &shown["report"]["metrics"][0]["adapted"];
    for column in ["value", "low", "high"] {
        assert_eq!(adapted[column].parse::<f64>().unwrap(), measured[column].as_f64().unwrap(), "{column}");
    }
    let verdicts: Vec<_> = lines.iter().filter(|line| line["kind"] == "verdict").collect();
    assert_eq!(verdicts.len(), 3);
    for (line, policy) in verdicts.iter().zip(shown["report"]["policies"].as_array().unwrap()) {
        assert_eq!(
            (line["reason"].as_str(), line["outcome"].as_str()),
            (policy["verdict"]["reason"].as_str().unwrap(), "allow")
        );
    }
    assert_eq!(lines.last().unwrap()["outcome"], "promoted");
    let denied = export(&project, "eu-1", "csv").expect(0).stdout;
    assert!(denied.contains("residency-not-allowed") && denied.contains(",denied,"), "{denied}");
}

#[test]
fn a_file_is_written_whole_or_not_at_all_and_keys_are_named_where_they_have_to_be() {
    let project = Project::new();
    project.run_recipe(&Recipe::default()).expect(0);
    let remedy = "make one with `freehold key new NAME --p256`";
    export(&project, "desk-1", "sigstore").expect(2).says(&["there is no P-256 key", remedy]);
    // What is not signed needs none.
    export(&project, "desk-1", "cyclonedx").expect(0);
    let made = project.run(&["key", "new", "publisher", "--p256", "--json"]).expect(0).json();
    assert_eq!(
        (&made["kind"], &made["public_file"]),
        (&Value::from("p256"), &Value::from("keys/publisher.p256.pub.pem"))
    );
    project.run(&["key", "new", "publisher", "--p256"]).expect(2).says(&["there is a key `publisher` already"]);
    let listed = project.run(&["key", "list"]).expect(0).says(&["Ed25519", "P-256", "publisher"]);
    assert!(listed.stdout.contains(made["id"].as_str().unwrap()));
    let secret = String::from_utf8(project.read("home/keys/publisher.p256.pem")).unwrap();
    P256SecretKey::from_pem(&secret).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let file = project.path().join("home/keys/publisher.p256.pem");
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }

    project.write("bundle.json", "what was there");
    let arguments = ["audit", "export", "desk-1", "--format", "sigstore", "--out"];
    let told = project.run(&[&arguments[..], &["bundle.json", "--json"]].concat()).expect(0).json();
    let (written, printed) = (project.read("bundle.json"), export(&project, "desk-1", "sigstore").expect(0).stdout);
    assert_eq!((written.as_slice(), told["bytes"].as_u64()), (printed.as_bytes(), Some(printed.len() as u64)));
    assert!(!printed.contains(secret.lines().nth(1).unwrap()));
    project.run(&[&arguments[..], &["none/bundle.json"]].concat()).expect(1);
    assert!(!project.path().join("none").exists());
    project
        .run(&["audit", "export", "desk-9", "--format", "csv", "--out", "bundle.json"])
        .expect(2)
        .says(&["no run `desk-9`"]);
    assert_eq!(project.read("bundle.json"), written);
    export(&project, "desk-1", "pdf").expect(2);
    project.run(&["audit", "export", "desk-1", "--format", "csv", "--json"]).expect(2).says(&["is no JSON"]);

    project.run(&["key", "new", "second", "--p256"]).expect(0);
    export(&project, "desk-1", "vsa").expect(2).says(&["several P-256 keys: publisher, second", "`--key NAME`"]);
    let with = |key| project.run(&["audit", "export", "desk-1", "--format", "vsa", "--key", key]);
    assert_ne!(with("publisher").expect(0).stdout, with("second").expect(0).stdout);
    // A key of Freehold's own does not sign here, and none of these signs there.
    with("recorder").expect(2).says(&["there is no P-256 key `recorder`"]);
    project
        .run(&["trust", "add", "--key", "second", "--names", "acme/*"])
        .expect(2)
        .says(&["there is no key `second`"]);
    std::fs::remove_file(project.path().join("home/keys/second.p256.pem")).unwrap();
    with("second").expect(1).says(&["the secret half of the key `second.p256` is gone"]);

    // A record that was changed is not exported.
    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    let statement = shown["entries"][5]["statement"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    project.write(&format!("home/store/blobs/sha256/{statement}"), "{}");
    for format in ["vsa", "cyclonedx", "csv"] {
        project
            .run(&["audit", "export", "desk-1", "--format", format, "--key", "publisher"])
            .expect(4)
            .says(&["was changed"]);
    }
}

/// `model_signing verify key` of the folder.
fn verify(tools: &Tools, project: &Project, folder: &str, signature: &str) -> Outcome {
    let arguments = ["verify", "key", folder, "--signature", signature, "--public_key", PUBLIC_KEY];
    tools.run("model_signing", &arguments, project.path())
}

fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn model_signing_accepts_adapters_and_merged_models_and_refuses_them_once_changed() {
    let project = promoted();
    project
        .run(&["adapter", "export", "desk-1", "--out", "adapter"])
        .expect(0)
        .says(&["adapter_config.json", "promoted"]);
    project.run(&["adapter", "export", "desk-1", "--out", "adapter"]).expect(1);
    project.run(&["adapter", "merge", "adapter", "--model", "models/base-1", "--out", "merged"]).expect(0);
    // Nothing but PEFT's own keys and values: the signature is beside the files, and none of them knows of it.
    let config: Value = serde_json::from_slice(&project.read("adapter/adapter_config.json")).unwrap();
    assert!(
        config.as_object().unwrap().keys().all(|key| !key.contains("freehold") && !key.contains("sign")),
        "{config}"
    );

    let bundle = export(&project, "desk-1", "oms").expect(0).stdout;
    project.write("adapter.sig", &bundle);
    let statement = payload(&project, &bundle);
    assert_eq!(statement["predicateType"], "https://model_signing/signature/v1.0");
    project.run(&["model", "sign", "adapter", "--out", "again.sig"]).expect(0);
    let again = payload(&project, &String::from_utf8(project.read("again.sig")).unwrap());
    assert_eq!(again["predicate"], statement["predicate"], "of the records, and of the folder");
    assert_eq!(again["subject"][0]["digest"], statement["subject"][0]["digest"]);
    // In the folder, twice: the second does not sign the first.
    let files = std::fs::read_dir(project.path().join("merged")).unwrap().count();
    for _ in 0..2 {
        let signed = project.run(&["model", "sign", "merged", "--out", "merged/model.sig", "--json"]).expect(0).json();
        assert_eq!(signed["files"], files, "{signed}");
    }
    project.run(&["model", "sign", "none", "--out", "none.sig"]).expect(1);

    let Some(tools) = Tools::find() else { return };
    for (folder, signature) in [("adapter", "adapter.sig"), ("adapter", "again.sig"), ("merged", "merged/model.sig")] {
        verify(&tools, &project, folder, signature).expect(0).says(&["Verification succeeded"]);
    }
    let files = [("adapter/adapter_model.safetensors", "adapter.sig"), ("merged/config.json", "merged/model.sig")];
    for (file, signature) in files {
        let path = project.path().join(file);
        let folder = file.split('/').next().unwrap();
        flip(&path);
        verify(&tools, &project, folder, signature).expect(1).says(&["Hash mismatch"]);
        flip(&path);
    }
    project.write("merged/more.bin", "more");
    verify(&tools, &project, "merged", "merged/model.sig").expect(1).says(&["Extra files"]);
    // The signature itself, and another key.
    let changed = bundle.replacen("\"sig\": \"M", "\"sig\": \"N", 1);
    assert_ne!(changed, bundle);
    project.write("adapter.sig", &changed);
    verify(&tools, &project, "adapter", "adapter.sig").expect(1);
    project.run(&["key", "new", "other", "--p256"]).expect(0);
    project.run(&["model", "sign", "adapter", "--key", "other", "--out", "other.sig"]).expect(0);
    verify(&tools, &project, "adapter", "other.sig").expect(1);
}

#[test]
fn others_parse_and_validate_every_document() {
    let project = promoted();
    deny(&project);
    // Again, so that there is something in production to be compared with.
    project.run_recipe(&Recipe::default()).expect(0);
    let bom = export(&project, "desk-2", "cyclonedx").expect(0);
    assert_eq!(export(&project, "desk-2", "cyclonedx").expect(0).stdout, bom.stdout);
    assert_bom(&bom.json());

    // An expression, and a license that is on no list.
    let odd = Recipe::default().data.replace("CC-BY-4.0", "Acme-Commercial");
    let policies = Recipe::default().policies.replace("\"CC-BY-4.0\"", "\"Acme-Commercial\", \"MIT\"");
    let base = "model = \"models/base-1\"\nlicense = \"Apache-2.0 OR MIT\"".to_owned();
    project.run_recipe(&Recipe { name: "odd".into(), data: odd, policies, base, ..Recipe::default() }).expect(0);
    let odd = export(&project, "odd-1", "cyclonedx").expect(0);
    for licensed in ["\"expression\": \"Apache-2.0 OR MIT\"", "\"name\": \"Acme-Commercial\""] {
        assert!(odd.stdout.contains(licensed), "{}", odd.stdout);
    }

    let Some(tools) = Tools::find() else { return };
    project.write("bom.json", &bom.stdout);
    project.write("odd.json", &odd.stdout);
    tools.script("check_bom.py", &["bom.json", "odd.json"], project.path()).expect(0);
    project.write("worse.json", &bom.stdout.replacen("machine-learning-model", "machine-learned-model", 1));
    tools.script("check_bom.py", &["worse.json"], project.path()).expect(1).says(&["is not valid"]);

    let documents = [("desk-1", "sigstore"), ("desk-1", "vsa"), ("eu-1", "vsa")];
    let mut arguments = vec![PUBLIC_KEY.to_owned()];
    let mut payloads = Vec::new();
    for (run, format) in documents {
        let bundle = export(&project, run, format).expect(0).stdout;
        arguments.push(format!("{run}.{format}.json"));
        project.write(&arguments[arguments.len() - 1], &bundle);
        payloads.push(payload(&project, &bundle));
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let checked = tools.script("check_bundle.py", &arguments, project.path()).expect(0);
    let said: Vec<Value> = checked.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(said, payloads);
    // Another payload under the same signature.
    let mut changed: Value = serde_json::from_slice(&project.read(arguments[1])).unwrap();
    let other = payloads[0].to_string().replacen("freehold", "freeheld", 1);
    changed["dsseEnvelope"]["payload"] = STANDARD.encode(other).into();
    project.write("changed.json", &changed.to_string());
    let refused = tools.script("check_bundle.py", &[PUBLIC_KEY, "changed.json"], project.path());
    refused.expect(1).says(&["InvalidSignature"]);
}

/// What the bill says is in it.
fn assert_bom(bom: &Value) {
    let adapter = &bom["metadata"]["component"];
    assert_eq!(
        (&adapter["type"], &adapter["version"]),
        (&Value::from("machine-learning-model"), &Value::from("desk-2"))
    );
    let metrics = adapter["modelCard"]["quantitativeAnalysis"]["performanceMetrics"].as_array().unwrap();
    assert_eq!((metrics.len(), &metrics[0]["type"]), (4, &Value::from("exact-match")));
    let components = bom["components"].as_array().unwrap();
    let component = |name: &str| components.iter().find(|component| component["bom-ref"] == name).unwrap();
    assert_eq!(component("base/models/base-1")["licenses"][0]["license"]["id"], "Apache-2.0");
    assert_eq!(component("data/train")["data"][0]["contents"]["properties"][1]["name"], "freehold:label:residency");
    let plugin = component("plugin/freehold/redact-pii@1.0.0");
    assert_eq!(plugin["hashes"][0]["alg"], "SHA-256");
    let tasks = bom["formulation"][0]["workflows"][0]["tasks"].as_array().unwrap();
    assert_eq!((tasks.len(), &tasks[4]["uid"]), (8, &Value::from("desk-2/train")));
    assert_eq!(bom["declarations"]["claims"].as_array().unwrap().len(), 3);
    let needs = bom["dependencies"][0]["dependsOn"].as_array().unwrap();
    assert!(
        needs.contains(&Value::from("plugin/freehold/redact-pii@1.0.0")) && !needs.contains(&Value::from("data/eval"))
    );
}
