//! What a key may do.

use usage_core::{DirectoryKind, Endpoint, IssueCode, ProjectFilter, Provider, Width};
use usage_providers::{Access, UsageSource};
use wiremock::ResponseTemplate;

use crate::support::{asked, client, line, page, recorded, replies, server};

const PROJECTS: &[u8] = include_bytes!("../../fixtures/openai/projects.json");
const NOTHING: &[u8] = include_bytes!("../../fixtures/openai/empty_list.json");

fn code(access: &Access) -> Option<IssueCode> {
    match access {
        Access::Allowed => None,
        Access::Refused(error) => Some(error.issue.code),
    }
}

#[tokio::test]
async fn an_admin_key_may_read_usage_and_names() {
    let server = server(|_, request| match line(request) {
        line if line.contains("/usage/") || line.contains("/costs?") => page(&[], None),
        line if line.contains("/projects?") => recorded(200, PROJECTS),
        _ => recorded(200, NOTHING),
    })
    .await;
    let report = client(&server).check_key(&ProjectFilter::ALL).await;
    let endpoints: Vec<_> = report.endpoints.iter().map(|access| access.endpoint).collect();
    assert_eq!(endpoints, Endpoint::ALL);
    assert!(
        report
            .endpoints
            .iter()
            .all(|endpoint| endpoint.access.is_allowed())
    );
    assert!(report.directory.is_allowed());
    assert_eq!(
        report.names.ids(DirectoryKind::Project).collect::<Vec<_>>(),
        ["proj_anon0001", "proj_anon0002"]
    );
    let asked = asked(&server).await;
    assert_eq!(
        asked.len(),
        12 + 4,
        "each endpoint, projects, the keys of each, users"
    );
    assert_eq!(
        asked[0],
        "/v1/organization/usage/completions?start_time=1759104000&end_time=1759190400&bucket_width=1d&limit=1",
        "2025-09-29, the last full day"
    );
    assert_eq!(
        asked[11],
        "/v1/organization/costs?start_time=1759104000&end_time=1759190400&bucket_width=1d&limit=1"
    );
}

#[tokio::test]
async fn a_key_that_is_not_accepted_is_told_after_one_request() {
    let server = replies(vec![ResponseTemplate::new(401)]).await;
    let report = client(&server).check_key(&ProjectFilter::ALL).await;
    assert_eq!(code(&report.endpoints[0].access), Some(IssueCode::Unauthorized));
    assert_eq!(code(&report.directory), Some(IssueCode::Unauthorized));
    assert_eq!(report.names.entries, []);
    assert_eq!(asked(&server).await.len(), 1);
}

#[tokio::test]
async fn a_key_may_read_names_but_no_usage_and_the_other_way_round() {
    for (forbidden, usage, names) in [
        ("/usage/", Some(IssueCode::Forbidden), None),
        ("/projects", None, Some(IssueCode::Forbidden)),
    ] {
        let server = server(move |_, request| match line(request) {
            line if line.contains(forbidden) => ResponseTemplate::new(403),
            line if line.contains("/usage/") => page(&[], None),
            _ => recorded(200, NOTHING),
        })
        .await;
        let report = client(&server).check_key(&ProjectFilter::ALL).await;
        assert_eq!(
            (code(&report.endpoints[0].access), code(&report.directory)),
            (usage, names)
        );
    }
}

#[tokio::test]
async fn the_source_says_what_it_is() {
    let server = replies(vec![page(&[], None)]).await;
    let client = client(&server);
    assert_eq!(client.provider(), Provider::OpenAi);
    assert_eq!(client.endpoints(), Endpoint::ALL);
    for endpoint in Endpoint::USAGE {
        let per_page = Width::ALL.map(|width| client.windows_per_page(endpoint, width));
        assert_eq!(per_page, [1_440, 168, 31], "{endpoint}");
    }
    assert_eq!(
        Width::ALL.map(|width| client.windows_per_page(Endpoint::Costs, width)),
        [0, 0, 180]
    );
    assert_eq!(asked(&server).await.len(), 0, "nothing is asked for that");
}
