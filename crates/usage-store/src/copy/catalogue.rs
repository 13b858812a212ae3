//! Which tables and columns a database has, by its own word.

use std::collections::{BTreeMap, BTreeSet};

use diesel::sql_types::Text;
use diesel::{QueryableByName, RunQueryDsl as _, sql_query};

use super::LEFT_OUT;
use crate::connection::AnyConnection;
use crate::error::StoreError;

/// The tables of a database.
pub(super) struct Catalogue {
    pub(super) tables: Vec<Table>,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<Column>,
    /// The columns by which it is read, before all others: those of an index, so that the rows need not be sorted.
    pub(super) order: Vec<String>,
    /// The column that the database numbers itself.
    pub(super) numbered: Option<String>,
    /// Tables that its rows refer to.
    references: BTreeSet<String>,
    /// A column whose type is none that the copy knows. It matters only if the table is to be copied.
    unknown: Option<String>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) nullable: bool,
}

/// What a column holds, as far as both databases know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    /// A boolean of PostgreSQL; on SQLite an integer that is 0 or 1.
    Flag,
    Text,
    Bytes,
}

impl Kind {
    /// By the name of its type in either database.
    fn of(name: &str) -> Option<Self> {
        match name {
            "INTEGER" | "bigint" => Some(Self::Integer),
            "boolean" => Some(Self::Flag),
            "TEXT" | "text" => Some(Self::Text),
            "BLOB" | "bytea" => Some(Self::Bytes),
            _ => None,
        }
    }

    /// Whether a value of one can be kept in the other.
    fn fits(self, other: Self) -> bool {
        let plain = |kind| if kind == Self::Flag { Self::Integer } else { kind };
        plain(self) == plain(other)
    }
}

#[derive(QueryableByName)]
struct Named {
    #[diesel(sql_type = Text)]
    of_table: String,
    #[diesel(sql_type = Text)]
    name: String,
    /// Of a column, its type and perhaps [`NOT_NULL`]; of a column of an index, the index.
    #[diesel(sql_type = Text)]
    detail: String,
}

const NOT_NULL: &str = " NOT NULL";

const SQLITE_TABLES: &str =
    "(SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\') m";
/// Partitions belong to their table, which hands the rows on to them.
const POSTGRES_TABLES: &str = "(SELECT c.oid, CAST(c.relname AS TEXT) AS name FROM pg_class c \
    WHERE c.relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) \
    AND c.relkind IN ('r', 'p') AND NOT c.relispartition) m";

impl Catalogue {
    /// Looks.
    pub(super) fn look(connection: &mut AnyConnection) -> Result<Self, StoreError> {
        let statements = match connection {
            AnyConnection::Sqlite(_) => sqlite_statements(),
            AnyConnection::Postgres(_) => postgres_statements(),
        };
        let mut load = |statement: &str| -> Result<Vec<Named>, StoreError> {
            sql_query(statement)
                .load(connection)
                .map_err(StoreError::query("looking at the tables"))
        };
        let mut tables: BTreeMap<String, Table> = BTreeMap::new();
        for column in load(&statements.columns)? {
            let not_null = column.detail.strip_suffix(NOT_NULL);
            let type_name = not_null.unwrap_or(&column.detail);
            let table = tables.entry(column.of_table.clone()).or_insert_with(|| Table {
                name: column.of_table,
                columns: Vec::new(),
                order: Vec::new(),
                numbered: None,
                references: BTreeSet::new(),
                unknown: None,
            });
            match Kind::of(type_name) {
                Some(kind) => table.columns.push(Column {
                    name: column.name,
                    kind,
                    nullable: not_null.is_none(),
                }),
                None => table.unknown = Some(format!("{} has the type {type_name}", column.name)),
            }
        }
        // The first index of each table is the best one.
        let mut chosen: BTreeMap<String, String> = BTreeMap::new();
        for key in load(&statements.indexes)? {
            let index = chosen.entry(key.of_table.clone()).or_insert(key.detail.clone());
            if *index == key.detail
                && let Some(table) = tables.get_mut(&key.of_table)
            {
                table.order.push(key.name);
            }
        }
        for numbered in load(&statements.numbered)? {
            if let Some(table) = tables.get_mut(&numbered.of_table) {
                table.numbered = Some(numbered.name);
            }
        }
        for reference in load(&statements.references)? {
            if let Some(table) = tables.get_mut(&reference.of_table) {
                table.references.insert(reference.name);
            }
        }
        Ok(Self {
            tables: tables.into_values().collect(),
        })
    }

    /// The tables to copy into `target`, with its own types, each behind those that it refers to; what is left out goes to
    /// `left_out`. Fails with the reason if a table or column has no place there.
    pub(super) fn choose(
        &self,
        target: &Self,
        left_out: &mut Vec<(String, String)>,
    ) -> Result<Vec<Table>, String> {
        let mut chosen = Vec::new();
        for table in &self.tables {
            let known = LEFT_OUT.iter().find(|(name, _)| *name == table.name);
            if let Some((name, reason)) = known {
                left_out.push(((*name).to_owned(), (*reason).to_owned()));
                continue;
            }
            match target.tables.iter().find(|there| there.name == table.name) {
                Some(there) => chosen.push(table.as_in(there)?),
                None => left_out.push((table.name.clone(), "it is no table of a ledger".to_owned())),
            }
        }
        let missing = target.tables.iter().find(|there| {
            !super::is_left_out(&there.name) && !chosen.iter().any(|table| table.name == there.name)
        });
        match missing {
            Some(table) => Err(format!("it has a table {} that the source lacks", table.name)),
            None => Ok(referred_to_first(chosen)),
        }
    }
}

impl Table {
    /// The table with the types of its namesake.
    fn as_in(&self, target: &Self) -> Result<Self, String> {
        if let Some(unknown) = self.unknown.as_ref().or(target.unknown.as_ref()) {
            return Err(format!("{}.{unknown}, which cannot be copied", self.name));
        }
        let mut columns = Vec::with_capacity(self.columns.len());
        for column in &self.columns {
            let there = target.columns.iter().find(|there| there.name == column.name);
            match there {
                Some(there) if there.kind.fits(column.kind) => columns.push(there.clone()),
                Some(_) => {
                    return Err(format!(
                        "its {}.{} is of another type than the source's",
                        self.name, column.name
                    ));
                }
                None => return Err(format!("its {} lacks the source's {}", self.name, column.name)),
            }
        }
        let extra = target
            .columns
            .iter()
            .find(|there| !columns.iter().any(|column| column.name == there.name));
        if let Some(extra) = extra {
            return Err(format!("its {}.{} is not in the source", self.name, extra.name));
        }
        Ok(Self {
            columns,
            numbered: target.numbered.clone(),
            references: target.references.clone(),
            ..self.clone()
        })
    }

    /// The columns as a list for a statement.
    pub(super) fn column_list(&self) -> String {
        let names: Vec<String> = self.columns.iter().map(|column| quoted(&column.name)).collect();
        names.join(", ")
    }
}

/// Tables in an order in which no row comes before one that it refers to. A circle is left as it is: the database says so.
fn referred_to_first(mut waiting: Vec<Table>) -> Vec<Table> {
    let mut ordered = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let names: BTreeSet<String> = waiting.iter().map(|table| table.name.clone()).collect();
        let is_free = |table: &Table| {
            let mut references = table.references.iter();
            references.all(|name| *name == table.name || !names.contains(name))
        };
        let next = waiting.iter().position(is_free).unwrap_or_default();
        ordered.push(waiting.remove(next));
    }
    ordered
}

/// A name as both databases take it literally.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What is asked of a catalogue: of each table its columns, its indexes with the best one first, its numbered column, and
/// what it refers to.
struct Statements {
    columns: String,
    indexes: String,
    numbered: String,
    references: String,
}

fn sqlite_statements() -> Statements {
    Statements {
        columns: format!(
            "SELECT m.name AS of_table, c.name AS name, \
             c.type || CASE WHEN c.\"notnull\" OR c.pk > 0 THEN '{NOT_NULL}' ELSE '' END AS detail \
             FROM {SQLITE_TABLES} JOIN pragma_table_info(m.name) c ORDER BY m.name, c.cid"
        ),
        indexes: format!(
            "SELECT of_table, name, detail FROM (\
             SELECT m.name AS of_table, c.name AS name, '' AS detail, 0 AS rank, c.pk AS place \
             FROM {SQLITE_TABLES} JOIN pragma_table_info(m.name) c WHERE c.pk > 0 \
             UNION ALL SELECT m.name, k.name, i.name, 2 - i.\"unique\", k.seqno \
             FROM {SQLITE_TABLES} JOIN pragma_index_list(m.name) i JOIN pragma_index_info(i.name) k \
             WHERE i.partial = 0 AND k.name IS NOT NULL) ORDER BY of_table, rank, detail, place"
        ),
        numbered: format!(
            "SELECT m.name AS of_table, c.name AS name, '' AS detail FROM {SQLITE_TABLES} \
             JOIN pragma_table_info(m.name) c WHERE c.pk > 0 AND m.sql LIKE '%AUTOINCREMENT%'"
        ),
        references: format!(
            "SELECT m.name AS of_table, f.\"table\" AS name, '' AS detail \
             FROM {SQLITE_TABLES} JOIN pragma_foreign_key_list(m.name) f"
        ),
    }
}

fn postgres_statements() -> Statements {
    let columns = "pg_attribute a ON a.attrelid = m.oid AND a.attnum > 0 AND NOT a.attisdropped \
                   AND a.attgenerated = ''";
    Statements {
        columns: format!(
            "SELECT m.name AS of_table, CAST(a.attname AS TEXT) AS name, \
             format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN '{NOT_NULL}' ELSE '' END AS detail \
             FROM {POSTGRES_TABLES} JOIN {columns} ORDER BY m.name, a.attnum"
        ),
        indexes: format!(
            "SELECT m.name AS of_table, CAST(a.attname AS TEXT) AS name, CAST(i.indexrelid AS TEXT) AS detail \
             FROM {POSTGRES_TABLES} JOIN pg_index i ON i.indrelid = m.oid AND i.indpred IS NULL AND i.indexprs IS NULL \
             CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (number, place) \
             JOIN {columns} AND a.attnum = k.number \
             ORDER BY m.name, i.indisprimary DESC, i.indisunique DESC, i.indexrelid, k.place"
        ),
        numbered: format!(
            "SELECT m.name AS of_table, CAST(a.attname AS TEXT) AS name, '' AS detail \
             FROM {POSTGRES_TABLES} JOIN {columns} \
             WHERE pg_get_serial_sequence(CAST(CAST(m.oid AS REGCLASS) AS TEXT), CAST(a.attname AS TEXT)) IS NOT NULL"
        ),
        references: format!(
            "SELECT m.name AS of_table, CAST(r.relname AS TEXT) AS name, '' AS detail \
             FROM {POSTGRES_TABLES} JOIN pg_constraint f ON f.conrelid = m.oid AND f.contype = 'f' \
             JOIN pg_class r ON r.oid = f.confrelid"
        ),
    }
}
