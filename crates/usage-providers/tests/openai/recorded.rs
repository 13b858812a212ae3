//! Every endpoint's recorded pages, read over HTTP.

use std::collections::BTreeMap;

use usage_core::{
    Dimension, DimensionSet, Endpoint, IssueCode, Metric, ProjectFilter, UsageRow, WindowRange, parse_day,
};
use usage_providers::{UsageQuery, UsageRead, UsageSource};
use wiremock::{MockServer, ResponseTemplate};

use crate::support::{asked, client, codes, line, read, recorded, server};

macro_rules! body {
    ($name:literal) => {
        include_str!(concat!("../../../../fixtures/openai/recorded/", $name, ".json"))
    };
}

const URL_CURSOR: &str = body!("embeddings_url_cursor");
const URL_IN_CURSOR: &str = "https://api.openai.com/v1";

/// The pages of one endpoint and what they hold.
struct Recording {
    endpoint: Endpoint,
    /// The first and the last day.
    days: [&'static str; 2],
    pages: &'static [&'static str],
    rows: usize,
    /// Every metric that is reported at all, with its sum.
    sums: &'static [(Metric, i64)],
    /// The dimensions that are null throughout.
    empty: &'static [Dimension],
}

const SEPTEMBER: [&str; 2] = ["2024-09-23", "2024-09-23"];
const NOVEMBER: [&str; 2] = ["2024-11-01", "2024-11-02"];

const RECORDINGS: [Recording; 12] = [
    Recording {
        endpoint: Endpoint::Completions,
        days: SEPTEMBER,
        pages: &[body!("completions")],
        rows: 2,
        sums: &[
            (Metric::InputTokens, 3_072),
            (Metric::OutputTokens, 768),
            (Metric::InputCachedTokens, 0),
            (Metric::InputAudioTokens, 0),
            (Metric::OutputAudioTokens, 0),
            (Metric::NumModelRequests, 36),
        ],
        empty: &[Dimension::ApiSource],
    },
    Recording {
        endpoint: Endpoint::Completions,
        days: NOVEMBER,
        pages: &[body!("completions_every_field")],
        rows: 1,
        sums: &[
            (Metric::InputTokens, 1_000),
            (Metric::OutputTokens, 500),
            (Metric::InputCachedTokens, 400),
            (Metric::InputUncachedTokens, 500),
            (Metric::InputCacheWriteTokens, 100),
            (Metric::InputCacheWrite30mTokens, 100),
            (Metric::InputCacheWrite12hTokens, 0),
            (Metric::InputTextTokens, 400),
            (Metric::OutputTextTokens, 400),
            (Metric::InputCachedTextTokens, 300),
            (Metric::InputAudioTokens, 50),
            (Metric::InputCachedAudioTokens, 60),
            (Metric::OutputAudioTokens, 60),
            (Metric::InputImageTokens, 50),
            (Metric::InputCachedImageTokens, 40),
            (Metric::OutputImageTokens, 40),
            (Metric::NumModelRequests, 5),
        ],
        empty: &[],
    },
    Recording {
        endpoint: Endpoint::Decisions,
        days: NOVEMBER,
        pages: &[body!("decisions")],
        rows: 2,
        sums: &[
            (Metric::InputTokens, 9_640),
            (Metric::OutputTokens, 760),
            (Metric::InputCachedTokens, 5_000),
            (Metric::InputUncachedTokens, 2_900),
            (Metric::InputCacheWriteTokens, 1_740),
            (Metric::InputCacheWrite30mTokens, 1_100),
            (Metric::InputCacheWrite12hTokens, 400),
            (Metric::InputTextTokens, 2_900),
            (Metric::OutputTextTokens, 760),
            (Metric::InputCachedTextTokens, 5_000),
            (Metric::InputAudioTokens, 0),
            (Metric::InputCachedAudioTokens, 0),
            (Metric::OutputAudioTokens, 0),
            (Metric::InputImageTokens, 0),
            (Metric::InputCachedImageTokens, 0),
            (Metric::OutputImageTokens, 0),
            (Metric::NumModelRequests, 34),
        ],
        empty: &[],
    },
    Recording {
        endpoint: Endpoint::Embeddings,
        days: NOVEMBER,
        pages: &[body!("embeddings_page_1"), body!("embeddings_page_2")],
        rows: 3,
        sums: &[(Metric::InputTokens, 3_328), (Metric::NumModelRequests, 5)],
        empty: &[],
    },
    Recording {
        endpoint: Endpoint::Moderations,
        days: NOVEMBER,
        pages: &[body!("moderations_page_1"), body!("moderations_page_2")],
        rows: 2,
        sums: &[(Metric::InputTokens, 192), (Metric::NumModelRequests, 3)],
        empty: &[],
    },
    Recording {
        endpoint: Endpoint::Images,
        days: NOVEMBER,
        pages: &[body!("images_page_1"), body!("images_page_2")],
        rows: 2,
        sums: &[(Metric::Images, 6), (Metric::NumModelRequests, 6)],
        empty: &[],
    },
    Recording {
        endpoint: Endpoint::AudioSpeeches,
        days: NOVEMBER,
        pages: &[body!("audio_speeches_page_1"), body!("audio_speeches_page_2")],
        rows: 2,
        sums: &[(Metric::Characters, 4_700), (Metric::NumModelRequests, 4)],
        empty: &[],
    },
    Recording {
        endpoint: Endpoint::AudioTranscriptions,
        days: NOVEMBER,
        pages: &[
            body!("audio_transcriptions_page_1"),
            body!("audio_transcriptions_page_2"),
        ],
        rows: 2,
        sums: &[(Metric::Seconds, 1_020), (Metric::NumModelRequests, 6)],
        empty: &[],
    },
    Recording {
        endpoint: Endpoint::VectorStores,
        days: NOVEMBER,
        pages: &[body!("vector_stores_page_1"), body!("vector_stores_page_2")],
        rows: 2,
        sums: &[(Metric::UsageBytes, 1_572_864)],
        empty: &[],
    },
    Recording {
        endpoint: Endpoint::CodeInterpreterSessions,
        days: NOVEMBER,
        pages: &[
            body!("code_interpreter_sessions_page_1"),
            body!("code_interpreter_sessions_page_2"),
        ],
        rows: 2,
        sums: &[(Metric::NumSessions, 9)],
        empty: &[],
    },
    Recording {
        endpoint: Endpoint::FileSearchCalls,
        days: NOVEMBER,
        pages: &[body!("file_search_calls")],
        rows: 3,
        sums: &[(Metric::NumRequests, 49)],
        empty: &[],
    },
    Recording {
        endpoint: Endpoint::WebSearchCalls,
        days: NOVEMBER,
        pages: &[body!("web_search_calls")],
        rows: 3,
        sums: &[(Metric::NumRequests, 14), (Metric::NumModelRequests, 10)],
        empty: &[],
    },
];

impl Recording {
    /// Serves each page under the path of the endpoint and the token of the page before it, and nothing else.
    async fn serve(&self) -> MockServer {
        let (path, pages) = (format!("/v1/{}", path(self.endpoint)), self.pages);
        server(move |_, request| {
            let page = request.url.query_pairs().find(|(name, _)| name == "page");
            let token = page.map(|(_, token)| token.into_owned());
            let before = pages
                .iter()
                .scan(None, |before, page| Some((before.replace(token_of(page)), page)));
            let mut found = before.filter(|(before, _)| before.clone().flatten() == token);
            match found.next() {
                Some((_, page)) if request.url.path() == path => recorded(200, page.as_bytes()),
                _ => ResponseTemplate::new(404),
            }
        })
        .await
    }

    fn query(&self, group_by: DimensionSet) -> UsageQuery {
        let [first, last] = self.days.map(|day| parse_day(day).unwrap());
        UsageQuery {
            endpoint: self.endpoint,
            windows: WindowRange::days(first, last).unwrap(),
            filter: ProjectFilter::ALL,
            group_by,
        }
    }
}

fn path(endpoint: Endpoint) -> &'static str {
    match endpoint {
        Endpoint::Completions => "organization/usage/completions",
        Endpoint::Decisions => "organization/usage/decisions",
        Endpoint::Embeddings => "organization/usage/embeddings",
        Endpoint::Moderations => "organization/usage/moderations",
        Endpoint::Images => "organization/usage/images",
        Endpoint::AudioSpeeches => "organization/usage/audio_speeches",
        Endpoint::AudioTranscriptions => "organization/usage/audio_transcriptions",
        Endpoint::VectorStores => "organization/usage/vector_stores",
        Endpoint::CodeInterpreterSessions => "organization/usage/code_interpreter_sessions",
        Endpoint::FileSearchCalls => "organization/usage/file_search_calls",
        Endpoint::WebSearchCalls => "organization/usage/web_search_calls",
        other => panic!("{other} has no recording"),
    }
}

fn token_of(page: &str) -> Option<String> {
    let page: serde_json::Value = serde_json::from_str(page).unwrap();
    page["next_page"].as_str().map(str::to_owned)
}

fn rows(read: &UsageRead) -> Vec<&UsageRow> {
    let windows = read.windows.iter();
    windows.flat_map(|window| window.rows.as_ref().unwrap()).collect()
}

/// Every metric that at least one row has, with its sum.
fn sums(rows: &[&UsageRow]) -> BTreeMap<Metric, i64> {
    Metric::ALL
        .into_iter()
        .filter_map(|metric| {
            let values: Vec<_> = rows.iter().filter_map(|row| row.metrics.get(metric)).collect();
            (!values.is_empty()).then(|| (metric, values.iter().sum()))
        })
        .collect()
}

#[tokio::test]
async fn every_endpoint_is_read_to_its_sums() {
    for endpoint in Endpoint::USAGE {
        assert!(
            RECORDINGS.iter().any(|recording| recording.endpoint == endpoint),
            "{endpoint} has no recording"
        );
    }
    for recording in &RECORDINGS {
        let endpoint = recording.endpoint;
        let server = recording.serve().await;
        let client = client(&server);
        let read = client
            .read_usage(&recording.query(endpoint.dimensions()))
            .await
            .unwrap();
        let rows = rows(&read);
        assert_eq!(rows.len(), recording.rows, "{endpoint}");
        assert_eq!(
            sums(&rows),
            recording.sums.iter().copied().collect(),
            "{endpoint}"
        );
        assert_eq!(
            read.empty_dimensions,
            recording.empty.iter().copied().collect(),
            "{endpoint}"
        );
        let warnings = usize::from(!recording.empty.is_empty());
        assert_eq!(
            codes(&read),
            [IssueCode::DimensionEmpty][..warnings],
            "{endpoint}: {:?}",
            read.issues
        );
        let pages = u64::try_from(recording.pages.len()).unwrap();
        assert_eq!(
            (client.traffic().requests, client.traffic().retries),
            (pages, 0),
            "{endpoint}"
        );
    }
}

#[tokio::test]
async fn every_endpoint_is_asked_for_its_own_dimensions_in_one_order() {
    for recording in &RECORDINGS {
        let endpoint = recording.endpoint;
        let server = recording.serve().await;
        read(&server, &recording.query(endpoint.dimensions()))
            .await
            .unwrap();
        let group_by = match endpoint {
            Endpoint::Completions | Endpoint::Decisions => {
                "project_id api_key_id user_id model service_tier batch api_source"
            }
            Endpoint::Images => "project_id api_key_id user_id model size source",
            Endpoint::VectorStores | Endpoint::CodeInterpreterSessions => "project_id",
            Endpoint::FileSearchCalls => "project_id api_key_id user_id vector_store_id",
            Endpoint::WebSearchCalls => "project_id api_key_id user_id model api_source context_level",
            _ => "project_id api_key_id user_id model",
        };
        let range = match recording.days {
            SEPTEMBER => "start_time=1727049600&end_time=1727136000&bucket_width=1d&limit=1",
            _ => "start_time=1730419200&end_time=1730592000&bucket_width=1d&limit=2",
        };
        let first = format!(
            "/v1/{}?{range}&group_by={}",
            path(endpoint),
            group_by.replace(' ', "&group_by=")
        );
        let tokens = recording.pages.iter().filter_map(|page| token_of(page));
        let further = tokens.map(|token| format!("{first}&page={token}"));
        let expected: Vec<_> = std::iter::once(first.clone()).chain(further).collect();
        assert_eq!(asked(&server).await, expected, "{endpoint}");
    }
}

#[tokio::test]
async fn a_row_without_dimensions_stands_beside_rows_with_them() {
    let embeddings = RECORDINGS.iter().find(|one| one.endpoint == Endpoint::Embeddings);
    let embeddings = embeddings.unwrap();
    let server = embeddings.serve().await;
    let read = read(&server, &embeddings.query(Endpoint::Embeddings.dimensions()))
        .await
        .unwrap();
    let present: Vec<_> = rows(&read)
        .iter()
        .map(|row| (row.metrics.input_tokens.unwrap(), row.dimensions.present()))
        .collect();
    let all = Endpoint::Embeddings.dimensions();
    assert_eq!(present, [(2_048, all), (512, DimensionSet::EMPTY), (768, all)]);
}

#[tokio::test]
async fn a_url_in_the_place_of_a_cursor_is_not_followed() {
    let recording = Recording {
        endpoint: Endpoint::Embeddings,
        days: NOVEMBER,
        pages: &[URL_CURSOR],
        rows: 2,
        sums: &[],
        empty: &[],
    };
    assert!(token_of(URL_CURSOR).unwrap().starts_with(URL_IN_CURSOR));
    // The URL as recorded, and one that leads back to this server, which would see it followed.
    for home in [false, true] {
        let (mine, theirs) = (MockServer::start().await, URL_CURSOR);
        let body = if home {
            theirs.replace(URL_IN_CURSOR, &format!("{}/v1", mine.uri()))
        } else {
            theirs.to_owned()
        };
        wiremock::Mock::given(wiremock::matchers::any())
            .respond_with(recorded(200, body.as_bytes()))
            .mount(&mine)
            .await;
        let error = read(&mine, &recording.query(Endpoint::Embeddings.dimensions()))
            .await
            .unwrap_err();
        assert_eq!(error.issue.code, IssueCode::CursorInvalid);
        assert!(error.issue.message.contains("is a URL"), "{error}");
        let requests = mine.received_requests().await.unwrap();
        assert_eq!(
            requests.len(),
            1,
            "{:?}",
            requests.iter().map(line).collect::<Vec<_>>()
        );
    }
}
