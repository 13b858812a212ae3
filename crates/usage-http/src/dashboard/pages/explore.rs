//! Every usage event of the ledger, as far as the filters let it through.

use askama::Template;

use super::parts::{Choice, Link, Pages, RangeChoice};
use crate::dashboard::chrome::Chrome;
use crate::dashboard::display::{At, Count, Dollars, Fact, Named, Percent};

/// The table of windows.
#[derive(Template)]
#[template(path = "explore.html")]
pub(crate) struct Explore {
    pub(crate) chrome: Chrome,
    pub(crate) range: RangeChoice,
    pub(crate) filters: Vec<Filter>,
    /// Where the page is without any filter, if it has one.
    pub(crate) without_filters: Option<String>,
    /// What is wrong with the filters or the order, in a sentence; then only the filters are shown.
    pub(crate) refused: Option<String>,
    /// Sums over everything that the filters let through, not only over this page.
    pub(crate) totals: Vec<Total>,
    pub(crate) orders: Vec<Link>,
    pub(crate) events: Vec<EventRow>,
    pub(crate) pages: Pages,
    /// The same rows as files: every page of them.
    pub(crate) downloads: Vec<Link>,
    /// Days of the range that nobody read, in words; then an empty table is no proof of no usage.
    pub(crate) unread: Option<String>,
    /// Whether that is every day of it.
    pub(crate) nothing_was_read: bool,
    /// Of which account and surface which days were not read.
    pub(crate) gaps: Vec<(String, String)>,
    /// The events, or their sums by something.
    pub(crate) views: Vec<Link>,
    /// The sums, where these are asked for instead of events.
    pub(crate) sums: Option<Sums>,
    /// The rows as the provider would export them, where one account and surface is chosen.
    pub(crate) provider_layout: Option<Link>,
}

/// Sums told apart by one thing.
pub(crate) struct Sums {
    /// By what, for example `project`.
    pub(crate) column: &'static str,
    /// Those that cost most first.
    pub(crate) rows: Vec<SumRow>,
    /// How many there are beyond those shown.
    pub(crate) more: usize,
    /// Where all of them are, for programs.
    pub(crate) href: String,
}

/// The sum of one value.
pub(crate) struct SumRow {
    pub(crate) name: Named,
    /// Its events.
    pub(crate) href: String,
    pub(crate) events: Count,
    pub(crate) requests: Count,
    pub(crate) tokens: Count,
    /// Uncached, cached, cache write, output.
    pub(crate) split: [Count; 4],
    pub(crate) cost: Dollars,
    pub(crate) share: Percent,
}

/// The values of one dimension, to choose from.
pub(crate) struct Filter {
    /// The name of the parameter.
    pub(crate) name: String,
    /// What people call it.
    pub(crate) label: String,
    pub(crate) options: Vec<FilterOption>,
    /// How many values there are that are not offered.
    pub(crate) more: usize,
    /// Whether a value may be typed that is not offered.
    pub(crate) takes_text: bool,
    /// Whether it stands with the others that few need.
    pub(crate) is_rare: bool,
}

/// One value.
pub(crate) struct FilterOption {
    pub(crate) choice: Choice,
    /// The provider's id, where the label is a name.
    pub(crate) id: Option<String>,
}

impl Filter {
    /// How many are chosen.
    pub(crate) fn chosen(&self) -> usize {
        self.options
            .iter()
            .filter(|option| option.choice.is_chosen)
            .count()
    }
}

/// One sum.
pub(crate) struct Total {
    pub(crate) fact: Fact,
    pub(crate) is_estimate: bool,
}

/// One usage event.
pub(crate) struct EventRow {
    pub(crate) start: At,
    pub(crate) end: At,
    pub(crate) endpoint: String,
    /// Whose it is, where the ledger has several accounts.
    pub(crate) account: Option<String>,
    pub(crate) model: Named,
    pub(crate) project: Named,
    pub(crate) key: Named,
    pub(crate) user: Named,
    pub(crate) tier: String,
    pub(crate) requests: Count,
    pub(crate) uncached: SplitCell,
    pub(crate) cached: SplitCell,
    pub(crate) cache_write: SplitCell,
    pub(crate) output: SplitCell,
    pub(crate) cost: Dollars,
    /// Every dimension, and when it was stored.
    pub(crate) identity: Vec<Fact>,
    /// Every metric that the provider reported.
    pub(crate) metrics: Vec<Fact>,
    /// What it costs and by which price.
    pub(crate) pricing: Vec<Fact>,
}

/// One class of tokens.
pub(crate) struct SplitCell {
    pub(crate) tokens: Count,
    /// Of which how much is not text, in a few words; empty if nothing is.
    pub(crate) modalities: String,
}

impl Explore {
    /// Whether the filters let nothing through.
    pub(crate) fn is_nothing(&self) -> bool {
        self.events.is_empty() && self.sums.as_ref().is_none_or(|sums| sums.rows.is_empty())
    }

    /// How many values are chosen of the filters that few need.
    pub(crate) fn rare_chosen(&self) -> usize {
        let rare = self.filters.iter().filter(|filter| filter.is_rare);
        rare.map(Filter::chosen).sum()
    }
}

impl EventRow {
    /// The classes of tokens, in the order of the columns.
    pub(crate) fn split(&self) -> [&SplitCell; 4] {
        [&self.uncached, &self.cached, &self.cache_write, &self.output]
    }

    /// Everything that is known about it, in three lists.
    pub(crate) fn facts(&self) -> [&[Fact]; 3] {
        [&self.identity, &self.metrics, &self.pricing]
    }
}
