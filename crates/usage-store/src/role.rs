//! A role that may read the views and nothing else.

use diesel::connection::SimpleConnection as _;
use diesel::sql_types::{Bool, Text};
use diesel::{PgConnection, QueryableByName, RunQueryDsl, sql_query};

use crate::connection::{AnyConnection, DatabaseKind};
use crate::error::StoreError;
use crate::ledger::Ledger;

/// The views that stay as they are from version to version; `docs/SQL.md` describes them.
pub const PUBLIC_VIEWS: [&str; 3] = ["usage_daily", "coverage_daily", "cost_daily"];

/// PostgreSQL cuts longer names without an error, and then grants to another role than was meant.
const LONGEST_NAME: usize = 63;

impl Ledger {
    /// Lets a PostgreSQL role read the public views and nothing else; makes the role, which cannot log in, if it is
    /// missing. Doing it again changes nothing. Returns whether the role was made.
    ///
    /// Fails with [`StoreError::Unsupported`] on SQLite, for a name that cannot be used, and for a role that may read the
    /// tables, by a right of its own or of everybody's; then nothing is changed.
    pub async fn grant_read_only(&self, role: &str) -> Result<bool, StoreError> {
        let role = role.to_owned();
        if self.kind() == DatabaseKind::Sqlite {
            return Err(StoreError::Unsupported(
                "SQLite has no roles; open the file read-only instead, as in `file:usage.db?mode=ro`"
                    .to_owned(),
            ));
        }
        check_name(&role)?;
        self.write(move |connection| match connection {
            AnyConnection::Postgres(inner) => grant(inner, &role),
            AnyConnection::Sqlite(_) => Ok(false),
        })
        .await
    }
}

fn check_name(role: &str) -> Result<(), StoreError> {
    if role.is_empty() || role.len() > LONGEST_NAME || role.contains(char::is_control) {
        return Err(StoreError::Unsupported(format!(
            "a role's name is 1 to {LONGEST_NAME} bytes without control characters; choose another"
        )));
    }
    Ok(())
}

fn grant(connection: &mut PgConnection, role: &str) -> Result<bool, StoreError> {
    let doing = "granting the views to a role";
    let quoted = quoted(role);
    let exists = ask(
        connection,
        "SELECT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = $1) AS yes",
        role,
    )?;
    if !exists {
        connection
            .batch_execute(&format!("CREATE ROLE {quoted} NOLOGIN"))
            .map_err(StoreError::query(doing))?;
    }
    // A new role too: it has what is granted to PUBLIC. The refusal takes it back.
    if may_read_tables(connection, role)? {
        return Err(StoreError::Unsupported(if exists {
            format!(
                "the role {role} may read the ledger's tables already, so it is not read-only; name another"
            )
        } else {
            let schema = name(connection, "SELECT quote_ident(current_schema()) AS name")?;
            format!(
                "every role may read some of the ledger's tables, so {role} would not be read-only; run \
                 `REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC` first"
            )
        }));
    }
    // Only where they are missing: granting takes a right that the schema's user may not have.
    let may_connect = "SELECT has_database_privilege($1, current_database(), 'CONNECT') AS yes";
    let may_use = "SELECT has_schema_privilege($1, current_schema(), 'USAGE') AS yes";
    if !ask(connection, may_connect, role)? {
        let database = name(connection, "SELECT quote_ident(current_database()) AS name")?;
        connection
            .batch_execute(&format!("GRANT CONNECT ON DATABASE {database} TO {quoted}"))
            .map_err(StoreError::query(doing))?;
    }
    if !ask(connection, may_use, role)? {
        let schema = name(connection, "SELECT quote_ident(current_schema()) AS name")?;
        connection
            .batch_execute(&format!("GRANT USAGE ON SCHEMA {schema} TO {quoted}"))
            .map_err(StoreError::query(doing))?;
    }
    connection
        .batch_execute(&format!(
            "GRANT SELECT ON {} TO {quoted}",
            PUBLIC_VIEWS.join(", ")
        ))
        .map_err(StoreError::query(doing))?;
    Ok(!exists)
}

/// Whether the role can see more than the views, as an owner, a superuser or by an earlier grant.
fn may_read_tables(connection: &mut PgConnection, role: &str) -> Result<bool, StoreError> {
    ask(
        connection,
        "SELECT COALESCE(bool_or(has_any_column_privilege($1, c.oid, 'SELECT, INSERT, UPDATE') \
         OR has_table_privilege($1, c.oid, 'DELETE, TRUNCATE')), false) AS yes \
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
         WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')",
        role,
    )
}

fn ask(connection: &mut PgConnection, sql: &'static str, role: &str) -> Result<bool, StoreError> {
    let answer: Answer = sql_query(sql)
        .bind::<Text, _>(role)
        .get_result(connection)
        .map_err(StoreError::query("looking at a role's privileges"))?;
    Ok(answer.yes)
}

fn name(connection: &mut PgConnection, sql: &'static str) -> Result<String, StoreError> {
    let found: Name = sql_query(sql)
        .get_result(connection)
        .map_err(StoreError::query("looking at a role's privileges"))?;
    Ok(found.name)
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

#[derive(QueryableByName)]
struct Answer {
    #[diesel(sql_type = Bool)]
    yes: bool,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}
