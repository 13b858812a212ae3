//! `/api/usage/export`: what a filter names, whole, written while it is read: a page in memory at a time.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use usage_core::{Endpoint, UsageRow, Width, Window, WindowState};
use usage_parity::ProviderCsvWriter;
use usage_parity::event_lines::{cells, csv_line, event_columns, json_line};
use usage_store::{
    AccountScope, CoverageQuery, StoredAccount, StoredEvent, UsageFilter, UsageOrder, UsagePageQuery,
    UsagePosition,
};

use super::ApiState;
use super::coverage::windows;
use super::document::ScopedProblems;
use super::error::ApiError;
use super::parameters::{Known, Parameters, documented_parameters, filter_parameters};
use super::usage::order_parameter;
use crate::access::Caller;

/// Events in memory at once.
const PAGE: usize = 1_000;

fn known() -> Vec<Known> {
    let mut known = filter_parameters();
    known.push(Known::word(
        "format",
        &["csv", "jsonl", "provider-csv"],
        "`csv` unless given. `jsonl` is one JSON object a line, `provider-csv` the provider's own export of one surface and account.",
    ));
    known.push(order_parameter());
    known
}

documented_parameters! {
    ExportParameters: known,
}

/// In which form.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Csv,
    JsonLines,
    ProviderCsv,
}

impl Form {
    fn media_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Csv | Self::ProviderCsv => "text/csv; charset=utf-8",
            Self::JsonLines => "application/jsonl",
        })
    }

    fn file(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Csv => "attachment; filename=\"usage.csv\"",
            Self::JsonLines => "attachment; filename=\"usage.jsonl\"",
            Self::ProviderCsv => "attachment; filename=\"usage-provider.csv\"",
        })
    }
}

/// All usage events of a filter, as a file.
///
/// The columns are those of `usage export`. In both forms of CSV an apostrophe leads a text that a spreadsheet would run. The
/// provider's layout is in its own order, the oldest window first, and takes no other. An answer that ends early, without the end
/// of its last chunk, is not whole.
#[utoipa::path(
    get,
    path = "/api/usage/export",
    tag = "usage",
    params(ExportParameters),
    responses(
        (status = 200, description = "The file.", content((String = "text/csv; charset=utf-8"), (String = "application/jsonl"))),
        ScopedProblems,
    ),
    security(("token" = [])),
)]
pub(super) async fn export(
    State(state): State<ApiState>,
    caller: Caller,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let parameters = Parameters::parse(query.as_deref(), &known())?;
    let filter = parameters.filter(&state.ledger, &caller).await?;
    let form = match parameters.get("format") {
        Some("jsonl") => Form::JsonLines,
        Some("provider-csv") => Form::ProviderCsv,
        _ => Form::Csv,
    };
    let order = parameters.order().unwrap_or(UsageOrder::Oldest);
    if form == Form::ProviderCsv && order != UsageOrder::Oldest {
        return Err(ApiError::bad_request(
            "order: the provider's layout has the oldest window first; leave it out",
        ));
    }
    let lines = match form {
        Form::Csv => Lines::Csv,
        Form::JsonLines => Lines::Json,
        Form::ProviderCsv => Lines::Provider(Box::new(ProviderLines::new(&state, &filter).await?)),
    };
    let mut export = Export {
        state,
        filter,
        order,
        lines,
        at: At::Begin,
    };
    // What fails before the first byte is told with its status; what fails later ends the connection.
    let first = export.next().await?;
    let rest = stream::try_unfold(export, async |mut export| match export.next().await {
        Ok(Some(bytes)) => Ok(Some((bytes, export))),
        Ok(None) => Ok(None),
        Err(error) => {
            tracing::error!("an export ends early: {error:?}");
            Err(io::Error::other("the export could not be read to its end"))
        }
    });
    let begin = stream::iter(first.map(Ok::<_, io::Error>));
    let body = Body::from_stream(futures_util::StreamExt::chain(begin, rest));
    let headers = [
        (CONTENT_TYPE, form.media_type()),
        (CONTENT_DISPOSITION, form.file()),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}

/// An export on its way.
struct Export {
    state: ApiState,
    filter: UsageFilter,
    order: UsageOrder,
    lines: Lines,
    at: At,
}

/// How far it is.
enum At {
    Begin,
    Behind(UsagePosition),
    End,
}

enum Lines {
    Csv,
    Json,
    Provider(Box<ProviderLines>),
}

impl Export {
    /// The next part; `None` behind the last.
    async fn next(&mut self) -> Result<Option<Bytes>, ApiError> {
        let mut bytes = Vec::new();
        let after = match self.at {
            At::Begin => {
                if matches!(self.lines, Lines::Csv) {
                    cells::push_line(&mut bytes, event_columns());
                }
                None
            }
            At::Behind(after) => Some(after),
            At::End => return Ok(None),
        };
        let ledger = &self.state.ledger;
        let page = ledger
            .usage_page(UsagePageQuery {
                filter: self.filter.clone(),
                order: self.order,
                after,
                limit: PAGE,
            })
            .await?;
        self.at = page.next.map_or(At::End, At::Behind);
        let prices = self.state.prices.of(ledger, &page.events).await?;
        let price = |stored: &StoredEvent| stored.price.map(|price| (price.cost, price.price_ref));
        match &mut self.lines {
            Lines::Csv => {
                for stored in &page.events {
                    csv_line(
                        &mut bytes,
                        &stored.event,
                        &prices.of(&stored.event, price(stored)),
                    );
                }
            }
            Lines::Json => {
                for stored in &page.events {
                    json_line(
                        &mut bytes,
                        &stored.event,
                        &prices.of(&stored.event, price(stored)),
                    )
                    .map_err(|error| ApiError::broken(&error))?;
                }
            }
            Lines::Provider(lines) => bytes = lines.write(page.events, page.next)?,
        }
        Ok(Some(bytes.into()))
    }
}

/// The provider's layout: windows in their order, those without usage as a row of times.
struct ProviderLines {
    /// Windows that are not written yet; those behind the last event may come to have rows.
    rows: BTreeMap<Window, Vec<UsageRow>>,
    writer: Option<ProviderCsvWriter<Buffer>>,
    buffer: Buffer,
}

impl ProviderLines {
    /// Fails unless the filter is of one account and one surface.
    async fn new(state: &ApiState, filter: &UsageFilter) -> Result<Self, ApiError> {
        let [endpoint] = filter.endpoints[..] else {
            return Err(ApiError::bad_request(
                "endpoint: the provider's export holds one surface; name one",
            ));
        };
        let accounts = state.ledger.accounts(filter.scope.clone()).await?;
        if accounts.len() > 1 {
            return Err(ApiError::bad_request(
                "account: the provider's export holds one account; name one",
            ));
        }
        let mut rows = BTreeMap::new();
        // Which windows are quiet is known of all usage only, not of some, nor of an account's with another provider.
        let is_of_provider = |account: &StoredAccount| {
            filter.providers.is_empty() || filter.providers.contains(&account.account.provider())
        };
        if filter.dimensions.values().all(Vec::is_empty) && accounts.iter().all(is_of_provider) {
            for window in quiet(state, filter.scope.clone(), endpoint, filter).await? {
                rows.insert(window, Vec::new());
            }
        }
        let buffer = Buffer::default();
        Ok(Self {
            rows,
            writer: Some(ProviderCsvWriter::new(buffer.clone(), endpoint).for_people()),
            buffer,
        })
    }

    /// Writes the windows that are whole: all of them behind the last page.
    fn write(&mut self, events: Vec<StoredEvent>, next: Option<UsagePosition>) -> Result<Vec<u8>, ApiError> {
        for stored in events {
            let event = stored.event;
            let day = Window::day(event.window.utc_day());
            if day != event.window {
                // A day that is shown in shorter windows is not quiet, and has no row of its own.
                self.rows.remove(&day);
            }
            self.rows.entry(event.window).or_default().push(UsageRow {
                dimensions: event.dimensions,
                metrics: event.metrics,
            });
        }
        let Some(mut writer) = self.writer.take() else {
            return Ok(Vec::new());
        };
        let broken = |error: usage_parity::ProviderCsvError| ApiError::broken(&error);
        while let Some(entry) = self.rows.first_entry() {
            if next.is_some_and(|next| entry.key().end() > next.window_start) {
                break;
            }
            let (window, rows) = entry.remove_entry();
            writer.write_window(window, &rows).map_err(broken)?;
        }
        if next.is_some() {
            self.writer = Some(writer);
        } else {
            writer.finish().map_err(broken)?;
        }
        Ok(self.buffer.take())
    }
}

/// The days of the range that were read completely: of every project, and after their end.
async fn quiet(
    state: &ApiState,
    scope: AccountScope,
    endpoint: Endpoint,
    filter: &UsageFilter,
) -> Result<Vec<Window>, ApiError> {
    let query = CoverageQuery {
        scope,
        endpoint: Some(endpoint),
        windows: Some(windows(Width::Day, filter.start, filter.end)?),
    };
    let coverage = state.ledger.coverage(query).await?;
    let days = coverage
        .into_iter()
        .filter(|covered| covered.filter.is_all() && covered.state != WindowState::Open)
        .map(|covered| covered.window)
        .filter(|window| filter.start.is_none_or(|start| start <= window.start()))
        .filter(|window| filter.end.is_none_or(|end| window.start() < end));
    Ok(days.collect())
}

/// Where a writer leaves its bytes for whoever sends them on.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
