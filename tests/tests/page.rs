//! A run as one page (`audit export --format html`), and frameworks held against it (`audit profile`).

#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

use freehold_tests::{Project, Recipe, skipped};
use scraper::{ElementRef, Html, Selector};
use serde_json::Value;

/// What a stranger writes into a label and a note.
const HOSTILE: &str = "us<script>alert(1)</script>\\\" onload=\\\"x\\u202egnp.exe";

/// A promoted run that was measured while it trained and approved, `desk-1`; one that was denied before it trained, `abroad-1`.
fn project() -> Project {
    let project = Project::new();
    let train =
        format!("{}\n[train.early_stopping]\nmetric = \"loss\"\nevery = 1\npatience = 9", Recipe::default().train);
    drop(project.run_recipe(&Recipe { train, ..Recipe::default() }).expect(0));
    let data = Recipe::default().data.replacen("residency = \"eu\"", &format!("residency = \"{HOSTILE}\""), 1);
    drop(project.run_recipe(&Recipe { name: "abroad".into(), data, ..Recipe::default() }).expect(3));
    project.run(&["key", "new", "ada"]).expect(0);
    project.run(&["trust", "add", "--role", "approver", "--key", "ada"]).expect(0);
    project.run(&["approve", "desk-1", "--key", "ada", "--note", "<b>fine</b> \u{202e}dennod\" &amp;"]).expect(0);
    project
}

fn page(project: &Project, run: &str) -> String {
    project.run(&["audit", "export", run, "--format", "html"]).expect(0).stdout
}

fn select<'a>(html: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    html.select(&Selector::parse(selector).unwrap()).collect()
}

fn text(element: &ElementRef<'_>) -> String {
    element.text().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The cells of every row whose first cell says this, below the caption that begins so.
fn rows(html: &Html, caption: &str) -> Vec<Vec<String>> {
    let tables = select(html, "table");
    let is_meant = |table: &&ElementRef<'_>| {
        let captions = Selector::parse("caption").unwrap();
        table.select(&captions).any(|found| text(&found).starts_with(caption))
    };
    let table = tables.iter().find(is_meant).unwrap_or_else(|| panic!("there is no table `{caption}`"));
    let (row, cell) = (Selector::parse("tbody tr").unwrap(), Selector::parse("th, td").unwrap());
    table.select(&row).map(|row| row.select(&cell).map(|cell| text(&cell)).collect()).collect()
}

/// What every page has to be, whatever is in it.
fn assert_sound(page: &str) -> Html {
    let html = Html::parse_document(page);
    assert!(html.errors.is_empty(), "{:?}", html.errors);
    for forbidden in
        ["script", "link", "iframe", "object", "embed", "img", "base", "form", "[style]", "[src]", "[onload]"]
    {
        assert!(select(&html, forbidden).is_empty(), "the page has {forbidden}");
    }
    for link in select(&html, "[href]") {
        let target = link.value().attr("href").unwrap();
        let to_section = target.strip_prefix('#').map(|id| select(&html, &format!("[id='{id}']")).len());
        assert!(link.value().name() == "a" && (to_section == Some(1) || target.starts_with("https://")), "{target}");
    }
    let policy = select(&html, "meta[http-equiv='Content-Security-Policy']");
    assert!(policy[0].value().attr("content").unwrap().starts_with("default-src 'none'"));
    for hidden in page.chars().filter(|c| *c != '\n') {
        assert!(
            !hidden.is_control() && !matches!(hidden, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'),
            "{hidden:?}"
        );
    }
    let mut ids: Vec<_> = select(&html, "[id]").iter().map(|element| element.value().attr("id").unwrap()).collect();
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "an id is there twice");
    for svg in select(&html, "svg") {
        let named = svg.value().attr("aria-labelledby").unwrap().split(' ');
        assert!(named.into_iter().all(|id| ids.contains(&id)));
    }
    assert!(select(&html, "th:not([scope])").is_empty(), "a head of a column or row does not say which it is");
    assert_eq!(select(&html, "h1").len(), 1);
    html
}

/// A number as the page shows it: metrics are from 0 to 1.
fn shown(value: &Value) -> String {
    format!("{:.3}", value.as_f64().unwrap())
}

#[test]
fn a_page_says_what_the_record_says_and_needs_nothing_else() {
    let project = project();
    let written = page(&project, "desk-1");
    assert_eq!(page(&project, "desk-1"), written, "the same run, the same bytes");
    let html = assert_sound(&written);
    assert_eq!(text(&select(&html, "h1")[0]), "desk-1 promoted");

    let run = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    let report = &run["report"];
    let verdicts = rows(&html, "Every verdict");
    let policies = report["policies"].as_array().unwrap();
    assert_eq!((verdicts.len(), policies.len()), (3, 3));
    for (row, policy) in verdicts.iter().zip(policies) {
        let said = &policy["verdict"];
        let parts =
            [&policy["plugin"], &policy["version"], &policy["stage"], &said["outcome"], &said["code"], &said["reason"]];
        assert_eq!(row[..6], parts.map(|part| part.as_str().unwrap().to_owned()));
        assert!(
            !row[6].is_empty()
                && said["rests_on"].as_array().unwrap().iter().all(|it| row[6].contains(it.as_str().unwrap()))
        );
    }
    let metric = &report["metrics"][0];
    let measured = rows(&html, "The same numbers");
    for (row, model) in measured.iter().zip(["base", "adapted"]) {
        let estimate = &metric[model];
        let interval = format!("[{}, {}]", shown(&estimate["low"]), shown(&estimate["high"]));
        assert_eq!(
            row[..4],
            [metric["metric"].as_str().unwrap().into(), model.into(), shown(&estimate["value"]), interval]
        );
    }
    let chart = text(&select(&html, "svg[aria-labelledby^='metric-0']")[0]);
    assert!(chart.contains("minimum 0.000") && chart.contains(&shown(&metric["adapted"]["value"])), "{chart}");
    assert_eq!(select(&html, "svg[aria-labelledby^='loss-'] polyline").len(), 2, "training and held-out loss");
    let statements: Vec<_> = rows(&html, "Statements of the phases").into_iter().map(|row| row[5].clone()).collect();
    let entries = run["entries"].as_array().unwrap();
    assert_eq!(statements.len(), 8);
    assert!(statements.iter().all(|it| entries.iter().any(|entry| entry["statement"] == **it)));
    let plugins = rows(&html, "Plugins");
    assert!(plugins.len() == 7 && plugins.iter().all(|plugin| plugin[4] == "good"), "{plugins:?}");
    assert_eq!(rows(&html, "Approvals")[0][3], "<b>fine</b> \\u{202e}dennod\" &amp;");
    assert_eq!(rows(&html, "When it was in use")[0][..1], ["desk@production"]);

    // A file is what stdout is, and its digest is said.
    let said = project
        .run(&["audit", "export", "desk-1", "--format", "html", "--out", "desk.html", "--json"])
        .expect(0)
        .json();
    assert_eq!(project.read("desk.html"), written.as_bytes());
    assert_eq!(said["media_type"], "text/html; charset=utf-8");
    project.run(&["audit", "export", "desk-1", "--format", "html", "--json"]).expect(2).says(&["is no JSON"]);
    // What is no evidence changes nothing else, and is not missed.
    std::fs::remove_dir_all(project.path().join("home/metrics")).unwrap();
    let html = assert_sound(&page(&project, "desk-1"));
    assert_eq!(select(&html, "svg[aria-labelledby^='loss-'] polyline").len(), 1);

    // Revoked since.
    project.run(&["trust", "revoke", "publisher", "--reason", "was <i>stolen</i>"]).expect(0);
    let html = assert_sound(&page(&project, "desk-1"));
    assert!(
        rows(&html, "Plugins")
            .iter()
            .all(|plugin| plugin[4].starts_with("revoked") && plugin[4].contains("<i>stolen</i>"))
    );
    renders(&project, "desk.html");
}

#[test]
fn what_strangers_write_is_text_on_the_page() {
    let project = project();
    let html = assert_sound(&page(&project, "abroad-1"));
    assert_eq!(text(&select(&html, "h1")[0]), "abroad-1 denied");
    let denied = rows(&html, "Every verdict").into_iter().find(|row| row[3] == "deny").unwrap();
    assert!(denied[5].contains("us<script>alert(1)</script>\" onload=\"x"), "{denied:?}");
    assert!(rows(&html, "Datasets")[0][4].contains("</script>\" onload=\"x\\u{202e}gnp.exe"));
    let sections: Vec<_> = select(&html, "section p.note").iter().map(text).collect();
    for says in ["Nothing was measured.", "Nothing was trained.", "It never had an alias."] {
        assert!(sections.iter().any(|note| note == says), "`{says}` is not said: {sections:?}");
    }
}

#[test]
fn an_unfinished_run_has_a_page_and_gaps() {
    let project = Project::new();
    // No row is left to train on: the run ends in the midst of it.
    project.write("train.jsonl", "{\"text\": \"\"}\n");
    let outcome = project.run_recipe(&Recipe::default());
    assert_eq!(outcome.code, 1, "{outcome:?}");
    let html = assert_sound(&page(&project, "desk-1"));
    assert_eq!(text(&select(&html, "h1")[0]), "desk-1 unfinished");
    assert_eq!(rows(&html, "Every verdict").len(), 2);
    project.run(&["audit", "export", "desk-1", "--format", "csv"]).expect(2).says(&["unfinished"]);
    let reports = project.run(&["audit", "profile", "desk-1", "--profile", "sr-26-2", "--json"]).expect(0).json();
    let item =
        reports[0]["items"].as_array().unwrap().iter().find(|item| item["id"] == "IV.1 (tests)").unwrap().clone();
    assert_eq!((&item["state"], &item["exhibits"][1]["says"]), (&"partly".into(), &"nothing was measured".into()));
}

#[test]
fn frameworks_are_held_against_a_run() {
    let project = project();
    let listed = project.run(&["audit", "profile", "--json"]).expect(0).json();
    let names: Vec<_> = listed.as_array().unwrap().iter().map(|profile| profile["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["eu-ai-act-annex-iv", "eu-ai-act-art-12", "nist-ai-rmf", "sr-26-2"]);
    let reports = project.run(&["audit", "profile", "desk-1", "--json"]).expect(0).json();
    assert_eq!(reports.as_array().unwrap().len(), 4);
    let item = |reports: &Value, id: &str| {
        let items: Vec<_> = reports.as_array().unwrap().iter().flat_map(|it| it["items"].as_array().unwrap()).collect();
        items.into_iter().find(|item| item["id"] == id).unwrap().clone()
    };
    assert_eq!(item(&reports, "2(a)")["state"], "answered");
    assert_eq!(item(&reports, "2(g)")["state"], "partly", "a part is for the organisation to write");
    assert_eq!(item(&reports, "5")["state"], "to-be-written");
    let approved = &item(&reports, "GOVERN 3.2")["exhibits"][0];
    assert_eq!((&approved["evidence"], &approved["standing"]), (&"approvals.four-eyes".into(), &"there".into()));
    let denied = project.run(&["audit", "profile", "abroad-1", "--json"]).expect(0).json();
    assert_eq!(item(&denied, "GOVERN 3.2")["state"], "missing");
    assert_eq!(item(&denied, "IV.1 (tests)")["exhibits"][1]["standing"], "missing");

    let page = project.run(&["audit", "profile", "desk-1", "--profile", "eu-ai-act-art-12"]).expect(0);
    assert!(page.stdout.lines().all(|line| line.chars().count() <= 100), "{}", page.stdout);
    page.says(&["12(2)(c)", "to be written", "no legal advice"]);
    project.run(&["audit", "profile"]).expect(0).says(&["sr-26-2", "Items"]);
    project
        .run(&["audit", "profile", "--vocabulary"])
        .expect(0)
        .says(&["bars.set-before", "in the log before the results"]);
    project.run(&["audit", "profile", "desk-1", "--profile", "sr-26"]).expect(2).says(&["did you mean `sr-26-2`?"]);
    project.run(&["audit", "profile", "desk-7"]).expect(2).says(&["no run `desk-7`"]);
}

#[test]
fn a_profile_of_ones_own_is_held_to_its_form() {
    let project = project();
    let own = "name = 'house'\ntitle = 'House rules'\nsource = 'Handbook'\n[[item]]\nid = 'H1'\ntitle = 'Data'\n";
    project.write("house.toml", &format!("{own}evidence = ['data.digests', 'data.labels']\n"));
    let asked =
        |more: &[&str]| project.run(&[&["audit", "profile", "desk-1", "--profile", "house.toml"], more].concat());
    asked(&["--require-evidence"]).expect(0).says(&["House rules", "1 answered"]);
    project.write("house.toml", &format!("{own}evidence = ['data.digests', 'log.witnessed']\ndocument = 'Why'\n"));
    asked(&[]).expect(0).says(&["1 partly", "no witness cosigned", "yours: Why"]);
    asked(&["--require-evidence"]).expect(4);
    for (text, says) in [
        (format!("{own}evidence = ['data.label']\n"), &["house.toml", "did you mean `data.labels`?"][..]),
        (format!("{own}evidences = []\n"), &["house.toml", "evidences", "did you mean `evidence`?"]),
        (own.into(), &["house.toml", "`item.0.id`", "needs `evidence`, `document` or both"]),
        ("name = ".into(), &["house.toml"]),
        (format!("{own}document = \"\\u202e\"\n"), &["`item.0.document`", "do not show"]),
    ] {
        project.write("house.toml", &text);
        asked(&[]).expect(1).says(says);
    }
    project.write_bytes("house.toml", &[0xff, 0xfe]);
    asked(&[]).expect(1).says(&["house.toml"]);
    project.run(&["audit", "profile", "desk-1", "--profile", "./nothing.toml"]).expect(1).says(&["nothing.toml"]);
}

/// A browser, where there is one.
fn browser() -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    let found = |name: &str| std::env::split_paths(&paths).map(|path| path.join(name)).find(|path| path.is_file());
    ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(found)
}

/// Opens a page in a browser: it says nothing on the console, such as about what its policy forbids, and prints.
fn renders(project: &Project, file: &str) {
    let Some(browser) = browser() else {
        return skipped("there is no chromium: nothing renders the page of a run");
    };
    let folder = project.path();
    let address = format!("file://{}", folder.join(file).display());
    let profile = format!("--user-data-dir={}", folder.join("browser").display());
    let run = |more: &[&str]| {
        let arguments = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", &profile];
        let output = Command::new(&browser).args(arguments).args(more).arg(&address).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let console: Vec<_> = said.lines().filter(|line| line.contains("CONSOLE")).collect();
        assert!(output.status.success() && console.is_empty(), "{said}");
        output.stdout
    };
    let rendered = String::from_utf8(run(&["--dump-dom"])).unwrap();
    assert!(rendered.contains("desk-1") && rendered.contains("</svg>"), "{rendered}");
    let printed = folder.join("page.pdf");
    run(&["--no-pdf-header-footer", &format!("--print-to-pdf={}", printed.display())]);
    assert!(is_pdf(&printed));
}

fn is_pdf(path: &Path) -> bool {
    std::fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"%PDF"))
}
