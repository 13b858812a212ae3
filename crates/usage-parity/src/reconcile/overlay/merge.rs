//! Entries of one price that several kinds of line items imply: tokens and calls of one model, or lines with and without a tier.

use chrono::NaiveDate;

use super::{OverlayEntry, OverlayRate};

/// Two entries imply different rates for the same usage on the same days.
#[derive(Debug)]
pub(super) struct Contradiction;

/// Adds an entry. Where it overlaps another one, both become one: a price file can have only one price for a day.
pub(super) fn add(entries: &mut Vec<OverlayEntry>, entry: OverlayEntry) -> Result<(), Contradiction> {
    let Some(place) = entries.iter().position(|known| known.overlaps(&entry)) else {
        entries.push(entry);
        return Ok(());
    };
    let known = &entries[place];
    let rates = merged(&known.rates, &entry.rates)?;
    let (begin, end) = (known.from.max(entry.from), earlier(known.until, entry.until));
    let both = OverlayEntry {
        rates,
        ..within(known, begin, end, known.last_day.max(entry.last_day))
    };
    let known = entries.remove(place);
    entries.push(both);
    for alone in [known, entry] {
        if alone.from < begin {
            let before = within(&alone, alone.from, Some(begin), alone.last_day);
            add(entries, before)?;
        }
        if let Some(end) = end.filter(|end| alone.until.is_none_or(|until| *end < until)) {
            let after = within(&alone, end, alone.until, alone.last_day);
            add(entries, after)?;
        }
    }
    Ok(())
}

/// The entry on some of its days.
fn within(
    entry: &OverlayEntry,
    from: NaiveDate,
    until: Option<NaiveDate>,
    last_day: NaiveDate,
) -> OverlayEntry {
    let last_day = match until.and_then(|until| until.pred_opt()) {
        Some(last) => last.min(last_day),
        None => last_day,
    };
    OverlayEntry {
        from,
        until,
        last_day: last_day.max(from),
        ..entry.clone()
    }
}

/// What differs from the list on either side. Rates that are as listed are on both sides, if the price list has them.
fn merged(one: &[OverlayRate], other: &[OverlayRate]) -> Result<Vec<OverlayRate>, Contradiction> {
    let mut rates = one.to_vec();
    for rate in other {
        match rates.iter_mut().find(|known| known.name == rate.name) {
            None => rates.push(rate.clone()),
            Some(known) if known.usd == rate.usd => {}
            Some(known) if known.listed.is_none() => *known = rate.clone(),
            Some(_) if rate.listed.is_none() => {}
            Some(_) => return Err(Contradiction),
        }
    }
    Ok(rates)
}

fn earlier(one: Option<NaiveDate>, other: Option<NaiveDate>) -> Option<NaiveDate> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}
