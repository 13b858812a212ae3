//! Multi-row statements, written once for both databases.
//!
//! Diesel's `MultiConnection` has neither batch inserts nor `ON CONFLICT`, and diesel never caches such statements; a
//! hand-written fragment has both and is prepared once for each number of rows.

use std::marker::PhantomData;

use diesel::RunQueryDsl;
use diesel::backend::Backend;
use diesel::query_builder::{AstPass, Query, QueryFragment, QueryId};
use diesel::result::QueryResult;
use diesel::serialize::ToSql;
use diesel::sql_types::{BigInt, Binary, Bool, Nullable, Text};

use crate::connection::AnyConnection;

/// One value of a row.
pub(crate) enum Value<'a> {
    Integer(&'a i64),
    OptionalInteger(&'a Option<i64>),
    Text(&'a str),
    OptionalText(&'a Option<String>),
    Bytes(&'a [u8]),
    OptionalBool(&'a Option<bool>),
}

/// A row that can list its values in the order of the columns.
pub(crate) trait Row {
    fn visit<'a>(&'a self, each: &mut dyn FnMut(Value<'a>) -> QueryResult<()>) -> QueryResult<()>;
}

/// `INSERT INTO … VALUES (…), (…) …`, with whatever stands behind the rows.
pub(crate) struct InsertRows<'a, R> {
    /// `INSERT INTO table (columns) VALUES `.
    pub(crate) head: &'a str,
    pub(crate) rows: &'a [R],
    /// For example `ON CONFLICT … DO UPDATE … RETURNING …`; may be empty.
    pub(crate) tail: &'a str,
}

impl<R: Row> InsertRows<'_, R> {
    /// Runs the statement, for the many rows of a bulk load; returns how many it wrote.
    ///
    /// It goes to the connection inside the enum: on the way through the enum, diesel writes the text and visits the
    /// values several times over. `S` is a type that stands for head, number of rows and tail, and for nothing else:
    /// by it diesel finds the prepared statement without writing and hashing kilobytes of text.
    pub(crate) fn execute_as<S: 'static>(self, connection: &mut AnyConnection) -> QueryResult<usize> {
        let fixed = Fixed {
            insert: self,
            statement: PhantomData::<S>,
        };
        match connection {
            AnyConnection::Postgres(inner) => fixed.execute(inner),
            AnyConnection::Sqlite(inner) => fixed.execute(inner),
        }
    }
}

impl<R, DB> QueryFragment<DB> for InsertRows<'_, R>
where
    R: Row,
    DB: Backend
        + diesel::sql_types::HasSqlType<BigInt>
        + diesel::sql_types::HasSqlType<Text>
        + diesel::sql_types::HasSqlType<Binary>
        + diesel::sql_types::HasSqlType<Bool>,
    i64: ToSql<BigInt, DB>,
    Option<i64>: ToSql<Nullable<BigInt>, DB>,
    str: ToSql<Text, DB>,
    Option<String>: ToSql<Nullable<Text>, DB>,
    [u8]: ToSql<Binary, DB>,
    Option<bool>: ToSql<Nullable<Bool>, DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql(self.head);
        for (index, row) in self.rows.iter().enumerate() {
            out.push_sql(if index == 0 { "(" } else { ", (" });
            let mut first = true;
            row.visit(&mut |value| {
                if !std::mem::take(&mut first) {
                    out.push_sql(", ");
                }
                match value {
                    Value::Integer(value) => out.push_bind_param::<BigInt, i64>(value),
                    Value::OptionalInteger(value) => {
                        out.push_bind_param::<Nullable<BigInt>, Option<i64>>(value)
                    }
                    Value::Text(value) => out.push_bind_param::<Text, str>(value),
                    Value::OptionalText(value) => {
                        out.push_bind_param::<Nullable<Text>, Option<String>>(value)
                    }
                    Value::Bytes(value) => out.push_bind_param::<Binary, [u8]>(value),
                    Value::OptionalBool(value) => out.push_bind_param::<Nullable<Bool>, Option<bool>>(value),
                }
            })?;
            out.push_sql(")");
        }
        out.push_sql(self.tail);
        Ok(())
    }
}

impl<R> QueryId for InsertRows<'_, R> {
    type QueryId = ();
    // The number of rows is part of the text, so the cache must look at the text.
    const HAS_STATIC_QUERY_ID: bool = false;
}

/// The one column that a tail may return.
impl<R> Query for InsertRows<'_, R> {
    type SqlType = BigInt;
}

impl<R, C> RunQueryDsl<C> for InsertRows<'_, R> {}

/// [`InsertRows`] whose text is always the same, so that its type can stand for it.
struct Fixed<'a, R, S> {
    insert: InsertRows<'a, R>,
    statement: PhantomData<S>,
}

impl<R, S, DB> QueryFragment<DB> for Fixed<'_, R, S>
where
    DB: Backend,
    for<'a> InsertRows<'a, R>: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.insert.walk_ast(out)
    }
}

impl<R, S: 'static> QueryId for Fixed<'_, R, S> {
    type QueryId = S;
    const HAS_STATIC_QUERY_ID: bool = true;
}

impl<R, S, C> RunQueryDsl<C> for Fixed<'_, R, S> {}
