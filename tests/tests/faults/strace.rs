//! A command under strace: which calls it makes on the files of its project, and what becomes of it when one of them fails.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use freehold_tests::{Outcome, Project};

/// What is made to fail: all that opens, writes, syncs, names or makes something. A question mark: not every machine has it.
const CALLS: &str = "?open,openat,?openat2,write,?pwrite64,?writev,fsync,fdatasync,ftruncate,?fallocate,\
                     ?rename,?renameat,?renameat2,?link,linkat,?symlink,symlinkat,?mkdir,mkdirat";

/// What happens in place of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// It fails with EIO.
    Eio,
    /// It fails with ENOSPC.
    Enospc,
    /// The process is killed before it.
    Kill,
}

impl Fault {
    pub(crate) const ALL: [Self; 3] = [Self::Eio, Self::Enospc, Self::Kill];

    fn injected(self) -> &'static str {
        match self {
            Self::Eio => "error=EIO",
            Self::Enospc => "error=ENOSPC",
            Self::Kill => "signal=KILL",
        }
    }
}

/// One call of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    /// Its name.
    pub(crate) name: String,
    /// The file, from the folder of the project; what differs from run to run is written out.
    pub(crate) file: String,
    /// Whether it may make the file.
    pub(crate) makes: bool,
    /// Whether it succeeded.
    pub(crate) succeeded: bool,
    /// By what strace finds it again.
    at: Place,
}

/// How strace tells calls of one name apart. It counts them for each thread.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    /// The so-manieth of the first thread, from 1.
    Nth(usize),
    /// The first one of its thread that touches this path, from the folder of the project. Threads other than the first make
    /// few calls.
    Path(PathBuf),
}

impl Call {
    /// Calls of one site do the same to the same kind of file.
    pub(crate) fn site(&self) -> (String, String) {
        (format!("{}{}", self.name, if self.makes { "+" } else { "" }), pattern(&self.file))
    }

    /// Whether the disk may be too full for it.
    pub(crate) fn needs_space(&self) -> bool {
        self.makes || !self.name.starts_with("open")
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Place::Nth(n) => write!(f, "{} number {n}, of `{}`", self.name, self.file),
            Place::Path(_) => write!(f, "{} of `{}` in a thread", self.name, self.file),
        }
    }
}

/// A path with names of plugins, digests, and numbers of processes, steps and entries left out.
fn pattern(file: &str) -> String {
    let mut pattern = String::new();
    let file = match file.split_once("/freehold/") {
        Some((folder, plugin)) => {
            let (_, rest) = plugin.split_once('/').unwrap_or((plugin, ""));
            format!("{folder}/freehold/PLUGIN/{rest}")
        }
        None => file.to_owned(),
    };
    for part in file.split_inclusive(['/', '.', '-']) {
        let name = part.trim_end_matches(['/', '.', '-']);
        let hex = name.len() >= 8 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
        pattern += if hex || number { "N" } else { name };
        pattern += &part[name.len()..];
    }
    pattern
}

/// What became of a command.
pub(crate) struct Traced {
    pub(crate) outcome: Outcome,
    /// Whether it was killed.
    pub(crate) killed: bool,
    /// Its calls on files of the project.
    pub(crate) calls: Vec<Call>,
    /// Files of the calls that failed because they were made to.
    pub(crate) injected: usize,
}

/// Whether commands can be traced here. Says why not.
pub(crate) fn available() -> bool {
    let traced = Command::new("strace").args(["-f", "-o", "/dev/null", "true"]).stdin(Stdio::null()).output();
    let why = match traced {
        Ok(output) if output.status.success() => return true,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(error) => error.to_string(),
    };
    eprintln!("SKIPPED: strace cannot be used here (Debian's package `strace`): {why}");
    false
}

/// Runs a command, and lets what is said happen.
pub(crate) fn trace(project: &Project, arguments: &[&str], fault: Option<(&Call, Fault)>) -> Traced {
    let folder = project.path().canonicalize().unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let command = project.command(arguments);
    let mut strace = Command::new("strace");
    strace.args(["-f", "-y", "-s", "0", "-o"]).arg(log.path()).args(["-e", &format!("trace={CALLS}")]);
    // Faster, but then a signal does not arrive.
    if fault.is_none_or(|(_, fault)| fault != Fault::Kill) {
        strace.arg("--seccomp-bpf");
    }
    if let Some((call, fault)) = fault {
        let nth = match &call.at {
            Place::Nth(n) => *n,
            Place::Path(path) => {
                strace.arg("-P").arg(folder.join(path));
                1
            }
        };
        strace.args(["-e", &format!("inject={}:{}:when={nth}", call.name, fault.injected())]);
    }
    strace.arg(command.get_program()).args(command.get_args()).current_dir(&folder);
    strace.env_remove("FREEHOLD_HOME").env_remove("FREEHOLD_LOG").stdin(Stdio::null());
    let output: Output = strace.output().unwrap();
    let killed = output.status.signal() == Some(9);
    let text = String::from_utf8_lossy(&std::fs::read(log.path()).unwrap()).into_owned();
    let injected = text.matches("(INJECTED)").count();
    Traced { outcome: output.into(), killed, calls: parse(&text, &folder), injected }
}

/// The calls on files below `folder`.
fn parse(log: &str, folder: &Path) -> Vec<Call> {
    let mut calls: Vec<(&str, Option<Call>)> = Vec::new();
    let first = log.split_whitespace().next().unwrap_or_default();
    let mut made: Vec<(&str, &str)> = Vec::new();
    for line in log.lines() {
        let Some((thread, said)) = line.split_once(' ') else { continue };
        let said = said.trim_start();
        if let Some(rest) = said.strip_prefix("<... ") {
            let call = calls.iter_mut().rev().find(|(of, _)| *of == thread);
            if let Some((_, Some(call))) = call {
                call.succeeded = succeeded(rest);
            }
            continue;
        }
        let Some((name, rest)) = said.split_once('(') else { continue };
        if name.starts_with(['+', '-']) {
            continue;
        }
        made.push((thread, name));
        let nth = made.iter().filter(|one| **one == (thread, name)).count();
        let call = file_of(name, rest, folder).map(|(file, literal)| {
            let at = if thread == first { Place::Nth(nth) } else { Place::Path(literal) };
            let makes = rest.contains("O_CREAT");
            Call { name: name.into(), file, makes, succeeded: succeeded(rest), at }
        });
        calls.push((thread, call));
    }
    calls.into_iter().filter_map(|(_, call)| call).collect()
}

fn succeeded(rest: &str) -> bool {
    rest.rsplit_once(" = ").is_some_and(|(_, result)| !result.starts_with('-') && !result.starts_with('?'))
}

/// The file that a call is about and the path by which strace would know it, both from `folder`. Arguments are as in
/// `openat2(7</home/ledger>, "tile/0/000.p", {flags=...`.
fn file_of(name: &str, rest: &str, folder: &Path) -> Option<(String, PathBuf)> {
    let arguments = rest.rsplit_once(") ").map_or(rest, |(arguments, _)| arguments);
    let folders = arguments.split('<').skip(1).filter_map(|part| part.split_once('>')).map(|(path, _)| path);
    let folders: Vec<&str> = folders.filter(|path| path.starts_with('/')).collect();
    let literals: Vec<&str> = arguments.split('"').skip(1).step_by(2).collect();
    // Of two, the second is what is made.
    let literal = literals.last().filter(|literal| !literal.is_empty() && !name.contains("write"));
    let path = match literal {
        Some(literal) => folder.join(folders.last().copied().unwrap_or_default()).join(literal),
        None => PathBuf::from(folders.first()?),
    };
    let file = path.strip_prefix(folder).ok()?.to_str()?.trim_end_matches("/.").to_owned();
    // One that is opened is known by the folder that it is looked for in.
    let known = if literal.is_some() { Path::new(folders.last()?) } else { &path };
    Some((file, known.strip_prefix(folder).ok()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read_with_their_files_and_places() {
        let log = "\
7 openat(AT_FDCWD</p>, \"/etc/ld.so.cache\", O_RDONLY) = 3</etc/ld.so.cache>
7 openat2(3</p/home>, \"trust/1.root.json\", {flags=O_RDONLY, resolve=RESOLVE_BENEATH}, 24) = -1 ENOENT (No such file)
7 write(5</p/home/ledger/.checkpoint.7-12.tmp>, \"\"..., 9) = 9
8 fsync(6</p/home/ledger/tile/0/000.p/3> <unfinished ...>
7 renameat(3</p/home>, \".a.7-1.tmp\", 4</p/home/store>, \"b\") = -1 EIO (Input/output error) (INJECTED)
8 <... fsync resumed>) = 0
8 +++ exited with 0 +++
7 fsync(9</p/home>) = ?
";
        let calls = parse(log, Path::new("/p"));
        let seen: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.file.as_str(), call.succeeded)).collect();
        assert_eq!(
            seen,
            [
                ("openat2", "home/trust/1.root.json", false),
                ("write", "home/ledger/.checkpoint.7-12.tmp", true),
                ("fsync", "home/ledger/tile/0/000.p/3", true),
                ("renameat", "home/store/b", false),
                ("fsync", "home", false),
            ]
        );
        assert_eq!(calls[2].at, Place::Path("home/ledger/tile/0/000.p/3".into()));
        assert_eq!(calls[3].at, Place::Nth(1));
        assert_eq!(calls[1].site(), ("write".into(), "home/ledger/.checkpoint.N-N.tmp".into()));
    }
}
