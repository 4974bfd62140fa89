//! A client that streams one answer, and says what is wrong with it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer that came whole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) tokens: u64,
    /// From the request to the first bytes of text.
    pub(crate) first: Duration,
}

/// Asks once, with a connection of its own; `body` has to ask for a stream with its usage.
pub(crate) fn ask(address: SocketAddr, body: &Value) -> Result<Answered, String> {
    let body = body.to_string();
    let began = Instant::now();
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    let text = |error: std::io::Error| error.to_string();
    stream.set_read_timeout(Some(PATIENCE)).map_err(text)?;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: application/json\r\nContent-Length: ";
    stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes()).map_err(text)?;
    let (mut reply, mut buffer, mut first) = (Vec::new(), [0; 4096], None);
    loop {
        match stream.read(&mut buffer).map_err(text)? {
            0 => break,
            count => reply.extend_from_slice(buffer.get(..count).unwrap_or_default()),
        }
        // Before the first text there is the head, and a chunk that says who speaks.
        if first.is_none() && String::from_utf8_lossy(&reply).matches("data: ").count() > 1 {
            first = Some(began.elapsed());
        }
    }
    let reply = String::from_utf8_lossy(&reply).into_owned();
    let tokens =
        tokens(&reply).ok_or_else(|| format!("no whole answer: {}", reply.chars().take(400).collect::<String>()))?;
    Ok(Answered { tokens, first: first.unwrap_or_default() })
}

/// Tokens of a stream that came to its end.
fn tokens(reply: &str) -> Option<u64> {
    let is_whole = reply.starts_with("HTTP/1.1 200 ") && reply.contains("data: [DONE]\n\n");
    let (_, rest) = reply.split_once("\"completion_tokens\":").filter(|_| is_whole)?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
