//! One file, fetched into `NAME.part` until it is whole, then under its name. What an interruption leaves is gone on from.

use std::io::{ErrorKind, Read, Seek as _, SeekFrom, Write as _};
use std::time::Duration;

use cap_std::fs::{Dir, OpenOptions};
use freehold_core::digest::{Digest, Hasher};
use freehold_core::hub::Commit;

use crate::HubError;
use crate::client::{Client, Promise};

/// How the names of files and folders end that are not whole yet.
pub const PART: &str = ".part";

const BUFFER: usize = 1 << 16;
/// How often a connection that breaks is taken up again without a byte having come in between.
const ATTEMPTS: u32 = 4;
const FIRST_WAIT: Duration = Duration::from_millis(250);

/// A file that is being fetched.
pub(crate) struct Part<'a> {
    pub(crate) client: &'a Client,
    pub(crate) commit: &'a Commit,
    pub(crate) dir: &'a Dir,
    pub(crate) name: &'a str,
    pub(crate) promise: Promise,
}

/// What is on the disk, and its digest so far.
struct State {
    file: std::fs::File,
    hasher: Hasher,
    have: u64,
}

impl State {
    fn begin_anew(&mut self) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.seek(SeekFrom::Start(0))?;
        (self.hasher, self.have) = (Hasher::new(), 0);
        Ok(())
    }

    /// Takes what is there already into the digest.
    fn take_up(&mut self) -> std::io::Result<()> {
        let mut buffer = vec![0; BUFFER];
        self.file.seek(SeekFrom::Start(0))?;
        (self.hasher, self.have) = (Hasher::new(), 0);
        loop {
            match self.file.read(&mut buffer)? {
                0 => return Ok(()),
                count => {
                    self.hasher.update(&buffer[..count]);
                    self.have += count as u64;
                }
            }
        }
    }
}

impl Part<'_> {
    /// Fetches the file. `report` is told how many bytes of it there are.
    pub(crate) fn fetch(&self, report: &mut dyn FnMut(u64)) -> Result<Digest, HubError> {
        if let Some(digest) = self.finished_before(report)? {
            return Ok(digest);
        }
        let part = format!("{}{PART}", self.name);
        let mut state = self.open(&part)?;
        report(state.have);
        let result = self.fetch_all(&mut state, report).and_then(|()| {
            state.file.sync_all().map_err(|source| self.io("sync", &state, source))?;
            let found = state.hasher.clone().finish();
            match self.promise.digest {
                Some(promised) if promised != found => {
                    Err(HubError::OtherBytes { file: self.name.into(), promised, found })
                }
                _ => Ok(found),
            }
        });
        if let Err(HubError::OtherBytes { .. } | HubError::WrongLength { .. } | HubError::Answer { .. }) = result {
            // To go on from these bytes would end here again. What matters is the error.
            let _ = self.dir.remove_file(&part);
        }
        let digest = result?;
        freehold_files::rename(self.dir, &part, self.name)?;
        Ok(digest)
    }

    /// The digest of a file that an earlier call fetched. One that nothing was promised of is fetched again: they are small.
    fn finished_before(&self, report: &mut dyn FnMut(u64)) -> Result<Option<Digest>, HubError> {
        let (Some(promised), Ok(file)) = (self.promise.digest, self.dir.open(self.name)) else { return Ok(None) };
        let mut state = State { file: file.into_std(), hasher: Hasher::new(), have: 0 };
        state.take_up().map_err(|source| self.io("read", &state, source))?;
        let found = state.hasher.clone().finish();
        report(state.have);
        Ok((found == promised).then_some(found))
    }

    /// Opens what there is of the file. It is gone on from if a digest will say in the end whether all of it is right.
    fn open(&self, part: &str) -> Result<State, HubError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true);
        let failed = |source| HubError::Io { action: "open", file: part.into(), source };
        let file = self.dir.open_with(part, &options).map_err(failed)?.into_std();
        let mut state = State { file, hasher: Hasher::new(), have: 0 };
        state.take_up().map_err(failed)?;
        if self.promise.digest.is_none() || state.have > self.promise.size {
            state.begin_anew().map_err(failed)?;
        }
        Ok(state)
    }

    fn fetch_all(&self, state: &mut State, report: &mut dyn FnMut(u64)) -> Result<(), HubError> {
        let mut attempt = 0;
        while state.have < self.promise.size {
            let before = state.have;
            match self.fetch_rest(state, report) {
                Err(HubError::Broken { .. } | HubError::Unreachable { .. }) if attempt + 1 < ATTEMPTS => {
                    attempt = if state.have > before { 0 } else { attempt + 1 };
                    std::thread::sleep(FIRST_WAIT * 2_u32.pow(attempt));
                }
                other => other?,
            }
        }
        Ok(())
    }

    fn fetch_rest(&self, state: &mut State, report: &mut dyn FnMut(u64)) -> Result<(), HubError> {
        let size = self.promise.size;
        let mut opened = self.client.open(self.commit, self.name, state.have, size)?;
        if opened.from != state.have {
            state.begin_anew().map_err(|source| self.io("write", state, source))?;
        }
        let wrong = |sent| HubError::WrongLength { file: self.name.into(), promised: size, sent };
        if let Some(length) = opened.length.filter(|length| state.have.saturating_add(*length) != size) {
            return Err(wrong(state.have.saturating_add(length)));
        }
        let mut buffer = vec![0; BUFFER];
        loop {
            let count = match opened.reader.read(&mut buffer) {
                Ok(0) if state.have < size => return Err(wrong(state.have)),
                Ok(0) => return Ok(()),
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.broken(state, &error)),
            };
            if count as u64 > size - state.have {
                return Err(wrong(state.have + count as u64));
            }
            state.file.write_all(&buffer[..count]).map_err(|source| self.io("write", state, source))?;
            state.hasher.update(&buffer[..count]);
            state.have += count as u64;
            report(state.have);
        }
    }

    fn broken(&self, state: &State, error: &std::io::Error) -> HubError {
        let reason = match error.kind() {
            ErrorKind::TimedOut => "the server fell silent".into(),
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset => "the server closed it".into(),
            // Text of ureq's own may have an address with a signature in it.
            ErrorKind::Other => "what came is not what HTTP allows".into(),
            _ => error.to_string(),
        };
        HubError::Broken { file: self.name.into(), have: state.have, size: self.promise.size, reason }
    }

    fn io(&self, action: &'static str, state: &State, source: std::io::Error) -> HubError {
        let file = self.name.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                HubError::DiskFull { file, have: state.have, size: self.promise.size }
            }
            _ => HubError::Io { action, file, source },
        }
    }
}
