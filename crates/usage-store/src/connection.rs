//! Connections: one enum for both databases, how one is made, and transactions on it.

use std::fmt;
use std::time::{Duration, Instant};

use diesel::connection::{AnsiTransactionManager, SimpleConnection, TransactionManager};
use diesel::{Connection, PgConnection, SqliteConnection};

use crate::error::{Retry, StoreError, one_line};
use crate::outage;

/// A connection to either database. Statements go through the enum; only COPY, PRAGMA and the dialect's own ways to
/// lock a row or read the clock look at the variant.
#[derive(diesel::MultiConnection)]
pub(crate) enum AnyConnection {
    Postgres(PgConnection),
    Sqlite(SqliteConnection),
}

/// Which database a ledger lives in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseKind {
    /// A file on this machine.
    Sqlite,
    /// A PostgreSQL server, or several behind one URL.
    Postgres,
}

impl fmt::Display for DatabaseKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// How long a writer waits for another on SQLite before the statement fails.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(30);
/// How libpq notices that nobody is there any more, in its own parameters and units: 10 s for connecting to one host, 30 s
/// for what was sent to be acknowledged, and, while an answer is awaited, three questions 10 s apart after 30 s of silence.
/// Its own defaults are to wait for ever, or for what the system thinks fit, which is hours.
const POSTGRES_TIMEOUTS: [(&str, u32); 5] = [
    ("connect_timeout", 10),
    ("tcp_user_timeout", 30_000),
    ("keepalives_idle", 30),
    ("keepalives_interval", 10),
    ("keepalives_count", 3),
];
/// How the server notices that we are there no longer, within the same time, so that the locks of a host that vanished are free
/// soon after its leases; what somebody has set for the server, the role or the session stands.
const POSTGRES_SERVER_TIMEOUTS: &str = "SELECT set_config(s.name, v.value, false) FROM pg_settings s \
    JOIN (VALUES ('tcp_user_timeout', '30000'), ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', '10'), \
    ('tcp_keepalives_count', '3')) AS v (name, value) ON v.name = s.name WHERE s.source = 'default'";

/// Makes connections for one URL. Its `Debug` hides the password.
pub(crate) struct Manager {
    url: String,
    kind: DatabaseKind,
}

impl Manager {
    /// Looks at the scheme itself, so that a mistyped one does not become the name of a SQLite file.
    pub(crate) fn new(url: &str) -> Result<Self, StoreError> {
        let kind = match url.split_once(':') {
            Some(("sqlite", path)) if !path.trim().is_empty() => DatabaseKind::Sqlite,
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => DatabaseKind::Postgres,
            Some((scheme, _)) => return Err(StoreError::UnsupportedUrl(scheme.to_owned())),
            None => return Err(StoreError::UnsupportedUrl(String::new())),
        };
        Ok(Self {
            url: url.to_owned(),
            kind,
        })
    }

    pub(crate) fn kind(&self) -> DatabaseKind {
        self.kind
    }

    /// The database in messages: the file, or the URL without its password.
    pub(crate) fn name(&self) -> String {
        match (self.kind, self.url.split_once("://")) {
            (DatabaseKind::Postgres, Some((scheme, rest))) => {
                // Up to the last `@`, since a password may hold one: too much hidden is better than too little.
                let host_and_path = rest.rsplit_once('@').map_or(rest, |(_, behind)| behind);
                let without_query = host_and_path.split('?').next().unwrap_or_default();
                format!("{scheme}://{without_query}")
            }
            _ => self.sqlite_path().to_owned(),
        }
    }

    /// The file behind a `sqlite:` URL; `sqlite://path` and `sqlite:path` are the same.
    pub(crate) fn sqlite_path(&self) -> &str {
        let path = self.url.strip_prefix("sqlite:").unwrap_or(&self.url);
        path.strip_prefix("//").unwrap_or(path)
    }

    /// The URL with each of [`POSTGRES_TIMEOUTS`] that it does not set itself.
    fn postgres_url(&self) -> String {
        let parameters = self.url.split_once('?').map(|(_, parameters)| parameters);
        let mut url = self.url.clone();
        let mut separator = match parameters {
            None => "?",
            Some("") => "",
            Some(_) => "&",
        };
        for (name, value) in POSTGRES_TIMEOUTS {
            let sets = |parameter: &str| parameter.split('=').next() == Some(name);
            if !parameters.is_some_and(|parameters| parameters.split('&').any(sets)) {
                url.extend([separator, name, "=", value.to_string().as_str()]);
                separator = "&";
            }
        }
        url
    }

    pub(crate) fn open(&self) -> Result<AnyConnection, StoreError> {
        let unreachable = |reason: &dyn fmt::Display| StoreError::Unreachable {
            database: self.name(),
            reason: with_advice(one_line(&reason.to_string())),
        };
        match self.kind {
            DatabaseKind::Postgres => {
                let mut connection = PgConnection::establish(&self.postgres_url())
                    .map_err(|error| unreachable(&without_url(&error.to_string())))?;
                connection
                    .batch_execute(POSTGRES_SERVER_TIMEOUTS)
                    .map_err(|error| unreachable(&error))?;
                Ok(AnyConnection::Postgres(connection))
            }
            DatabaseKind::Sqlite => {
                if std::path::Path::new(self.sqlite_path()).is_dir() {
                    return Err(unreachable(&"it is a folder; name a file in it"));
                }
                let mut connection =
                    SqliteConnection::establish(self.sqlite_path()).map_err(|error| unreachable(&error))?;
                let timeout = SQLITE_BUSY_TIMEOUT.as_millis();
                // Asking for the schema's version reads the file, so that one of another kind is recognised here.
                connection
                    .batch_execute(&format!(
                        "PRAGMA busy_timeout = {timeout}; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                         PRAGMA schema_version;"
                    ))
                    .map_err(|error| match error.to_string() {
                        text if text.contains("not a database") => StoreError::NotALedger {
                            database: self.name(),
                            reason: "the file is not a SQLite database; name another file".to_owned(),
                        },
                        text => unreachable(&text),
                    })?;
                Ok(AnyConnection::Sqlite(connection))
            }
        }
    }
}

/// What libpq says of a URL that it cannot read holds parts of it, and they may be a password's.
fn without_url(message: &str) -> &str {
    let about_the_url = [
        "could not translate host name",
        "invalid integer value",
        "invalid port",
        "percent-encoded",
        "URI",
    ];
    if about_the_url.iter().any(|words| message.contains(words)) {
        "its host is unknown or the URL cannot be read; write @, / and % in a password as %40, %2F and %25"
    } else {
        message
    }
}

/// SQLite says what is wrong; people also want to know what to do.
fn with_advice(reason: String) -> String {
    let advice = match reason.as_str() {
        "database disk image is malformed" => "restore a backup, or name another file",
        text if text.ends_with("unable to open database file") => "its folder must exist and be writable",
        _ => return reason,
    };
    format!("{reason}; {advice}")
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("database", &self.name())
            .finish_non_exhaustive()
    }
}

/// Switches a SQLite ledger to its write-ahead log, in which readers do not wait for the writer. The file remembers it,
/// so this is for ledgers only: a file of somebody else stays as it is.
pub(crate) fn use_write_ahead_log(connection: &mut AnyConnection) -> Result<(), StoreError> {
    match connection {
        AnyConnection::Postgres(_) => Ok(()),
        AnyConnection::Sqlite(inner) => retrying(|| {
            inner
                .batch_execute("PRAGMA journal_mode = WAL")
                .map_err(StoreError::query("switching to the write-ahead log"))
        }),
    }
}

/// Asks again while another process holds the file, for as long as the busy timeout: SQLite does not apply that
/// itself where two connections that both read would wait for each other, as they do when they switch the journal.
fn retrying(mut attempt: impl FnMut() -> Result<(), StoreError>) -> Result<(), StoreError> {
    const PAUSE: Duration = Duration::from_millis(20);
    let began = Instant::now();
    loop {
        match attempt() {
            Err(error) if error.is_locked() && began.elapsed() < SQLITE_BUSY_TIMEOUT => {
                std::thread::sleep(PAUSE);
            }
            done => return done,
        }
    }
}

/// What became of a transaction whose work was done.
pub(crate) enum Ended<T> {
    /// It took effect.
    Committed(T),
    /// The connection was lost before the answer to COMMIT came: it took effect or not.
    InDoubt(T, StoreError),
}

impl<T> Ended<T> {
    /// What was committed; an error if nobody knows.
    pub(crate) fn certain(self) -> Result<T, StoreError> {
        match self {
            Self::Committed(value) => Ok(value),
            Self::InDoubt(_, error) => Err(error),
        }
    }
}

/// Runs `work` in a write transaction and commits it, or rolls back on an error.
///
/// On SQLite the transaction takes the write lock at once: one that reads first and writes later can fail with
/// "database is locked" whatever the busy timeout.
pub(crate) fn write_transaction<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<Ended<T>, StoreError> {
    let begin = match connection {
        AnyConnection::Postgres(inner) => AnsiTransactionManager::begin_transaction(inner),
        AnyConnection::Sqlite(inner) => {
            AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN IMMEDIATE")
        }
    };
    begin.map_err(StoreError::query("beginning a transaction"))?;
    end(connection, work)
}

/// Runs `work` and lets it fail at once where another writer has SQLite's file.
pub(crate) fn without_waiting<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let wait_for = |connection: &mut AnyConnection, timeout: Duration| match connection {
        AnyConnection::Postgres(_) => Ok(()),
        AnyConnection::Sqlite(inner) => inner
            .batch_execute(&format!("PRAGMA busy_timeout = {}", timeout.as_millis()))
            .map_err(StoreError::query("setting how long others are waited for")),
    };
    wait_for(connection, Duration::ZERO)?;
    let done = work(connection);
    wait_for(connection, SQLITE_BUSY_TIMEOUT)?;
    done
}

/// Runs `work` in a transaction that sees one moment of the database and changes nothing; writers are not held up.
pub(crate) fn read_transaction<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    let begin = match connection {
        AnyConnection::Postgres(inner) => AnsiTransactionManager::begin_transaction_sql(
            inner,
            "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
        ),
        AnyConnection::Sqlite(inner) => {
            AnsiTransactionManager::begin_transaction_sql(inner, "BEGIN DEFERRED")
        }
    };
    begin.map_err(StoreError::query("beginning a transaction"))?;
    match end(connection, work)? {
        Ended::Committed(value) | Ended::InDoubt(value, _) => Ok(value),
    }
}

/// Commits what `work` did, or rolls it back on an error.
fn end<T>(
    connection: &mut AnyConnection,
    work: impl FnOnce(&mut AnyConnection) -> Result<T, StoreError>,
) -> Result<Ended<T>, StoreError> {
    match work(connection) {
        Ok(value) => {
            let commit = match connection {
                AnyConnection::Postgres(inner) => AnsiTransactionManager::commit_transaction(inner),
                AnyConnection::Sqlite(inner) => AnsiTransactionManager::commit_transaction(inner),
            };
            match commit.map_err(StoreError::query("committing a transaction")) {
                Ok(()) => Ok(Ended::Committed(value)),
                Err(error) if error.is_loss() => Ok(Ended::InDoubt(value, error)),
                Err(error) => Err(error),
            }
        }
        Err(error) => {
            // The first error is the one worth telling; a failed rollback leaves a connection that the pool drops.
            match connection {
                AnyConnection::Postgres(inner) => {
                    let rolled_back = AnsiTransactionManager::rollback_transaction(inner);
                    // Whatever the driver made of it, it is the connection that failed if it takes nothing more.
                    if rolled_back.is_err_and(|error| outage::is_loss(&error)) {
                        return Err(error.with_retry(Retry::Lost));
                    }
                }
                AnyConnection::Sqlite(inner) => {
                    let _ = AnsiTransactionManager::rollback_transaction(inner);
                }
            }
            Err(error)
        }
    }
}

/// Whether nothing can be sent to the server any more. Within a transaction that failed, that is so only if the server
/// does not even refuse.
pub(crate) fn is_gone(connection: &mut AnyConnection) -> bool {
    match connection {
        AnyConnection::Postgres(inner) => inner
            .batch_execute("SELECT 1")
            .is_err_and(|error| outage::is_loss(&error)),
        AnyConnection::Sqlite(_) => false,
    }
}

/// Whether a transaction was left open that nobody can end: the connection is of no use any more.
pub(crate) fn is_broken(connection: &mut AnyConnection) -> bool {
    match connection {
        AnyConnection::Postgres(inner) => {
            <PgConnection as Connection>::TransactionManager::is_broken_transaction_manager(inner)
        }
        AnyConnection::Sqlite(inner) => {
            <SqliteConnection as Connection>::TransactionManager::is_broken_transaction_manager(inner)
        }
    }
}

#[cfg(test)]
mod tests {
    use diesel::RunQueryDsl as _;

    use super::*;

    #[test]
    fn a_mistyped_scheme_creates_no_file() {
        for (url, scheme) in [
            ("mysql://localhost/x", "mysql"),
            ("sqlte:usage.db", "sqlte"),
            ("usage.db", ""),
        ] {
            match Manager::new(url) {
                Err(StoreError::UnsupportedUrl(found)) => assert_eq!(found, scheme),
                other => panic!("{url}: {other:?}"),
            }
        }
    }

    #[test]
    fn no_password_is_told_however_it_is_written() {
        for password in [
            "p@hunter2",
            "p/hunter2",
            "p%zzhunter2",
            "hunter2",
            "p@x:hunter2@y",
        ] {
            let manager = Manager::new(&format!("postgres://me:{password}@127.0.0.1:1/usage")).unwrap();
            let Err(error) = manager.open() else {
                panic!("{password}: connected")
            };
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn the_server_gets_the_time_limits_that_nobody_else_set() {
        #[derive(diesel::QueryableByName)]
        struct Shown {
            #[diesel(sql_type = diesel::sql_types::Text)]
            setting: String,
        }
        let database = usage_testkit::PostgresCluster::shared().create_database();
        let url = format!("{}?options=-c%20tcp_keepalives_count%3D7", database.url());
        let mut connection = Manager::new(&url).unwrap().open().unwrap();
        let settings: Vec<Shown> = diesel::sql_query(
            "SELECT name || ' ' || setting AS setting FROM pg_settings WHERE name LIKE 'tcp%' ORDER BY name",
        )
        .load(&mut connection)
        .unwrap();
        let settings: Vec<&str> = settings.iter().map(|shown| shown.setting.as_str()).collect();
        assert_eq!(
            settings,
            [
                "tcp_keepalives_count 7",
                "tcp_keepalives_idle 30",
                "tcp_keepalives_interval 10",
                "tcp_user_timeout 30000",
            ]
        );
    }

    #[test]
    fn a_url_gets_the_time_limits_that_it_does_not_set() {
        let all = "connect_timeout=10&tcp_user_timeout=30000&keepalives_idle=30&keepalives_interval=10&keepalives_count=3";
        for (url, passed) in [
            ("postgres://a/usage", format!("postgres://a/usage?{all}")),
            ("postgres://a/usage?", format!("postgres://a/usage?{all}")),
            (
                "postgres://a/usage?sslmode=require",
                format!("postgres://a/usage?sslmode=require&{all}"),
            ),
            (
                "postgres://a/usage?keepalives_count=9&tcp_user_timeout=0&sslmode=require",
                "postgres://a/usage?keepalives_count=9&tcp_user_timeout=0&sslmode=require&connect_timeout=10\
                 &keepalives_idle=30&keepalives_interval=10"
                    .to_owned(),
            ),
            (
                // Only a parameter of that very name sets it.
                "postgres://keepalives_idle=1@a/usage?application_name=connect_timeout",
                format!("postgres://keepalives_idle=1@a/usage?application_name=connect_timeout&{all}"),
            ),
            (
                &format!("postgres://a/usage?{all}"),
                format!("postgres://a/usage?{all}"),
            ),
        ] {
            assert_eq!(Manager::new(url).unwrap().postgres_url(), passed);
        }
    }

    #[test]
    fn names_hide_the_password() {
        let manager = Manager::new("postgres://ledger:hunter2@a:1,b:2/usage?password=hunter2").unwrap();
        assert_eq!(manager.name(), "postgres://a:1,b:2/usage");
        assert!(!format!("{manager:?}").contains("hunter2"));
    }
}
