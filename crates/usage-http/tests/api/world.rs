//! A ledger of two accounts, tokens of every role, and a server that shows it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;
use tokio::sync::watch;
use usage_core::{
    Account, DimensionSet, Dimensions, Endpoint, ManualClock, Metrics, ProjectFilter, Provider, Scope,
    UsageRow, Width, Window, parse_day, parse_instant,
};
use usage_http::{
    BudgetState, Dashboard, DashboardOperations, JsonText, KeyToAdd, Limits, Listen, OperationFailed,
    Operations, Readiness, Refused, ServeOptions, Server, WhyRefused,
};
use usage_pricing::{Catalogue, Usage};
use usage_store::{
    AccountScope, KeyStatus, LeaseAttempt, Ledger, MasterKey, NewApiToken, NewProviderKey, NewRun, OpenMode,
    PriceRecord, PricingNote, Replacement, RowPrice, RowPricer, RowToPrice, RunStatus, StoreError,
    StoredAccount, TokenRole, WindowRows,
};
use usage_testkit::{PostgresCluster, PostgresDatabase};

use crate::wire::{self, Answer};

/// What time it is in every story.
pub(crate) const NOW: &str = "2025-10-20T12:00:00Z";
/// A provider key that the provider refuses.
pub(crate) const REFUSED: &str = "sk-admin-refused-and-not-real";

/// More calls than any story makes.
const PLENTY: u32 = 1_000_000;

/// Where the ledger is, for as long as the story lasts.
enum Database {
    Sqlite(TempDir),
    Postgres(PostgresDatabase),
}

/// A server of the API, and what it shows.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) ledger: Ledger,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) first: StoredAccount,
    pub(crate) second: StoredAccount,
    pub(crate) asked: Arc<Asked>,
    restated: AtomicI64,
    database: Database,
    _stop: watch::Sender<bool>,
}

impl World {
    /// With plenty of calls for each token.
    pub(crate) async fn new() -> Self {
        Self::with(PLENTY).await
    }

    /// With so many calls for each token at once, and as many a minute.
    pub(crate) async fn with(calls: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("ledger.db").display());
        Self::open(&url, Database::Sqlite(folder), calls).await
    }

    /// The same on PostgreSQL.
    pub(crate) async fn on_postgres() -> Self {
        let database = PostgresCluster::shared().create_database();
        let url = database.url().to_owned();
        Self::open(&url, Database::Postgres(database), PLENTY).await
    }

    async fn open(url: &str, database: Database, calls: u32) -> Self {
        let clock = Arc::new(ManualClock::new(parse_instant(NOW).unwrap()));
        // A use that is noted when the story is over finds no file any more, and is not to wait for one.
        let ledger = Ledger::open_retrying(url, clock.clone(), OpenMode::SetUpIfEmpty, Duration::ZERO)
            .await
            .unwrap();
        let ledger = ledger.with_pricer(Arc::new(Prices(Catalogue::bundled().unwrap())));
        let account = |organization| Account::new(Provider::OpenAi, organization).unwrap();
        let first = ledger.add_account(account("org-first")).await.unwrap();
        let second = ledger.add_account(account("org-second")).await.unwrap();
        fill(&ledger, &first, 3).await;
        fill(&ledger, &second, 1).await;
        let asked = Arc::new(Asked {
            ledger: ledger.clone(),
            master: Arc::new(MasterKey::new(&secret_bytes())),
            is_held: Mutex::new(false),
            days_back: Mutex::new(None),
        });
        let listen = Listen {
            bind: ([127, 0, 0, 1], 0).into(),
            behind_proxy: false,
        };
        let server = Server::bind(listen).await.unwrap();
        let calls = NonZeroU32::new(calls).unwrap();
        let options = ServeOptions {
            cron_secret: Some("cron-secret-for-tests-only".into()),
            clock: clock.clone(),
            limits: Limits {
                token_per_minute: calls,
                token_at_once: calls,
                ..Limits::default()
            },
            dashboard: Some(Dashboard {
                ledger: ledger.clone(),
                operations: asked.clone(),
            }),
        };
        let address = server.address();
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(server.serve(Arc::new(Nothing), options, stopped));
        Self {
            address,
            ledger,
            clock,
            first,
            second,
            asked,
            restated: AtomicI64::new(0),
            database,
            _stop: stop,
        }
    }

    /// The header of a token of this role that sees every account.
    pub(crate) async fn token(&self, role: TokenRole) -> String {
        self.token_of(role, AccountScope::All).await.1
    }

    /// The header with the cookie of whoever pastes the token.
    pub(crate) async fn sign_in(&self, token: &str) -> String {
        let signed_in = self.try_to_sign_in(bearer(token)).await;
        assert_eq!(signed_in.status, 303, "{signed_in:?}");
        let cookie = signed_in.header("set-cookie").unwrap();
        format!("Cookie: {}\r\n", cookie.split(';').next().unwrap())
    }

    /// What the form on which one signs in answers.
    pub(crate) async fn try_to_sign_in(&self, secret: &str) -> Answer {
        let page = self.get("/sign-in", "").await;
        let csrf = page
            .text()
            .split_once("name=\"csrf\" value=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(csrf, _)| csrf.to_owned())
            .unwrap();
        let form = format!("csrf={csrf}&token={secret}&back=/");
        let request = format!(
            "POST /sign-in HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        wire::answer(wire::send(self.address, request).await).await
    }

    /// Changes the ledger behind the server's back.
    pub(crate) fn sql(&self, statement: &str) {
        if let Database::Postgres(database) = &self.database {
            database.execute(statement);
        }
    }

    /// Takes the database away.
    pub(crate) async fn lose_the_database(&self) {
        if let Database::Sqlite(folder) = &self.database {
            std::fs::remove_dir_all(folder.path()).unwrap();
        }
        // What goes on after an answer may still have a connection, which would find the file that has no name any more.
        let mut quiet = 0;
        while quiet < 10 {
            let closed = self.ledger.close_rested(Duration::ZERO).await.unwrap();
            quiet = if closed == 0 { quiet + 1 } else { 0 };
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The number and the header of a token.
    pub(crate) async fn token_of(&self, role: TokenRole, scope: AccountScope) -> (i64, String) {
        let new = NewApiToken {
            name: "the story's".to_owned(),
            role,
            scope,
            expires_at: None,
        };
        let (token, secret) = self.ledger.add_api_token(new).await.unwrap();
        let header = format!("Authorization: Bearer {}\r\n", secret.expose_secret());
        (token.id, header)
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        wire::ask(self.address, "GET", path, token).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str) -> Answer {
        wire::ask(self.address, method, path, headers).await
    }

    /// Sends JSON.
    pub(crate) async fn send(&self, method: &str, path: &str, token: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{token}\r\n{body}",
            body.len()
        );
        wire::answer(wire::send(self.address, request).await).await
    }

    /// A stored provider key of the account.
    pub(crate) async fn key_of(&self, account: &StoredAccount) -> i64 {
        let new = NewProviderKey {
            account: account.account.clone(),
            label: Some("the story's".to_owned()),
            filter: ProjectFilter::ALL,
            secret: SecretString::from("sk-admin-stored-and-not-real-0001"),
            status: KeyStatus::Active,
        };
        self.ledger
            .add_key(self.asked.master.clone(), new)
            .await
            .unwrap()
            .id
    }

    /// Reads a day of some projects, or of all, in which there was nothing.
    pub(crate) async fn read_quiet_day(
        &self,
        account: &StoredAccount,
        at: &str,
        day: &str,
        filter: ProjectFilter,
    ) {
        let quiet = WindowRows {
            window: Window::day(parse_day(day).unwrap()),
            rows: Vec::new(),
        };
        store(&self.ledger, account, at, filter, vec![quiet]).await;
    }

    /// Reads the account's first day again with other numbers.
    pub(crate) async fn restate(&self, account: &StoredAccount) {
        let input = 1_001 + self.restated.fetch_add(1, Ordering::SeqCst);
        self.read_day(account, "2025-10-10T12:00:00Z", "2025-09-01", input)
            .await;
    }

    /// Reads a day that has so many tokens by now.
    pub(crate) async fn read_day(&self, account: &StoredAccount, at: &str, day: &str, input: i64) {
        store(
            &self.ledger,
            account,
            at,
            ProjectFilter::ALL,
            vec![window(day, input)],
        )
        .await;
    }
}

/// The token in its header.
pub(crate) fn bearer(token: &str) -> &str {
    token.trim().strip_prefix("Authorization: Bearer ").unwrap()
}

fn secret_bytes() -> secrecy::SecretBox<[u8; 32]> {
    secrecy::SecretBox::new(Box::new([7; 32]))
}

async fn fill(ledger: &Ledger, account: &StoredAccount, days: u32) {
    let windows = (1..=days)
        .map(|day| window(&format!("2025-09-{day:02}"), 1_000))
        .collect();
    store(
        ledger,
        account,
        "2025-10-06T12:00:00Z",
        ProjectFilter::ALL,
        windows,
    )
    .await;
}

async fn store(
    ledger: &Ledger,
    account: &StoredAccount,
    at: &str,
    filter: ProjectFilter,
    windows: Vec<WindowRows>,
) {
    let at = parse_instant(at).unwrap();
    let run = NewRun {
        kind: "backfill",
        label: None,
        range_start: at,
        range_end: at,
        holder: "the story".to_owned(),
        plan: format!(r#"{{"chunks":[{{"account":"{}"}}]}}"#, account.account),
        notes: "{}".to_owned(),
    };
    let run_id = ledger.start_run(run).await.unwrap();
    let lease = ledger
        .acquire_lease(account.id, "the story", Duration::from_mins(10), None)
        .await;
    let LeaseAttempt::Acquired(lease) = lease.unwrap() else {
        panic!("somebody holds the lease");
    };
    let replacement = Replacement {
        scope: Scope {
            account: account.account.clone(),
            endpoint: Endpoint::Completions,
            width: Width::Day,
            filter,
            grouped_by: Endpoint::Completions.dimensions(),
        },
        refused: DimensionSet::EMPTY,
        empty: DimensionSet::EMPTY,
        read_started_at: at,
        run_id,
        accept_retractions: false,
        windows,
    };
    for outcome in ledger.replace_windows(&lease, replacement).await.unwrap() {
        outcome.result.unwrap();
    }
    ledger.release_lease(&lease).await.unwrap();
    let issues = "[]".to_owned();
    ledger
        .finish_run(
            run_id,
            RunStatus::Succeeded,
            "{\"storedEvents\":3}".to_owned(),
            issues,
        )
        .await
        .unwrap();
}

/// A day of three events: two of models with a price, one of which looks like a formula, and one without.
fn window(day: &str, input: i64) -> WindowRows {
    let row = |project: &str, model: &str, batch, input, output| UsageRow {
        dimensions: Dimensions {
            project_id: Some(project.to_owned()),
            model: Some(model.to_owned()),
            batch: Some(batch),
            ..Dimensions::default()
        },
        metrics: Metrics {
            input_tokens: Some(input),
            input_cached_tokens: Some(400),
            output_tokens: Some(output),
            num_model_requests: Some(7),
            ..Metrics::default()
        },
    };
    WindowRows {
        window: Window::day(parse_day(day).unwrap()),
        rows: vec![
            row("proj_a", "gpt-5-2025-08-07", false, input, 50),
            row("=proj_b", "gpt-5-2025-08-07", true, 2_000, 10),
            row("proj_a", "model-without-a-price", false, 500, 5),
        ],
    }
}

/// What the API asks of the application: things that are done to the ledger at once.
pub(crate) struct Asked {
    ledger: Ledger,
    master: Arc<MasterKey>,
    /// Whether somebody else holds the lease of every account.
    pub(crate) is_held: Mutex<bool>,
    pub(crate) days_back: Mutex<Option<u16>>,
}

#[async_trait::async_trait]
impl DashboardOperations for Asked {
    async fn latest_parity(&self, account: &StoredAccount) -> Result<Option<String>, OperationFailed> {
        let is_first = account.account.organization() == "org-first";
        Ok(is_first.then(|| {
            r#"{"verdict":"matched","inspectedCsvFiles":["/srv/exports/september.csv"]}"#.to_owned()
        }))
    }

    async fn latest_reconciliation(
        &self,
        _account: &StoredAccount,
    ) -> Result<Option<String>, OperationFailed> {
        Ok(Some(r#"{"verdict":"reconciled"}"#.to_owned()))
    }

    async fn budgets(&self, _scope: &AccountScope) -> Result<Vec<BudgetState>, OperationFailed> {
        Ok(Vec::new())
    }

    async fn start_run(&self, scope: &AccountScope, days_back: u16) -> Result<i64, Refused> {
        if *self.is_held.lock().unwrap() {
            return Err(Refused::new(
                "another process reads this account; try again when it is done",
            ));
        }
        *self.days_back.lock().unwrap() = Some(days_back);
        let accounts = self.ledger.accounts(scope.clone()).await;
        let accounts = accounts.map_err(refusal)?;
        let chunks: Vec<_> = accounts
            .iter()
            .map(|stored| serde_json::json!({ "account": stored.account.to_string() }))
            .collect();
        let now = parse_instant(NOW).unwrap();
        let run = NewRun {
            kind: "manual",
            label: None,
            range_start: now,
            range_end: now,
            holder: "the story".to_owned(),
            plan: serde_json::json!({ "chunks": chunks }).to_string(),
            notes: "{}".to_owned(),
        };
        self.ledger.start_run(run).await.map_err(refusal)
    }

    async fn add_key(&self, key: KeyToAdd) -> Result<i64, Refused> {
        refuse(&key.secret)?;
        let new = NewProviderKey {
            account: key.account,
            label: key.label,
            filter: key.filter,
            secret: key.secret,
            status: KeyStatus::Active,
        };
        let added = self.ledger.add_key(self.master.clone(), new).await;
        added.map(|key| key.id).map_err(refusal)
    }

    async fn check_key(&self, id: i64) -> Result<String, Refused> {
        let checked = self.ledger.set_key_status(id, KeyStatus::Active).await;
        checked.map_err(refusal)?;
        Ok("it may read completions".to_owned())
    }

    async fn rotate_key(&self, id: i64, secret: SecretString) -> Result<(), Refused> {
        refuse(&secret)?;
        let rotated = self
            .ledger
            .rotate_key(self.master.clone(), id, secret, KeyStatus::Active)
            .await;
        rotated.map(drop).map_err(refusal)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of `map_err`")]
fn refusal(error: StoreError) -> Refused {
    let refused = Refused::new(error.to_string());
    if error.is_unavailable() {
        refused.because(WhyRefused::Unavailable)
    } else {
        refused
    }
}

fn refuse(secret: &SecretString) -> Result<(), Refused> {
    if secret.expose_secret() == REFUSED {
        return Err(Refused::new("the provider does not accept this key"));
    }
    Ok(())
}

/// What other routes ask for.
struct Nothing;

#[async_trait::async_trait]
impl Operations for Nothing {
    async fn run_pass(&self) -> Result<JsonText, OperationFailed> {
        JsonText::of(&BTreeMap::from([("success", true)]))
    }

    async fn metrics(&self) -> Result<String, OperationFailed> {
        Ok("# nothing\n".to_owned())
    }

    async fn readiness(&self) -> Readiness {
        Readiness {
            checks: Vec::new(),
            coverage_lag_seconds: None,
        }
    }
}

/// The bundled price list.
struct Prices(Catalogue);

impl RowPricer for Prices {
    fn price(&self, row: &RowToPrice<'_>) -> RowPrice {
        let priced = self.0.price(&Usage {
            endpoint: row.endpoint,
            day: row.window.utc_day(),
            dimensions: row.dimensions,
            metrics: row.metrics,
            grouped_by: row.grouped_by,
        });
        let why_not = priced.cost.as_ref().err().map(ToString::to_string);
        RowPrice {
            note: why_not.map(|reason| Arc::new(PricingNote::Unpriced(reason))),
            cost: priced.cost.ok().map(|cost| cost.rounded),
            record: Arc::new(PriceRecord {
                price_id: priced.price.price_id.clone(),
                catalogue_version: "list-1".to_owned(),
                record: priced.price.to_json(),
            }),
        }
    }

    fn price_again(&self, record: &Arc<PriceRecord>, row: &RowToPrice<'_>) -> Result<RowPrice, String> {
        let price =
            usage_pricing::PriceRecord::from_json(&record.record).map_err(|error| error.to_string())?;
        let cost = price.cost(row.endpoint, row.metrics);
        let why_not = cost.as_ref().err().map(ToString::to_string);
        Ok(RowPrice {
            cost: cost.ok().map(|cost| cost.rounded),
            record: record.clone(),
            note: why_not.map(|reason| Arc::new(PricingNote::Unpriced(reason))),
        })
    }
}
