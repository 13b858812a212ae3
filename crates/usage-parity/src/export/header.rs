//! The columns of an export, by name, and the endpoint that they are of.

use std::collections::BTreeSet;

use usage_core::{Dimension, DimensionSet, Endpoint, Metric};

use super::error::ExportProblem;

/// Where the values of a row stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Columns {
    /// `start_time`, Unix seconds.
    pub(crate) start: Option<usize>,
    /// `end_time`, Unix seconds.
    pub(crate) end: Option<usize>,
    /// `start_time_iso`.
    pub(crate) start_iso: Option<usize>,
    /// `end_time_iso`.
    pub(crate) end_iso: Option<usize>,
    /// The dimensions that have a column.
    pub(crate) dimensions: Vec<(Dimension, usize)>,
    /// The metrics that have a column.
    pub(crate) metrics: Vec<(Metric, usize)>,
    /// Columns that this version does not know.
    pub(crate) unknown: Vec<String>,
    /// How many columns there are.
    pub(crate) count: usize,
}

impl Columns {
    /// Reads the header.
    pub(crate) fn read<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Self, ExportProblem> {
        let mut columns = Self::default();
        let mut seen = BTreeSet::new();
        for (place, name) in names.into_iter().enumerate() {
            let name = name.trim_start_matches('\u{feff}').trim();
            columns.count += 1;
            if !name.is_empty() && !seen.insert(name.to_owned()) {
                return Err(ExportProblem::ColumnTwice(name.to_owned()));
            }
            columns.place(name, place);
        }
        let names_of_times = [
            ("start_time", columns.start.or(columns.start_iso)),
            ("end_time", columns.end.or(columns.end_iso)),
        ];
        match names_of_times.iter().find(|(_, place)| place.is_none()) {
            Some((name, _)) => Err(ExportProblem::NoTimes(name)),
            None if seen.contains("amount_value") => Err(ExportProblem::Costs),
            None => Ok(columns),
        }
    }

    fn place(&mut self, name: &str, place: usize) {
        match name {
            "start_time" => self.start = Some(place),
            "end_time" => self.end = Some(place),
            "start_time_iso" => self.start_iso = Some(place),
            "end_time_iso" => self.end_iso = Some(place),
            name => {
                let dimension = Dimension::USAGE
                    .into_iter()
                    .find(|dimension| dimension.as_str() == name);
                let metric = Metric::ALL.into_iter().find(|metric| metric.as_str() == name);
                match (dimension, metric) {
                    (Some(dimension), _) => self.dimensions.push((dimension, place)),
                    (_, Some(metric)) => self.metrics.push((metric, place)),
                    (None, None) => self.unknown.push(name.to_owned()),
                }
            }
        }
    }

    /// Whether there is nothing but times, as the provider writes it where there was nothing to export.
    pub(crate) const fn has_times_only(&self) -> bool {
        self.metrics.is_empty() && self.dimensions.is_empty() && self.unknown.is_empty()
    }

    /// The dimensions that have a column.
    pub(crate) fn dimension_set(&self) -> DimensionSet {
        self.dimensions.iter().map(|(dimension, _)| *dimension).collect()
    }

    /// The endpoint of the export: what the columns say, and where they leave a choice, what was asked for or else what
    /// the file's name says.
    pub(crate) fn endpoint(
        &self,
        asked: Option<Endpoint>,
        file_name: &str,
    ) -> Result<Endpoint, ExportProblem> {
        let fitting = self.fitting();
        if fitting.is_empty() {
            return Err(ExportProblem::NoEndpoint(self.names().join(", ")));
        }
        let named = by_name(file_name).filter(|named| fitting.contains(named));
        if let Some(asked) = asked {
            // A name that fits the columns and says otherwise is right: a folder has files of several endpoints.
            return match named {
                Some(named) if named != asked => Err(ExportProblem::OtherEndpoint(asked)),
                _ if fitting.contains(&asked) => Ok(asked),
                _ => Err(ExportProblem::OtherEndpoint(asked)),
            };
        }
        match (fitting.as_slice(), named) {
            ([only], _) => Ok(*only),
            (_, Some(named)) => Ok(named),
            // The 24 columns are those of completions; decisions share them and are rare.
            ([Endpoint::Completions, Endpoint::Decisions], _) => Ok(Endpoint::Completions),
            (several, _) => Err(ExportProblem::SeveralEndpoints(several.to_vec())),
        }
    }

    /// The columns behind the times.
    fn names(&self) -> Vec<&str> {
        let dimensions = self.dimensions.iter().map(|(dimension, _)| dimension.as_str());
        let metrics = self.metrics.iter().map(|(metric, _)| metric.as_str());
        dimensions
            .chain(metrics)
            .chain(self.unknown.iter().map(String::as_str))
            .collect()
    }

    /// The endpoints whose required metrics all have a column, and that report every metric that has one. A file with
    /// nothing but times may be of any.
    fn fitting(&self) -> Vec<Endpoint> {
        if self.has_times_only() {
            return Endpoint::USAGE.to_vec();
        }
        let has = |metric: &Metric| self.metrics.iter().any(|(column, _)| column == metric);
        Endpoint::USAGE
            .into_iter()
            .filter(|endpoint| {
                endpoint.required_metrics().iter().all(has)
                    && self
                        .metrics
                        .iter()
                        .all(|(metric, _)| endpoint.metrics().contains(metric))
            })
            .collect()
    }
}

/// The endpoint that the provider's name of a file begins with, such as `embeddings_usage_2025-09-01_2025-10-01.csv`.
fn by_name(file_name: &str) -> Option<Endpoint> {
    Endpoint::USAGE.into_iter().find(|endpoint| {
        let name = endpoint.as_str();
        let short = name
            .strip_suffix("_sessions")
            .or_else(|| name.strip_suffix("_calls"))
            .unwrap_or(name);
        file_name
            .strip_prefix(short)
            .is_some_and(|rest| rest.starts_with(['_', '.', '-', ' ']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMES: [&str; 4] = ["start_time", "end_time", "start_time_iso", "end_time_iso"];

    fn endpoint(more: &[&str], asked: Option<Endpoint>, file_name: &str) -> Result<Endpoint, String> {
        Columns::read(TIMES.iter().chain(more).copied())
            .and_then(|columns| columns.endpoint(asked, file_name))
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn columns_say_the_endpoint_and_a_choice_is_settled_by_flag_then_name() {
        let tokens = &["input_tokens", "output_tokens", "num_model_requests", "batch"][..];
        let input = &["input_tokens", "num_model_requests", "model"][..];
        for (columns, asked, name, expected) in [
            (tokens, None, "x.csv", Endpoint::Completions),
            (
                tokens,
                None,
                "decisions_usage_2025-09-01_2025-09-02.csv",
                Endpoint::Decisions,
            ),
            (tokens, Some(Endpoint::Decisions), "x.csv", Endpoint::Decisions),
            (input, None, "moderations_usage.csv", Endpoint::Moderations),
            (input, Some(Endpoint::Embeddings), "x.csv", Endpoint::Embeddings),
            (
                &["images", "num_model_requests", "size"],
                None,
                "x.csv",
                Endpoint::Images,
            ),
            (
                &["characters", "num_model_requests"],
                None,
                "embeddings.csv",
                Endpoint::AudioSpeeches,
            ),
            (
                &["seconds", "num_model_requests"],
                None,
                "x.csv",
                Endpoint::AudioTranscriptions,
            ),
            (
                &["usage_bytes", "project_id"],
                None,
                "x.csv",
                Endpoint::VectorStores,
            ),
            (
                &["num_sessions", "project_id"],
                None,
                "x.csv",
                Endpoint::CodeInterpreterSessions,
            ),
            (
                &["num_requests", "vector_store_id"],
                None,
                "x.csv",
                Endpoint::FileSearchCalls,
            ),
            (
                &["num_requests", "num_model_requests"],
                None,
                "x.csv",
                Endpoint::WebSearchCalls,
            ),
            (
                &[],
                None,
                "code_interpreter_usage.csv",
                Endpoint::CodeInterpreterSessions,
            ),
        ] {
            assert_eq!(
                endpoint(columns, asked, name),
                Ok(expected),
                "{columns:?} {asked:?} {name}"
            );
        }
    }

    #[test]
    fn what_leaves_a_choice_or_fits_nothing_is_said() {
        let input = &["input_tokens", "num_model_requests"][..];
        for (columns, asked, words) in [
            (
                input,
                None,
                "fits the exports of embeddings and moderations; name one with --endpoint",
            ),
            (
                input,
                Some(Endpoint::Images),
                "is not the header of an export of images",
            ),
            (
                &["images", "num_model_requests"],
                Some(Endpoint::Embeddings),
                "is not the header of an export of embeddings",
            ),
            (
                &["colour"],
                None,
                "is the header of no known usage export: it has the columns colour",
            ),
            (
                &["amount_value", "line_item"],
                None,
                "is the header of a costs export",
            ),
            (&["model", "model"], None, "names the column `model` twice"),
        ] {
            let error = endpoint(columns, asked, "x.csv").unwrap_err();
            assert!(error.starts_with(words), "{columns:?}: {error}");
        }
        let problem = Columns::read(["{\"data\": []}"]).unwrap_err().to_string();
        assert!(problem.starts_with("has no column `start_time`"), "{problem}");
    }
}
