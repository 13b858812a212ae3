//! The directory: our own copy of the names behind ids.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use usage_core::{Directory, DirectoryKind};

use crate::accounts::AccountScope;
use crate::connection::AnyConnection;
use crate::data_version;
use crate::erasure;
use crate::error::StoreError;
use crate::events::instant;
use crate::ledger::Ledger;
use crate::schema::directory_names;
use crate::sql::{InsertRows, Row, Value};

/// A name as the ledger knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownName {
    /// The account's number in the ledger.
    pub account_id: i64,
    /// What the id names.
    pub kind: DirectoryKind,
    /// The provider's id.
    pub id: String,
    /// The name people gave it.
    pub name: Option<String>,
    /// The e-mail address of a user.
    pub email: Option<String>,
    /// The project of an API key.
    pub project_id: Option<String>,
    /// When the provider first returned it, UTC.
    pub first_seen_at: DateTime<Utc>,
    /// When it last did; a deleted one is not seen again.
    pub last_seen_at: DateTime<Utc>,
}

const HEAD: &str = "INSERT INTO directory_names AS d \
    (account_id, kind, id, name, email, project_id, status, created_at, first_seen_at, last_seen_at) VALUES ";
// A name that the provider no longer tells is kept: null never overwrites it.
const TAIL: &str = " ON CONFLICT (account_id, kind, id) DO UPDATE SET \
    name = COALESCE(excluded.name, d.name), email = COALESCE(excluded.email, d.email), \
    project_id = COALESCE(excluded.project_id, d.project_id), status = excluded.status, \
    created_at = COALESCE(excluded.created_at, d.created_at), last_seen_at = excluded.last_seen_at";
const ROWS_A_STATEMENT: usize = 200;

#[derive(Clone)]
struct NameRow {
    account_id: i64,
    kind: &'static str,
    id: String,
    name: Option<String>,
    email: Option<String>,
    project_id: Option<String>,
    status: Option<String>,
    created_at: Option<i64>,
    seen_at: i64,
}

impl NameRow {
    /// The row, without what names it if that was erased.
    fn unless_in(&self, erased: &BTreeSet<(String, String)>) -> Self {
        let mut row = self.clone();
        if erased.contains(&(row.kind.to_owned(), row.id.clone())) {
            row.name = None;
            row.email = None;
        }
        row
    }
}

impl Row for NameRow {
    fn visit<'a>(&'a self, each: &mut dyn FnMut(Value<'a>) -> QueryResult<()>) -> QueryResult<()> {
        each(Value::Integer(&self.account_id))?;
        each(Value::Text(self.kind))?;
        each(Value::Text(&self.id))?;
        each(Value::OptionalText(&self.name))?;
        each(Value::OptionalText(&self.email))?;
        each(Value::OptionalText(&self.project_id))?;
        each(Value::OptionalText(&self.status))?;
        each(Value::OptionalInteger(&self.created_at))?;
        each(Value::Integer(&self.seen_at))?;
        each(Value::Integer(&self.seen_at))
    }
}

impl Ledger {
    /// Stores what a read of the directory returned; names that vanished at the provider stay, and those that were
    /// erased do not come back.
    pub async fn save_directory(&self, account_id: i64, directory: Directory) -> Result<(), StoreError> {
        let now = self.now_unix();
        let mut rows: Vec<NameRow> = directory
            .entries
            .into_iter()
            .map(|entry| NameRow {
                account_id,
                kind: entry.kind.as_str(),
                id: entry.id,
                name: entry.name,
                email: entry.email,
                project_id: entry.project_id,
                status: entry.status,
                created_at: entry.created_at.map(|at| at.timestamp()),
                seen_at: now,
            })
            .collect();
        // Lists shift between two pages and then repeat an entry, which PostgreSQL refuses within one statement.
        rows.sort_by(|left, right| (left.kind, &left.id).cmp(&(right.kind, &right.id)));
        rows.dedup_by(|later, earlier| later.kind == earlier.kind && later.id == earlier.id);
        self.write(move |connection| {
            erasure::exclude_savers(connection)?;
            let erased = erasure::erased_in(connection, account_id)?;
            let rows: Vec<NameRow> = rows.iter().map(|row| row.unless_in(&erased)).collect();
            for rows in rows.chunks(ROWS_A_STATEMENT) {
                InsertRows {
                    head: HEAD,
                    rows,
                    tail: TAIL,
                }
                .execute(connection)
                .map_err(StoreError::query("storing names"))?;
            }
            data_version::bump(connection, account_id)
        })
        .await
    }

    /// The names of the accounts in scope, by kind and id.
    pub async fn names(&self, scope: AccountScope) -> Result<Vec<KnownName>, StoreError> {
        self.run(move |connection| load(connection, &scope)).await
    }
}

type NameColumns = (
    i64,
    String,
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    i64,
    i64,
);

fn load(connection: &mut AnyConnection, scope: &AccountScope) -> Result<Vec<KnownName>, StoreError> {
    let mut query = directory_names::table
        .select((
            directory_names::account_id,
            directory_names::kind,
            directory_names::id,
            directory_names::name,
            directory_names::email,
            directory_names::project_id,
            directory_names::first_seen_at,
            directory_names::last_seen_at,
        ))
        .order((
            directory_names::account_id,
            directory_names::kind,
            directory_names::id,
        ))
        .into_boxed();
    if let AccountScope::Only(ids) = scope {
        query = query.filter(directory_names::account_id.eq_any(ids.clone()));
    }
    let rows: Vec<NameColumns> = query
        .load(connection)
        .map_err(StoreError::query("reading names"))?;
    rows.into_iter()
        .map(
            |(account_id, kind, id, name, email, project_id, first_seen_at, last_seen_at)| {
                let kind = DirectoryKind::ALL
                    .into_iter()
                    .find(|known| known.as_str() == kind);
                Ok(KnownName {
                    account_id,
                    kind: kind.ok_or_else(|| StoreError::corrupt("directory kind", &id))?,
                    id,
                    name,
                    email,
                    project_id,
                    first_seen_at: instant(first_seen_at)?,
                    last_seen_at: instant(last_seen_at)?,
                })
            },
        )
        .collect()
}
