//! One host for all attacks, and a well-behaved plugin that has to run after each.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use freehold_core::batch::{Batch, Column, ColumnData, TextColumn};
use freehold_core::contract::CONTRACT;
use freehold_core::digest::Digest;
use freehold_core::evidence::{Evidence, Subject};
use freehold_core::limits::Limits;
use freehold_core::manifest::{Manifest, PluginSource, World};
use freehold_core::printable::is_printable;
use freehold_core::verdict::{Outcome, Stage};
use freehold_sandbox::{Cache, Grants, HostSettings, Plugin, Sandbox, SandboxError};
use freehold_trust::{MacKey, PublisherRule, Role, SecretKey, TrustRoot, VerifiedRoot, sign_plugin, verify_plugin};
use jiff::{SignedDuration, Timestamp};
use semver::Version;
use tempfile::TempDir;

use crate::guest;

/// What every hostile guest may use: little, so that what runs away is stopped soon.
pub(crate) fn limits() -> Limits {
    Limits {
        fuel: 5_000_000,
        wall_time_ms: 2_000,
        memory_bytes: 4 << 20,
        table_elements: 1_000,
        input_bytes: 1 << 20,
        output_bytes: 1 << 20,
        log_bytes: 4 << 10,
        component_bytes: 1 << 20,
        instances: 8,
        ..Limits::default()
    }
}

/// A host, and the key that everything is signed with: the attacks are those of a publisher who is trusted.
pub(crate) struct Host {
    /// Compiles what it has not seen.
    first: Sandbox,
    /// Has the cache that the first one fills.
    second: Sandbox,
    /// Which of them is at work.
    again: AtomicBool,
    key: SecretKey,
    root: VerifiedRoot,
    cache: TempDir,
}

pub(crate) fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| Host::new(HostSettings { concurrent: 16, ..HostSettings::default() }))
}

impl Host {
    /// A host of its own.
    pub(crate) fn new(settings: HostSettings) -> Self {
        let key = SecretKey::generate().unwrap();
        let expires = Timestamp::now() + SignedDuration::from_hours(1);
        let mut root =
            TrustRoot::first(expires, [Role::Root, Role::Recorder, Role::Log].map(|role| (role, key.public())));
        root.publishers = vec![PublisherRule { key: key.public().id(), names: vec!["*".parse().unwrap()] }];
        let root = VerifiedRoot::first(&root.sign(&[&key]).unwrap().to_bytes()).unwrap();
        let cache = TempDir::new().unwrap();
        let dir = Dir::open_ambient_dir(cache.path(), ambient_authority()).unwrap();
        let compiled = Cache::new(dir, MacKey::generate().unwrap());
        let sandbox = || Sandbox::new(settings, Some(compiled.clone())).unwrap();
        Self { first: sandbox(), second: sandbox(), again: AtomicBool::new(false), key, root, cache }
    }

    /// Verifies and loads a component as a plugin of a world.
    pub(crate) fn load(&self, world: World, limits: Limits, component: &[u8]) -> Result<Plugin, SandboxError> {
        self.load_for(&CONTRACT, world, limits, component)
    }

    /// The same, under a manifest that says that it was built for `contract`.
    pub(crate) fn load_for(
        &self,
        contract: &Version,
        world: World,
        limits: Limits,
        component: &[u8],
    ) -> Result<Plugin, SandboxError> {
        let source = PluginSource {
            name: "acme/hostile".parse().unwrap(),
            version: "1.0.0".parse().unwrap(),
            world,
            description: "An attack".into(),
            capabilities: vec![],
            limits,
            settings: [].into(),
        };
        let now = Timestamp::now();
        let hour = SignedDuration::from_hours(1);
        let manifest = Manifest::new(source, Digest::of(component), now - hour, now + hour);
        let manifest = Manifest { contract: contract.clone(), ..manifest };
        let envelope = sign_plugin(&manifest, &self.key).unwrap().to_bytes();
        let asked = (&manifest.name, &manifest.version);
        let verified = verify_plugin(&self.root, now, asked, &envelope, component.to_vec()).unwrap();
        let sandbox = if self.again.load(Ordering::Relaxed) { &self.second } else { &self.first };
        sandbox.load(&verified)
    }

    /// The next plugin runs normally.
    fn runs_the_next_plugin(&self) {
        let good = self.load(World::Policy, limits(), &guest::component(World::Policy, &good_policy())).unwrap();
        let verdict = good.policy().unwrap().check(Grants::default(), &evidence()).0.unwrap();
        assert_eq!((verdict.outcome, verdict.reason.as_str()), (Outcome::Allow, "well"));
    }

    /// Compiled plugins in the cache, by name, and when each was written.
    fn compiled(&self) -> Vec<(PathBuf, SystemTime)> {
        let folders = std::fs::read_dir(self.cache.path()).unwrap().map(|folder| folder.unwrap().path());
        let files = folders.flat_map(|folder| std::fs::read_dir(folder).unwrap());
        let mut files: Vec<_> = files.map(|file| file.unwrap()).collect();
        files.sort_by_key(std::fs::DirEntry::path);
        files.iter().map(|file| (file.path(), file.metadata().unwrap().modified().unwrap())).collect()
    }
}

/// `ok(verdict { allow, "ok", "well", [] })`
pub(crate) fn good_policy() -> String {
    let at = guest::TEXT;
    guest::verdict(&[0, 0, at, 2, at + 2, 4, 0, 0], &guest::text(at, "okwell"))
}

pub(crate) fn evidence() -> Evidence {
    let subject = |name: &str| Subject { name: name.into(), digest: "sha256:0".into(), attributes: vec![] };
    Evidence {
        stage: Stage::Admit,
        run: "run-1".into(),
        base: subject("base"),
        datasets: vec![subject("tickets")],
        plugins: vec![],
        measurements: vec![],
        production: None,
        attributes: vec![],
    }
}

/// Three rows of text.
pub(crate) fn batch(first: u64) -> Batch {
    let texts: TextColumn = ["one", "two", "three"].into_iter().collect();
    Batch::new(first, 3, vec![Column { name: "text".into(), data: ColumnData::Text(texts), validity: None }]).unwrap()
}

/// A number of kB that the kernel tells of this process, in bytes.
fn kernel_says(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

/// By how much the process grew at the most while `work` was done, in bytes, even if it gave everything back.
fn grown<T>(work: impl FnOnce() -> T) -> (T, u64) {
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let before = kernel_says("VmRSS:");
    let done = work();
    (done, kernel_says("VmHWM:").saturating_sub(before))
}

/// One attack, and the code and a part of the message by which the host names it.
#[derive(Clone)]
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) module: String,
    pub(crate) code: &'static str,
    pub(crate) says: &'static str,
}

/// More than compiling takes, and far less than any of the bombs would.
const GROWTH_COMPILING_MAX: u64 = 96 << 20;
/// The memory of a guest, what it is handed and what it returns, and the code that is loaded.
const GROWTH_MAX: u64 = 16 << 20;

/// What is wrong with the way in which an attack ended.
fn judged(attack: &Attack, ended: Result<(), SandboxError>, grown: u64, growth_max: u64) -> Result<(), String> {
    let error = ended.err().ok_or("it succeeded")?;
    let text = error.to_string();
    for (holds, problem) in [
        (error.code() == attack.code, "another code"),
        (text.contains(attack.says), "another message"),
        (text.contains("acme/hostile"), "the plugin is not named"),
        (!error.remedy().is_empty(), "no remedy"),
        (text.len() < 4_000, "a message without end"),
        (text.chars().all(is_printable), "a message that does not show as it is"),
    ] {
        if !holds {
            return Err(format!("{problem}: {} {error:?}", error.code()));
        }
    }
    if grown > growth_max { Err(format!("the host grew by {grown} bytes")) } else { Ok(()) }
}

/// Makes the attacks, one after the other: on a host that has to compile them, then on one that has them compiled. Tells of
/// every one that got through.
pub(crate) fn defend(attacks: Vec<Attack>, attempt: impl Fn(&Host, &Attack) -> Result<(), SandboxError>) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let host = host();
    host.runs_the_next_plugin();
    let mut failures = Vec::new();
    for attack in attacks {
        let mut compiled = None;
        for (again, growth_max) in [(false, GROWTH_COMPILING_MAX), (true, GROWTH_MAX)] {
            host.again.store(again, Ordering::Relaxed);
            let (ended, grown) = grown(|| attempt(host, &attack));
            let how = if again { "from the cache" } else { "compiled" };
            if let Err(problem) = judged(&attack, ended, grown, growth_max) {
                failures.push(format!("{}, {how}: {problem}", attack.name));
            }
            host.runs_the_next_plugin();
            // The second host compiles nothing.
            let now = host.compiled();
            if compiled.replace(now.clone()).is_some_and(|before| before != now) {
                failures.push(format!("{}: was compiled again", attack.name));
            }
        }
        host.again.store(false, Ordering::Relaxed);
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
