//! The picture. Places along the time axis are in per cent and heights in pixels, so that it is as wide as its place while its
//! texts keep their size.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;
use chrono::{Datelike as _, NaiveDate, Weekday};

use super::scale::{HEIGHT, Scale};
use super::{ChartDay, DailyChart, DayState};
use crate::dashboard::display::{Escaped, day_text};

/// Room above the bars, in pixels.
const ABOVE: i128 = 10;
/// The strip under the bars that tells the state of each day, in pixels.
const STRIP: i128 = 6;
/// The whole picture, in pixels.
const WHOLE: i128 = ABOVE + HEIGHT / 100 + 4 + STRIP + 20;
/// How many labels the time axis may have.
const LABELS: usize = 8;

impl DailyChart {
    /// Draws it.
    pub(crate) fn svg(&self) -> Picture<'_> {
        Picture(self)
    }
}

/// A chart that writes itself as SVG.
pub(crate) struct Picture<'a>(&'a DailyChart);

impl HtmlSafe for Picture<'_> {}

impl fmt::Display for Picture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chart = self.0;
        let highest = chart.days.iter().map(ChartDay::total).max().unwrap_or(0);
        let scale = Scale::up_to(highest);
        write!(
            f,
            "<svg class=\"axis\" width=\"56\" height=\"{WHOLE}\" aria-hidden=\"true\">"
        )?;
        for tick in scale.ticks() {
            let y = Hundredths(baseline() - scale.height(tick) + 400);
            let text = chart.measure.tick(tick);
            write!(f, "<text x=\"50\" y=\"{y}\">{}</text>", Escaped(&text))?;
        }
        write!(
            f,
            "</svg><svg class=\"bars\" width=\"100%\" height=\"{WHOLE}\" role=\"img\" \
             aria-labelledby=\"chart-title chart-description\"><title id=\"chart-title\">{}</title>\
             <desc id=\"chart-description\">{}</desc>",
            Escaped(&chart.title()),
            Escaped(&chart.description())
        )?;
        patterns(f)?;
        f.write_str("<g class=\"grid\">")?;
        for tick in scale.ticks() {
            let y = Hundredths(baseline() - scale.height(tick));
            write!(f, "<line x1=\"0\" x2=\"100%\" y1=\"{y}\" y2=\"{y}\"/>")?;
        }
        f.write_str("</g>")?;
        let slots = Slots {
            days: chart.days.len(),
        };
        gaps(f, chart, &slots)?;
        bars(f, chart, &slots, scale)?;
        strip(f, chart, &slots)?;
        labels(f, chart, &slots)?;
        hits(f, chart, &slots)?;
        f.write_str("</svg>")
    }
}

/// Where zero is, in hundredths of a pixel.
const fn baseline() -> i128 {
    ABOVE * 100 + HEIGHT
}

/// A hatch for what was not read, and a veil for what is not over.
fn patterns(f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str(
        "<defs><pattern id=\"hatch\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"6\"/></pattern>\
         <pattern id=\"veil\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\" \
         patternTransform=\"rotate(45)\"><line x1=\"0\" y1=\"0\" x2=\"0\" y2=\"4\"/></pattern></defs>",
    )
}

/// Days that were not read are hatched from top to bottom: the height of their bars is not known.
fn gaps(f: &mut fmt::Formatter<'_>, chart: &DailyChart, slots: &Slots) -> fmt::Result {
    for (place, day) in chart.days.iter().enumerate() {
        if matches!(day.state, DayState::NotRead | DayState::PartlyRead) {
            write!(
                f,
                "<rect class=\"gap {}\" x=\"{}\" width=\"{}\" y=\"{ABOVE}\" height=\"{}\"/>",
                day.state.as_str(),
                slots.bar(place),
                slots.bar_width(),
                HEIGHT / 100
            )?;
        }
    }
    Ok(())
}

fn bars(f: &mut fmt::Formatter<'_>, chart: &DailyChart, slots: &Slots, scale: Scale) -> fmt::Result {
    // A part ends where the sum up to it does, so that rounding leaves no gap and adds nothing.
    let mut below = vec![0_i128; chart.days.len()];
    for (number, series) in chart.series.iter().enumerate() {
        write!(f, "<g class=\"{}\">", series.class())?;
        for (place, day) in chart.days.iter().enumerate() {
            let value = day.values.get(number).copied().unwrap_or(0).max(0);
            let (bottom, top) = (scale.height(below[place]), scale.height(below[place] + value));
            below[place] += value;
            if top > bottom {
                write!(
                    f,
                    "<rect x=\"{}\" width=\"{}\" y=\"{}\" height=\"{}\"/>",
                    slots.bar(place),
                    slots.bar_width(),
                    Hundredths(baseline() - top),
                    Hundredths(top - bottom)
                )?;
            }
        }
        f.write_str("</g>")?;
    }
    for (place, day) in chart.days.iter().enumerate() {
        let height = scale.height(below[place]);
        if day.state == DayState::Open && height > 0 {
            write!(
                f,
                "<rect class=\"veil\" x=\"{}\" width=\"{}\" y=\"{}\" height=\"{}\"/>",
                slots.bar(place),
                slots.bar_width(),
                Hundredths(baseline() - height),
                Hundredths(height)
            )?;
        }
    }
    Ok(())
}

/// Under each bar, what is known of its day.
fn strip(f: &mut fmt::Formatter<'_>, chart: &DailyChart, slots: &Slots) -> fmt::Result {
    f.write_str("<g class=\"strip\">")?;
    let y = baseline() / 100 + 4;
    for (place, day) in chart.days.iter().enumerate() {
        let idle = if day.is_idle() { " idle" } else { "" };
        write!(
            f,
            "<rect class=\"{}{idle}\" x=\"{}\" width=\"{}\" y=\"{y}\" height=\"{STRIP}\"/>",
            day.state.as_str(),
            slots.bar(place),
            slots.bar_width(),
        )?;
    }
    f.write_str("</g>")
}

/// The first day, the first of each month, and Mondays as far as there is room.
fn labels(f: &mut fmt::Formatter<'_>, chart: &DailyChart, slots: &Slots) -> fmt::Result {
    f.write_str("<g class=\"labels\">")?;
    let y = WHOLE - 4;
    for place in labelled(&chart.days) {
        let day = chart.days[place].day;
        let text = format!("{} {}", day.day(), day.format("%b"));
        write!(f, "<text x=\"{}\" y=\"{y}\">{text}</text>", slots.middle(place))?;
    }
    f.write_str("</g>")
}

fn labelled(days: &[ChartDay]) -> Vec<usize> {
    let chosen = |wanted: &dyn Fn(NaiveDate) -> bool| -> Vec<usize> {
        let places = days.iter().enumerate().filter(|(_, day)| wanted(day.day));
        places.map(|(place, _)| place).collect()
    };
    if days.len() <= LABELS {
        return (0..days.len()).collect();
    }
    let mondays = chosen(&|day| day.weekday() == Weekday::Mon);
    if mondays.len() <= LABELS {
        return mondays;
    }
    let months = chosen(&|day| day.day() == 1);
    let every = months.len().div_ceil(LABELS).max(1);
    months.into_iter().step_by(every).collect()
}

/// What the pointer finds: the whole height of a day, with its numbers.
fn hits(f: &mut fmt::Formatter<'_>, chart: &DailyChart, slots: &Slots) -> fmt::Result {
    f.write_str("<g class=\"hits\">")?;
    for (place, day) in chart.days.iter().enumerate() {
        write!(
            f,
            "<rect x=\"{}\" width=\"{}\" y=\"0\" height=\"{}\"><title>{}</title></rect>",
            slots.left(place),
            slots.width(),
            WHOLE - 20,
            Escaped(&words(chart, day))
        )?;
    }
    f.write_str("</g>")
}

fn words(chart: &DailyChart, day: &ChartDay) -> String {
    let mut text = format!("{} – {}", day_text(day.day), day.state_label());
    if day.events == 0 {
        return text;
    }
    let _ = write!(text, "\n{} in all", chart.measure.text(day.total()));
    let unseen = chart.unseen(day);
    if unseen > 0 {
        let _ = write!(text, ", not counting usage without a price (events: {unseen})");
    }
    let mut parts: Vec<_> = chart.series.iter().zip(&day.values).collect();
    parts.retain(|(_, value)| **value != 0);
    parts.sort_by_key(|(_, value)| std::cmp::Reverse(**value));
    for (series, value) in parts {
        let _ = write!(text, "\n{} {}", chart.measure.text(*value), series.label);
    }
    text
}

/// The places of the days along the time axis.
struct Slots {
    days: usize,
}

impl Slots {
    fn left(&self, place: usize) -> Share {
        self.share(place * 10)
    }

    fn width(&self) -> Share {
        self.share(10)
    }

    fn middle(&self, place: usize) -> Share {
        self.share(place * 10 + 5)
    }

    fn bar(&self, place: usize) -> Share {
        self.share(place * 10 + 1)
    }

    fn bar_width(&self) -> Share {
        self.share(8)
    }

    /// So many tenths of a day's place.
    fn share(&self, tenths: usize) -> Share {
        Share(tenths * 10_000 / self.days.max(1))
    }
}

/// A share of the width, in thousandths of a per cent.
struct Share(usize);

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}%", self.0 / 1_000, self.0 % 1_000)
    }
}

/// Pixels, from hundredths of them.
struct Hundredths(i128);

impl fmt::Display for Hundredths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use usage_core::parse_day;

    use super::super::{Measure, Series};
    use super::*;

    fn chart() -> DailyChart {
        let day = |text: &str, state, values: [i128; 2]| ChartDay {
            day: parse_day(text).unwrap(),
            state,
            values: values.to_vec(),
            events: u64::from(values[0] > 0) + u64::from(text.ends_with('1')),
            unpriced: u64::from(text.ends_with('1')),
        };
        DailyChart {
            measure: Measure::Cost,
            by: "project".to_owned(),
            series: vec![
                Series {
                    label: "Search <1>".to_owned(),
                    colour: Some(0),
                    total: 30_000_000_000,
                },
                Series {
                    label: "everything else".to_owned(),
                    colour: None,
                    total: 5_000_000_000,
                },
            ],
            days: vec![
                day("2025-09-01", DayState::Settled, [20_000_000_000, 0]),
                day("2025-09-02", DayState::Settled, [0, 0]),
                day("2025-09-03", DayState::NotRead, [0, 0]),
                day(
                    "2025-09-04",
                    DayState::Provisional,
                    [7_500_000_000, 5_000_000_000],
                ),
                day("2025-09-05", DayState::Open, [2_500_000_000, 0]),
            ],
        }
    }

    #[test]
    fn days_without_usage_unread_and_open_ones_are_drawn_apart() {
        insta::assert_snapshot!(chart().svg().to_string().replace("><", ">\n<"));
    }

    #[test]
    fn who_does_not_see_it_is_told_the_same() {
        assert_eq!(
            chart().description(),
            "5 days from 1 Sep 2025 to 5 Sep 2025, $35.00 in all; the highest is 1 Sep 2025 with $20.00; \
             1 without usage; 1 not read; 1 still open; 1 with usage that has no price. The table below has every number."
        );
    }

    #[test]
    fn the_time_axis_is_not_crowded() {
        for days in [1, 7, 31, 90, 366, 731] {
            let first = parse_day("2025-01-15").unwrap();
            let days: Vec<ChartDay> = first
                .iter_days()
                .take(days)
                .map(|day| ChartDay {
                    day,
                    state: DayState::Settled,
                    values: Vec::new(),
                    events: 0,
                    unpriced: 0,
                })
                .collect();
            let labels = labelled(&days).len();
            assert!(
                (1..=LABELS).contains(&labels),
                "{labels} labels for {} days",
                days.len()
            );
        }
    }
}
