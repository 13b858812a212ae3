//! A place in which the real binary serves a real ledger.

use std::cell::Cell;
use std::io::{BufRead, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command};
use std::thread::JoinHandle;

use chrono::{Days, NaiveDate, NaiveTime};
use tempfile::TempDir;
use usage_app::App;
use usage_app::commands::backfill::{BackfillOptions, backfill};
use usage_app::commands::keys::{self, AddKeyOptions};
use usage_app::commands::parity::{ParityOptions, parity};
use usage_app::commands::reconcile::{ReconcileOptions, reconcile};
use usage_app::cron::LoggedProgress;
use usage_app::settings::{Environment, Flags, Settings, Sources};
use usage_core::{
    Account, Clock as _, Decimal, Dimensions, Endpoint, Metrics, ProjectFilter, SystemClock, Window,
    WindowRange,
};
use usage_simulator::{AdminKey, Generate, Organization, Simulator};

use crate::shared::{self, Database, DatabaseKind, KEY, Provider, new_folder, signal};

/// The organisation that has usage; it is account 1 of the ledger.
pub(crate) const ORGANIZATION: &str = "org-with-usage";
/// Another one, whose key the provider refuses; it is account 2.
const REFUSED: &str = "org-refused";
/// Another admin key that the provider accepts, and that the ledger does not have.
pub(crate) const SECOND_KEY: &str = "sk-admin-test-a-second-one";
/// An admin key that the provider does not know.
const UNKNOWN_KEY: &str = "sk-admin-test-unknown-to-it";
/// A model that no price list has.
pub(crate) const UNPRICED: &str = "made-up-without-a-price";
/// What is read unless more is asked for.
const READ: [Endpoint; 2] = [Endpoint::Completions, Endpoint::Costs];
/// Days with usage, until yesterday.
const DAYS: u32 = 40;
/// How many of them were never read.
const UNREAD: u64 = 12;

/// A folder, a provider and, in most tests, a ledger read from it.
pub(crate) struct World {
    folder: TempDir,
    database: Database,
    provider: Provider,
    /// Whether the ledger was served before, and has a token from then.
    was_served: Cell<bool>,
}

impl World {
    /// Without a ledger, which would be in a file.
    pub(crate) fn empty() -> Self {
        Self::empty_on(DatabaseKind::Sqlite)
    }

    fn empty_on(kind: DatabaseKind) -> Self {
        let generate = Generate {
            organization: ORGANIZATION.to_owned(),
            first_day: first_day(),
            days: DAYS,
            groups_per_day: 24,
            models: 2,
            bursts: 1,
            ..Generate::default()
        };
        let provider = Provider::start(
            Simulator::builder()
                .organization(Organization::generate(&generate))
                .key(AdminKey::owner(KEY))
                .key(AdminKey::owner(SECOND_KEY)),
        );
        let folder = new_folder();
        Self {
            database: Database::new(kind, &folder.path().join("work")),
            folder,
            provider,
            was_served: Cell::new(false),
        }
    }

    /// With a ledger of two accounts: one whose last four weeks were read, held against its export and its bill, and one whose
    /// run failed.
    pub(crate) fn with_usage() -> Self {
        Self::with_usage_on(DatabaseKind::Sqlite)
    }

    /// The same, on a database of this kind.
    pub(crate) fn with_usage_on(kind: DatabaseKind) -> Self {
        let world = Self::empty_on(kind);
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(world.fill());
        world
    }

    async fn fill(&self) {
        let app = self.app();
        for (organization, secret) in [(ORGANIZATION, KEY), (REFUSED, UNKNOWN_KEY)] {
            let options = AddKeyOptions {
                account: account(organization),
                label: Some(format!("key of {organization}")),
                filter: ProjectFilter::ALL,
                secret: secret.to_owned().into(),
                check: secret == KEY,
            };
            keys::add(&app, options).await.unwrap();
        }
        for organization in [ORGANIZATION, REFUSED] {
            read(&app, organization, &READ, false).await;
        }
        let yesterday = today().pred_opt().unwrap();
        let proved = WindowRange::days(first_read_day(), yesterday).unwrap();
        let export = self.work().join("completions_usage.csv");
        let text = self
            .provider
            .simulator
            .inspect(|organization| organization.completions_csv(proved));
        std::fs::write(&export, text).unwrap();
        let options = ParityOptions {
            files: vec![export],
            account: Some(account(ORGANIZATION)),
            audit_dir: self.work().join("audit"),
            ..ParityOptions::default()
        };
        parity(&app, options).await.unwrap();
        let options = ReconcileOptions {
            first_day: proved.start().date_naive(),
            last_day: yesterday,
            invoice: None,
            account: Some(account(ORGANIZATION)),
            max_variance: Decimal::default(),
            label: None,
            output: None,
            audit_dir: self.work().join("audit"),
        };
        reconcile(&app, options).await.unwrap();
    }

    /// The provider has a tenth more of everything than it said, and is read again.
    pub(crate) fn restate(&self) {
        self.provider.simulator.update(|organization| {
            let usage = organization.usage_mut(Endpoint::Completions);
            for day in first_read_day().iter_days().take_while(|day| *day < today()) {
                usage.scale(Window::day(day), 110);
            }
        });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(read(&self.app(), ORGANIZATION, &READ, true));
    }

    /// The server's settings forbid names of people.
    pub(crate) fn forbid_names(&self) {
        std::fs::write(self.work().join("usage.toml"), "no_names = true\n").unwrap();
    }

    /// The demonstration, which has a token of its own.
    pub(crate) fn serve_demo(&self) -> Served {
        Served::start(self.command(&["--demo"]), true)
    }

    /// The server's settings have budgets for a day: one of a project that nobody uses, one that the smallest usage passes, and a
    /// large one.
    pub(crate) fn set_budgets(&self) {
        let budget = |name: &str, amount: &str, more: &str| {
            format!("[[budgets]]\nname = \"{name}\"\nperiod = \"daily\"\namount_usd = \"{amount}\"\n{more}\n")
        };
        let text = [
            budget("quiet", "5", "project = \"proj_of_nobody\"\n"),
            budget("tiny", "0.0000001", ""),
            budget("large", "100000", ""),
        ];
        std::fs::write(self.work().join("usage.toml"), text.concat()).unwrap();
    }

    /// There is more usage, today's among it: of a model without a price and without a user, of embeddings, and of a tool.
    pub(crate) fn use_more(&self) {
        self.provider.simulator.update(|organization| {
            let project = organization.projects()[0].id.clone();
            let of = |model: Option<&str>| Dimensions {
                project_id: Some(project.clone()),
                model: model.map(str::to_owned),
                ..Dimensions::default()
            };
            for (days, tokens) in [(0, 40), (3, 700), (9, 11)] {
                let at = (today() - Days::new(days)).and_time(NaiveTime::MIN).and_utc();
                let metrics = Metrics {
                    input_tokens: Some(tokens),
                    input_uncached_tokens: Some(tokens - 2),
                    input_cached_tokens: Some(2),
                    output_tokens: Some(1),
                    num_model_requests: Some(1),
                    ..Metrics::default()
                };
                let unpriced = of(Some(UNPRICED));
                organization
                    .usage_mut(Endpoint::Completions)
                    .add(at, &unpriced, &metrics);
                let metrics = Metrics {
                    input_uncached_tokens: None,
                    input_cached_tokens: None,
                    output_tokens: None,
                    ..metrics
                };
                let embedding = of(Some("text-embedding-3-small"));
                organization
                    .usage_mut(Endpoint::Embeddings)
                    .add(at, &embedding, &metrics);
                let metrics = Metrics {
                    num_requests: Some(tokens),
                    ..Metrics::default()
                };
                let search = Dimensions {
                    vector_store_id: Some("vs_made_up".to_owned()),
                    ..of(None)
                };
                organization
                    .usage_mut(Endpoint::FileSearchCalls)
                    .add(at, &search, &metrics);
            }
        });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let more = [
            Endpoint::Completions,
            Endpoint::Embeddings,
            Endpoint::FileSearchCalls,
        ];
        runtime.block_on(read(&self.app(), ORGANIZATION, &more, true));
    }

    fn app(&self) -> App {
        let variables = [
            ("USAGE_DATABASE_URL", self.database_url()),
            ("USAGE_OPENAI_BASE_URL", self.provider.simulator.base_url()),
            ("USAGE_REQUESTS_PER_MINUTE", "100000".to_owned()),
            (
                "XDG_CONFIG_HOME",
                self.folder.path().join("home/config").display().to_string(),
            ),
        ];
        let sources = Sources::gather(
            Flags::default(),
            Environment::from_iter(variables),
            self.folder.path(),
        );
        App::new(Settings::resolve(&sources).unwrap())
    }

    fn database_url(&self) -> String {
        self.database.url()
    }

    /// The one number that a query finds.
    pub(crate) fn sum(&self, sql: &str) -> i64 {
        match &self.database {
            Database::Sqlite(path) => rusqlite::Connection::open(path)
                .unwrap()
                .query_row(sql, [], |row| row.get(0))
                .unwrap(),
            Database::Postgres(database) => database.execute(sql).parse().unwrap(),
        }
    }

    /// The folder in which the binary runs.
    pub(crate) fn work(&self) -> PathBuf {
        self.folder.path().join("work")
    }

    pub(crate) fn has_ledger(&self) -> bool {
        self.work().join("ledger.db").exists()
    }

    /// The command line, in an environment that holds nothing of this process's.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_usage-server"));
        command.args(arguments);
        let base_url = self.provider.simulator.base_url();
        shared::settle(&mut command, self.folder.path(), &self.database_url(), &base_url);
        command
    }

    /// Starts the server, and returns once it listens. Its first start is to print a token.
    pub(crate) fn serve(&self) -> Served {
        let is_first = !self.was_served.replace(true);
        Served::start(self.command(&["--bind", "127.0.0.1:0"]), is_first)
    }
}

/// Reads four weeks of an organisation; again, if need be.
async fn read(app: &App, organization: &str, endpoints: &[Endpoint], force: bool) {
    let options = BackfillOptions {
        windows: WindowRange::days(first_read_day(), today()).unwrap(),
        endpoints: endpoints.to_vec(),
        accounts: vec![account(organization)],
        chunk_windows: None,
        label: Some(format!("four weeks of {organization}")),
        plan_only: false,
        force,
        accept_retractions: false,
        artifact: None,
        group_by: None,
    };
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    backfill(app, options, &LoggedProgress, stopped).await.unwrap();
}

/// The first day that was read.
pub(crate) fn first_read_day() -> NaiveDate {
    first_day() + Days::new(UNREAD)
}

/// The first day of usage, some days before the first that was read.
fn first_day() -> NaiveDate {
    today() - Days::new(DAYS.into())
}

pub(crate) fn today() -> NaiveDate {
    SystemClock.now().date_naive()
}

fn account(organization: &str) -> Account {
    Account::new(usage_core::Provider::OpenAi, organization).unwrap()
}

/// A process that serves, and what it has said.
pub(crate) struct Served {
    child: Child,
    pub(crate) address: SocketAddr,
    /// The token that the first start prints.
    pub(crate) token: Option<String>,
    out: BufReader<ChildStdout>,
    log: Option<JoinHandle<String>>,
}

impl Served {
    fn start(mut command: Command, is_first: bool) -> Self {
        let mut child = command.spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        // Read on, or the process would wait for its log to be read.
        let log = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).unwrap();
            text
        });
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let url = line(&mut out);
        let address = url.strip_prefix("http://").unwrap().trim_end_matches('/');
        let address = address.parse().unwrap();
        let token = is_first.then(|| {
            let word = line(&mut out);
            assert!(word.starts_with("Sign in with this token"), "{word}");
            line(&mut out)
        });
        Self {
            child,
            address,
            token,
            out,
            log: Some(log),
        }
    }

    /// Asks it to end, which it does in order and without another word, and returns its log, which holds no secret.
    pub(crate) fn ends(mut self) -> String {
        signal(&self.child, "TERM");
        let status = self.child.wait().unwrap();
        let log = self.log.take().unwrap().join().unwrap();
        assert!(status.success(), "{status}: {log}");
        let mut more = String::new();
        self.out.read_to_string(&mut more).unwrap();
        assert_eq!(more, "");
        assert!(!log.contains("usage_session") && !log.contains(KEY), "{log}");
        if let Some(token) = &self.token {
            assert!(!log.contains(token.as_str()), "{log}");
        }
        log
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // A test that fails leaves no process behind.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next line that it prints.
#[track_caller]
fn line(out: &mut impl BufRead) -> String {
    let mut line = String::new();
    let read = out.read_line(&mut line).unwrap();
    assert!(read > 0, "it ended without a word");
    line.trim_end().to_owned()
}

/// The folder for what tests leave for people to look at.
pub(crate) fn for_people(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
