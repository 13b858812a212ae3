//! A database of events, which it makes itself: faster than any program could hand them over.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use usage_core::{Account, Endpoint, Provider, SystemClock};
use usage_store::{Ledger, OpenMode};
use usage_testkit::{PostgresCluster, PostgresDatabase};

use crate::Outcome;

/// The first day, Unix seconds: 2024-01-01.
pub(crate) const FIRST_DAY: i64 = 1_704_067_200;
/// Two years, of which one is a leap year.
pub(crate) const DAYS: i64 = 731;
pub(crate) const DAY: i64 = 86_400;
const ACCOUNTS: i64 = 5;
/// Charges of each account and day.
const COSTS_A_DAY: i64 = 60;
/// How many days one statement makes.
const DAYS_A_STATEMENT: i64 = 10;

/// A database of the benchmark's own.
pub(crate) enum Database {
    Sqlite {
        url: String,
        connection: Box<rusqlite::Connection>,
        _folder: TempDir,
    },
    Postgres {
        database: PostgresDatabase,
        _cluster: PostgresCluster,
    },
}

impl Database {
    pub(crate) fn open(name: &str, keep: Option<&Path>) -> Outcome<Self> {
        if name == "postgres" {
            let cluster = PostgresCluster::start_durable()?;
            return Ok(Self::Postgres {
                database: cluster.create_database(),
                _cluster: cluster,
            });
        }
        let folder = TempDir::new()?;
        let file = keep.unwrap_or(folder.path()).join("ledger.db");
        let connection = rusqlite::Connection::open(&file)?;
        connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL")?;
        Ok(Self::Sqlite {
            url: format!("sqlite:{}", file.display()),
            connection: Box::new(connection),
            _folder: folder,
        })
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Sqlite { url, .. } => url,
            Self::Postgres { database, .. } => database.url(),
        }
    }

    pub(crate) async fn ledger(&self) -> Outcome<Ledger> {
        Ok(Ledger::open(self.url(), Arc::new(SystemClock), OpenMode::SetUpIfEmpty).await?)
    }

    /// Makes events: each account and day has as many groups as the others, of 40 projects, 200 keys, 120 users, 12 models
    /// and 2 tiers by chance. Every surface was read, and each day has charges, so that pages have as much to ask as of a real one.
    pub(crate) async fn fill(&self, ledger: &Ledger, events: usize) -> Outcome<()> {
        let mut accounts = Vec::new();
        for number in 0..ACCOUNTS {
            let account = Account::new(Provider::OpenAi, &format!("org-bench-{number}"))?;
            accounts.push(ledger.add_account(account).await?.id.to_string());
        }
        let a_day = (i64::try_from(events)? / (ACCOUNTS * DAYS)).max(1);
        let accounts: Vec<String> = accounts.iter().map(|id| format!("SELECT {id} AS id")).collect();
        let accounts = accounts.join(" UNION ALL ");
        let (key, flag) = match self {
            Self::Sqlite { .. } => ("randomblob(16)", "0"),
            Self::Postgres { .. } => ("decode(md5(id || '-' || day || '-' || n), 'hex')", "false"),
        };
        let surfaces: Vec<String> = Endpoint::ALL
            .iter()
            .map(|endpoint| format!("SELECT '{endpoint}' AS endpoint"))
            .collect();
        let surfaces = surfaces.join(" UNION ALL ");
        let mut day = 0;
        while day < DAYS {
            let until = DAYS.min(day + DAYS_A_STATEMENT);
            let numbers = |name: &str, from: i64, to: i64| {
                format!(
                    "{name}(n) AS (SELECT {from} UNION ALL SELECT n + 1 FROM {name} WHERE n < {})",
                    to - 1
                )
            };
            self.execute(&format!(
                "WITH RECURSIVE {}, {}, drawn AS (SELECT a.id AS id, d.n AS day, {FIRST_DAY} + d.n * {DAY} AS start, g.n AS n, \
                 ((g.n + d.n * 7919 + a.id * 104729) * 2654435761) % 4294967296 AS h \
                 FROM days d CROSS JOIN ({accounts}) a CROSS JOIN groups g) \
                 INSERT INTO usage_events (account_id, endpoint, window_start, window_end, dedupe_key, project_id, api_key_id, \
                 user_id, model, service_tier, batch, input_tokens, output_tokens, input_cached_tokens, input_uncached_tokens, \
                 input_text_tokens, output_text_tokens, num_model_requests, content_hash, revision, first_stored_at, \
                 changed_at, run_id, cost_nano_usd, price_ref) \
                 SELECT id, 'completions', start, start + {DAY}, {key}, 'proj_abcdefghijklmnop' || (h % 40), \
                 'key_abcdefghijklmnop' || (h % 40 * 5 + h / 40 % 5), 'user-abcdefghijklmnop' || (h / 200 % 120), \
                 'gpt-model-2025-01-' || (h / 24000 % 12), CASE WHEN h / 288000 % 2 = 0 THEN 'default' ELSE 'flex' END, \
                 {flag}, 1000 + h % 50000, h % 3000, h % 1000, h % 50000, 1000 + h % 50000, h % 3000, 1 + h % 90, \
                 0, 1, start + 100000, start + 100000, 1, h % 900000000, NULL FROM drawn",
                numbers("days", day, until),
                numbers("groups", 0, a_day),
            ))?;
            self.execute(&format!(
                "WITH RECURSIVE {} INSERT INTO usage_coverage (account_id, endpoint, width_seconds, window_start, project_filter, \
                 grouped_by, refused_dimensions, empty_dimensions, state, event_count, read_started_at, stored_at, \
                 first_closed_at, run_id) \
                 SELECT a.id, s.endpoint, {DAY}, {FIRST_DAY} + d.n * {DAY}, '', 0, 0, 0, 'settled', \
                 CASE s.endpoint WHEN 'completions' THEN {a_day} ELSE 0 END, \
                 {FIRST_DAY} + (d.n + 5) * {DAY}, {FIRST_DAY} + (d.n + 5) * {DAY}, {FIRST_DAY} + (d.n + 5) * {DAY}, 1 \
                 FROM days d CROSS JOIN ({accounts}) a CROSS JOIN ({surfaces}) s",
                numbers("days", day, until),
            ))?;
            self.execute(&format!(
                "WITH RECURSIVE {}, {} INSERT INTO cost_events (account_id, endpoint, window_start, window_end, dedupe_key, \
                 project_id, line_item, currency, amount, amount_nano, long_context, content_hash, revision, first_stored_at, \
                 changed_at, run_id) \
                 SELECT id, 'costs', start, start + {DAY}, {key}, 'proj_abcdefghijklmnop' || (n % 40), \
                 'gpt-model-2025-01-' || (n % 12) || ', input', 'usd', '12.5', 12500000000, {flag}, 0, 1, start + 100000, \
                 start + 100000, 1 FROM (SELECT a.id AS id, d.n AS day, {FIRST_DAY} + d.n * {DAY} AS start, g.n AS n \
                 FROM days d CROSS JOIN ({accounts}) a CROSS JOIN groups g) drawn",
                numbers("days", day, until),
                numbers("groups", 0, COSTS_A_DAY),
            ))?;
            day = until;
        }
        for (kind, id, count) in [
            ("project", "proj_abcdefghijklmnop", 40),
            ("api_key", "key_abcdefghijklmnop", 200),
            ("user", "user-abcdefghijklmnop", 120),
        ] {
            self.execute(&format!(
                "WITH RECURSIVE names(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM names WHERE n < {count} - 1) \
                 INSERT INTO directory_names (account_id, kind, id, name, first_seen_at, last_seen_at) \
                 SELECT a.id, '{kind}', '{id}' || n, 'the {kind} ' || n, {FIRST_DAY}, {FIRST_DAY} \
                 FROM names CROSS JOIN ({accounts}) a"
            ))?;
        }
        Ok(())
    }

    /// What a database in use has done by itself: its log is in its tables, and it knows how large they are.
    pub(crate) fn settle_down(&self) -> Outcome<()> {
        match self {
            Self::Sqlite { connection, .. } => {
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            }
            Self::Postgres { database, .. } => {
                database.execute("VACUUM ANALYZE");
                database.execute("CHECKPOINT");
            }
        }
        Ok(())
    }

    pub(crate) fn execute(&self, statement: &str) -> Outcome<()> {
        match self {
            Self::Sqlite { connection, .. } => connection.execute_batch(statement)?,
            Self::Postgres { database, .. } => {
                database.execute(statement);
            }
        }
        Ok(())
    }

    /// The first row of the answer, and how long it took to read them all. PostgreSQL is asked through psql, whose start is
    /// a few milliseconds of it.
    pub(crate) fn ask(&self, statement: &str) -> Outcome<(String, Duration)> {
        let began = Instant::now();
        let first = match self {
            Self::Sqlite { connection, .. } => {
                let mut query = connection.prepare(statement)?;
                let columns = query.column_count();
                let mut rows = query.query([])?;
                let mut first = None;
                while let Some(row) = rows.next()? {
                    let mut cells = Vec::with_capacity(columns);
                    for index in 0..columns {
                        cells.push(format!("{:?}", row.get_ref(index)?));
                    }
                    first.get_or_insert_with(|| cells.join("|"));
                }
                first.unwrap_or_default()
            }
            Self::Postgres { database, .. } => {
                let answer = database.execute(statement);
                answer.lines().next().unwrap_or_default().to_owned()
            }
        };
        Ok((first, began.elapsed()))
    }
}
