//! A provider that sends exactly the pages of a fixture, over real HTTP.

use std::path::Path;

use serde_json::value::RawValue;
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;
use usage_core::Endpoint;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

/// The pages of a fixture, and what they answer.
#[derive(Clone)]
pub(crate) struct Recording {
    /// As they stand in the file.
    bodies: Vec<String>,
    pages: Vec<Value>,
    pub(crate) endpoint: Endpoint,
    /// In Unix seconds.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Of a bucket, in seconds.
    pub(crate) width: i64,
}

impl Recording {
    /// Reads a fixture with code of its own, so that it can be held against the program's.
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let bodies: Vec<String> = if text.trim_start().starts_with('[') {
            let pages: Vec<Box<RawValue>> = serde_json::from_str(&text).unwrap();
            pages.iter().map(|page| page.get().to_owned()).collect()
        } else {
            vec![text]
        };
        let pages: Vec<Value> = bodies
            .iter()
            .map(|body| serde_json::from_str(body).unwrap())
            .collect();
        let buckets: Vec<&Value> = pages.iter().flat_map(buckets).collect();
        let seconds = |bucket: &Value, name: &str| bucket[name].as_i64().unwrap();
        let object = buckets
            .iter()
            .flat_map(|bucket| bucket["results"].as_array().unwrap())
            .find_map(|row| row["object"].as_str())
            .unwrap();
        let endpoint = match object {
            "organization.usage.file_searches.result" => Endpoint::FileSearchCalls,
            "organization.usage.web_searches.result" => Endpoint::WebSearchCalls,
            _ => object
                .trim_start_matches("organization.usage.")
                .trim_end_matches(".result")
                .parse()
                .unwrap(),
        };
        let (first, last) = (buckets[0], buckets[buckets.len() - 1]);
        Self {
            endpoint,
            start: seconds(first, "start_time"),
            end: seconds(last, "end_time"),
            width: seconds(first, "end_time") - seconds(first, "start_time"),
            bodies,
            pages,
        }
    }

    /// The answer to a request for usage; 404 to any other than the fixture's own query.
    fn answer(&self, request: &Request) -> ResponseTemplate {
        let parameter = |name: &str| {
            let mut pairs = request.url.query_pairs();
            pairs
                .find(|(found, _)| found == name)
                .map(|(_, value)| value.into_owned())
        };
        let path = format!("/v1/organization/usage/{}", self.endpoint);
        let is_ours = request.url.path() == path
            && parameter("start_time") == Some(self.start.to_string())
            && parameter("end_time") == Some(self.end.to_string());
        if !is_ours {
            return ResponseTemplate::new(404);
        }
        let body = if parameter("group_by").is_none() {
            Some(self.control_page())
        } else {
            self.page_at(parameter("page").as_deref()).map(str::to_owned)
        };
        body.map_or_else(
            || ResponseTemplate::new(400),
            |body| ResponseTemplate::new(200).set_body_raw(body, "application/json"),
        )
    }

    /// The page that the cursor of the one before leads to.
    fn page_at(&self, cursor: Option<&str>) -> Option<&str> {
        let index = match cursor {
            None => 0,
            Some(cursor) => 1 + self.pages.iter().position(|page| page["next_page"] == cursor)?,
        };
        self.bodies.get(index).map(String::as_str)
    }

    /// The same buckets without grouping: every number of every row, summed.
    fn control_page(&self) -> String {
        let data: Vec<Value> = self
            .pages
            .iter()
            .flat_map(buckets)
            .map(|bucket| {
                let rows = bucket["results"].as_array().unwrap();
                let total: Vec<Value> = rows
                    .first()
                    .map(|_| Value::Object(sum(rows)))
                    .into_iter()
                    .collect();
                json!({
                    "object": "bucket",
                    "start_time": bucket["start_time"],
                    "end_time": bucket["end_time"],
                    "results": total,
                })
            })
            .collect();
        json!({ "object": "page", "data": data, "has_more": false, "next_page": null }).to_string()
    }
}

fn buckets(page: &Value) -> impl Iterator<Item = &Value> {
    page["data"].as_array().unwrap().iter()
}

fn sum(rows: &[Value]) -> Map<String, Value> {
    let mut sum = Map::new();
    for (name, value) in rows.iter().flat_map(|row| row.as_object().unwrap()) {
        if let Some(number) = value.as_i64() {
            let before = sum.get(name).and_then(Value::as_i64).unwrap_or(0);
            sum.insert(name.clone(), json!(before + number));
        } else if name == "object" {
            sum.insert(name.clone(), value.clone());
        }
    }
    sum
}

/// Serves a recording until it is dropped.
pub(crate) struct Provider {
    server: MockServer,
    _runtime: Runtime,
}

impl Provider {
    pub(crate) fn of(recording: &Recording) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let recording = recording.clone();
        let server = runtime.block_on(async {
            let server = MockServer::start().await;
            Mock::given(wiremock::matchers::method("GET"))
                .respond_with(move |request: &Request| recording.answer(request))
                .mount(&server)
                .await;
            server
        });
        Self {
            server,
            _runtime: runtime,
        }
    }

    pub(crate) fn base_url(&self) -> String {
        format!("{}/v1", self.server.uri())
    }
}
