use super::*;
use flate2::{Compression, write::GzEncoder};
use std::io::Write;

const TRICKY: &str = "zlib (1:1.2-3) unstable; urgency=low (HIGH for m68k)\n\n  * Fix <a@b.example>.\n\n -- Ann Lee <ann@lee.example>  Mon, 1 Jan 2001\n\n\
    zlib (1.1-1) stable unstable; binary-only=yes, Urgency=HIGH\r\n\r\n  * One.\r\n\tTwo.\r\n -- Bo <bo@x.example> Sun\r\n\
    zlib (1.0-2) unstable; priority=low\n\n  * No urgency.\n\n -- Cy <cy@x.example>  Sun\n\
    zlib (1.0-1) unstable; urgency=low\n\n  * No trailer.\n\n\
    zlib (0.9-1) unstable; urgency=low\n\n  * Old.\n\nOld Changelog:\n  * older\n -- Di <di@x.example>  Sun\n";

fn parsed(text: &str) -> Vec<Entry> {
    parse("zlib1g", text, &mut BTreeSet::new())
}

fn packed(folder: &Path, package: &str, text: &[u8]) {
    let folder = folder.join(package);
    std::fs::create_dir_all(&folder).unwrap();
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    std::fs::write(folder.join("changelog.Debian.gz"), encoder.finish().unwrap()).unwrap();
}

fn fresh_folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("changelogs-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

#[test]
fn tricky_entries_parse_and_broken_ones_are_left_out() {
    let entries = parsed(TRICKY);
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert_eq!((entries[0].id.as_str(), entries[0].urgency.as_str()), ("zlib1g_1:1.2-3", "low"));
    assert_eq!(entries[0].text, "  * Fix <a@b.example>.\n -- Ann Lee <ann@lee.example>  Mon, 1 Jan 2001");
    assert_eq!((entries[1].package.as_str(), entries[1].urgency.as_str()), ("zlib", "high"));
    assert_eq!(entries[1].text, "  * One.\n\tTwo.\n -- Bo <bo@x.example> Sun");
}

#[test]
fn long_entries_are_cut_at_a_line_and_keep_the_trailer() {
    let changes = "  * Forty characters of a change, about.\n".repeat(40);
    let text = &parsed(&format!("a (1) b; urgency=medium\n{changes} -- N <n@x.example>  D\n"))[0].text;
    assert!(text.ends_with("about.\n -- N <n@x.example>  D"));
    assert!((CHANGES_CHARACTERS_MAX - 50..CHANGES_CHARACTERS_MAX + 50).contains(&text.len()), "{}", text.len());
}

#[test]
fn addresses_are_found_wherever_they_stand() {
    let found = addresses("<a@b.example>, (mail:c.d+e@f), \"g@h\" x @ y @z w@ end i@j.k. s/#@/$@@/ $@ (@n)");
    assert_eq!(found.into_iter().collect::<Vec<_>>(), ["a@b.example", "c.d+e@f", "g@h", "i@j.k"]);
}

#[test]
fn folders_are_read_in_order_and_duplicates_stay_on_one_side() {
    let folder = fresh_folder("read");
    let mut text = String::new();
    for number in 0..60 {
        let word: String =
            hash(&number.to_string()).to_string().bytes().map(|digit| char::from(digit - b'0' + b'a')).collect();
        let urgency = if number % 3 == 0 { "low" } else { "medium" };
        text.push_str(&format!(
            "s (1.{number}) u; urgency={urgency}\n\n  * {word} changed.\n\n -- N{number} <n{number}@x.example>  D\n\n"
        ));
    }
    packed(&folder, "one", text.as_bytes());
    packed(&folder, "two", text.as_bytes());
    packed(&folder, "latin", b"l (1) u; urgency=high\n\n  * Gr\xfc\xdfe.\n\n -- J\xf6rg <j@x.example>  D\n");
    std::fs::create_dir_all(folder.join("broken")).unwrap();
    std::fs::write(folder.join("broken/changelog.Debian.gz"), b"no gzip").unwrap();
    let all = read(&folder, 1_000).unwrap();
    assert_eq!((all.statistics.files, all.statistics.files_unreadable), (3, 1));
    assert_eq!((all.statistics.entries, all.statistics.entries_distinct, all.statistics.authors), (121, 61, 61));
    assert_eq!(all.statistics.urgencies["medium"], 80);
    let eval: BTreeSet<u64> = all.eval.iter().map(|entry| group(&entry.text)).collect();
    assert!(!eval.is_empty() && eval.len() == all.eval.len());
    assert!(all.train.iter().all(|entry| !eval.contains(&group(&entry.text))));
    assert_eq!(all.train, read(&folder, 1_000).unwrap().train);
    assert!(all.addresses.len() <= all.statistics.emails && all.statistics.emails == 61);
    assert!(read(&folder, 20).unwrap().train.len() <= 18);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn an_empty_folder_says_what_is_missing() {
    let folder = fresh_folder("empty");
    let error = read(&folder, 10).unwrap_err().to_string();
    assert!(error.contains("changelog.Debian.gz") && error.contains("support desk"), "{error}");
    assert!(read(&folder.join("absent"), 10).is_err());
    std::fs::remove_dir_all(&folder).unwrap();
}
