//! The faults of one request.

use axum::extract::Request;

use crate::faults::Fault;
use crate::server::parameters::decode_query;
use crate::server::shared::Shared;
use crate::server::surface::Surface;

/// The cursor for which a page is served again.
pub(super) const REPEATED: &str = "page_repeated";

const SKEW_SECONDS: i64 = 5 * 3_600;

/// How far the server's clock is off for one request, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::server) struct ClockShift(pub(in crate::server) i64);

/// The faults that happen to a request, and what they need to know of it.
#[derive(Clone)]
pub(super) struct Chosen {
    pub(super) surface: &'static Surface,
    pub(super) faults: Vec<Fault>,
    query: Vec<(String, String)>,
}

impl Chosen {
    /// Counts a request with every injection; `None` if nothing happens to it.
    pub(super) fn meet(shared: &Shared, request: &Request) -> Option<Self> {
        let mut armed = shared.faults();
        if armed.is_empty() {
            return None;
        }
        let surface = Surface::at_path(request.uri().path())?;
        let mut chosen = Self {
            surface,
            faults: Vec::new(),
            query: decode_query(request.uri().query()),
        };
        let is_grouped = chosen.has_array("group_by");
        chosen.faults = armed
            .iter_mut()
            .filter_map(|armed| armed.meet(surface, is_grouped))
            .collect();
        Some(chosen).filter(|chosen| !chosen.faults.is_empty())
    }

    /// How far the clock is off.
    pub(super) fn clock_shift(&self) -> ClockShift {
        let shift = |fault: &Fault| match fault {
            Fault::ClockAhead => SKEW_SECONDS,
            Fault::ClockBehind => -SKEW_SECONDS,
            _ => 0,
        };
        ClockShift(self.faults.iter().map(shift).sum())
    }

    /// The cursor that the request came with.
    pub(super) fn page(&self) -> Option<&str> {
        let page = self.query.iter().find(|(name, _)| name == "page");
        page.map(|(_, value)| value.as_str())
    }

    pub(super) fn has_project_filter(&self) -> bool {
        self.has_array("project_ids")
    }

    /// Whether the request asks to be served the page it was served before.
    pub(super) fn is_repeated(&self) -> bool {
        self.page() == Some(REPEATED) && self.faults.contains(&Fault::CursorRepeated)
    }

    /// The query without its cursor.
    pub(super) fn query_without_page(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(self.query.iter().filter(|(name, _)| name != "page"))
            .finish()
    }

    fn has_array(&self, array: &str) -> bool {
        self.query
            .iter()
            .any(|(name, _)| name.strip_suffix("[]").unwrap_or(name) == array)
    }
}
