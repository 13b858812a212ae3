//! Every number is the same wherever it is read: on the dashboard, from the API, in an export, in the views.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;
use usage_core::{NanoUsd, TokenSplit};

use crate::shared::DatabaseKind;
use crate::visitor::Visitor;
use crate::world::{UNPRICED, World, first_read_day, today};

/// What is compared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Totals {
    events: Option<i64>,
    /// Requests to models.
    requests: i64,
    /// Requests to tools.
    calls: i64,
    tokens: i64,
    cost: i64,
    unpriced: i64,
}

pub(crate) fn the_same_numbers_stand_everywhere(kind: DatabaseKind) {
    let world = World::with_usage_on(kind);
    world.use_more();
    let served = world.serve();
    let token = served.token.clone().unwrap();
    let visitor = Visitor::signed_in(served.address, &token);
    let api = Api {
        address: served.address,
        token: &token,
    };
    let days = format!("from={}&to={}", first_read_day(), today());
    let any = api.json(&format!(
        "/api/usage?limit=1&batch=false&serviceTier=default&{days}"
    ))["events"][0]
        .clone();
    let of = |name: &str| any[name].as_str().unwrap().to_owned();
    let (model, project, key) = (of("model"), of("projectId"), of("apiKeyId"));
    let filters: [(String, String); 12] = [
        (String::new(), "1 = 1".to_owned()),
        (
            "&endpoint=file_search_calls&account=1".to_owned(),
            "endpoint = 'file_search_calls'".to_owned(),
        ),
        (
            "&endpoint=embeddings&provider=openai".to_owned(),
            "endpoint = 'embeddings'".to_owned(),
        ),
        (
            "&endpoint=completions".to_owned(),
            "endpoint = 'completions'".to_owned(),
        ),
        (format!("&model={UNPRICED}"), format!("model = '{UNPRICED}'")),
        ("&userId=(none)".to_owned(), "user_id IS NULL".to_owned()),
        (format!("&model={model}"), format!("model = '{model}'")),
        (
            format!("&projectId={project}"),
            format!("project_id = '{project}'"),
        ),
        (
            format!("&projectId={project}&model={model}"),
            format!("project_id = '{project}' AND model = '{model}'"),
        ),
        (
            format!("&apiKeyId={key}&batch=false"),
            format!("api_key_id = '{key}' AND NOT batch"),
        ),
        (
            "&serviceTier=default&serviceTier=priority".to_owned(),
            "service_tier IN ('default', 'priority')".to_owned(),
        ),
        ("&batch=true".to_owned(), "batch".to_owned()),
    ];
    let mut seen = Vec::new();
    for (filter, condition) in &filters {
        let paged = api.paged(&format!("{days}{filter}"));
        assert!(
            paged.events.unwrap() > 0 && paged.tokens + paged.calls > 0,
            "{filter}: {paged:?}"
        );
        assert_eq!(
            api.summed(&format!("{days}{filter}")),
            paged,
            "summary of {filter}"
        );
        assert_eq!(
            api.exported(&format!("{days}{filter}")),
            paged,
            "export of {filter}"
        );
        // There, requests to models and to tools are one number.
        let in_all = Totals {
            requests: paged.requests + paged.calls,
            calls: 0,
            ..paged.clone()
        };
        assert_eq!(
            explored(&visitor, &format!("{days}{filter}")),
            in_all,
            "Explore of {filter}"
        );
        let in_views = Totals {
            events: None,
            ..paged.clone()
        };
        assert_eq!(viewed(&world, condition), in_views, "views of {condition}");
        seen.push(paged);
    }
    let whole = &seen[0];
    assert!(whole.unpriced > 0 && whole.calls > 0, "{whole:?}");
    let overview = visitor.get(&format!("/?{days}")).is(200);
    let card = |name: &str| overview.between(&format!("<h2>{name}</h2>\n<p class=\"value\">"), "</p>");
    assert_eq!(number(card("Tokens")), whole.tokens);
    assert_eq!(number(card("Requests")), whole.requests);
    assert_eq!(dollars(card("Estimated spend")), whole.cost);
    let row = api.json(&format!("/api/usage/summary?{days}"))["rows"][0].clone();
    let count = |pointer: &str| row.pointer(pointer).and_then(Value::as_i64).unwrap();
    let (cached, input) = (count("/tokens/cachedRead"), count("/metrics/inputTokens"));
    let tenths = (cached * 2_000 + input) / (input * 2);
    assert_eq!(card("Cached share"), format!("{}.{}%", tenths / 10, tenths % 10));
    daily_bars_are_the_days_of_the_api(&api, &visitor, &days);
    for group in [
        "projectId",
        "apiKeyId",
        "userId",
        "model",
        "serviceTier",
        "batch",
        "endpoint",
        "account",
    ] {
        sums_are_those_of_the_api(&api, &visitor, &days, group);
    }
    // Filters that let the same through would compare one thing over and over.
    for (place, totals) in seen.iter().enumerate() {
        assert!(
            !seen[..place].contains(totals),
            "{:?}: {totals:?}",
            filters[place]
        );
    }
    served.ends();
}

/// The numbers behind the chart, for each of its measures.
fn daily_bars_are_the_days_of_the_api(api: &Api<'_>, visitor: &Visitor, days: &str) {
    let summary = api.json(&format!("/api/usage/summary?period=day&{days}"));
    let rows = summary["rows"].as_array().unwrap();
    assert!(rows.len() > 20, "{summary}");
    for measure in ["cost", "tokens", "requests"] {
        let page = visitor
            .get(&format!("/?measure={measure}&by=model&{days}"))
            .is(200);
        for row in rows {
            let day = &row["periodStart"].as_str().unwrap()[..10];
            let cells = page.between(&format!("<a href=\"/explore?from={day}&amp;to={day}\">"), "</tr>");
            let in_all = cells.split("<td class=\"n\">").nth(1).unwrap();
            let metric = |name: &str| row["metrics"][name].as_i64().unwrap_or_default();
            let (shown, known) = match measure {
                "cost" => (dollars(in_all), row["estimatedCostUsd"].as_str().map_or(0, nanos)),
                "tokens" => (number(in_all), metric("inputTokens") + metric("outputTokens")),
                _ => (number(in_all), metric("numModelRequests")),
            };
            assert_eq!(shown, known, "{measure} of {day}: {cells}");
        }
    }
}

/// The table of sums by something, and the first of them on the overview.
fn sums_are_those_of_the_api(api: &Api<'_>, visitor: &Visitor, days: &str, group: &str) {
    let summary = api.json(&format!("/api/usage/summary?by={group}&{days}"));
    let mut known: Vec<(i64, i64, Option<i64>)> = Vec::new();
    for row in summary["rows"].as_array().unwrap() {
        let metric = |name: &str| row["metrics"][name].as_i64().unwrap_or_default();
        let (events, unpriced) = (
            row["events"].as_i64().unwrap(),
            row["unpricedEvents"].as_i64().unwrap(),
        );
        let cost = row["estimatedCostUsd"].as_str().map_or(0, nanos);
        let tokens = metric("inputTokens") + metric("outputTokens");
        known.push((events, tokens, (unpriced < events).then_some(cost)));
    }
    let page = visitor.get(&format!("/explore?group={group}&{days}")).is(200);
    let table = page.between("<table class=\"sums\">", "</table>");
    let mut shown: Vec<(i64, i64, Option<i64>)> = table
        .split("<tr><th scope=\"row\">")
        .skip(1)
        .map(|row| {
            let cells: Vec<&str> = row.split("<td class=\"n\">").skip(1).collect();
            let events = cells[0].split_once("\">").unwrap().1.split('<').next().unwrap();
            let cost = (!cells[7].contains("unpriced")).then(|| dollars(cells[7]));
            (number(events), number(cells[2]), cost)
        })
        .collect();
    known.sort_unstable();
    shown.sort_unstable();
    assert_eq!(shown, known, "by {group}");
}

struct Api<'a> {
    address: SocketAddr,
    token: &'a str,
}

impl Api<'_> {
    /// HTTP/1.0, so that what is streamed comes as it is and ends with the connection.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let (address, token) = (self.address, self.token);
        let head = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.split(' ').nth(1) == Some("200"), "{path}: {answer}");
        body.to_owned()
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path)).unwrap()
    }

    /// Every page of events, added up.
    fn paged(&self, query: &str) -> Totals {
        let mut totals = Totals {
            events: Some(0),
            ..Totals::default()
        };
        let mut cursor = String::new();
        loop {
            let page = self.json(&format!("/api/usage?limit=97&{query}{cursor}"));
            for event in page["events"].as_array().unwrap() {
                let metric = |name: &str| event[name].as_i64().unwrap_or_default();
                totals.add(
                    metric("inputTokens") + metric("outputTokens"),
                    [metric("numModelRequests"), metric("numRequests")],
                    event["costUsd"].as_str(),
                );
            }
            let Some(next) = page["nextCursor"].as_str() else {
                return totals;
            };
            cursor = format!("&cursor={next}");
        }
    }

    fn summed(&self, query: &str) -> Totals {
        let summary = self.json(&format!("/api/usage/summary?{query}"));
        let rows = summary["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 1, "{summary}");
        let row = &rows[0];
        let metric = |name: &str| row["metrics"][name].as_i64().unwrap_or_default();
        let by_class: TokenSplit = serde_json::from_value(row["tokens"].clone()).unwrap();
        let tokens = metric("inputTokens") + metric("outputTokens");
        let classes = [
            by_class.uncached,
            by_class.cached_read,
            by_class.cache_write,
            by_class.output,
        ];
        // Embeddings do not say what of their input was cached.
        let of_known_class = classes.into_iter().flatten().sum::<i64>();
        if query.contains("endpoint=completions") {
            assert_eq!(of_known_class, tokens, "{row}");
        }
        assert!(of_known_class <= tokens, "{row}");
        Totals {
            events: row["events"].as_i64(),
            requests: metric("numModelRequests"),
            calls: metric("numRequests"),
            tokens,
            cost: row["estimatedCostUsd"].as_str().map_or(0, nanos),
            unpriced: row["unpricedEvents"].as_i64().unwrap(),
        }
    }

    fn exported(&self, query: &str) -> Totals {
        let text = self.get(&format!("/api/usage/export?format=csv&{query}"));
        let mut file = csv::Reader::from_reader(text.as_bytes());
        let columns = file.headers().unwrap().clone();
        let mut totals = Totals {
            events: Some(0),
            ..Totals::default()
        };
        for row in file.records() {
            let row = row.unwrap();
            let cell = |name: &str| &row[columns.iter().position(|column| column == name).unwrap()];
            let metric = |name: &str| cell(name).parse::<i64>().unwrap_or_default();
            totals.add(
                metric("inputTokens") + metric("outputTokens"),
                [metric("numModelRequests"), metric("numRequests")],
                Some(cell("costUsd")).filter(|cost| !cost.is_empty()),
            );
        }
        totals
    }
}

impl Totals {
    fn add(&mut self, tokens: i64, [requests, calls]: [i64; 2], cost: Option<&str>) {
        *self.events.get_or_insert_default() += 1;
        self.tokens += tokens;
        self.requests += requests;
        self.calls += calls;
        match cost {
            Some(cost) => self.cost += nanos(cost),
            None => self.unpriced += 1,
        }
    }
}

/// The sums above the table.
fn explored(visitor: &Visitor, query: &str) -> Totals {
    let page = visitor.get(&format!("/explore?{query}")).is(200);
    let total = |name: &str| page.between(&format!("<span class=\"muted\">{name}</span> <b>"), "</b>");
    Totals {
        events: Some(number(total("Events"))),
        requests: number(total("Requests")),
        calls: 0,
        tokens: number(total("Tokens")),
        cost: if total("Cost").contains("unpriced") {
            0
        } else {
            dollars(total("Cost"))
        },
        unpriced: if page.body.contains(">Without a price</span>") {
            number(total("Without a price"))
        } else {
            0
        },
    }
}

/// What people who query the ledger themselves find.
fn viewed(world: &World, condition: &str) -> Totals {
    let sums = [
        "num_model_requests",
        "num_requests",
        "input_tokens",
        "output_tokens",
        "cost_nano_usd",
        "unpriced_events",
    ];
    let [requests, calls, input, output, cost, unpriced] = sums.map(|column| {
        world.sum(&format!(
            "SELECT coalesce(sum({column}), 0) FROM usage_daily WHERE {condition}"
        ))
    });
    Totals {
        events: None,
        requests,
        calls,
        tokens: input + output,
        cost,
        unpriced,
    }
}

/// A number as a page has it.
fn number(html: &str) -> i64 {
    let text = html.rsplit_once("\">").map_or(html, |(_, text)| text);
    let text = text.split('<').next().unwrap();
    text.replace(',', "")
        .trim()
        .parse()
        .unwrap_or_else(|_| panic!("{html}"))
}

/// The exact amount that a page has behind a rounded one.
fn dollars(html: &str) -> i64 {
    let (_, rest) = html.split_once("value=\"").unwrap_or_else(|| panic!("{html}"));
    nanos(rest.split_once('"').unwrap().0)
}

fn nanos(text: &str) -> i64 {
    text.parse::<NanoUsd>().unwrap().get()
}
