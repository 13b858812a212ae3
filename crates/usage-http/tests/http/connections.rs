//! How many connections there are, how long they last, and how they end.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use usage_http::{Limits, Listen, ListenError, Server};

use crate::fake::{Fake, Running};
use crate::wire::{answer, get, request, rest, send};

#[tokio::test]
async fn beyond_loopback_nobody_is_listened_to_without_a_proxy() {
    let listen = |bind: &str, behind_proxy| {
        Server::bind(Listen {
            bind: bind.parse().unwrap(),
            behind_proxy,
        })
    };
    for bind in ["0.0.0.0:0", "[::]:0", "10.1.2.3:0", "[::ffff:10.1.2.3]:0"] {
        let refused = listen(bind, false).await.unwrap_err();
        assert!(matches!(refused, ListenError::BeyondLoopback(_)), "{refused}");
        let told = refused.to_string();
        assert!(told.contains("--behind-proxy") && !told.contains('\n'), "{told}");
    }
    for (bind, behind_proxy) in [
        ("127.0.0.1:0", false),
        ("127.8.7.6:0", false),
        ("0.0.0.0:0", true),
    ] {
        let server = listen(bind, behind_proxy).await.unwrap();
        assert_ne!(server.address().port(), 0);
    }
    let taken = listen("127.0.0.1:0", false).await.unwrap();
    let refused = listen(&taken.address().to_string(), false).await.unwrap_err();
    assert!(refused.to_string().contains("--bind"), "{refused}");
}

/// Each of them costs a descriptor on both sides, and this process is both.
#[tokio::test]
async fn a_thousand_idle_connections_keep_nobody_out() {
    let raised = Command::new("prlimit")
        .args(["--pid", &std::process::id().to_string(), "--nofile=4096:"])
        .status()
        .unwrap();
    assert!(raised.success());
    // None of them ends by itself.
    let limits = Limits {
        head: Duration::from_hours(1),
        ..Limits::default()
    };
    let server = Running::start(Fake::default(), None, limits).await;
    let mut idle = Vec::new();
    for number in 0..1_000 {
        // Some say nothing, some not enough, some have been served.
        let begun = if number % 3 == 1 {
            "GET /healthz HTTP/1.1\r\nHost:"
        } else {
            ""
        };
        let mut stream = send(server.address, begun).await;
        if number % 3 == 2 {
            is_served(&mut stream).await;
        }
        idle.push(stream);
    }
    for _ in 0..10 {
        assert_eq!(get(server.address, "/healthz").await.status, 200);
    }
    // Those that were idle longest have made room; the latest are still open.
    let first = idle.remove(0);
    assert_eq!(rest(first).await, b"");
    is_served(idle.last_mut().unwrap()).await;
}

#[tokio::test]
async fn whoever_is_busy_makes_no_room_and_whoever_comes_waits() {
    let limits = Limits {
        connections: 2,
        ..Limits::default()
    };
    let server = Running::start(Fake::gated(), None, limits).await;
    let busy = send(server.address, request("GET", "/metrics", "")).await;
    server.fake.has_begun(1).await;
    let mut idle = TcpStream::connect(server.address).await.unwrap();
    is_served(&mut idle).await;
    assert_eq!(get(server.address, "/healthz").await.status, 200);
    assert_eq!(rest(idle).await, b"", "the idle one has made room");
    let other = send(server.address, request("GET", "/metrics", "")).await;
    let waiting = send(server.address, request("GET", "/healthz", "")).await;
    server.fake.gate.add_permits(2);
    for client in [busy, other, waiting] {
        assert_eq!(answer(client).await.status, 200);
    }
}

#[tokio::test]
async fn whoever_is_slow_to_send_keeps_nobody_out() {
    let limits = Limits {
        connections: 2,
        body: Duration::from_hours(1),
        ..Limits::default()
    };
    let server = Running::start(Fake::default(), None, limits).await;
    let begun = "POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nx";
    let first = send(server.address, begun).await;
    let mut second = send(server.address, begun).await;
    assert_eq!(get(server.address, "/healthz").await.status, 200);
    assert_eq!(rest(first).await, b"", "the one that came first has made room");
    // The other is still listened to.
    second.write_all(b"xxxx").await.unwrap();
    assert_ne!(second.read(&mut [0; 64]).await.unwrap(), 0);
}

#[tokio::test]
async fn whoever_is_slow_to_read_has_a_share_of_the_connections() {
    let limits = Limits {
        connections: 4,
        unread: Duration::from_hours(1),
        ..Limits::default()
    };
    let fake = Fake {
        text: "x".repeat(64 << 20),
        ..Fake::default()
    };
    let server = Running::start(fake, None, limits).await;
    let mut lazy = Vec::new();
    for _ in 0..4 {
        let stream = send(server.address, request("GET", "/metrics", "")).await;
        stream.peek(&mut [0]).await.unwrap();
        lazy.push(stream);
    }
    assert_eq!(get(server.address, "/healthz").await.status, 200);
    let first = lazy.remove(0);
    assert!(rest(first).await.len() < 64 << 20, "the first has made room");
    let last = lazy.pop().unwrap();
    assert!(
        rest(last).await.len() > 64 << 20,
        "within the share nobody is cut off"
    );
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let limits = Limits {
        head: Duration::from_millis(20),
        ..Limits::default()
    };
    let server = Running::start(Fake::default(), None, limits).await;
    for begun in ["", "G", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Slow: "] {
        let client = send(server.address, begun).await;
        // Closed, whether or not something is said before.
        let told = rest(client).await;
        assert!(told.is_empty() || told.starts_with(b"HTTP/1.1 408"), "{told:?}");
    }
}

/// The only connection there may be is freed, though its client takes nothing of its answer and stays.
#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let limits = Limits {
        connections: 1,
        unread: Duration::from_millis(50),
        ..Limits::default()
    };
    let fake = Fake {
        text: "x".repeat(64 << 20),
        ..Fake::default()
    };
    let server = Running::start(fake, None, limits).await;
    let lazy = send(server.address, request("GET", "/metrics", "")).await;
    server.fake.has_begun(1).await;
    assert_eq!(get(server.address, "/healthz").await.status, 200);
    assert!(rest(lazy).await.len() < 64 << 20);
}

#[tokio::test]
async fn an_answer_that_is_being_read_is_not_cut_off_for_whoever_comes() {
    let limits = Limits {
        connections: 1,
        ..Limits::default()
    };
    let fake = Fake {
        text: "x".repeat(64 << 20),
        ..Fake::default()
    };
    let server = Running::start(fake, None, limits).await;
    let slow = send(server.address, request("GET", "/metrics", "")).await;
    // It has begun, and is far more than the sockets hold.
    slow.peek(&mut [0]).await.unwrap();
    let waiting = send(server.address, request("GET", "/healthz", "")).await;
    assert!(rest(slow).await.len() > 64 << 20);
    assert_eq!(answer(waiting).await.status, 200);
}

#[tokio::test]
async fn told_to_stop_it_closes_what_is_idle_and_lets_nobody_in() {
    let server = Running::with(Fake::gated()).await;
    let address: SocketAddr = server.address;
    let mut idle = TcpStream::connect(address).await.unwrap();
    is_served(&mut idle).await;
    let silent = TcpStream::connect(address).await.unwrap();
    let busy = send(address, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    server.fake.has_begun(1).await;
    server.tell();
    for client in [idle, silent] {
        assert_eq!(rest(client).await, b"");
    }
    server.fake.gate.add_permits(1);
    // Answered, and then closed although the client would have stayed.
    let told = answer(busy).await;
    assert_eq!((told.status, told.text()), (200, "# a metric\n"));
    server.ends().await;
    TcpStream::connect(address).await.unwrap_err();
}

/// Sends a request on a connection that stays open, and reads the head of its answer, which must be that of `/healthz`.
async fn is_served(stream: &mut TcpStream) {
    stream
        .write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let mut bytes = Vec::new();
    while !bytes.ends_with(br#"{"status":"ok"}"#) {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0, "closed");
    }
    assert!(bytes.starts_with(b"HTTP/1.1 200 OK"));
}
