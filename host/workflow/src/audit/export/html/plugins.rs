//! The plugins: who signed them, what bytes they were, and whether they are in good standing.

use maud::{Markup, html};

use super::Facts;
use crate::audit::ExplainedPlugin;
use crate::page::elements::{badge, digest, key, lines, name, note, said, table, text};

pub(super) fn section(facts: &Facts) -> Markup {
    let plugins = &facts.run.explanation.plugins;
    if plugins.is_empty() {
        return note("The run used no plugin.");
    }
    let newest = facts.run.newest_root.as_ref().map_or(0, |root| root.version);
    let row = |plugin: &ExplainedPlugin| {
        vec![
            name(&plugin.name),
            text(&plugin.version),
            lines(&plugin.used_as),
            plugin.signer.as_deref().map_or_else(|| text("not recorded"), key),
            standing(plugin),
            digest(&plugin.component),
            digest(&plugin.manifest),
        ]
    };
    let rows: Vec<_> = plugins.iter().map(row).collect();
    html! {
        p {
            "Each was verified against the trust root before it was compiled. Standing is by trust root " (newest)
            ", the newest of this home."
        }
        (table(
            "Plugins",
            &["Plugin", "Version", "Used as", "Signed by", "Standing", "Component", "Signed manifest"],
            &rows,
        ))
    }
}

fn standing(plugin: &ExplainedPlugin) -> Markup {
    html! {
        @match (&plugin.revoked, &plugin.yanked) {
            (Some(why), _) => { (badge("deny", "revoked")) br; (said(why)) }
            (None, Some(why)) => { (badge("warn", "yanked")) br; (said(why)) }
            (None, None) => { (badge("allow", "good")) }
        }
    }
}
