//! One host for all attacks, and a well-behaved plugin that has to run after each.

use std::sync::OnceLock;

use freehold_core::batch::{Batch, Column, ColumnData, TextColumn};
use freehold_core::contract::CONTRACT;
use freehold_core::digest::Digest;
use freehold_core::evidence::{Evidence, Subject};
use freehold_core::limits::Limits;
use freehold_core::manifest::{Manifest, PluginSource, World};
use freehold_core::verdict::{Outcome, Stage};
use freehold_sandbox::{Grants, HostSettings, Plugin, Sandbox, SandboxError};
use freehold_trust::{PublisherRule, Role, SecretKey, TrustRoot, VerifiedRoot, sign_plugin, verify_plugin};
use jiff::{SignedDuration, Timestamp};
use semver::Version;

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
    sandbox: Sandbox,
    key: SecretKey,
    root: VerifiedRoot,
}

pub(crate) fn host() -> &'static Host {
    static HOST: OnceLock<Host> = OnceLock::new();
    HOST.get_or_init(|| {
        let key = SecretKey::generate().unwrap();
        let expires = Timestamp::now() + SignedDuration::from_hours(1);
        let mut root =
            TrustRoot::first(expires, [Role::Root, Role::Recorder, Role::Log].map(|role| (role, key.public())));
        root.publishers = vec![PublisherRule { key: key.public().id(), names: vec!["*".parse().unwrap()] }];
        let root = VerifiedRoot::first(&root.sign(&[&key]).to_bytes()).unwrap();
        let settings = HostSettings { concurrent: 16, ..HostSettings::default() };
        Host { sandbox: Sandbox::new(settings, None).unwrap(), key, root }
    })
}

impl Host {
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
        let envelope = sign_plugin(&manifest, &self.key).to_bytes();
        let asked = (&manifest.name, &manifest.version);
        let verified = verify_plugin(&self.root, now, asked, &envelope, component.to_vec()).unwrap();
        self.sandbox.load(&verified)
    }

    /// The next plugin runs normally.
    fn runs_the_next_plugin(&self) {
        let good = self.load(World::Policy, limits(), &guest::component(World::Policy, &good_policy())).unwrap();
        let verdict = good.policy().unwrap().check(Grants::default(), &evidence()).0.unwrap();
        assert_eq!((verdict.outcome, verdict.reason.as_str()), (Outcome::Allow, "well"));
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

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<u64>().unwrap() * 1024
}

/// One attack, and the code and a part of the message by which the host names it.
pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) module: String,
    pub(crate) code: &'static str,
    pub(crate) says: &'static str,
}

/// More than compiling and one guest's memory take, and far less than any of the bombs would.
const GROWTH_LIMIT: u64 = 128 << 20;

/// Makes the attacks, one after the other.
pub(crate) fn defend(attacks: Vec<Attack>, attempt: impl Fn(&Host, &Attack) -> Result<(), SandboxError>) {
    let host = host();
    for attack in attacks {
        let before = resident();
        let error = match attempt(host, &attack) {
            Err(error) => error,
            Ok(()) => panic!("{}: succeeded", attack.name),
        };
        assert_eq!(error.code(), attack.code, "{}: {error}", attack.name);
        assert!(error.to_string().contains(attack.says), "{}: {error}", attack.name);
        assert!(error.to_string().contains("acme/hostile"), "{}: {error}", attack.name);
        assert!(!error.remedy().is_empty());
        assert!(error.to_string().len() < 4_000, "{}", attack.name);
        assert!(!error.to_string().chars().any(char::is_control), "{}: {error:?}", attack.name);
        let grown = resident().saturating_sub(before);
        assert!(grown < GROWTH_LIMIT, "{}: the host grew by {grown} bytes", attack.name);
        host.runs_the_next_plugin();
    }
}
