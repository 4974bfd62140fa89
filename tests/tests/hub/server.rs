//! A hub for the tests: the parts of the Hugging Face hub's protocol that `model pull` uses, with a second server for large
//! files as the real one has. A test may alter every answer.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use freehold_core::digest::Digest;
use freehold_tests::{Outcome, Project, workspace};
use serde_json::json;

pub(crate) const MODEL: &str = "acme/base-1";
pub(crate) const COMMIT: &str = "a94a8fe5ccb19ba61c4c0873d391e987982fbbd3";
pub(crate) const SECOND_COMMIT: &str = "b6589fc6ab0dc82cf12099d1c2d40ab994e8410c";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const TOKEN: &str = "hf_TheTokenThatNobodyMaySee";

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Whether it came to the server of large files.
    pub(crate) large: bool,
    pub(crate) method: String,
    pub(crate) path: String,
    /// With names in lowercase.
    pub(crate) headers: BTreeMap<String, String>,
}

impl Request {
    /// Where the range begins that is asked for.
    fn start(&self) -> Option<usize> {
        self.headers.get("range")?.strip_prefix("bytes=")?.split_once('-')?.0.parse().ok()
    }

    fn end(&self) -> Option<usize> {
        self.headers.get("range")?.split_once('-')?.1.parse().ok()
    }

    /// Whether it is for the bytes of the weights.
    pub(crate) fn is_for_weights(&self) -> bool {
        self.large && self.end().is_none()
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
    /// After so many bytes of the body nothing more comes.
    pub(crate) silent_after: Option<usize>,
    /// After so many bytes of the body the connection is closed.
    pub(crate) closed_after: Option<usize>,
}

impl Answer {
    pub(crate) fn status(status: u16, code: &str) -> Self {
        let mut headers = Vec::new();
        if !code.is_empty() {
            headers.push(("X-Error-Code", code.to_owned()));
        }
        let body = b"{\"error\": \"told at length\"}".to_vec();
        Self { status, headers, body, silent_after: None, closed_after: None }
    }

    fn of(body: Vec<u8>) -> Self {
        Self { body, headers: Vec::new(), ..Self::status(200, "") }
    }

    pub(crate) fn set(&mut self, name: &'static str, value: impl ToString) {
        self.headers.retain(|(other, _)| *other != name);
        self.headers.push((name, value.to_string()));
    }
}

type Files = BTreeMap<String, Vec<u8>>;
type Rule = Box<dyn Fn(&Request, Answer) -> Answer + Send>;

struct State {
    /// What the branch `main` stands for.
    main: Mutex<&'static str>,
    files: Mutex<Files>,
    rule: Mutex<Option<Rule>>,
    requests: Mutex<Vec<Request>>,
    hub: String,
    large: String,
}

/// A running hub.
pub(crate) struct Hub {
    state: Arc<State>,
}

impl Hub {
    /// A hub with one model: the demo's, with a model card and files that nobody should fetch.
    pub(crate) fn start() -> Self {
        let folder = workspace().join("demo/models/base-1");
        let read = |name: &str| (name.to_owned(), std::fs::read(folder.join(name)).unwrap());
        let mut files: Files =
            ["config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", WEIGHTS]
                .map(read)
                .into();
        for (name, text) in [
            ("README.md", "---\nlicense: apache-2.0\n---\n# A model\n"),
            ("LICENSE", "Apache License"),
            (".gitattributes", "*.safetensors filter=lfs\n"),
            ("pytorch_model.bin", "a pickle"),
            ("../../evil.safetensors", "out"),
            ("/etc/passwd", "out"),
        ] {
            files.insert(name.into(), text.into());
        }
        let listen = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (hub, large) = (listen(), listen());
        let state = Arc::new(State {
            main: Mutex::new(COMMIT),
            files: Mutex::new(files),
            rule: Mutex::new(None),
            requests: Mutex::new(Vec::new()),
            hub: format!("http://{}", hub.local_addr().unwrap()),
            // Another host in the eyes of a client.
            large: format!("http://localhost:{}", large.local_addr().unwrap().port()),
        });
        for (listener, large) in [(hub, false), (large, true)] {
            let state = state.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming().flatten() {
                    let state = state.clone();
                    std::thread::spawn(move || serve(&state, large, &stream));
                }
            });
        }
        Self { state }
    }

    pub(crate) fn address(&self) -> &str {
        &self.state.hub
    }

    /// From now on every answer is altered so.
    pub(crate) fn answer(&self, rule: impl Fn(&Request, Answer) -> Answer + Send + 'static) {
        *self.state.rule.lock().unwrap() = Some(Box::new(rule));
    }

    /// From now on every answer is honest.
    pub(crate) fn be_honest(&self) {
        *self.state.rule.lock().unwrap() = None;
    }

    pub(crate) fn put(&self, name: &str, bytes: impl Into<Vec<u8>>) {
        self.state.files.lock().unwrap().insert(name.into(), bytes.into());
    }

    pub(crate) fn remove(&self, name: &str) -> Vec<u8> {
        self.state.files.lock().unwrap().remove(name).unwrap()
    }

    pub(crate) fn move_main(&self, commit: &'static str) {
        *self.state.main.lock().unwrap() = commit;
    }

    /// The requests since this was last asked.
    pub(crate) fn requests(&self) -> Vec<Request> {
        std::mem::take(&mut self.state.requests.lock().unwrap())
    }

    /// A pull of the model, as a command that can still be changed.
    pub(crate) fn command(&self, project: &Project, revision: &str) -> std::process::Command {
        let mut command = project.command(&["model", "pull", &format!("hf:{MODEL}@{revision}")]);
        command.env("HF_ENDPOINT", self.address()).env_remove("HF_TOKEN");
        command
    }

    pub(crate) fn pull(&self, project: &Project, revision: &str) -> Outcome {
        self.command(project, revision).output().unwrap().into()
    }
}

/// The folder of the model in a project's home.
pub(crate) fn folder(project: &Project) -> std::path::PathBuf {
    project.path().join("home/models").join(MODEL)
}

/// Names and sizes of the files in a folder, sorted.
pub(crate) fn listed(folder: &Path) -> Vec<(String, u64)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let entry = |entry: std::fs::DirEntry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len());
    let mut all: Vec<_> = entries.map(|found| entry(found.unwrap())).collect();
    all.sort();
    all
}

fn serve(state: &State, large: bool, stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    while let Some(request) = read_request(&mut reader, large) {
        state.requests.lock().unwrap().push(request.clone());
        let mut answer = if large { blob(state, &request) } else { hub(state, &request) };
        if let Some(rule) = state.rule.lock().unwrap().as_ref() {
            answer = rule(&request, answer);
        }
        // A client that is killed has closed the connection.
        if write(stream, &request, &answer).is_err() || answer.closed_after.is_some() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>, large: bool) -> Option<Request> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut parts = first.split(' ');
    let (method, path) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let mut headers = BTreeMap::new();
    while let Some(text) = line().filter(|text| !text.is_empty()) {
        let (name, value) = text.split_once(':')?;
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    Some(Request { large, method, path, headers })
}

fn write(mut stream: &TcpStream, request: &Request, answer: &Answer) -> std::io::Result<()> {
    let mut head = format!("HTTP/1.1 {} Said\r\n", answer.status);
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !answer.headers.iter().any(|(name, _)| *name == "Content-Length") {
        head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    if request.method == "HEAD" {
        return Ok(());
    }
    let sent = answer.silent_after.or(answer.closed_after).unwrap_or(answer.body.len()).min(answer.body.len());
    stream.write_all(&answer.body[..sent])?;
    if answer.silent_after.is_some() {
        std::thread::sleep(Duration::from_secs(600));
    }
    Ok(())
}

/// A file, or the part of it that was asked for.
fn part(bytes: &[u8], request: &Request) -> Answer {
    let Some(start) = request.start() else { return Answer::of(bytes.to_vec()) };
    if start >= bytes.len() {
        let mut answer = Answer::status(416, "");
        answer.set("Content-Range", format!("bytes */{}", bytes.len()));
        return answer;
    }
    let end = request.end().map_or(bytes.len(), |end| (end + 1).min(bytes.len()));
    let mut answer = Answer { status: 206, ..Answer::of(bytes[start..end].to_vec()) };
    answer.set("Content-Range", format!("bytes {start}-{}/{}", end - 1, bytes.len()));
    answer
}

fn hub(state: &State, request: &Request) -> Answer {
    let main = *state.main.lock().unwrap();
    let files = state.files.lock().unwrap();
    if let Some(asked) = request.path.strip_prefix("/api/models/") {
        let Some((model, revision)) = asked.split_once("/revision/") else { return Answer::status(404, "") };
        if model != MODEL {
            let known = request.headers.contains_key("authorization");
            return Answer::status(if known { 404 } else { 401 }, "RepoNotFound");
        }
        let commit = match revision.replace("%2F", "/").as_str() {
            "main" | "refs/pr/1" => main,
            COMMIT => COMMIT,
            SECOND_COMMIT => SECOND_COMMIT,
            _ => return Answer::status(404, "RevisionNotFound"),
        };
        let siblings: Vec<_> = files.keys().map(|name| json!({ "rfilename": name })).collect();
        return Answer::of(serde_json::to_vec(&json!({ "id": MODEL, "sha": commit, "siblings": siblings })).unwrap());
    }
    let Some((commit, name)) =
        request.path.strip_prefix(&format!("/{MODEL}/resolve/")).and_then(|rest| rest.split_once('/'))
    else {
        return Answer::status(404, "");
    };
    let Some(bytes) = files.get(name) else { return Answer::status(404, "EntryNotFound") };
    let digest = Digest::of(bytes).hex();
    let mut answer = if name.ends_with(".safetensors") {
        let mut answer = Answer { status: 302, ..Answer::of(b"Found".to_vec()) };
        answer.set("Location", format!("{}/blobs/{digest}?X-Signature=signed", state.large));
        answer.set("X-Linked-Etag", format!("\"{digest}\""));
        answer.set("X-Linked-Size", bytes.len());
        answer
    } else {
        part(bytes, request)
    };
    answer.set("X-Repo-Commit", commit);
    answer.set("ETag", format!("\"{}\"", &digest[..40]));
    answer
}

fn blob(state: &State, request: &Request) -> Answer {
    let wanted = |bytes: &&Vec<u8>| request.path.contains(&Digest::of(bytes).hex());
    match state.files.lock().unwrap().values().find(wanted) {
        Some(bytes) => part(bytes, request),
        None => Answer::status(404, ""),
    }
}
