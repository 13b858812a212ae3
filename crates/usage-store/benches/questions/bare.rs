//! The same questions in SQL, put to the events themselves.
//!
//! Two kinds: plain, for a ledger of which somebody knows that nothing was read at two widths, and through the view that tells
//! at which width a day is shown, as anybody must ask who does not know that.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable};

use crate::Outcome;
use crate::question::{Answer, Page, Part, Question};

/// How the SQL finds the width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bare {
    /// Not at all.
    Plain,
    /// Through the view.
    BestWidth,
}

/// Somebody at a prompt of the database.
pub(crate) enum Prompt {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    events: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    input_tokens: Option<i64>,
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl Prompt {
    pub(crate) fn open(url: &str) -> Outcome<Self> {
        Ok(match url.strip_prefix("sqlite:") {
            Some(path) => Self::Sqlite(SqliteConnection::establish(path)?),
            None => Self::Postgres(PgConnection::establish(url)?),
        })
    }

    /// One number.
    pub(crate) fn number(&mut self, expression: &str, from: &str) -> Outcome<i64> {
        let query = sql_query(format!(
            "SELECT CAST(COALESCE({expression}, 0) AS BIGINT) AS number FROM {from}"
        ));
        let found: Number = match self {
            Self::Sqlite(connection) => query.get_result(connection)?,
            Self::Postgres(connection) => query.get_result(connection)?,
        };
        Ok(found.number)
    }

    /// Answers a question as [`Question::ask`] does.
    pub(crate) fn ask(
        &mut self,
        question: Question,
        time: usize,
        last: DateTime<Utc>,
        bare: Bare,
    ) -> Outcome<Answer> {
        let parts = question
            .parts(time, last)
            .into_iter()
            .map(|part| sums(&part, bare));
        let page = question.page(time, last).map(|page| events(&page, bare));
        let mut answer = Answer::default();
        for statement in parts.chain(page) {
            let rows: Vec<Row> = match self {
                Self::Sqlite(connection) => sql_query(statement).load(connection)?,
                Self::Postgres(connection) => sql_query(statement).load(connection)?,
            };
            for row in rows {
                answer.rows += 1;
                answer.events += u64::try_from(row.events)?;
                answer.input_tokens += row.input_tokens.unwrap_or(0);
            }
        }
        Ok(answer)
    }
}

/// Fewer sums than the ledger's own answer has.
const SUMS: [&str; 5] = [
    "input_tokens",
    "output_tokens",
    "input_cached_tokens",
    "num_model_requests",
    "cost_nano_usd",
];

fn sums(part: &Part, bare: Bare) -> String {
    let mut groups: Vec<String> = part.by.iter().map(|by| format!("e.{by}")).collect();
    if part.by_day {
        groups.push("e.window_start".to_owned());
    }
    let sums = SUMS.map(|sum| format!("CAST(sum(e.{sum}) AS BIGINT) AS {sum}"));
    let columns: Vec<String> = groups.iter().cloned().chain(sums).collect();
    let by = if groups.is_empty() {
        String::new()
    } else {
        format!(" GROUP BY {}", groups.join(", "))
    };
    format!(
        "SELECT count(*) AS events, {} FROM {} WHERE {}{by}",
        columns.join(", "),
        table(bare),
        between(part.start, part.end)
    )
}

fn events(page: &Page, bare: Bare) -> String {
    let model = page
        .model
        .map(|model| format!(" AND e.model = '{model}'"))
        .unwrap_or_default();
    format!(
        "SELECT CAST(1 AS BIGINT) AS events, e.* FROM {} WHERE {}{model} \
         ORDER BY e.window_start DESC, e.dedupe_key DESC LIMIT {}",
        table(bare),
        between(page.start, page.end),
        page.limit
    )
}

fn table(bare: Bare) -> &'static str {
    match bare {
        Bare::Plain => "usage_events e",
        Bare::BestWidth => {
            "usage_events e JOIN usage_best_width w ON w.account_id = e.account_id AND w.endpoint = e.endpoint \
             AND w.day_start = e.window_start - e.window_start % 86400 \
             AND w.width_seconds = e.window_end - e.window_start"
        }
    }
}

fn between(start: DateTime<Utc>, end: DateTime<Utc>) -> String {
    format!(
        "e.window_start >= {} AND e.window_start < {}",
        start.timestamp(),
        end.timestamp()
    )
}
