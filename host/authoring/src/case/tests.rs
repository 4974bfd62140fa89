use super::*;
use compare::compare;

fn case(world: World, text: &str) -> Result<Case, AuthoringError> {
    Case::parse(world, "x", "cases/x.toml", text.to_owned())
}

fn table(text: &str) -> toml::Table {
    text.parse().unwrap()
}

/// The differences, a line each.
fn lines(expected: &str, found: &str) -> Vec<String> {
    let differences = compare(&table(expected), &table(found));
    let lines = differences.iter().flat_map(|difference| &difference.lines);
    lines.map(|line| format!("{:?} {} {}", line.side, line.place, line.value)).collect()
}

#[test]
fn a_case_has_the_input_of_its_world() {
    let rows = "[[batch]]\nrows = [{ a = 'x' }]\n";
    let answers = "[[batch]]\nrows = [{ prediction = 'x' }]\n";
    let evidence = "[evidence]\nstage = 'admit'\n";
    for (world, text, holds) in [
        (World::Transform, rows, true),
        (World::Metric, answers, true),
        (World::Metric, rows, false),
        (World::Policy, evidence, true),
        (World::Transform, "", false),
        (World::Policy, "", false),
        (World::Policy, rows, false),
        (World::Metric, evidence, false),
        (World::Transform, "[[batch]]\nrows = [{ a = 1979-05-27 }]", false),
        (World::Transform, "[[batch]]\nrows = [{ a = 1 }, { a = 'x' }]", false),
        (World::Transform, "[[batch]]\nrows = [{ a = [{ role = 'robot', content = '' }] }]", false),
        (World::Transform, "[[batch]]\nrows = []\n[expect]\nrosw = []", false),
        (World::Policy, "[evidence]\nstage = 'admit'\nbsae = 1", false),
    ] {
        assert_eq!(case(world, text).is_ok(), holds, "{world} {text}");
    }
}

#[test]
fn a_stream_is_numbered_through_and_typed_as_a_whole() {
    let text = "[[batch]]\nrows = [{ a = 'x' }, {}]\n[[batch]]\nrows = [{ a = 'y', n = 1 }]\n";
    let Input::Rows(batches) = case(World::Transform, text).unwrap().input else { panic!("rows") };
    assert_eq!(batches.iter().map(|batch| (batch.first_row(), batch.rows())).collect::<Vec<_>>(), [(0, 2), (2, 1)]);
    assert!(batches[0].column("a").unwrap().is_valid(0));
    assert!(!batches[0].column("a").unwrap().is_valid(1));
    assert!(!batches[0].column("n").unwrap().is_valid(0));
    let repeated = case(World::Transform, text).unwrap().repeated(7, 4).unwrap();
    assert_eq!(repeated.iter().map(Batch::rows).collect::<Vec<_>>(), [4, 3]);
}

#[test]
fn what_differs_is_told_and_nothing_else() {
    let none: [&str; 0] = [];
    assert_eq!(lines("value = 1", "value = 1.0\nstatistics = []"), none);
    assert_eq!(lines("value = 0.333333333333", "value = 0.3333333333333333"), none);
    assert_eq!(lines("value = 0.3333", "value = 0.3333333333333333").len(), 2);
    assert_eq!(lines("rows = [1, 2, 3]", "rows = [1, 3]"), ["Expected rows[1] 2"]);
    assert_eq!(lines("rows = [1, 3]", "rows = [1, 2, 3, 4]"), ["Found rows[1] 2", "Found rows[3] 4"]);
    assert_eq!(lines("counts = {}", "counts = { a = 1 }"), ["Found counts.a 1"]);
    assert_eq!(lines("value = 1", "error = { code = 'x' }"), ["Found error { code = \"x\" }"]);
    assert_eq!(lines("error = { code = 'x' }", "value = 1"), ["Expected error { code = \"x\" }"]);
    assert_eq!(lines("error = { code = 'x' }", "error = { code = 'x', message = 'm' }"), none);
}

#[test]
fn what_came_out_is_accepted_and_the_rest_of_the_file_stays() {
    let report = |found: &str| CaseReport {
        name: "x".into(),
        passed: false,
        differences: vec![],
        broken: None,
        usage: None,
        found: table(found),
    };
    let input = "# why\n[[batch]]\nrows = [{ a = \"[expect]\" }] # odd\n\n";
    let found = "rows = [{ a = 'line\\n\"two\"' }]\norigins = [0]\ncounts = { n = 1 }";
    let accepted = |text: &str| accept(World::Transform, &case(World::Transform, text).unwrap(), &report(found));
    let all = accepted(input).unwrap();
    assert!(all.starts_with(&format!("{input}[expect]\nrows = [\n    {{ a = ")), "{all}");
    assert!(all.ends_with("\n]\norigins = [0]\ncounts = { n = 1 }\n"), "{all}");
    let some = accepted(&format!("{input}[expect]\norigins = []\n")).unwrap();
    assert_eq!(some, format!("{input}[expect]\norigins = [0]\n"));
    assert!(accepted(&format!("[expect]\norigins = []\n{input}")).is_err());
    assert!(accepted(&format!("expect.origins = []\n{input}")).is_err());
}
