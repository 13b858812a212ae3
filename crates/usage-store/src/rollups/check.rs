//! Whether the sums that stand are those of the events.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};

use super::rebuild::{DayOf, sums_of};
use super::stale;
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::schema::{usage_days, usage_rollups};

#[derive(QueryableByName)]
struct Shown {
    #[diesel(sql_type = BigInt)]
    day_start: i64,
    #[diesel(sql_type = BigInt)]
    account_id: i64,
    #[diesel(sql_type = Text)]
    endpoint: String,
    #[diesel(sql_type = BigInt)]
    width_seconds: i64,
}

/// Makes the sums of every day anew and tells of each day of which something else stands; days that are known to have no sums
/// are left out.
pub(crate) fn differing(
    connection: &mut AnyConnection,
    mut each: impl FnMut(&DayOf),
) -> Result<(), StoreError> {
    let stale: BTreeSet<DayOf> = stale::all(connection)?.into_iter().collect();
    let shown: Vec<Shown> = sql_query(
        "SELECT day_start, account_id, endpoint, width_seconds FROM usage_best_width WHERE endpoint <> 'costs'",
    )
    .load(connection)
    .map_err(StoreError::query("comparing sums of usage"))?;
    let standing: Vec<(i64, i64, String, i64, i64, i64)> = usage_days::table
        .load(connection)
        .map_err(StoreError::query("comparing sums of usage"))?;
    let mut standing: BTreeMap<DayOf, (i64, i64, i64)> = standing
        .into_iter()
        .map(|(day_start, account_id, endpoint, width, events, cuboids)| {
            let day = DayOf {
                account_id,
                endpoint,
                day_start,
            };
            (day, (width, events, cuboids))
        })
        .collect();
    for row in shown {
        let day = DayOf {
            account_id: row.account_id,
            endpoint: row.endpoint,
            day_start: row.day_start,
        };
        let stands = standing.remove(&day);
        if stale.contains(&day) {
            continue;
        }
        let expected = sums_of(connection, &day, row.width_seconds, &[])?;
        let mut cuboids: Vec<(i64, Vec<u8>)> = usage_rollups::table
            .filter(usage_rollups::cuboid.eq_any(super::numbers()))
            .filter(usage_rollups::day_start.eq(day.day_start))
            .filter(usage_rollups::account_id.eq(day.account_id))
            .filter(usage_rollups::endpoint.eq(&day.endpoint))
            .select((usage_rollups::cuboid, usage_rollups::cells))
            .load(connection)
            .map_err(StoreError::query("comparing sums of usage"))?;
        cuboids.sort_unstable();
        if stands != Some((expected.width_seconds, expected.events, expected.cuboid_bits()))
            || expected.cuboids != Some(cuboids)
        {
            each(&day);
        }
    }
    // Sums of days that are not shown.
    for day in standing.keys().filter(|day| !stale.contains(day)) {
        each(day);
    }
    Ok(())
}
