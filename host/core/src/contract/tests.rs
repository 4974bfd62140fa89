use super::*;

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

/// Imports are marked so; the rest are exports.
fn border<'a>(names: &'a [&'a str]) -> (Vec<&'a str>, Vec<&'a str>) {
    let imports = names.iter().filter_map(|name| name.strip_prefix("import ")).collect();
    (imports, names.iter().copied().filter(|name| !name.starts_with("import ")).collect())
}

#[test]
fn versions_that_are_accepted() {
    for (contract, accepted) in [
        ("1.0.0", true),
        ("1.1.0", true),
        ("0.9.0", false),
        ("0.0.0", false),
        ("1.0.1", false),
        ("1.1.1", false),
        ("1.2.0", false),
        ("2.0.0", false),
        ("2.1.0", false),
        ("1.1.0-rc.1", false),
        ("1.0.0-rc.1", false),
        ("1.1.0+build", false),
    ] {
        assert_eq!(check_contract(&version(contract)).is_ok(), accepted, "{contract}");
    }
    assert_eq!(accepted_range(), "1.0.0 to 1.1.0");
}

#[test]
fn what_is_not_accepted_is_told_with_the_range_and_a_remedy() {
    for (contract, remedy) in [
        ("2.0.0", "update freehold to a version that has this contract"),
        ("1.2.0", "update freehold to a version that has this contract"),
        ("0.9.0", "get a newer version of the plugin"),
    ] {
        let error = check_contract(&version(contract)).unwrap_err();
        assert_eq!(error.to_string(), format!("was built for contract {contract}; this host accepts 1.0.0 to 1.1.0"));
        assert!(error.remedy().starts_with(remedy), "{}", error.remedy());
        assert!(error.remedy().contains("built again with the SDK of freehold "), "{}", error.remedy());
    }
}

const PLATFORM: &str = "import freehold:platform/platform@1.0.0";
const PLATFORM_1_1: &str = "import freehold:platform/platform@1.1.0";
const POLICY: &str = "freehold:policy/policy@1.0.0";
const POLICY_1_1: &str = "freehold:policy/policy@1.1.0";

/// What a component has at its border; which contract it was built for, if it was built for one that is accepted; and the
/// errors under a manifest that says 1.0.0 and under one that says 1.1.0.
type Row = (&'static [&'static str], Option<&'static str>, [Option<&'static str>; 2]);

#[test]
fn borders_that_are_accepted() {
    let rows: &[Row] = &[
        (&[], Some("1.0.0"), [None, None]),
        (&[PLATFORM, "import freehold:types/types@1.0.0", POLICY], Some("1.0.0"), [None, None]),
        (&[PLATFORM_1_1, "import freehold:types/types@1.0.0", POLICY_1_1], Some("1.1.0"), [Some("unclaimed"), None]),
        // Mixed: what was made for 1.1.0 by hand, or by another tool.
        (&[PLATFORM_1_1, POLICY], Some("1.1.0"), [Some("unclaimed"), None]),
        (&[PLATFORM, POLICY_1_1], Some("1.1.0"), [Some("unclaimed"), None]),
        (&[POLICY_1_1], Some("1.1.0"), [Some("unclaimed"), None]),
        // Exports that are no part of the contract are never called.
        (&[PLATFORM, POLICY, "run", "wasi:cli/run@0.2.0", "other:policy/policy@9.0.0"], Some("1.0.0"), [None, None]),
        // Newer, older and nonsensical versions.
        (&["import freehold:platform/platform@1.2.0", POLICY], None, [Some("newer"), Some("newer")]),
        (&["import freehold:platform/platform@2.0.0", POLICY], None, [Some("newer"), Some("newer")]),
        (&["import freehold:types/types@1.1.0", POLICY], None, [Some("newer"), Some("newer")]),
        (&["import freehold:platform/platform@0.9.0", POLICY], None, [Some("older"), Some("older")]),
        (&["import freehold:platform/platform@1.0.1", POLICY], None, [Some("older"), Some("older")]),
        (&["import freehold:platform/platform@1", POLICY], None, [Some("older"), Some("older")]),
        (&["import freehold:platform/platform@", POLICY], None, [Some("older"), Some("older")]),
        (&["import freehold:platform/platform", POLICY], None, [Some("older"), Some("older")]),
        (&[PLATFORM, "freehold:policy/policy@1.2.0"], None, [Some("newer"), Some("newer")]),
        (&[PLATFORM, "freehold:policy/policy@2.0.0"], None, [Some("newer"), Some("newer")]),
        (&[PLATFORM, "freehold:policy/policy@0.1.0"], None, [Some("older"), Some("older")]),
        // One export that is known does not excuse another, which would be linked instead of it.
        (&[PLATFORM, POLICY, "freehold:policy/policy@1.2.0"], None, [Some("newer"), Some("newer")]),
        // What no world offers.
        (&["import wasi:clocks/wall-clock@0.2.0", POLICY], None, [Some("foreign"), Some("foreign")]),
        (&["import freehold:policy/policy@1.0.0"], None, [Some("foreign"), Some("foreign")]),
        (&["import freehold:platform-x/platform@1.0.0"], None, [Some("foreign"), Some("foreign")]),
        (&["import freehold:platform/other@1.0.0"], None, [Some("foreign"), Some("foreign")]),
        (&["import exec"], None, [Some("foreign"), Some("foreign")]),
        (&["import "], None, [Some("foreign"), Some("foreign")]),
    ];
    for (names, built_for, results) in rows {
        let (imports, exports) = border(names);
        let found = contract_of(&imports, &exports);
        assert_eq!(found.ok(), built_for.map(version), "{names:?}");
        for (claimed, expected) in ["1.0.0", "1.1.0"].into_iter().zip(results) {
            let result = check_border(&version(claimed), &imports, &exports);
            let kind = result.err().map(|error| match error {
                BorderError::Foreign(_) => "foreign",
                BorderError::Unaccepted { is_newer: true, .. } => "newer",
                BorderError::Unaccepted { is_newer: false, .. } => "older",
                BorderError::Unclaimed { .. } => "unclaimed",
            });
            assert_eq!(kind, *expected, "{names:?} under {claimed}");
        }
    }
}

#[test]
fn borders_that_are_not_accepted_are_told_with_the_range_and_a_remedy() {
    let error = |claimed, names: &[&str]| {
        let (imports, exports) = border(names);
        check_border(&version(claimed), imports, exports).unwrap_err()
    };
    let newer = error("1.0.0", &["import freehold:platform/platform@1.2.0"]);
    let says =
        "imports `freehold:platform/platform@1.2.0`, which is in no contract that this host accepts (1.0.0 to 1.1.0)";
    assert_eq!(newer.to_string(), says);
    assert!(newer.remedy().starts_with("update freehold"), "{}", newer.remedy());
    let older = error("1.0.0", &["freehold:metric/metric@0.9.0"]);
    assert!(older.to_string().starts_with("exports `freehold:metric/metric@0.9.0`"), "{older}");
    assert!(older.remedy().starts_with("get a newer version of the plugin"), "{}", older.remedy());
    let unclaimed = error("1.0.0", &[PLATFORM_1_1]);
    let says = "is said to be built for contract 1.0.0, but imports `freehold:platform/platform@1.1.0`, which came with \
                contract 1.1.0";
    assert_eq!(unclaimed.to_string(), says);
    assert!(unclaimed.remedy().contains("freehold plugin sign"), "{}", unclaimed.remedy());
}

#[test]
fn the_accepted_versions_are_in_order_and_end_with_the_own_one() {
    let versions: Vec<_> = accepted().map(|(version, _)| version).collect();
    assert!(versions.is_sorted());
    assert_eq!(versions.last(), Some(&&CONTRACT));
    for pair in ACCEPTED.windows(2) {
        for (interface, version) in pair[0].interfaces {
            let next = pair[1].interfaces.iter().find(|(name, _)| name == interface);
            assert!(next.is_some_and(|(_, next)| next >= version && next.major == version.major), "{interface}");
        }
    }
}
