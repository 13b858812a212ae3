//! Why a command could not do its work. Every message is one line: what is wrong, where, what to do.

use std::path::PathBuf;

use usage_core::{Account, InvalidRange, Issue, ParseAccountError, Provider, Width};
use usage_fixtures::FixtureError;
use usage_ingest::{CheckError, PlanError};
use usage_parity::ProviderCsvError;
use usage_parity::costs::CostCsvWriteError;
use usage_pricing::CatalogueError;
use usage_providers::{InvalidBaseUrl, InvalidOptions, ReadError};
use usage_store::StoreError;

use crate::settings::{MasterKeyError, SettingsError};

/// Why a command could not do its work; always exit code 2.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppError {
    /// A setting is wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The master key cannot be loaded.
    #[error(transparent)]
    MasterKey(#[from] MasterKeyError),
    /// The ledger failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A price list is wrong.
    #[error(transparent)]
    Prices(#[from] CatalogueError),
    /// The file with the user's own prices cannot be read.
    #[error("cannot read the prices of {} ({origin}): {source}", path.display())]
    PricesFile {
        /// Which file.
        path: PathBuf,
        /// Where the setting came from.
        origin: String,
        /// Why.
        source: std::io::Error,
    },
    /// The price list has nothing for a model.
    #[error(
        "the price list has no price for `{model}`{}; add one in the file that USAGE_PRICES_FILE names (docs/MONEY.md)",
        at.map(|day| format!(" on {day}")).unwrap_or_default()
    )]
    NoPrice {
        /// The model.
        model: String,
        /// The day asked for.
        at: Option<chrono::NaiveDate>,
    },
    /// A key could not be checked.
    #[error(transparent)]
    Check(#[from] CheckError),
    /// No plan can be made.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A range is wrong.
    #[error(transparent)]
    Range(#[from] InvalidRange),
    /// An account or project id is wrong.
    #[error(transparent)]
    Account(#[from] ParseAccountError),
    /// The provider's URL is wrong.
    #[error("{origin}: {error}")]
    BaseUrl {
        /// Where the setting came from.
        origin: String,
        /// What is wrong with it.
        error: InvalidBaseUrl,
    },
    /// The provider's client cannot be made.
    #[error(transparent)]
    Client(#[from] InvalidOptions),
    /// A token would be dead on arrival.
    #[error("the token would have expired at {0}, before it is made; give a later day with --expires")]
    TokenExpired(String),
    /// There is nobody to tell.
    #[error("no webhook is set; set USAGE_WEBHOOK_URL, or webhook_url in usage.toml (docs/ALERTING.md)")]
    NoWebhook,
    /// The client of a webhook or a dead-man's switch cannot be made.
    #[error("{receiver} cannot be told anything: {reason}")]
    Receiver {
        /// Which host.
        receiver: String,
        /// Why.
        reason: String,
    },
    /// The clock shows a day whose month has no end.
    #[error("the clock shows a day beyond the calendar; set the clock right")]
    EndOfCalendar,
    /// No key can read anything.
    #[error("no usable provider key; add one with `usage keys add --provider openai --organization org-…`")]
    NoKey,
    /// No key can read the account.
    #[error("the ledger has no account {0} with a usable key; see `usage keys list`")]
    NoKeyOfAccount(Account),
    /// The account is not in the ledger.
    #[error("the ledger has no account {0}; see `usage status`")]
    UnknownAccount(Account),
    /// A provider without a client.
    #[error("this version cannot read {0}; update this program")]
    UnreadableProvider(Provider),
    /// An export in the provider's layout is about one account.
    #[error("the ledger has {0} accounts; name one with --account")]
    SeveralAccounts(usize),
    /// An export in the provider's layout is about one endpoint.
    #[error(
        "the provider's export holds one endpoint, and {0} are named; name one with --endpoint, or use --format csv"
    )]
    SeveralEndpoints(usize),
    /// Costs and usage have different columns.
    #[error("costs and usage do not go into one export; name --endpoint costs alone, or leave it out")]
    CostsAndUsage,
    /// Costs have no windows of this width.
    #[error("costs come by the day only; leave out --bucket-width {0}")]
    CostsOfWidth(Width),
    /// A FOCUS file is about charges.
    #[error("a FOCUS file holds costs; leave out --endpoint, or use --format csv for usage")]
    FocusOfUsage,
    /// The text is no id.
    #[error("`{0}` is no key id; see `usage keys list`")]
    KeyId(String),
    /// The secret cannot be used.
    #[error("{0}")]
    Secret(String),
    /// The provider does not accept the key, or it belongs to another account.
    #[error("{0}")]
    KeyRefused(String),
    /// An export cannot be written.
    #[error(transparent)]
    ProviderCsv(#[from] ProviderCsvError),
    /// An export of costs cannot be written.
    #[error(transparent)]
    CostCsv(#[from] CostCsvWriteError),
    /// A comparison could not be made.
    #[error("{0}")]
    Parity(String),
    /// Usage and costs could not be reconciled.
    #[error("{0}")]
    Reconcile(String),
    /// There was nothing to compare.
    #[error(
        "nothing could be compared: the export has no window of the range that is over; see --from, --to, --project \
         and --user"
    )]
    NothingCompared,
    /// There is no ledger to compare with.
    #[error("there is no ledger at {}; read one with `usage backfill`", .0.display())]
    NoLedger(PathBuf),
    /// There is no ledger to compare an export with, which can be summed up alone.
    #[error("{}, or give --skip-db to sum the export up", AppError::NoLedger(.0.clone()))]
    NoLedgerForExport(PathBuf),
    /// The ledger is empty.
    #[error("the ledger has no account; add a key with `usage keys add` and read with `usage backfill`")]
    NoAccount,
    /// A file cannot be written.
    #[error("cannot write {path}: {source}")]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// Standard output or input failed.
    #[error("{what}: {source}")]
    Stream {
        /// What was being done.
        what: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
    /// The metrics cannot be written down.
    #[error("the metrics cannot be written down: {0}")]
    Metrics(String),
    /// There is no ledger to copy.
    #[error("there is no ledger at {}", .0.display())]
    NothingToBackUp(PathBuf),
    /// A ledger that somebody writes is not copied.
    #[error(
        "{account} is being written by another process ({holder}); wait until it is done, or stop it and what starts it, \
         then copy"
    )]
    LedgerIsWritten {
        /// Whose usage it writes.
        account: String,
        /// Which process.
        holder: String,
    },
    /// A copy of the ledger would hold names that are not to be stored.
    #[error(
        "users' names are stored although no_names is set; run `usage migrate`, which erases them, then copy"
    )]
    NamesWouldBeCopied,
    /// Something that has a name of its own kept the command from beginning.
    #[error("{0}")]
    Issue(Issue),
    /// A fixture, or a file of expected totals, cannot be used.
    #[error(transparent)]
    Fixture(#[from] FixtureError),
    /// A fixture has nowhere to go.
    #[error("{}: {reason}", path.display())]
    FixturePlace {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// Totals without the name of a fixture, and several fixtures.
    #[error("{}: the totals name no fixture and there are {fixtures}; add `fixture`, or name one fixture", path.display())]
    AmbiguousTotals {
        /// The file of totals.
        path: PathBuf,
        /// How many fixtures there are.
        fixtures: usize,
    },
    /// Pseudonyms depend on a salt that is not set.
    #[error(
        "DAILY_USAGE_SANITIZE_SALT is not set; set it to a secret of 16 characters or more, or give --random-salt for \
         pseudonyms that no other run repeats"
    )]
    NoSalt,
    /// The machine has no random numbers.
    #[error("no random salt could be made: {0}")]
    RandomSalt(getrandom::Error),
    /// Each key of the account reads a part of it.
    #[error(
        "{account} is read with {keys} keys, a part with each; a capture takes one key that reads all of them"
    )]
    SplitAccount {
        /// The account.
        account: Account,
        /// How many keys it takes.
        keys: usize,
    },
    /// The provider's answer cannot be captured.
    #[error("nothing was captured: {0}")]
    Capture(ReadError),
    /// A schedule cannot be used.
    #[error(transparent)]
    Schedule(#[from] crate::cron::ScheduleError),
    /// The record of a rehearsal cannot be read.
    #[error("{}: the record of a rehearsal cannot be read: {reason}; move the file away to begin a new one", path.display())]
    RehearsalRecord {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another process rehearses in the same folder.
    #[error("another process rehearses in {}; wait for its verdict, or name another folder with --audit-dir", .0.display())]
    RehearsalElsewhere(PathBuf),
    /// The rehearsal that goes on is about something else.
    #[error(
        "{} is a rehearsal that goes on, and {what}; ask for the same, or move the file away to begin a new one",
        file.display()
    )]
    OtherRehearsal {
        /// Its record.
        file: PathBuf,
        /// In what it differs.
        what: String,
    },
    /// The process was told to stop before the rehearsal's end.
    #[error("the rehearsal was stopped after {done} of {planned} passes; the same command goes on with it")]
    RehearsalStopped {
        /// Passes whose outcome is known.
        done: usize,
        /// Passes in all.
        planned: u64,
    },
    /// Nobody can be listened to.
    #[error(transparent)]
    Listen(#[from] usage_http::ListenError),
    /// The demonstration could not start.
    #[error("the demonstration could not start: {0}")]
    Demo(String),
}
