//! Dimensions that the provider refuses to group by.

use usage_core::{Dimension, DimensionSet};

use crate::transport::Refusal;

/// A dimension that is refused, and for which queries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RefusedDimension {
    pub(crate) dimension: Dimension,
    pub(crate) reach: Reach,
}

/// Which queries a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Every query.
    Always,
    /// Those that start before this Unix time, when the provider began to record the dimension.
    StartsBefore(i64),
    /// Those that start at this Unix time or earlier; when the provider began to record the dimension, it did not say.
    StartsUntil(i64),
}

impl Reach {
    /// Whether a query that starts then is refused.
    pub(crate) const fn covers(self, start: i64) -> bool {
        match self {
            Self::Always => true,
            Self::StartsBefore(floor) => start < floor,
            Self::StartsUntil(last) => start <= last,
        }
    }

    /// The Unix time from which on nothing is known to be refused.
    pub(crate) const fn floor(self) -> Option<i64> {
        match self {
            Self::StartsBefore(floor) => Some(floor),
            Self::StartsUntil(last) => Some(last.saturating_add(1)),
            Self::Always => None,
        }
    }

    /// What both together refuse.
    pub(crate) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Always, _) | (_, Self::Always) => Self::Always,
            (Self::StartsBefore(one), Self::StartsBefore(other)) => Self::StartsBefore(one.max(other)),
            (Self::StartsUntil(one), Self::StartsUntil(other)) => Self::StartsUntil(one.max(other)),
            (Self::StartsBefore(floor), Self::StartsUntil(last))
            | (Self::StartsUntil(last), Self::StartsBefore(floor)) => {
                if last < floor {
                    Self::StartsBefore(floor)
                } else {
                    Self::StartsUntil(last)
                }
            }
        }
    }
}

/// The dimension of `asked` that a 400 names as the culprit of a query that starts at `start`; `None` if it names
/// none of them, or several.
pub(crate) fn refused_dimension(
    refusal: &Refusal,
    asked: DimensionSet,
    start: i64,
) -> Option<RefusedDimension> {
    let message = refusal.message.as_deref()?;
    let head = before_supported_values(message);
    if let Some(dimension) = only(asked, |name| has_assignment(head, name)) {
        let reach = if head.contains("not available for this time range") {
            number_after(message, "on or after ")
                .filter(|floor| start < *floor)
                .map_or(Reach::StartsUntil(start), Reach::StartsBefore)
        } else {
            Reach::Always
        };
        return Some(RefusedDimension { dimension, reach });
    }
    // Elsewhere a name stands for a grouping only if the error is about groupings, or quotes it alone.
    let dimension = match refusal.param.as_deref() {
        // Names such as `size` or `source` are words of plain English too, so what is quoted comes first.
        Some(param) if param.starts_with("group_by") => match only(asked, |name| has_quoted(head, name)) {
            Some(dimension) => Some(dimension),
            None => only(asked, |name| words(head).any(|word| word == name)),
        },
        Some(_) => None,
        None => only(asked, |name| has_quoted(head, name)),
    }?;
    Some(RefusedDimension {
        dimension,
        reach: Reach::Always,
    })
}

/// What comes before the list of values that would have been right, which names dimensions that are not at fault.
fn before_supported_values(message: &str) -> &str {
    let lower = message.to_ascii_lowercase();
    [
        "supported values",
        "must be one of",
        "expected one of",
        "allowed values",
        "valid values",
    ]
    .into_iter()
    .filter_map(|phrase| lower.find(phrase))
    .min()
    .map_or(message, |at| &message[..at])
}

/// The one dimension of the set whose name passes.
fn only(asked: DimensionSet, mut passes: impl FnMut(&str) -> bool) -> Option<Dimension> {
    let mut named = asked.iter().filter(|dimension| passes(dimension.as_str()));
    named.next().filter(|_| named.next().is_none())
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
}

/// Whether `group_by=name` stands in the text, in whatever spelling of a list.
fn has_assignment(text: &str, name: &str) -> bool {
    ["group_by=", "group_by[]="].into_iter().any(|assignment| {
        text.match_indices(assignment)
            .any(|(at, _)| words(&text[at + assignment.len()..]).next() == Some(name))
    })
}

fn has_quoted(text: &str, name: &str) -> bool {
    ['\'', '"', '`']
        .into_iter()
        .any(|quote| text.contains(&format!("{quote}{name}{quote}")))
}

fn number_after(text: &str, phrase: &str) -> Option<i64> {
    let rest = &text[text.find(phrase)? + phrase.len()..];
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_756_684_800;

    fn refused(message: &str, param: Option<&str>) -> Option<(Dimension, Reach)> {
        let refusal = Refusal {
            message: Some(message.to_owned()),
            param: param.map(str::to_owned),
        };
        refused_dimension(&refusal, DimensionSet::from_iter(Dimension::USAGE), START)
            .map(|refused| (refused.dimension, refused.reach))
    }

    #[test]
    fn finds_the_culprit_before_the_supported_values() {
        let message =
            "Invalid value: 'api_source'. Supported values are: 'project_id', 'model', and 'batch'.";
        let culprit = Some((Dimension::ApiSource, Reach::Always));
        for param in [None, Some("group_by"), Some("group_by[6]"), Some("group_by[]")] {
            assert_eq!(refused(message, param), culprit, "{param:?}");
        }
        assert_eq!(
            refused(message, Some("project_ids")),
            None,
            "the error is about something else"
        );
        assert_eq!(
            refused(
                "Invalid value. Supported values are: 'project_id'.",
                Some("group_by")
            ),
            None
        );
    }

    #[test]
    fn a_quoted_name_is_the_culprit_whatever_words_stand_around_it() {
        let message = "Invalid value: 'size'. This source of usage has no such model.";
        assert_eq!(
            refused(message, Some("group_by[4]")),
            Some((Dimension::Size, Reach::Always))
        );
        assert_eq!(refused("No source, no size.", Some("group_by")), None);
    }

    #[test]
    fn a_refusal_for_a_time_range_reaches_to_its_floor() {
        let message = "group_by=api_key_id is not available for this time range. \
                       Try a start_time on or after 1764979200.";
        let until_floor = Some((Dimension::ApiKeyId, Reach::StartsBefore(1_764_979_200)));
        assert_eq!(refused(message, Some("start_time")), until_floor);
        assert_eq!(
            refused("group_by=api_key_id is not available for this time range.", None),
            Some((Dimension::ApiKeyId, Reach::StartsUntil(START)))
        );
        assert_eq!(
            refused(
                "group_by=user_id is not available for this time range. Try a start_time on or after 5.",
                None
            ),
            Some((Dimension::UserId, Reach::StartsUntil(START))),
            "a floor that the query already keeps is none"
        );
    }

    #[test]
    fn two_refusals_reach_as_far_as_either() {
        use Reach::{Always, StartsBefore, StartsUntil};
        for (one, other, both) in [
            (Always, StartsBefore(5), Always),
            (Always, StartsUntil(5), Always),
            (StartsBefore(5), StartsBefore(7), StartsBefore(7)),
            (StartsUntil(5), StartsUntil(7), StartsUntil(7)),
            (StartsUntil(4), StartsBefore(5), StartsBefore(5)),
            (StartsUntil(5), StartsBefore(5), StartsUntil(5)),
        ] {
            assert_eq!((one.or(other), other.or(one)), (both, both));
            for start in 0..9 {
                assert_eq!(
                    both.covers(start),
                    one.covers(start) || other.covers(start),
                    "{both:?} {start}"
                );
            }
        }
    }

    #[test]
    fn more_than_one_name_or_none_is_no_refusal_of_a_dimension() {
        for (message, param) in [
            (
                "Grouping by user_id with project_id is not supported.",
                Some("group_by"),
            ),
            ("group_by=user_idx is unknown", None),
            ("The model is overloaded", None),
            ("Limit must be less than or equal to 31.", Some("limit")),
            ("", None),
        ] {
            assert_eq!(refused(message, param), None, "{message}");
        }
        assert_eq!(
            refused_dimension(&Refusal::default(), DimensionSet::EMPTY, START),
            None
        );
    }

    #[test]
    fn only_asked_dimensions_can_be_refused() {
        let refusal = Refusal {
            message: Some("Invalid value: 'batch'.".to_owned()),
            param: None,
        };
        let asked = DimensionSet::from_iter([Dimension::Model]);
        assert_eq!(refused_dimension(&refusal, asked, START), None);
    }
}
