//! A statement that is put together from pieces, written once for both databases.

use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, HasSqlType, Text, Untyped};

/// Text of ours and values of others; values are bound and never part of the text.
#[derive(Clone, Debug, Default)]
pub(crate) struct Statement {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug)]
enum Piece {
    Sql(String),
    Integer(i64),
    Text(String),
    Bytes(Vec<u8>),
}

impl Statement {
    pub(crate) fn new(sql: impl Into<String>) -> Self {
        Self {
            pieces: vec![Piece::Sql(sql.into())],
        }
    }

    pub(crate) fn sql(&mut self, sql: impl Into<String>) -> &mut Self {
        self.pieces.push(Piece::Sql(sql.into()));
        self
    }

    pub(crate) fn integer(&mut self, value: i64) -> &mut Self {
        self.pieces.push(Piece::Integer(value));
        self
    }

    pub(crate) fn text(&mut self, value: impl Into<String>) -> &mut Self {
        self.pieces.push(Piece::Text(value.into()));
        self
    }

    pub(crate) fn bytes(&mut self, value: impl Into<Vec<u8>>) -> &mut Self {
        self.pieces.push(Piece::Bytes(value.into()));
        self
    }

    /// The values with commas between them.
    pub(crate) fn texts<'a>(&mut self, values: impl IntoIterator<Item = &'a str>) -> &mut Self {
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.sql(", ");
            }
            self.text(value);
        }
        self
    }

    /// The values with commas between them.
    pub(crate) fn integers(&mut self, values: impl IntoIterator<Item = i64>) -> &mut Self {
        for (index, value) in values.into_iter().enumerate() {
            if index > 0 {
                self.sql(", ");
            }
            self.integer(value);
        }
        self
    }
}

impl<DB> QueryFragment<DB> for Statement
where
    DB: Backend + HasSqlType<BigInt> + HasSqlType<Text> + HasSqlType<Binary>,
    i64: ToSql<BigInt, DB>,
    str: ToSql<Text, DB>,
    [u8]: ToSql<Binary, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        for piece in &self.pieces {
            match piece {
                Piece::Sql(sql) => out.push_sql(sql),
                Piece::Integer(value) => out.push_bind_param::<BigInt, i64>(value)?,
                Piece::Text(value) => out.push_bind_param::<Text, str>(value)?,
                Piece::Bytes(value) => out.push_bind_param::<Binary, [u8]>(value)?,
            }
        }
        Ok(())
    }
}

impl QueryId for Statement {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// Columns are found by their names.
impl Query for Statement {
    type SqlType = Untyped;
}

impl<C> RunQueryDsl<C> for Statement {}
