//! Clients that take too much, too long, or go away.

use std::io::Write as _;
use std::time::{Duration, Instant};

use freehold_tests::{Reply, Serving, request};
use serde_json::json;

use crate::{dialogue, promoted, story, with};

const TEXT: &str = "/v1/completions";
const JSON: &[&str] = &["Content-Type: application/json"];

#[test]
fn bodies_and_heads_have_an_end() {
    let project = promoted();
    project.write("home/host.toml", "[serve]\nbody_bytes_max = 2048\nheader_seconds_max = 1\nbody_seconds_max = 1\n");
    let serving = Serving::start(&project, &[]);
    let long = with(story(2), "user", json!("x".repeat(3000)));
    let refused = serving.post(TEXT, &long).expect(413).json();
    assert_eq!(refused["error"]["code"], "request_too_large");
    // One that does not say how long it will be.
    let head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("800\r\n{}\r\n", " ".repeat(0x800));
    let reply = serving.send(format!("{head}{chunk}{chunk}0\r\n\r\n").as_bytes());
    assert_eq!(Reply::parse(&reply).status, 413);
    // Heads that are too large, and those that do not come.
    let many = format!("GET /health HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "A: b\r\n".repeat(100));
    assert!(serving.send(many.as_bytes()).starts_with("HTTP/1.1 431"));
    let large = format!("GET /health HTTP/1.1\r\nHost: localhost\r\nA: {}\r\n\r\n", "b".repeat(1_000_000));
    // What it says may be lost where the client is still sending.
    assert!(!serving.send(large.as_bytes()).contains(" 200 "));
    let began = Instant::now();
    for slow in ["", "GET /health HTT", "GET /health HTTP/1.1\r\nHost: localhost\r\n"] {
        assert!(!serving.send(slow.as_bytes()).contains(" 200 "), "{slow}");
    }
    let slow = request("POST", TEXT, JSON, &story(2).to_string());
    let reply = serving.send(&slow.as_bytes()[..slow.len() - 10]);
    assert_eq!(Reply::parse(&reply).json()["error"]["code"], "request_timeout");
    assert!(began.elapsed() < Duration::from_secs(30));
    serving.post(TEXT, &story(2)).expect(200);
    serving.end();
}

#[test]
fn more_than_a_queue_holds_are_told_to_come_again() {
    let project = promoted();
    project.write("home/host.toml", "[serve]\nrows_max = 1\nqueue_max = 1\n");
    let serving = Serving::start(&project, &[]);
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..24).map(|_| scope.spawn(|| serving.post(TEXT, &story(200)))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let refused: Vec<&Reply> = replies.iter().filter(|reply| reply.status == 429).collect();
    assert!(!refused.is_empty() && refused.len() < replies.len());
    for reply in &replies {
        match reply.status {
            200 => {}
            429 => {
                assert_eq!(reply.header("retry-after"), Some("1"));
                assert_eq!(reply.json()["error"]["code"], "queue_full");
            }
            _ => unreachable!("{reply:?}"),
        }
    }
    serving.post(TEXT, &story(2)).expect(200);
    assert_eq!((serving.metric("freehold_rows"), serving.metric("freehold_queue")), (0.0, 0.0));
    serving.end();
}

#[test]
fn answers_that_need_more_memory_than_there_may_be_wait() {
    let project = promoted();
    // Of base-1 a token takes 2560 bytes: two of these answers fit beside each other, and a third does not.
    project.write("home/host.toml", "[serve]\npast_bytes_max = 1_400_000\n");
    let serving = Serving::start(&project, &[]);
    let (most, end) = (std::sync::atomic::AtomicU64::new(0), std::sync::atomic::AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !end.load(std::sync::atomic::Ordering::Relaxed) {
                most.fetch_max(serving.metric("freehold_rows") as u64, std::sync::atomic::Ordering::Relaxed);
            }
        });
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(|| serving.post(TEXT, &story(180)).expect(200))).collect();
        clients.into_iter().for_each(|client| drop(client.join().unwrap()));
        end.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(most.into_inner(), 2);
    let refused = serving.post(TEXT, &story(490)).expect(400).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("at most 1400000 are given"), "{refused}");
    serving.post(TEXT, &story(2)).expect(200);
    serving.end();
}

#[test]
fn a_key_has_so_many_requests_under_way() {
    let project = promoted();
    project.write("home/host.toml", "[serve]\nrequests_per_key_max = 1\n");
    let key = |name: &str| project.run(&["serve", "key", "new", name, "--json"]).expect(0).json()["key"].clone();
    let (one, two) = (key("one"), key("two"));
    let serving = Serving::start(&project, &[]);
    let ask = |key: &serde_json::Value, tokens: u32| {
        let authorization = format!("Authorization: Bearer {}", key.as_str().unwrap());
        serving.ask_with("POST", TEXT, &[JSON[0], &authorization], &story(tokens).to_string())
    };
    let statuses: Vec<u16> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..16).map(|_| scope.spawn(|| ask(&one, 200).status)).collect();
        assert_eq!(ask(&two, 2).status, 200);
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    assert_eq!(ask(&one, 2).status, 200);
    serving.end();
}

#[test]
fn who_goes_away_frees_the_row() {
    const CLIENTS: usize = 100;
    let project = promoted();
    project.write("home/host.toml", "[serve]\nrows_max = 1\n");
    let serving = Serving::start(&project, &[]);
    let mut gone = 0.0;
    for streams in [true, false] {
        let body = with(story(450), "stream", json!(streams)).to_string();
        let request = request("POST", TEXT, JSON, &body);
        // There is one row for all of them, so that most are not answered yet when they go.
        let clients: Vec<_> = (0..CLIENTS).map(|_| serving.connect()).collect();
        for mut client in &clients {
            client.write_all(request.as_bytes()).unwrap();
        }
        // Who goes before he was listened to is nobody.
        serving.wait_until("the queue", |serving| serving.metric("freehold_queue") >= 10.0);
        drop(clients);
        serving.wait_until("those who went", |serving| serving.metric("freehold_gone_total") >= gone + 5.0);
        serving.wait_until("the free row", |serving| {
            serving.metric("freehold_rows") + serving.metric("freehold_queue") == 0.0
        });
        gone = serving.metric("freehold_gone_total");
        serving.post(TEXT, &story(2)).expect(200);
    }
    serving.end();
}

#[test]
fn who_takes_nothing_is_cut_off() {
    let project = promoted();
    project.write("home/host.toml", "[serve]\nstalled_seconds_max = 1\n");
    let serving = Serving::start(&project, &[]);
    // One request after the other, and no answer is read.
    let mut stream = serving.connect();
    stream.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
    let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1000);
    let began = Instant::now();
    while stream.write_all(requests.as_bytes()).is_ok() {
        assert!(began.elapsed() < Duration::from_secs(60), "it is never cut off");
    }
    serving.wait_until("the cut", |serving| serving.metric("freehold_cut_off_total") >= 1.0);
    serving.post(TEXT, &story(2)).expect(200);
    serving.end();
}

#[test]
fn an_answer_has_its_time() {
    let project = promoted();
    project.write("home/host.toml", "[serve]\nrows_max = 1\nrequest_seconds_max = 1\n");
    let serving = Serving::start(&project, &[]);
    // So many that the last of them wait for longer than that.
    let replies: Vec<Reply> = std::thread::scope(|scope| {
        let ask = || serving.post(TEXT, &with(story(480), "stream", json!(false)));
        let clients: Vec<_> = (0..60).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(replies.iter().all(|reply| [200, 504].contains(&reply.status)));
    let late = replies.iter().find(|reply| reply.status == 504).unwrap();
    assert_eq!(late.json()["error"]["code"], "timeout");
    serving.wait_until("the free row", |serving| serving.metric("freehold_rows") == 0.0);
    serving.post("/v1/chat/completions", &dialogue("x")).expect(200);
    serving.end();
}
