//! Incidents: what is wrong, from when to when, and who was told.

use std::time::Duration;

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::accounts::AccountScope;
use crate::connection::AnyConnection;
use crate::error::StoreError;
use crate::events::instant;
use crate::lease::{clock, mark, milliseconds};
use crate::ledger::Ledger;
use crate::schema::incidents;

/// Something that somebody found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewIncident {
    /// What kind of thing, for example `parity`.
    pub kind: &'static str,
    /// What of that kind; of a kind and a subject one incident is open at most.
    pub subject: String,
    /// Whose it is, if it is one account's.
    pub account_id: Option<i64>,
    /// What is wrong, in one line.
    pub message: String,
    /// More about it, as a JSON object.
    pub details: String,
}

/// Something that is wrong, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Its number in the ledger.
    pub id: i64,
    /// What kind of thing.
    pub kind: String,
    /// What of that kind.
    pub subject: String,
    /// Whose it is, if it is one account's.
    pub account_id: Option<i64>,
    /// What is wrong, as it was found last.
    pub message: String,
    /// More about it, as a JSON object.
    pub details: String,
    /// When it was found first, UTC.
    pub opened_at: DateTime<Utc>,
    /// When it was found last, UTC.
    pub last_seen_at: DateTime<Utc>,
    /// When it was first looked for and not found, UTC.
    pub closed_at: Option<DateTime<Utc>>,
    /// When everybody had been told that it is open, UTC.
    pub notified_open_at: Option<DateTime<Utc>>,
    /// When everybody had been told that it ended, UTC.
    pub notified_close_at: Option<DateTime<Utc>>,
}

/// What became of something found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaisedIncident {
    /// The incident that is open now.
    pub incident: Incident,
    /// Whether this finding opened it; of many who find it at once, one opens it.
    pub opened: bool,
}

/// What there is to tell about an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// That it is open.
    Opened,
    /// That it ended.
    Ended,
}

impl Notice {
    /// Both, in the order in which they are told.
    pub const ALL: [Self; 2] = [Self::Opened, Self::Ended];

    /// The notice in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Ended => "ended",
        }
    }

    /// How it is written down that somebody was told.
    fn told_to(self, receiver: &str) -> String {
        format!("{}:{receiver}", self.as_str())
    }
}

/// The right to tell people about an incident, until it expires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeClaim {
    /// The incident, as it stands.
    pub incident: Incident,
    delivered_to: Vec<String>,
    number: i64,
}

impl NoticeClaim {
    /// Whether an earlier claim got this through to them.
    pub fn was_told(&self, notice: Notice, receiver: &str) -> bool {
        self.delivered_to.contains(&notice.told_to(receiver))
    }
}

impl Ledger {
    /// Opens an incident for each thing found wrong, or notes that it was seen again, in one transaction.
    pub async fn raise_incidents(
        &self,
        mut found: Vec<NewIncident>,
    ) -> Result<Vec<RaisedIncident>, StoreError> {
        let now = self.now_unix();
        // In one order, so that two who find the same things do not wait for each other crosswise.
        found.sort_by(|left, right| (left.kind, &left.subject).cmp(&(right.kind, &right.subject)));
        self.write(move |connection| found.iter().map(|one| raise(connection, one, now)).collect())
            .await
    }

    /// Ends the incidents that are open and were not seen since `looked_at`, when whoever does not find them any more began
    /// to look; returns those.
    pub async fn end_incidents(
        &self,
        ids: Vec<i64>,
        looked_at: DateTime<Utc>,
    ) -> Result<Vec<Incident>, StoreError> {
        let now = self.now_unix();
        self.write(move |connection| {
            let mut ended = Vec::new();
            for id in &ids {
                let changed = diesel::update(
                    incidents::table
                        .find(*id)
                        .filter(incidents::closed_at.is_null())
                        .filter(incidents::last_seen_at.le(looked_at.timestamp())),
                )
                .set(incidents::closed_at.eq(Some(now)))
                .execute(connection)
                .map_err(StoreError::query("ending an incident"))?;
                if changed == 1 {
                    ended.push(find(connection, *id)?);
                }
            }
            Ok(ended)
        })
        .await
    }

    /// The open incidents of the scope, oldest first. Those that belong to no account are in the scope of all of them
    /// only.
    pub async fn open_incidents(&self, scope: AccountScope) -> Result<Vec<Incident>, StoreError> {
        self.run(move |connection| {
            let open = incidents::table
                .filter(incidents::closed_at.is_null())
                .order((incidents::opened_at.asc(), incidents::id.asc()))
                .into_boxed();
            load(connection, open, &scope)
        })
        .await
    }

    /// The incidents of the scope that ended last, newest first.
    pub async fn ended_incidents(
        &self,
        scope: AccountScope,
        limit: u32,
    ) -> Result<Vec<Incident>, StoreError> {
        self.run(move |connection| {
            let ended = incidents::table
                .filter(incidents::closed_at.is_not_null())
                .order((incidents::closed_at.desc(), incidents::id.desc()))
                .limit(i64::from(limit))
                .into_boxed();
            load(connection, ended, &scope)
        })
        .await
    }

    /// The incidents about which there is something to tell, oldest first: those that are open, and those that ended at
    /// `ended_since` or later.
    pub async fn untold_incidents(&self, ended_since: DateTime<Utc>) -> Result<Vec<i64>, StoreError> {
        self.run(move |connection| {
            let ended = incidents::closed_at.ge(ended_since.timestamp());
            incidents::table
                .filter(
                    incidents::notified_open_at
                        .is_null()
                        .and(incidents::closed_at.is_null().or(ended))
                        .or(incidents::notified_close_at.is_null().and(ended)),
                )
                .order(incidents::id.asc())
                .select(incidents::id)
                .load(connection)
                .map_err(StoreError::query("looking whom to tell of incidents"))
        })
        .await
    }

    /// Takes the right to tell people about the incident for `duration` of real time; `None` if somebody else has it, or
    /// there is nothing to tell.
    pub async fn claim_notices(
        &self,
        id: i64,
        duration: Duration,
    ) -> Result<Option<NoticeClaim>, StoreError> {
        self.write(move |connection| claim(connection, id, duration))
            .await
    }

    /// Notes that one of those who are to be told knows it. Nothing happens if the claim was lost meanwhile.
    pub async fn note_told(
        &self,
        claim: &NoticeClaim,
        notice: Notice,
        receiver: &str,
    ) -> Result<(), StoreError> {
        let (id, number, told) = (claim.incident.id, claim.number, notice.told_to(receiver) + " ");
        self.write(move |connection| {
            diesel::update(incidents::table.find(id).filter(incidents::claim.eq(number)))
                .set(incidents::delivered_to.eq(incidents::delivered_to.concat(told.as_str())))
                .execute(connection)
                .map_err(StoreError::query("noting a notice"))
                .map(drop)
        })
        .await
    }

    /// Gives the claim back and notes of what everybody was told; whoever comes next tells the rest. Nothing happens if
    /// the claim was lost meanwhile.
    pub async fn release_notices(&self, claim: &NoticeClaim, told: &[Notice]) -> Result<(), StoreError> {
        let now = self.now_unix();
        let (id, number) = (claim.incident.id, claim.number);
        let at = |notice| told.contains(&notice).then_some(now);
        let (opened, ended) = (at(Notice::Opened), at(Notice::Ended));
        let before = &claim.incident;
        let opened = before.notified_open_at.map(|at| at.timestamp()).or(opened);
        let ended = before.notified_close_at.map(|at| at.timestamp()).or(ended);
        self.write(move |connection| {
            diesel::update(incidents::table.find(id).filter(incidents::claim.eq(number)))
                .set((
                    incidents::claim_expires_at_ms.eq(0),
                    incidents::notified_open_at.eq(opened),
                    incidents::notified_close_at.eq(ended),
                ))
                .execute(connection)
                .map_err(StoreError::query("noting a notice"))
                .map(drop)
        })
        .await
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    id: i64,
}

fn raise(
    connection: &mut AnyConnection,
    found: &NewIncident,
    now: i64,
) -> Result<RaisedIncident, StoreError> {
    // It may be ended between the two statements; then it is opened anew.
    const ATTEMPTS: usize = 3;
    for _ in 0..ATTEMPTS {
        if let Some(id) = open(connection, found, now)? {
            let incident = find(connection, id)?;
            return Ok(RaisedIncident {
                incident,
                opened: true,
            });
        }
        if let Some(incident) = see_again(connection, found, now)? {
            return Ok(RaisedIncident {
                incident,
                opened: false,
            });
        }
    }
    Err(StoreError::corrupt("incident", &found.subject))
}

/// The number of a new incident; `None` if one is open already.
fn open(connection: &mut AnyConnection, found: &NewIncident, now: i64) -> Result<Option<i64>, StoreError> {
    let marks: Vec<String> = (1..=7).map(|number| mark(connection, number)).collect();
    let statement = format!(
        "INSERT INTO incidents (kind, subject, account_id, message, details, opened_at, last_seen_at) VALUES ({}) \
         ON CONFLICT (kind, subject) WHERE closed_at IS NULL DO NOTHING RETURNING id",
        marks.join(", ")
    );
    let opened: Option<Number> = sql_query(statement)
        .bind::<Text, _>(found.kind)
        .bind::<Text, _>(&found.subject)
        .bind::<Nullable<BigInt>, _>(found.account_id)
        .bind::<Text, _>(&found.message)
        .bind::<Text, _>(&found.details)
        .bind::<BigInt, _>(now)
        .bind::<BigInt, _>(now)
        .get_result(connection)
        .optional()
        .map_err(StoreError::query("opening an incident"))?;
    Ok(opened.map(|opened| opened.id))
}

fn see_again(
    connection: &mut AnyConnection,
    found: &NewIncident,
    now: i64,
) -> Result<Option<Incident>, StoreError> {
    let ours = incidents::table
        .filter(incidents::kind.eq(found.kind))
        .filter(incidents::subject.eq(found.subject.as_str()))
        .filter(incidents::closed_at.is_null());
    let seen = diesel::update(ours)
        .set((
            incidents::last_seen_at.eq(now),
            incidents::message.eq(found.message.as_str()),
            incidents::details.eq(found.details.as_str()),
        ))
        .execute(connection)
        .map_err(StoreError::query("noting an incident"))?;
    if seen == 0 {
        return Ok(None);
    }
    let id: i64 = ours
        .select(incidents::id)
        .first(connection)
        .map_err(StoreError::query("reading an incident"))?;
    find(connection, id).map(Some)
}

fn claim(
    connection: &mut AnyConnection,
    id: i64,
    duration: Duration,
) -> Result<Option<NoticeClaim>, StoreError> {
    let now = clock(connection);
    let statement = format!(
        "UPDATE incidents SET claim = claim + 1, claim_expires_at_ms = {now} + {} \
         WHERE id = {} AND claim_expires_at_ms <= {now} \
         AND (notified_open_at IS NULL OR (closed_at IS NOT NULL AND notified_close_at IS NULL))",
        mark(connection, 1),
        mark(connection, 2),
    );
    let claimed = sql_query(statement)
        .bind::<BigInt, _>(milliseconds(duration))
        .bind::<BigInt, _>(id)
        .execute(connection)
        .map_err(StoreError::query("claiming a notice"))?;
    if claimed == 0 {
        return Ok(None);
    }
    let (number, delivered_to): (i64, String) = incidents::table
        .find(id)
        .select((incidents::claim, incidents::delivered_to))
        .first(connection)
        .map_err(StoreError::query("reading an incident"))?;
    Ok(Some(NoticeClaim {
        incident: find(connection, id)?,
        delivered_to: delivered_to.split_whitespace().map(str::to_owned).collect(),
        number,
    }))
}

fn find(connection: &mut AnyConnection, id: i64) -> Result<Incident, StoreError> {
    let row: IncidentRow = incidents::table
        .find(id)
        .select(IncidentRow::as_select())
        .first(connection)
        .map_err(StoreError::query("reading an incident"))?;
    row.into_incident()
}

type IncidentsQuery = incidents::BoxedQuery<'static, <AnyConnection as diesel::Connection>::Backend>;

fn load(
    connection: &mut AnyConnection,
    mut query: IncidentsQuery,
    scope: &AccountScope,
) -> Result<Vec<Incident>, StoreError> {
    if let AccountScope::Only(ids) = scope {
        query = query.filter(incidents::account_id.eq_any(ids.clone()));
    }
    let rows: Vec<IncidentRow> = query
        .select(IncidentRow::as_select())
        .load(connection)
        .map_err(StoreError::query("reading the incidents"))?;
    rows.into_iter().map(IncidentRow::into_incident).collect()
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = incidents)]
struct IncidentRow {
    id: i64,
    kind: String,
    subject: String,
    account_id: Option<i64>,
    message: String,
    details: String,
    opened_at: i64,
    last_seen_at: i64,
    closed_at: Option<i64>,
    notified_open_at: Option<i64>,
    notified_close_at: Option<i64>,
}

impl IncidentRow {
    fn into_incident(self) -> Result<Incident, StoreError> {
        Ok(Incident {
            id: self.id,
            kind: self.kind,
            subject: self.subject,
            account_id: self.account_id,
            message: self.message,
            details: self.details,
            opened_at: instant(self.opened_at)?,
            last_seen_at: instant(self.last_seen_at)?,
            closed_at: self.closed_at.map(instant).transpose()?,
            notified_open_at: self.notified_open_at.map(instant).transpose()?,
            notified_close_at: self.notified_close_at.map(instant).transpose()?,
        })
    }
}
