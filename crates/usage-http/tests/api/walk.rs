//! Every call of the document, asked by every role and about another account.

use serde_json::Value;
use usage_store::{AccountScope, TokenRole};

use crate::wire;
use crate::world::World;

/// A call of the document.
struct Call {
    method: String,
    path: String,
    operation: Value,
}

async fn calls(world: &World) -> Vec<Call> {
    let answer = wire::get(world.address, "/api/openapi.json").await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    assert!(
        document["openapi"].as_str().unwrap().starts_with("3.1."),
        "{document}"
    );
    let mut calls = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            calls.push(Call {
                method: method.to_ascii_uppercase(),
                path: path.clone(),
                operation: operation.clone(),
            });
        }
    }
    calls
}

impl Call {
    fn takes_a_token(&self) -> bool {
        self.operation["security"]
            .as_array()
            .unwrap()
            .iter()
            .any(|scheme| scheme.get("token").is_some())
    }

    fn documents(&self, status: u16) -> bool {
        self.operation["responses"].get(status.to_string()).is_some()
    }

    /// The least role that the call takes.
    fn role(&self) -> TokenRole {
        match (self.method.as_str(), self.path.as_str()) {
            ("POST", "/api/usage") => TokenRole::Operator,
            (_, "/api/tokens") | ("POST" | "PATCH" | "DELETE", _) => TokenRole::Admin,
            _ => TokenRole::Reader,
        }
    }

    async fn ask(&self, world: &World, id: i64, query: &str, token: &str) -> wire::Answer {
        let path = self.path.replace("{id}", &id.to_string()) + query;
        match self.method.as_str() {
            "POST" | "PATCH" => world.send(&self.method, &path, token, "{}").await,
            method => world.ask(method, &path, token).await,
        }
    }
}

#[tokio::test]
async fn every_call_asks_for_a_token_and_its_role() {
    let world = World::new().await;
    let calls = calls(&world).await;
    let with_token: Vec<&Call> = calls.iter().filter(|call| call.takes_a_token()).collect();
    assert_eq!(with_token.len(), 22, "a call that is new stands here");
    let open = calls.iter().filter(|call| !call.takes_a_token());
    let open: Vec<&str> = open.map(|call| call.path.as_str()).collect();
    assert_eq!(
        open,
        [
            "/api/cron/daily-usage",
            "/api/cron/daily-usage",
            "/api/openapi.json",
            "/healthz",
            "/metrics",
            "/readyz"
        ],
        "what asks for no token says so here"
    );
    for call in &with_token {
        let (method, path) = (&call.method, &call.path);
        assert!(path.starts_with("/api/"), "{method} {path}");
        call.ask(&world, 1, "", "").await.is_problem(401);
        for role in TokenRole::ALL {
            // A number that nothing has, so that nothing is changed on the way.
            let token = world.token(role).await;
            let answer = call.ask(&world, 999, "", &token).await;
            let is_let_in = answer.status != 403;
            assert_eq!(
                is_let_in,
                role >= call.role(),
                "{method} {path} as {role}: {answer:?}"
            );
            assert!(call.documents(answer.status), "{method} {path}: {answer:?}");
            assert!(
                answer.status < 500 && answer.status != 401,
                "{method} {path}: {answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn on_sqlite_other_accounts_are_not_there_for_any_role() {
    other_accounts_are_not_there_for_any_role(World::new().await).await;
}

#[tokio::test]
async fn on_postgres_other_accounts_are_not_there_for_any_role() {
    other_accounts_are_not_there_for_any_role(World::on_postgres().await).await;
}

async fn other_accounts_are_not_there_for_any_role(world: World) {
    let key = world.key_of(&world.second).await;
    world.restate(&world.second).await;
    let run = world.ledger.runs(1).await.unwrap()[0].id;
    for role in TokenRole::ALL {
        let (_, token) = world.token_of(role, AccountScope::one(&world.first)).await;
        for call in calls(&world).await.iter().filter(|call| call.takes_a_token()) {
            let (method, path) = (&call.method, &call.path);
            let id = if path.starts_with("/api/runs/") { run } else { key };
            let answer = call.ask(&world, id, "", &token).await;
            let text = answer.text().to_owned();
            assert!(
                !text.contains("org-second") && !text.contains("\"accountId\":2"),
                "{method} {path}: {text}"
            );
            assert!(call.documents(answer.status), "{method} {path}: {answer:?}");
            let is_of_the_second = ["/api/keys/{id}", "/api/runs/{id}"];
            if is_of_the_second.iter().any(|known| path.starts_with(known)) && role >= call.role() {
                answer.is_problem(404);
            }
            if path == "/api/runs" {
                let seen = answer.json()["runs"].as_array().unwrap().len();
                assert_eq!(seen, 1, "{text}");
            }
            let parameters = call.operation["parameters"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            if parameters.iter().any(|parameter| parameter["name"] == "account") {
                let query = format!("?account={}", world.second.id);
                call.ask(&world, key, &query, &token).await.is_problem(404);
                let missing = call.ask(&world, key, "?account=77", &token).await;
                missing.is_problem(404);
            }
        }
    }
    assert_eq!(
        world.ledger.keys().await.unwrap().len(),
        1,
        "nobody removed what they do not see"
    );
}

#[tokio::test]
async fn every_call_refuses_what_it_does_not_know() {
    let world = World::new().await;
    let token = world.token(TokenRole::Admin).await;
    for call in calls(&world).await.iter().filter(|call| call.takes_a_token()) {
        call.ask(&world, 1, "?colour=red", &token).await.is_problem(400);
    }
}

#[tokio::test]
async fn a_huge_body_is_refused_before_it_is_read() {
    let world = World::new().await;
    let token = world.token(TokenRole::Admin).await;
    let headers = format!("{token}Content-Type: application/json\r\nContent-Length: 1073741824\r\n");
    let answer = world.ask("POST", "/api/tokens", &headers).await;
    answer.is_problem(413);
    assert_eq!(answer.header("connection"), Some("close"));
    world.ask("PUT", "/api/tokens", &token).await.is_problem(405);
}
