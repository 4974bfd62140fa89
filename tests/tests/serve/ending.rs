//! A server that is told to end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use freehold_tests::{Reply, Serving, request};
use serde_json::json;

use crate::{promoted, story, with};

#[test]
fn requests_under_way_finish_and_no_new_ones_come() {
    let project = promoted();
    for signal in ["TERM", "INT"] {
        let mut serving = Serving::start(&project, &[]);
        let body = with(story(480), "stream", json!(true)).to_string();
        let mut stream = serving.connect();
        stream
            .write_all(request("POST", "/v1/completions", &["Content-Type: application/json"], &body).as_bytes())
            .unwrap();
        let mut begun = [0; 600];
        stream.read_exact(&mut begun).unwrap();
        // One that is idle does not hold it up.
        let _idle = serving.connect();
        serving.signal(signal);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        let whole = [&begun[..], &rest].concat();
        assert!(!Reply::parse(&String::from_utf8(whole).unwrap()).expect(200).events().is_empty());
        assert_eq!(serving.wait(), 0, "{}", serving.log());
        assert!(TcpStream::connect(serving.address).is_err());
    }
}

#[test]
fn the_time_of_grace_has_an_end() {
    let project = promoted();
    project.write("home/host.toml", "[serve]\ngrace_seconds_max = 1\nheader_seconds_max = 600\n");
    let mut serving = Serving::start(&project, &[]);
    // A request whose body does not come.
    let whole = request("POST", "/v1/completions", &["Content-Type: application/json"], &story(2).to_string());
    let mut stream = serving.connect();
    stream.write_all(&whole.as_bytes()[..whole.len() - 5]).unwrap();
    serving.wait_until("the connection", |serving| serving.metric("freehold_connections") >= 2.0);
    serving.signal("TERM");
    assert_eq!(serving.wait(), 0);
    assert!(serving.log().contains("cut off"), "{}", serving.log());
}
