//! `freehold serve` as a process, and a client that speaks HTTP/1.1 byte for byte.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Outcome, Project};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// The file in the project with the log of the server.
const LOG: &str = "serve.log";

/// A server that runs.
pub struct Serving {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// What it said when it was ready.
    pub summary: Value,
    log: std::path::PathBuf,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The head, as it came.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Serving {
    /// Starts a server on a port that is free, and waits until it is ready.
    pub fn start(project: &Project, arguments: &[&str]) -> Self {
        Self::start_with(project, arguments, |_| {})
    }

    /// The same with a change to the command.
    pub fn start_with(project: &Project, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut all = vec!["-v", "--json", "serve"];
        if !arguments.contains(&"--listen") {
            all.extend(["--listen", "127.0.0.1:0"]);
        }
        let arguments = [&all, arguments].concat();
        let log = project.path().join(LOG);
        let stderr = File::create(&log).unwrap();
        let mut command = project.command(&arguments);
        change(&mut command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::from(stderr)).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut text = String::new();
        while !text.ends_with("\n}\n") {
            let read = lines.read_line(&mut text).unwrap();
            assert!(read > 0, "it ended: {text}\n{}", std::fs::read_to_string(&log).unwrap());
        }
        let summary: Value = serde_json::from_str(&text).unwrap();
        let address = summary["address"].as_str().unwrap().parse().unwrap();
        Self { child, address, summary, log }
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// A connection that gives up reading and writing after a while.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// Sends bytes as they are, and gives what comes back until the connection ends.
    pub fn send(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // A server that refuses early may not read all of it.
        let _ = stream.write_all(bytes);
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply);
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// One request on a connection of its own; `headers` are whole lines.
    pub fn ask_with(&self, method: &str, path: &str, headers: &[&str], body: &str) -> Reply {
        Reply::parse(&self.send(request(method, path, headers, body).as_bytes()))
    }

    /// GET.
    pub fn get(&self, path: &str) -> Reply {
        self.ask_with("GET", path, &[], "")
    }

    /// POST of JSON.
    pub fn post(&self, path: &str, body: &Value) -> Reply {
        self.ask_with("POST", path, &["Content-Type: application/json"], &body.to_string())
    }

    /// The first value of a metric whose line begins so.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.get("/metrics").body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    }

    /// Waits until something holds.
    #[track_caller]
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !holds(self) {
            assert!(began.elapsed() < PATIENCE, "{what} never came\n{}", self.log());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let signal = format!("-{name}");
        assert!(Command::new("kill").args([&signal, &self.id().to_string()]).status().unwrap().success());
    }

    /// Waits until it has ended; gives its exit code, -1 if it was killed.
    pub fn wait(&mut self) -> i32 {
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// Tells it to end, and waits for that.
    #[track_caller]
    pub fn end(mut self) {
        self.signal("TERM");
        assert_eq!(self.wait(), 0, "{}", self.log());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A request after which the connection ends.
pub fn request(method: &str, path: &str, headers: &[&str], body: &str) -> String {
    let headers: String = headers.iter().map(|line| format!("{line}\r\n")).collect();
    let host = if headers.to_lowercase().contains("host:") { "" } else { "Host: localhost\r\n" };
    let length = body.len();
    format!("{method} {path} HTTP/1.1\r\n{host}Connection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}")
}

impl Reply {
    /// Reads a whole reply.
    #[track_caller]
    pub fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no reply: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status: {head}"));
        let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
        let body = if chunked { unchunked(body) } else { body.to_owned() };
        Self { status, head: head.into(), body }
    }

    /// A header, if there is one.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Fails the test if the status is another one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The events of a stream, without the last, which says that it is done.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let events = self.body.strip_suffix("data: [DONE]\n\n").unwrap_or_else(|| panic!("not done: {self:?}"));
        let event = |event: &str| serde_json::from_str(event.strip_prefix("data: ").unwrap()).unwrap();
        events.split_terminator("\n\n").map(event).collect()
    }
}

/// The chunks of a body put together. One that is cut off ends where it was.
fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((length, rest)) = body.split_once("\r\n") {
        let length = usize::from_str_radix(length, 16).unwrap_or(0);
        let Some(chunk) = rest.get(..length).filter(|_| length > 0) else { break };
        whole.push_str(chunk);
        body = rest.get(length + 2..).unwrap_or_default();
    }
    whole
}

/// A command of the machine, if it is there.
pub fn tool(program: &str, arguments: &[&str]) -> Option<Outcome> {
    Command::new(program).args(arguments).stdin(Stdio::null()).output().ok().map(Outcome::from)
}
