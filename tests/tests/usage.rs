//! What plugins used of what they may is told after a run: on the page, in JSON, and in the record.

#![expect(clippy::unwrap_used, reason = "tests")]

use freehold_tests::{Project, Recipe};
use serde_json::Value;

/// The kinds of limits that are told, and whether some of each was used.
fn told(usage: &Value, label: &str) {
    for kind in [
        "wall_time_ms",
        "memory_bytes",
        "table_elements",
        "input_bytes",
        "output_bytes",
        "log_bytes",
        "component_bytes",
    ] {
        let (used, limit) = (&usage[kind]["used"], &usage[kind]["limit"]);
        assert!(used.as_u64().unwrap() <= limit.as_u64().unwrap(), "{label}, {kind}: {usage}");
        assert!(limit.as_u64().unwrap() > 0, "{label}, {kind}: {usage}");
    }
    for kind in ["memory_bytes", "input_bytes", "component_bytes"] {
        assert!(usage[kind]["used"].as_u64().unwrap() > 0, "{label}, {kind}: {usage}");
    }
}

#[test]
fn what_plugins_used_is_on_the_page_in_json_and_in_the_record() {
    let project = Project::new();
    let said = project.run_recipe(&Recipe::default()).expect(0);
    let page = said.stdout.clone();
    let row = |of: &str| {
        let line = page.lines().find(|line| line.contains(of) && line.contains(" MiB")).unwrap_or_default();
        line.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for transform in ["freehold/redact-pii", "freehold/deduplicate", "freehold/chat-format"] {
        let row = row(transform);
        assert!(row.contains("% time") && row.contains(" MiB"), "{row}");
    }
    for policy in ["freehold/license-gate", "freehold/residency-gate", "freehold/metric-gate"] {
        let row = row(policy);
        assert!(row.contains("% fuel") && row.contains(" of 16 MiB"), "{row}");
    }
    assert!(page.lines().any(|line| line.contains("Plugin") && line.contains("Work") && line.contains("Memory")));
    assert!(page.lines().all(|line| line.chars().count() <= 100), "{page}");

    let shown = project.run(&["audit", "show", "desk-1"]).expect(0).stdout;
    assert!(shown.lines().any(|line| line.contains("metric-gate") && line.contains("% fuel")), "{shown}");
    let shown = project.run(&["audit", "show", "desk-1", "--json"]).expect(0).json();
    let report = &shown["report"];
    let phase = |name: &str| {
        let phases = shown["phases"].as_array().unwrap();
        phases.iter().find(|phase| phase["phase"] == name).unwrap()["detail"].clone()
    };
    let recorded: Vec<Value> = ["admit", "promote"]
        .iter()
        .flat_map(|stage| phase(stage)["verdicts"].as_array().unwrap().clone())
        .map(|verdict| verdict["usage"].clone())
        .collect();
    let policies = report["policies"].as_array().unwrap();
    assert_eq!(policies.iter().map(|policy| policy["usage"].clone()).collect::<Vec<_>>(), recorded);
    for policy in policies {
        let (label, usage) = (policy["plugin"].to_string(), &policy["usage"]);
        told(usage, &label);
        // The limits of its manifest.
        assert_eq!(usage["fuel"]["limit"], 100_000_000, "{label}: {usage}");
        assert_eq!(usage["memory_bytes"]["limit"], 16_777_216, "{label}: {usage}");
        assert!((1..100_000_000).contains(&usage["fuel"]["used"].as_u64().unwrap()), "{label}: {usage}");
    }
    let transforms = report["transforms"].as_array().unwrap();
    let recorded = phase("transform");
    assert_eq!(transforms.len(), recorded.as_array().unwrap().len());
    for (transform, recorded) in transforms.iter().zip(recorded.as_array().unwrap()) {
        told(&transform["usage"], &transform["plugin"].to_string());
        assert_eq!(transform["usage"], recorded["usage"]);
    }
    // The next run says the same when it is asked for JSON at once. Only times differ.
    let again = project.run(&["run", "--json"]).expect(0).json();
    for (policy, before) in again["policies"].as_array().unwrap().iter().zip(policies) {
        // At promotion there is more evidence: what is in production by now.
        if policy["stage"] == "admit" && policy["plugin"] != "freehold/metric-gate" {
            assert_eq!(policy["usage"]["memory_bytes"], before["usage"]["memory_bytes"], "{policy}");
        }
        told(&policy["usage"], &policy["plugin"].to_string());
    }
}
