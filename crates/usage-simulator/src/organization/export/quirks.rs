//! What real exports do besides holding the usage.

/// Quirks of real exports, of usage and of costs, for a test to ask for: none by default. Each was seen in a file of
/// the provider's.
///
/// ```
/// use usage_core::{Dimensions, Endpoint, Metrics, Width, WindowRange, parse_instant};
/// use usage_simulator::{BatchSpelling, Organization, Quirks};
///
/// let start = parse_instant("2025-09-01T10:00:00Z")?;
/// let hour = WindowRange::covering(start, parse_instant("2025-09-01T11:00:00Z")?, Width::Hour)?;
/// let dimensions = Dimensions { batch: Some(false), ..Dimensions::default() };
/// let metrics = Metrics { input_tokens: Some(59_200), ..Metrics::default() };
/// let mut organization = Organization::new("org-demo");
/// organization.usage_mut(Endpoint::Completions).add(start, &dimensions, &metrics);
///
/// let quirks = Quirks { integers_as_floats: true, batch: BatchSpelling::Upper, ..Quirks::default() };
/// let text = organization.quirky_usage_csv(Endpoint::Completions, hour, &quirks);
/// assert!(text.contains(",FALSE,,59200.0,"), "{text}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirks {
    /// Numbers of usage, and quantities of costs, are written as `59200.0`, as a spreadsheet or a data frame leaves
    /// them.
    pub integers_as_floats: bool,
    /// How `batch` is spelled.
    pub batch: BatchSpelling,
    /// The file begins with a byte order mark.
    pub byte_order_mark: bool,
    /// Lines end with CR LF.
    pub crlf: bool,
    /// ISO times lack their zone; they are UTC all the same.
    pub iso_without_zone: bool,
    /// Metrics that a row may lack, and amounts, are blank where they are 0.
    pub blank_optional_zeros: bool,
    /// Columns that nobody has heard of, by name. They stand between the times and the known columns, and rows with
    /// usage have an `x` in them.
    pub extra_columns: Vec<String>,
    /// Columns that the file does not have, by name; those of the times too. Rows that differ only in dimensions left
    /// out are summed.
    pub left_out_columns: Vec<String>,
    /// Every row comes as two with the identical dimensions, which add up to it.
    pub split_rows: bool,
    /// The export holds these projects only, as the dashboard's filter does; all of them if none is named.
    pub only_projects: Vec<String>,
    /// The export holds these users only, as the dashboard's filter does; all of them if none is named. Endpoints that
    /// do not tell users have nothing then.
    pub only_users: Vec<String>,
}

/// How an export spells yes and no.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BatchSpelling {
    /// `True` and `False`.
    #[default]
    Title,
    /// `TRUE` and `FALSE`.
    Upper,
    /// `true` and `false`.
    Lower,
}

impl BatchSpelling {
    pub(super) const fn spell(self, batch: bool) -> &'static str {
        match (self, batch) {
            (Self::Title, true) => "True",
            (Self::Title, false) => "False",
            (Self::Upper, true) => "TRUE",
            (Self::Upper, false) => "FALSE",
            (Self::Lower, true) => "true",
            (Self::Lower, false) => "false",
        }
    }
}
