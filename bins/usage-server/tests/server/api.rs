//! The API of the real binary: what it asks of the application is done for real.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use chrono::Days;
use serde_json::{Value, json};

use crate::shared::{DatabaseKind, KEY};
use crate::world::{ORGANIZATION, SECOND_KEY, World, first_read_day, today};

/// A caller with a token.
struct Caller<'a> {
    address: SocketAddr,
    token: &'a str,
}

impl Caller<'_> {
    /// The status and the body of an answer. HTTP/1.0, so that what is streamed comes as it is and ends with the connection.
    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let (address, token) = (self.address, self.token);
        let body = body.map_or_else(String::new, Value::to_string);
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(
            !answer.contains(KEY) && !answer.contains(SECOND_KEY),
            "{method} {path}: {answer}"
        );
        (status, body.to_owned())
    }

    #[track_caller]
    fn json(&self, method: &str, path: &str, body: Option<&Value>, status: u16) -> Value {
        let (answered, text) = self.ask(method, path, body);
        assert_eq!(answered, status, "{method} {path}: {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    #[track_caller]
    fn get(&self, path: &str) -> Value {
        self.json("GET", path, None, 200)
    }
}

pub(crate) fn programs_read_what_was_proved_and_manage_keys(kind: DatabaseKind) {
    let world = World::with_usage_on(kind);
    let served = world.serve();
    let admin = Caller {
        address: served.address,
        token: served.token.as_deref().unwrap(),
    };
    reports_and_exports(&admin, &world);
    provider_keys(&admin);
    a_run(&admin);
    served.ends();
}

fn reports_and_exports(admin: &Caller<'_>, world: &World) {
    let accounts = admin.get("/api/accounts");
    assert_eq!(accounts["accounts"][1]["account"], ORGANIZATION, "{accounts}");
    let of = |path: &str| {
        let reports = admin.get(path);
        let [refused, used] = [0, 1].map(|index| reports["reports"][index]["report"].clone());
        assert_eq!(
            refused,
            Value::Null,
            "nothing was proved of the other account: {reports}"
        );
        used
    };
    let parity = of("/api/parity");
    assert_eq!(parity["verdict"], "matched");
    assert_eq!(
        parity["inspectedCsvFiles"],
        json!(["completions_usage.csv"]),
        "without its folder"
    );
    assert_eq!(of("/api/reconciliation")["verdict"], "reconciled");
    let covered = admin.get("/api/coverage?account=1&endpoint=completions&limit=1000");
    assert_eq!(covered["windows"].as_array().unwrap().len(), 29, "{covered}");
    for list in [
        "/api/revisions",
        "/api/models/unpriced",
        "/api/names",
        "/api/runs",
        "/api/tokens",
    ] {
        admin.get(list);
    }
    let yesterday = today().pred_opt().unwrap();
    let path = format!(
        "/api/usage/export?format=provider-csv&endpoint=completions&account=1&from={}&to={yesterday}",
        first_read_day()
    );
    let (status, exported) = admin.ask("GET", &path, None);
    assert_eq!(status, 200, "{exported}");
    let export_of_provider = std::fs::read_to_string(world.work().join("completions_usage.csv")).unwrap();
    assert!(exported == export_of_provider, "not the provider's own bytes");
}

fn provider_keys(admin: &Caller<'_>) {
    let keys = admin.get("/api/keys");
    assert_eq!(keys["keys"].as_array().unwrap().len(), 2, "{keys}");
    let checked = admin.json("POST", "/api/keys/1/check", None, 200);
    assert_eq!(checked["key"]["status"], "active", "{checked}");
    assert!(!checked["result"].as_str().unwrap().is_empty());
    let new = |secret: &str| json!({ "provider": "openai", "organization": ORGANIZATION, "secret": secret });
    let refused = admin.json(
        "POST",
        "/api/keys",
        Some(&new("sk-admin-test-nobody-knows-it")),
        422,
    );
    assert!(
        !refused["detail"].as_str().unwrap().contains("nobody-knows"),
        "{refused}"
    );
    let added = admin.json("POST", "/api/keys", Some(&new(SECOND_KEY)), 201);
    let path = format!("/api/keys/{}", added["id"]);
    admin.json(
        "PATCH",
        &path,
        Some(&json!({ "secret": "sk-admin-test-nobody-knows-it" })),
        422,
    );
    let changed = admin.json("PATCH", &path, Some(&json!({ "label": "spare" })), 200);
    assert_eq!(
        (&changed["label"], &changed["status"]),
        (&json!("spare"), &json!("active"))
    );
    admin.json("DELETE", &path, None, 204);
    admin.json("GET", &path, None, 404);
}

/// An operator of one account has its last days read again.
fn a_run(admin: &Caller<'_>) {
    let new = json!({ "name": "scheduler", "role": "operator", "accounts": [1] });
    let made = admin.json("POST", "/api/tokens", Some(&new), 201);
    let operator = Caller {
        address: admin.address,
        token: made["secret"].as_str().unwrap(),
    };
    let before = today();
    let started = operator.json("POST", "/api/usage", Some(&json!({ "daysBack": 3 })), 202);
    let run = loop {
        let run = operator.get(&format!("/api/runs/{}", started["runId"]));
        if run["status"] != "running" {
            break run;
        }
        // Within the rate of a token.
        std::thread::sleep(Duration::from_millis(200));
    };
    assert_eq!(run["status"], "succeeded", "{run}");
    // Today and three days before it, whichever side of midnight the call was.
    let days = [before, today()].map(|today| {
        let [first, end] = [today - Days::new(3), today + Days::new(1)];
        [format!("{first}T00:00:00Z"), format!("{end}T00:00:00Z")]
    });
    let read = ["rangeStart", "rangeEnd"].map(|name| run[name].as_str().unwrap().to_owned());
    assert!(days.contains(&read), "{run}");
    assert!(
        run["finishedAt"].is_string() && run["telemetry"]["requests"].as_i64() > Some(0),
        "{run}"
    );
}
