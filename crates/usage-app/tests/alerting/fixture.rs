//! An app with a ledger of its own, a clock that stands still, and webhooks.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tempfile::TempDir;
use usage_app::App;
use usage_app::alerting::{self, AlertSummary, Finding, IncidentKind, Pass};
use usage_app::settings::{Environment, Flags, Settings, Sources};
use usage_core::{Account, ManualClock, Provider, parse_instant};
use usage_store::Ledger;
use usage_testkit::{PostgresCluster, PostgresDatabase};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// When every story begins: a Wednesday.
pub(crate) const NOW: &str = "2025-09-24T12:00:00Z";
/// The organisation of every story.
pub(crate) const ORGANIZATION: &str = "org-anon";

/// A folder, with a `SQLite` ledger in it or a database of a server beside it.
pub(crate) struct Database {
    folder: TempDir,
    server: Option<PostgresDatabase>,
}

impl Database {
    pub(crate) fn sqlite() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            server: None,
        }
    }

    pub(crate) fn postgres() -> Self {
        Self {
            server: Some(PostgresCluster::shared().create_database()),
            ..Self::sqlite()
        }
    }

    fn url(&self) -> String {
        match &self.server {
            Some(server) => server.url().to_owned(),
            None => format!("sqlite:{}", self.folder.path().join("ledger.db").display()),
        }
    }

    /// An app that works on it, as a process of its own would.
    pub(crate) fn app(&self, clock: &Arc<ManualClock>, variables: &[(&str, &str)], usage_toml: &str) -> App {
        let folder = self.folder.path();
        std::fs::write(folder.join("usage.toml"), usage_toml).unwrap();
        let own = [
            ("USAGE_DATABASE_URL".to_owned(), self.url()),
            ("HOME".to_owned(), folder.join("home").display().to_string()),
            ("USAGE_WEBHOOK_TIMEOUT".to_owned(), "60".to_owned()),
        ];
        let more = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let environment: Environment = own.into_iter().chain(more).collect();
        let sources = Sources::gather(Flags::default(), environment, folder);
        App {
            clock: clock.clone(),
            ..App::new(Settings::resolve(&sources).unwrap())
        }
    }
}

/// An app that tells these webhooks, and its ledger with one account.
pub(crate) struct Place {
    pub(crate) app: App,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) database: Database,
}

impl Place {
    pub(crate) async fn new(database: Database, webhooks: &[&str]) -> Self {
        let clock = Arc::new(ManualClock::new(at(NOW)));
        let app = database.app(&clock, &[("USAGE_WEBHOOK_URL", &webhooks.join(" "))], "");
        let ledger = app.ledger().await.unwrap();
        ledger.add_account(account()).await.unwrap();
        Self {
            app,
            ledger,
            clock,
            database,
        }
    }

    /// A pass that looks at the parity of the account and finds this.
    pub(crate) async fn pass(&self, findings: impl IntoIterator<Item = Finding>) -> AlertSummary {
        let mut pass = Pass::begun_at(self.app.clock.now());
        pass.looked_at(IncidentKind::Parity, &account());
        for finding in findings {
            pass.found(finding);
        }
        alerting::report(&self.app, &self.ledger, &pass).await
    }
}

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    parse_instant(text).unwrap()
}

pub(crate) fn account() -> Account {
    Account::new(Provider::OpenAi, ORGANIZATION).unwrap()
}

/// The finding that most stories are about.
pub(crate) fn parity() -> Finding {
    Finding::parity(&account(), "completions", 3)
}

/// A webhook that answers so.
pub(crate) async fn webhook(status: u16) -> MockServer {
    let server = MockServer::start().await;
    answers(&server, status).await;
    server
}

/// From now on the webhook answers so.
pub(crate) async fn answers(server: &MockServer, status: u16) {
    server.reset().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(status))
        .mount(server)
        .await;
}

/// Where a webhook is; the path makes it a secret.
pub(crate) fn url_of(server: &MockServer) -> String {
    format!("{}/hook/hunter2", server.uri())
}

/// What a webhook was sent since it last began to answer otherwise, as `event subject`.
pub(crate) async fn told(server: &MockServer) -> Vec<String> {
    bodies(server)
        .await
        .iter()
        .map(|body| {
            let text = |name: &str| body[name].as_str().unwrap().to_owned();
            format!("{} {}", text("event"), text("subject"))
        })
        .collect()
}

/// The same, whole.
pub(crate) async fn bodies(server: &MockServer) -> Vec<Value> {
    let requests = server.received_requests().await.unwrap();
    requests
        .iter()
        .map(|request| serde_json::from_slice(&request.body).unwrap())
        .collect()
}
