//! When passes are due.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// By how much whoever starts passes may be ahead of this machine's clock.
const STARTED_EARLY: TimeDelta = TimeDelta::seconds(30);

/// When passes are due: a cron expression in a time zone.
///
/// ```
/// use usage_app::cron::Schedule;
/// use usage_core::parse_instant;
///
/// let schedule = Schedule::cron("0 2 * * *", None)?;
/// let noon = parse_instant("2025-10-01T12:00:00Z")?;
/// assert_eq!(schedule.next_after(noon), Some(parse_instant("2025-10-02T02:00:00Z")?));
/// assert_eq!(schedule.latest_until(noon), Some(parse_instant("2025-10-01T02:00:00Z")?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Schedule {
    cron: Box<Cron>,
    zone: Tz,
}

/// Why a text is no schedule. One line: what is wrong and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The expression cannot be read.
    #[error(
        "`{text}` is no schedule: {reason}; write minute, hour, day of month, month and day of week, for example \"0 2 * * *\""
    )]
    Expression {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The expression never comes true.
    #[error("the schedule `{0}` never comes true; no month has such a day")]
    Never(String),
    /// There is no such time zone.
    #[error("`{0}` is no time zone; write one of the IANA database, for example Europe/Berlin")]
    Zone(String),
}

impl Schedule {
    /// A cron expression of five fields, in UTC unless a zone of the IANA database is named.
    pub fn cron(text: &str, zone: Option<&str>) -> Result<Self, ScheduleError> {
        let zone = match zone {
            None => Tz::UTC,
            Some(name) => Tz::from_str(name).map_err(|_| ScheduleError::Zone(name.to_owned()))?,
        };
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        let cron = parser.parse(text).map_err(|error| ScheduleError::Expression {
            text: text.to_owned(),
            reason: error.to_string().trim_end_matches('.').to_owned(),
        })?;
        let schedule = Self {
            cron: Box::new(cron),
            zone,
        };
        if schedule.next_after(DateTime::UNIX_EPOCH).is_none() {
            return Err(ScheduleError::Never(text.to_owned()));
        }
        Ok(schedule)
    }

    /// The first moment after `after` at which a pass is due.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let next = self
            .cron
            .find_next_occurrence(&after.with_timezone(&self.zone), false);
        next.ok().map(|next| next.with_timezone(&Utc))
    }

    /// The last moment until `until`, itself included, at which a pass was due.
    pub fn latest_until(&self, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let latest = self
            .cron
            .find_previous_occurrence(&until.with_timezone(&self.zone), true);
        latest.ok().map(|latest| latest.with_timezone(&Utc))
    }

    /// When the pass was due that something started at `now` by the same schedule: the clock that it went by may be a little
    /// ahead of ours.
    pub fn due_when_started(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.latest_until(now + STARTED_EARLY)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.cron.as_str(), self.zone)
    }
}

#[cfg(test)]
mod tests {
    use usage_core::{format_instant, parse_instant};

    use super::*;

    /// The moments at which a pass is due in these days, and with them whether looking back finds the same ones.
    fn ticks(schedule: &Schedule, from: &str, until: &str) -> Vec<String> {
        let (mut at, until) = (parse_instant(from).unwrap(), parse_instant(until).unwrap());
        let mut ticks = Vec::new();
        while let Some(tick) = schedule.next_after(at).filter(|tick| *tick < until) {
            assert_eq!(
                schedule.latest_until(tick),
                Some(tick),
                "a tick is the latest until itself"
            );
            at = tick;
            ticks.push(format_instant(tick));
        }
        ticks
    }

    #[test]
    fn a_zone_moves_with_its_summer_time() {
        let schedule = Schedule::cron("30 2 * * *", Some("Europe/Berlin")).unwrap();
        // 02:30 does not exist in the night to the 30th: the pass comes when the clocks have been set, at 03:00.
        assert_eq!(
            ticks(&schedule, "2025-03-28T12:00:00Z", "2025-04-01T00:00:00Z"),
            [
                "2025-03-29T01:30:00Z",
                "2025-03-30T01:00:00Z",
                "2025-03-31T00:30:00Z"
            ]
        );
        // In the night to the 26th it is there twice: one pass, the first time.
        assert_eq!(
            ticks(&schedule, "2025-10-24T12:00:00Z", "2025-10-28T00:00:00Z"),
            [
                "2025-10-25T00:30:00Z",
                "2025-10-26T00:30:00Z",
                "2025-10-27T01:30:00Z"
            ]
        );
    }

    #[test]
    fn whoever_starts_a_pass_may_be_a_little_early() {
        let schedule = Schedule::cron("0 2 * * *", None).unwrap();
        for (started, due) in [
            ("2025-10-10T01:59:29Z", "2025-10-09T02:00:00Z"),
            ("2025-10-10T01:59:31Z", "2025-10-10T02:00:00Z"),
            ("2025-10-10T02:10:00Z", "2025-10-10T02:00:00Z"),
            ("2025-10-11T01:00:00Z", "2025-10-10T02:00:00Z"),
        ] {
            let found = schedule.due_when_started(parse_instant(started).unwrap());
            assert_eq!(found.map(format_instant).as_deref(), Some(due), "{started}");
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_in_one_line() {
        let refusals: Vec<String> = [
            ("", None),
            ("every day", None),
            ("61 2 * * *", None),
            ("0 2 * *", None),
            ("0 0 2 * * *", None),
            ("0 0 31 2 *", None),
            ("0 2 * * *", Some("Berlin")),
        ]
        .into_iter()
        .map(|(text, zone)| Schedule::cron(text, zone).unwrap_err().to_string())
        .collect();
        assert!(refusals.iter().all(|refusal| !refusal.contains('\n')));
        insta::assert_snapshot!(refusals.join("\n"));
    }
}
