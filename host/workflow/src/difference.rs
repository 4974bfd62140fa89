//! How two manifests differ, and where the later one asks for more.

use std::collections::BTreeSet;
use std::fmt;

use freehold_core::limits::{LimitKind, Metering};
use freehold_core::manifest::{Manifest, SettingSchema};
use serde::Serialize;

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The key of the manifest, such as `limits.fuel`.
    pub what: String,
    /// What it was.
    pub before: String,
    /// What it is.
    pub after: String,
    /// Whether it asks for more than before.
    pub asks_more: bool,
    /// Whether a recipe that fits what was before may no longer fit.
    pub breaks: bool,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} -> {}", self.what, self.before, self.after)
    }
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".into() } else { names.join(", ") }
}

fn setting(schema: Option<&SettingSchema>) -> String {
    let Some(schema) = schema else { return "none".into() };
    let kind = format!("{:?}", schema.kind).to_lowercase();
    match (&schema.default, schema.optional) {
        (Some(default), _) => format!("{kind}, default {default}"),
        (None, true) => format!("{kind}, optional"),
        (None, false) => format!("{kind}, required"),
    }
}

/// What differs in `after`, apart from the dates of the signature. Two manifests without a difference are the same content.
pub fn differences(before: &Manifest, after: &Manifest) -> Vec<Difference> {
    // Named one by one, so that a new field cannot be forgotten here.
    let Manifest { name, version, world, contract, description, component, capabilities, limits: _, settings, .. } =
        after;
    let mut found = Vec::new();
    let mut compare = |what: &str, before: String, after: String, (asks_more, breaks): (bool, bool)| {
        if before != after {
            found.push(Difference { what: what.into(), before, after, asks_more, breaks });
        }
    };
    const PLAIN: (bool, bool) = (false, false);
    compare("name", before.name.to_string(), name.to_string(), (false, true));
    compare("version", before.version.to_string(), version.to_string(), PLAIN);
    compare("world", before.world.to_string(), world.to_string(), (true, true));
    compare("contract", before.contract.to_string(), contract.to_string(), (*contract > before.contract, false));
    let more = capabilities.iter().any(|asked| !before.capabilities.contains(asked));
    // A grant of what is no longer asked for is an error.
    let less = before.capabilities.iter().any(|asked| !capabilities.contains(asked));
    compare("capabilities", listed(&before.capabilities), listed(capabilities), (more, less));
    let metering = |metering: Metering| format!("{metering:?}").to_lowercase();
    let less_metered = (after.limits.metering == Metering::Time, false);
    compare("limits.metering", metering(before.limits.metering), metering(after.limits.metering), less_metered);
    for kind in LimitKind::ALL {
        let (then, now) = (before.limits.get(kind), after.limits.get(kind));
        compare(&format!("limits.{kind}"), then.to_string(), now.to_string(), (now > then, false));
    }
    for key in before.settings.keys().chain(settings.keys()).collect::<BTreeSet<_>>() {
        let (then, now) = (before.settings.get(key), settings.get(key));
        let required = |schema: &SettingSchema| schema.default.is_none() && !schema.optional;
        let asked_anew = now.is_some_and(required) && !then.is_some_and(required);
        let other_type = then.zip(now).is_some_and(|(then, now)| then.kind != now.kind);
        let breaks = asked_anew || other_type || now.is_none();
        compare(&format!("settings.{key}"), setting(then), setting(now), (then.is_none() && asked_anew, breaks));
        let text =
            |schema: Option<&SettingSchema>| schema.map_or_else(String::new, |schema| schema.description.clone());
        if then.is_some() && now.is_some() {
            compare(&format!("settings.{key}.description"), text(then), text(now), PLAIN);
        }
    }
    compare("description", before.description.clone(), description.clone(), PLAIN);
    compare("component", before.component.short(), component.short(), PLAIN);
    found
}

#[cfg(test)]
mod tests {
    use freehold_core::digest::Digest;
    use freehold_core::toml_text;
    use jiff::Timestamp;

    use super::*;

    const SOURCE: &str = "name = \"acme/x\"\nversion = \"1.0.0\"\nworld = \"policy\"\ndescription = \"x\"\n\
        capabilities = [\"asset:a\"]\n[settings.mode]\ntype = \"string\"\ndefault = \"b\"\ndescription = \"y\"";

    fn manifest(source: &str) -> Manifest {
        Manifest::new(toml_text::parse(source).unwrap(), Digest::of(b"c"), Timestamp::UNIX_EPOCH, Timestamp::MAX)
    }

    #[test]
    fn dates_are_no_difference() {
        let renewed = Manifest { created: Timestamp::MAX, expires: Timestamp::UNIX_EPOCH, ..manifest(SOURCE) };
        assert_eq!(differences(&manifest(SOURCE), &renewed), []);
    }

    #[test]
    fn everything_else_is_and_asking_for_more_is_marked() {
        for (from, to, what, marks) in [
            ("1.0.0", "1.0.1", "version", (false, false)),
            ("acme/x", "acme/y", "name", (false, true)),
            ("\"policy\"", "\"metric\"", "world", (true, true)),
            ("= \"x\"", "= \"z\"", "description", (false, false)),
            ("[\"asset:a\"]", "[\"asset:a\", \"asset:b\"]", "capabilities", (true, false)),
            ("[\"asset:a\"]", "[]", "capabilities", (false, true)),
            ("[settings", "[limits]\nfuel = 1\n[settings", "limits.fuel", (false, false)),
            ("[settings", "[limits]\nfuel = 20_000_000_001\n[settings", "limits.fuel", (true, false)),
            ("[settings", "[limits]\nwall_time_ms = 60_001\n[settings", "limits.wall_time_ms", (true, false)),
            ("[settings", "[limits]\nmemory_bytes = 67_108_865\n[settings", "limits.memory_bytes", (true, false)),
            ("[settings", "[limits]\noutput_bytes = 67_108_865\n[settings", "limits.output_bytes", (true, false)),
            ("[settings", "[limits]\nlog_bytes = 65_537\n[settings", "limits.log_bytes", (true, false)),
            ("\"b\"", "\"c\"", "settings.mode", (false, false)),
            ("default = \"b\"", "optional = true", "settings.mode", (false, false)),
            ("= \"y\"", "= \"z\"", "settings.mode.description", (false, false)),
            ("\"string\"\ndefault = \"b\"", "\"number\"\ndefault = 1", "settings.mode", (false, true)),
            ("default = \"b\"\n", "", "settings.mode", (false, true)),
        ] {
            let differs = differences(&manifest(SOURCE), &manifest(&SOURCE.replacen(from, to, 1)));
            let found: Vec<_> = differs.iter().map(|one| (one.what.as_str(), (one.asks_more, one.breaks))).collect();
            assert_eq!(found, [(what, marks)], "{from} -> {to}");
        }
        let other = Manifest { component: Digest::of(b"d"), ..manifest(SOURCE) };
        assert_eq!(differences(&manifest(SOURCE), &other)[0].what, "component");
        let newer = Manifest { contract: semver::Version::new(9, 0, 0), ..manifest(SOURCE) };
        assert!(differences(&manifest(SOURCE), &newer)[0].asks_more);
        let gone = differences(&manifest(SOURCE), &Manifest { settings: Default::default(), ..manifest(SOURCE) });
        assert_eq!(gone[0].to_string(), "settings.mode string, default \"b\" -> none");
        assert!(gone[0].breaks);
    }
}
