//! When passes are due.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

/// When passes are due: a cron expression in a time zone, or an interval from a moment on.
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
pub struct Schedule(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Cron {
        cron: Box<Cron>,
        zone: Tz,
    },
    Every {
        from: DateTime<Utc>,
        interval: TimeDelta,
    },
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
        let schedule = Self(Kind::Cron {
            cron: Box::new(cron),
            zone,
        });
        if schedule.next_after(DateTime::UNIX_EPOCH).is_none() {
            return Err(ScheduleError::Never(text.to_owned()));
        }
        Ok(schedule)
    }

    /// Every so often, the first time at `from`. The interval is at least a second.
    pub fn every(from: DateTime<Utc>, interval: TimeDelta) -> Self {
        Self(Kind::Every {
            from,
            interval: interval.max(TimeDelta::seconds(1)),
        })
    }

    /// The first moment after `after` at which a pass is due.
    pub fn next_after(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.0 {
            Kind::Cron { cron, zone } => {
                let next = cron.find_next_occurrence(&after.with_timezone(zone), false);
                next.ok().map(|next| next.with_timezone(&Utc))
            }
            Kind::Every { from, interval } if after < *from => {
                let _ = interval;
                Some(*from)
            }
            Kind::Every { from, interval } => {
                let passed = (after - *from).num_seconds() / interval.num_seconds() + 1;
                from.checked_add_signed(TimeDelta::seconds(passed.checked_mul(interval.num_seconds())?))
            }
        }
    }

    /// The last moment until `until`, itself included, at which a pass was due.
    pub fn latest_until(&self, until: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match &self.0 {
            Kind::Cron { cron, zone } => {
                let latest = cron.find_previous_occurrence(&until.with_timezone(zone), true);
                latest.ok().map(|latest| latest.with_timezone(&Utc))
            }
            Kind::Every { from, .. } if until < *from => None,
            Kind::Every { from, interval } => {
                let passed = (until - *from).num_seconds() / interval.num_seconds();
                from.checked_add_signed(TimeDelta::seconds(passed.checked_mul(interval.num_seconds())?))
            }
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Cron { cron, zone } => write!(f, "{} ({zone})", cron.as_str()),
            Kind::Every { interval, .. } => write!(f, "every {} s", interval.num_seconds()),
        }
    }
}

#[cfg(test)]
mod tests {
    use usage_core::{format_instant, parse_instant};

    use super::*;

    fn next(schedule: &Schedule, after: &str) -> String {
        format_instant(schedule.next_after(parse_instant(after).unwrap()).unwrap())
    }

    #[test]
    fn a_zone_moves_with_its_summer_time() {
        let schedule = Schedule::cron("30 2 * * *", Some("Europe/Berlin")).unwrap();
        // The night in which 02:30 does not exist, and the one in which it is there twice.
        assert_eq!(next(&schedule, "2025-03-28T12:00:00Z"), "2025-03-29T01:30:00Z");
        assert_eq!(next(&schedule, "2025-03-30T12:00:00Z"), "2025-03-31T00:30:00Z");
        let mut ticks = Vec::new();
        let mut at = parse_instant("2025-10-25T12:00:00Z").unwrap();
        while at < parse_instant("2025-10-27T12:00:00Z").unwrap() {
            at = schedule.next_after(at).unwrap();
            ticks.push(format_instant(at));
        }
        assert_eq!(ticks[0], "2025-10-26T00:30:00Z");
        assert_eq!(ticks.last().unwrap(), "2025-10-28T01:30:00Z");
    }

    #[test]
    fn an_interval_counts_from_its_beginning() {
        let from = parse_instant("2025-10-01T05:00:00Z").unwrap();
        let schedule = Schedule::every(from, TimeDelta::hours(24));
        assert_eq!(next(&schedule, "2025-09-01T00:00:00Z"), "2025-10-01T05:00:00Z");
        assert_eq!(next(&schedule, "2025-10-01T05:00:00Z"), "2025-10-02T05:00:00Z");
        assert_eq!(
            schedule.latest_until(parse_instant("2025-10-03T04:59:59Z").unwrap()),
            parse_instant("2025-10-02T05:00:00Z").ok()
        );
        assert_eq!(schedule.latest_until(from - TimeDelta::seconds(1)), None);
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
