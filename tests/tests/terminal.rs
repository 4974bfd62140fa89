//! What plugins and their authors say is shown on a terminal that they cannot take over, and says where they failed.

use freehold_tests::{Outcome, Project, Recipe, component, source};

/// Characters by which a text could be shown as another: escape codes, and marks that turn the order of reading around.
const DECEIVING: [char; 6] = ['\u{1b}', '\u{9b}', '\u{7}', '\r', '\u{202e}', '\u{2066}'];

#[track_caller]
fn is_plain(said: &Outcome) {
    let found = said.stdout.chars().chain(said.stderr.chars()).find(|c| DECEIVING.contains(c));
    assert_eq!(found, None, "{said:?}");
}

#[test]
fn what_an_unsigned_plugin_says_of_itself_is_written_out() {
    let project = Project::bare();
    let text = "\\u001b[2J\\u009b31m\\u0007\\r\\u202Egpj\\u2066";
    let plugin = format!(
        "name = \"acme/x\"\nversion = \"1.0.0\"\nworld = \"metric\"\ndescription = \"a {text} b\"\n[settings.\"k{text}\"]\ntype = \"string\"\ndefault = \"{text}\"\ndescription = \"{text}\"\n"
    );
    project.write("x/plugin.toml", &plugin);
    let shown = project.run(&["plugin", "inspect", "x"]).expect(0);
    is_plain(&shown);
    let shown = shown.says(&["a \\u{1b}[2J\\u{9b}31m\\u{7}\\u{d}\\u{202e}gpj\\u{2066} b"]);
    assert!(shown.stdout.matches("\\u{202e}").count() >= 3, "{}", shown.stdout);
    let json = project.run(&["plugin", "inspect", "x", "--json"]).expect(0);
    is_plain(&json);
    let described = json.json()["source"]["description"].as_str().unwrap().to_owned();
    assert_eq!(described, "a \u{1b}[2J\u{9b}31m\u{7}\r\u{202e}gpj\u{2066} b", "programs get it as it is");
    // A capability that there is not, and a document that is none.
    project
        .write("x/plugin.toml", &plugin.replacen("[settings", &format!("capabilities = [\"{text}\"]\n[settings"), 1));
    is_plain(&project.run(&["plugin", "inspect", "x"]).expect(1).says(&["no capability", "\\u{1b}[2J"]));
    project.write("x/plugin.toml", "name = \"\u{1b}[2J\u{202e}\u{9b}\"\n");
    is_plain(&project.run(&["plugin", "inspect", "x"]).expect(1).says(&["plugin.toml:1:"]));
}

#[test]
fn names_in_an_unsigned_component_are_written_out() {
    let project = Project::bare();
    let name = "a:b/c\\1b[2J\\u{202e}x";
    let component =
        wat::parse_str(format!("(component (import \"{name}\" (instance)) (export \"{name}\" (instance 0)))"));
    std::fs::write(project.path().join("x.wasm"), component.unwrap()).unwrap();
    let shown = project.run(&["plugin", "inspect", "x.wasm"]).expect(0);
    is_plain(&shown);
    let shown = shown.says(&["imports a:b/c\\u{1b}[2J\\u{202e}x", "exports a:b/c\\u{1b}[2J\\u{202e}x"]);
    drop(shown);
    is_plain(&project.run(&["plugin", "inspect", "x.wasm", "--json"]).expect(0));
}

/// The message of the author and its place come first; where the plugin was is told after it, to who asks for it.
#[test]
fn a_panic_is_told_in_the_authors_words_and_where_it_was_only_if_asked() {
    let project = Project::new();
    project.sign("misbehave");
    let asked = "[[transform]]\nplugin = \"freehold/misbehave\"\nversion = \"*\"\nsettings = { mode = \"trap\" }\n";
    let recipe = Recipe { transforms: format!("{asked}{}", Recipe::default().transforms), ..Recipe::default() };
    let message = "panicked at tests/guests/misbehave/src/lib.rs:";
    let quiet = project.run_recipe(&recipe).expect(1);
    let quiet = quiet.says(&[message, "misbehave traps on 40 rows"]);
    assert!(!quiet.stderr.contains("misbehave::Misbehave") && !quiet.stderr.contains("was in"), "{}", quiet.stderr);
    let json = project.run(&["run", "--json"]).expect(1).json();
    assert_eq!(json["error"]["trace"], serde_json::Value::Null);

    let verbose = project.run(&["run", "-v"]).expect(1).stderr;
    let at = |part: &str| verbose.find(part).unwrap_or_else(|| unreachable!("{part}: {verbose}"));
    assert!(at("panicked at") < at("The plugin was in:"), "{verbose}");
    assert!(at("The plugin was in:") < at("misbehave::Misbehave"), "{verbose}");
    let json = project.run(&["run", "-v", "--json"]).expect(1).json();
    assert!(json["error"]["trace"].as_str().unwrap().contains("misbehave::Misbehave"), "{json}");
}

#[test]
fn a_policy_that_panics_denies_in_its_authors_words() {
    let project = Project::new();
    project.sign("misjudge");
    let asked = "[[policy]]\nplugin = \"freehold/misjudge\"\nversion = \"*\"\nstage = \"admit\"\nsettings = { mode = \"trap\" }\n";
    let recipe = Recipe { policies: format!("{}{asked}", Recipe::default().policies), ..Recipe::default() };
    let quiet = project.run_recipe(&recipe).expect(3).says(&["no verdict", "panicked at", "misjudge traps on run"]);
    assert!(!quiet.stderr.contains("misjudge::"), "{}", quiet.stderr);
    let verbose = project.run(&["run", "-v"]).expect(3);
    assert!(verbose.stderr.contains("misjudge::"), "{}", verbose.stderr);
    assert!(
        !verbose.stdout.contains("misjudge::Misjudge"),
        "the verdict in the record is the same: {}",
        verbose.stdout
    );
    // As its author tests it.
    let case = "[settings]\nmode = 'trap'\n[evidence]\nstage = 'admit'\n[expect]\noutcome = 'allow'\n";
    project.write("m/plugin.toml", &std::fs::read_to_string(source("misjudge")).unwrap());
    project.write("m/cases/trap.toml", case);
    let built = component("misjudge");
    let test = ["plugin", "test", "m", "--component", built.to_str().unwrap()];
    let quiet = project.run(&test).expect(1).says(&["src/lib.rs:46:", ": misjudge traps on run"]);
    assert!(!quiet.stdout.contains("misjudge::"), "{}", quiet.stdout);
    let verbose = project.run(&[&test[..], &["-v"]].concat()).expect(1);
    assert!(verbose.stdout.contains("misjudge::"), "{}", verbose.stdout);
}
