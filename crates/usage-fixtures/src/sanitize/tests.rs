use proptest::prelude::*;

use super::*;

const SALT: &[u8] = b"a salt for tests, not a secret";

fn sanitized_with(salt: &[u8], texts: &[&str]) -> Result<Vec<SanitizedFile>, FixtureError> {
    let files = texts.iter().zip(1..);
    let files = files.map(|(text, number)| (PathBuf::from(format!("{number}.json")), (*text).to_owned()));
    sanitize(files.collect(), &Salt::new(salt).0)
}

fn sanitized(text: &str) -> SanitizedFile {
    sanitized_with(SALT, &[text]).unwrap().remove(0)
}

fn refusal(text: &str) -> String {
    sanitized_with(SALT, &[text]).unwrap_err().to_string()
}

/// The text under a name of the top object.
fn value(file: &SanitizedFile, name: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(&file.text).unwrap()[name].take()
}

#[test]
fn everything_that_is_not_private_stays_to_the_byte() {
    let text = "[ {\"object\":\"page\",\r\n\t\"data\": [{\"object\":\"bucket\",\"start_time\":1756684800,\
        \"start_time_iso\":\"2025-09-01T00:00:00\",\"end_time_iso\":\"2025-09-02T00:00:00+00:00\",\
        \"results\":[{\"object\":\"organization.usage.completions.result\",\"input_tokens\":59200.0,\
        \"output_tokens\":-0,\"num_model_requests\":1e2,\"model\":\"gpt-4.1-mini\",\"service_tier\":\"default\",\
        \"batch\":false,\"api_source\":\"unlabeled\",\"project_id\":null,\"user_id\":\"\",\
        \"amount\":{\"value\":\"0E-6176\",\"currency\":\"usd\"},\"exact\":0.123456789012345678901234567890123456789,\
        \"line_item\":\"gpt-4o, cached input\",\"source\":\"image.generation\",\"size\":\"1024x1024\",\
        \"model\":\"gpt-4o\"}]}],\"has_more\":false,\"next_page\":null}]\n";
    let file = sanitized(text);
    assert_eq!(file.text, text);
    assert_eq!(file.changes, []);
}

#[test]
fn every_recorded_body_keeps_its_numbers_and_words() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/openai/recorded");
    let recorded = crate::FixtureFiles::find(folder.as_ref()).unwrap().fixtures;
    assert_eq!(recorded.len(), 20);
    for path in recorded {
        let text = crate::read_text(&path).unwrap();
        let file = sanitized(&text);
        let strings =
            |text: &str| -> Vec<String> { text.split('"').skip(1).step_by(2).map(str::to_owned).collect() };
        let bare = |text: &str| -> String { text.split('"').step_by(2).collect() };
        assert_eq!(bare(&file.text), bare(&text), "{}", path.display());
        for (before, after) in strings(&text).into_iter().zip(strings(&file.text)) {
            let private = [
                "proj_", "user-", "user_", "key_", "vs_", "page_", "https://", "token_",
            ];
            let is_private =
                private.iter().any(|prefix| before.starts_with(prefix)) && !before.ends_with("_id");
            assert_eq!(
                before != after,
                is_private,
                "{}: {before} {after}",
                path.display()
            );
        }
    }
}

#[test]
fn ids_keep_their_beginning_and_have_one_pseudonym_in_every_file_and_run() {
    let texts = [
        r#"{"project_id":"proj_a123","api_key_id":"key_a123","user_id":"user-a123","organization_id":"org-a1","x_id":"a1"}"#,
        r#"{"ids":["proj_a123"],"owner":{"id":"user-a123"},"unknown":"key_a123","apiKeyId":"key_a123"}"#,
    ];
    let files = sanitized_with(SALT, &texts).unwrap();
    for (name, prefix) in [
        ("project_id", "proj_"),
        ("api_key_id", "key_"),
        ("user_id", "user-"),
        ("organization_id", "org-"),
        ("x_id", "id_"),
    ] {
        let id = value(&files[0], name);
        let rest = id.as_str().unwrap().strip_prefix(prefix).unwrap();
        assert!(
            rest.len() == 16 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()),
            "{id}"
        );
    }
    assert_eq!(value(&files[1], "ids")[0], value(&files[0], "project_id"));
    assert_eq!(value(&files[1], "owner")["id"], value(&files[0], "user_id"));
    assert_eq!(value(&files[1], "unknown"), value(&files[0], "api_key_id"));
    assert_eq!(value(&files[1], "apiKeyId"), value(&files[0], "api_key_id"));

    assert_eq!(sanitized_with(SALT, &texts).unwrap(), files, "another run");
    let other = sanitized_with(b"another salt for tests", &texts).unwrap();
    assert_ne!(value(&other[0], "project_id"), value(&files[0], "project_id"));
    assert_ne!(
        value(&files[0], "project_id").as_str().unwrap()["proj_".len()..],
        value(&files[0], "api_key_id").as_str().unwrap()["key_".len()..],
        "the beginning is part of the id"
    );
}

#[test]
fn owners_are_hidden_wherever_they_stand() {
    let file = sanitized(
        r#"{"line_item":"ft:gpt-4o-mini:acme::abc, input","model":"curie:ft-acme-2023-07-18","secret":{"value":"hunter2"},
            "Acme Research":{"input_tokens":7},"other":{"line_item":"gpt-4o-mini, cached input"}}"#,
    );
    for private in ["acme", "Acme", "abc", "hunter2"] {
        assert!(!file.text.contains(private), "{private}: {}", file.text);
    }
    for kept in [
        "ft:gpt-4o-mini:name_",
        ", input",
        "curie:ft-name_",
        "gpt-4o-mini, cached input",
    ] {
        assert!(file.text.contains(kept), "{kept}: {}", file.text);
    }
    assert_eq!(value(&file, "secret"), serde_json::Value::Null);
}

#[test]
fn names_addresses_and_unknown_texts_get_pseudonyms_and_contents_go() {
    let file = sanitized(
        r#"{"project_name":"Hush","name":"Ann","user_email":"Ann@Example.com","actor":"ann@example.com","team":"Blue",
            "next_page":"page_AAAA=","page":"https://api.example.com/v1?page=2","input_text":"tell me","debug":{"a":[1]},
            "metadata":{"note":"Ann asked"},"model":"ft:gpt-4o-mini-2024-07-18:hush::abc","raw_prompt":["x"],"input_tokens":7}"#,
    );
    for private in [
        "Hush",
        "hush",
        "Ann",
        "ann@",
        "Blue",
        "AAAA",
        "api.example",
        "tell",
        "abc",
        "asked",
    ] {
        assert!(!file.text.contains(private), "{private}: {}", file.text);
    }
    assert_eq!(value(&file, "actor"), value(&file, "user_email"), "one person");
    assert!(
        value(&file, "actor")
            .as_str()
            .unwrap()
            .ends_with("@example.invalid")
    );
    assert!(
        value(&file, "page")
            .as_str()
            .unwrap()
            .starts_with("https://removed.invalid/")
    );
    assert!(value(&file, "next_page").as_str().unwrap().starts_with("page_"));
    let model = value(&file, "model");
    assert!(
        model
            .as_str()
            .unwrap()
            .starts_with("ft:gpt-4o-mini-2024-07-18:name_"),
        "{model}"
    );
    for dropped in ["input_text", "debug", "raw_prompt"] {
        assert_eq!(value(&file, dropped), serde_json::Value::Null, "{dropped}");
    }
    assert_eq!(value(&file, "input_tokens"), 7);
    let told: Vec<String> = file
        .changes
        .iter()
        .map(|change| format!("{} {} {}", change.kind, change.entry, change.places))
        .collect();
    assert_eq!(
        told,
        [
            "name name 1",
            "name project_name 1",
            "e-mail address actor 1",
            "e-mail address user_email 1",
            "owner of a fine-tuned model model 1",
            "cursor next_page 1",
            "cursor page 1",
            "other text note 1",
            "other text team 1",
            "content debug 1",
            "content input_text 1",
            "content raw_prompt 1",
        ]
    );
}

#[test]
fn credentials_go_wherever_they_stand() {
    let secrets = [
        "sk-live-NOTAREALKEY",
        "sk-admin-test-not-a-real-key",
        "sk-proj-test_not_a_real_key",
        "sk-ant-api03-not-a-real-key",
        "org-key-not-a-real-one",
        "Bearer not.a.real.token",
        "eyJub3QiOiJyZWFsIn0.e30.fake",
        "AKIANOTAREALKEY00",
        "ghp_notarealtoken",
        "xoxb-not-a-real-token",
        "xoxp-not-a-real-token",
        "-----BEGIN PRIVATE KEY-----\\nbm90\\n-----END PRIVATE KEY-----",
    ];
    for secret in secrets {
        for place in [
            "object",
            "model",
            "team",
            "user_id",
            "name",
            "email",
            "next_page",
            "token",
            "debug",
        ] {
            let file = sanitized(&format!(
                r#"{{"{place}": "{secret}", "list": ["a", "{secret}"]}}"#
            ));
            let bare = secret.trim_start_matches("Bearer ");
            assert!(
                !file.text.contains(bare) && !file.text.contains("bm90"),
                "{place}: {}",
                file.text
            );
            assert!(
                file.changes.iter().any(|change| change.entry == place),
                "{file:?}"
            );
        }
        let name = sanitized(&format!(r#"{{"{secret}": 1}}"#));
        assert!(
            name.text.contains("[removed]") && name.text.ends_with(": 1}"),
            "{}",
            name.text
        );
    }
    let escaped = sanitized(r#"{"object": "\u0073k-admin-test-not-a-real-key"}"#);
    assert_eq!(escaped.text, r#"{"object": "[removed]"}"#);
}

#[test]
fn what_still_looks_like_a_credential_or_an_original_is_refused_by_file_and_line() {
    for (text, line) in [
        (
            "{\n\"object\":\n\"Zm9vYmFyYmF6cXV4Cg1notreal\"}",
            "1.json:3: a text under `object` still looks like a credential, so nothing was written; remove it by hand first",
        ),
        (
            "{\"0123456789abcdef0123456789abcdef\": 1}",
            "1.json:1: a text under `(names)` still looks like a credential, so nothing was written; remove it by hand first",
        ),
        (
            "{\"user_id\":\"ann2025\",\n\"status\":\"ann2025\"}",
            "1.json:2: a text under `status` is an id or an address that was replaced elsewhere, so nothing was written; remove it by hand first",
        ),
        ("{\n\"a\": tru}", "1.json:2: not JSON (column 9)"),
        ("{\n", "1.json:2: the JSON ends too early"),
        ("{} x", "1.json:1: not JSON (column 4)"),
    ] {
        assert_eq!(refusal(text), line);
    }
}

#[test]
fn a_short_salt_is_known_as_weak() {
    assert_eq!(Salt::new(b"0123456789abcde").1, Some(WeakSalt));
    let (salt, weak) = Salt::new(b"0123456789abcdef");
    assert_eq!((weak, format!("{salt:?}").as_str()), (None, "Salt([redacted])"));
}

proptest! {
    /// Whatever a text holds: numbers and structure stay, and every secret that was planted is gone.
    #[test]
    fn a_planted_secret_never_survives(
        before in "[ -~]{0,12}",
        after in "[ -~]{0,12}",
        name in "[a-z_]{0,12}",
        number in any::<i64>(),
    ) {
        let secret = "sk-admin-test-not-a-real-key";
        let planted = serde_json::json!({ &name: format!("{before} {secret} {after}"), "n": number });
        // Refusing is as good as removing.
        if let Ok(files) = sanitized_with(SALT, &[&planted.to_string()]) {
            prop_assert!(!files[0].text.contains("not-a-real"), "{}", files[0].text);
            prop_assert_eq!(value(&files[0], "n"), number);
        }
    }
}
