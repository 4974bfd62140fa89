//! Software notes in the manner of changelogs: what changed in which version, and how pressing the update is.

use super::scene::Scene;

const PACKAGES: &[&str] = &[
    "libframe",
    "netmap",
    "colorsh",
    "pkgtool",
    "fontview",
    "gridfs",
    "maild",
    "timectl",
    "xmlread",
    "imgconv",
    "logview",
    "hashlib",
    "tarball",
    "sshkit",
    "perlmod",
    "python-table",
    "rust-ring",
    "gcc-extras",
    "systemtap",
    "dbus-lite",
];
const CHANGES: &[&str] = &[
    "New upstream release.",
    "New upstream version $version.",
    "Fix a typo in the [manual|description|man page].",
    "Fix [a crash|a memory leak|a race|an endless loop] when [reading|writing|closing] a file. (Closes: #$bug)",
    "Security fix: [buffer overflow|integer overflow|use after free|path traversal] in $package. (CVE-$year-$cve)",
    "Build with all hardening flags.",
    "Update [German|French|Spanish|Dutch|Polish] translation. Thanks to $agent.",
    "Drop patch applied upstream.",
    "Refresh patches.",
    "debian/control: Bump Standards-Version to $version.",
    "debian/rules: Do not run the tests on [arm|m68k|all] ports.",
    "debian/copyright: Update years.",
    "Add dependency on $package.",
    "Rebuild against $package $version.",
    "Remove [obsolete|unused] [scripts|files|options].",
    "Disable a test that fails at random.",
    "Backport a fix for [a regression|wrong output|slow start] from upstream.",
    "Non-maintainer upload.",
    "Team upload.",
    "Upload to unstable.",
    "Install the [examples|headers|icons] in the right place.",
    "Support [cross builds|parallel builds|reproducible builds].",
];

/// An entry per version, newest first.
pub(super) fn changelog(scene: &mut Scene) -> String {
    let package = scene.random.pick(PACKAGES);
    let mut major = scene.random.between(3, 12);
    let mut text = String::new();
    for _ in 0..scene.random.between(1, 3) {
        let distribution = scene.random.pick(&["unstable", "stable-security", "experimental"]);
        // Not the header of a real changelog: the label of the other demo must not stand next to its text.
        text.push_str(&format!(
            "{package} ({major}.{}-{}) {distribution}\n\n",
            scene.random.below(20),
            scene.random.between(1, 4)
        ));
        major -= 1;
        let count = scene.random.between(2, 6);
        for change in changes(scene, count) {
            text.push_str(&format!("  * {change}\n"));
        }
        scene.renew();
        let (day, month) = (scene.random.between(1, 28), scene.fill("[Jan|Mar|May|Jul|Sep|Nov] $year"));
        let Scene { random, customer, .. } = scene;
        let (author, email) = (customer.name(), customer.email(random));
        text.push_str(&format!("\n -- {author} <{email}>  {day} {month}\n"));
    }
    text
}

fn changes(scene: &mut Scene, count: usize) -> Vec<String> {
    let mut lines: Vec<&str> = CHANGES.to_vec();
    scene.random.shuffle(&mut lines);
    lines.truncate(count);
    lines
        .into_iter()
        .map(|line| {
            let line = line
                .replace("$bug", &scene.random.between(100_000, 999_999).to_string())
                .replace("$cve", &scene.random.between(1000, 49_999).to_string())
                .replace("$package", scene.random.pick(PACKAGES));
            // Names of files keep their small letter.
            scene.fill(&line).replacen("Debian/", "debian/", 1)
        })
        .collect()
}

/// Release notes of an app of the shop.
pub(super) fn notes(scene: &mut Scene) -> String {
    let title = scene.fill("$brand app $version");
    let count = scene.random.between(4, 8);
    let lines = scene.several(
        &[
            "Fixed: after the update some users were logged out of the app.",
            "Fixed: the login code did not arrive.",
            "Fixed: $fault.",
            "New: download an invoice as a file.",
            "New: cancel an order with one click.",
            "New: upgrade to the premium plan in the app.",
            "New: see where the parcel is on the tracking page.",
            "New: ask for a refund under orders.",
            "Improved: the app starts $small times faster.",
            "Improved: a reset link for the password is valid for $n minutes.",
            "Changed: the $part has a new setting.",
            "Security: passwords are checked against known leaks; please update immediately.",
            "Low priority: the colour of the button is $colour now.",
            "Known problem: $otherfault with the $other.",
        ],
        count,
    );
    let heading = scene.one_of(&[
        "What is new in this version of the app for the $product:",
        "This update of the app is urgent for owners of the $product and should be installed today.",
        "There is no hurry with this update for the $product; install it whenever it suits you.",
        "Changes since version $version:",
    ]);
    format!("{title}\n{heading}\n* {}", lines.join("\n* "))
}
