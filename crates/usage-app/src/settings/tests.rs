use std::path::Path;

use base64::Engine as _;
use secrecy::ExposeSecret as _;

use super::*;

const HOME: (&str, &str) = ("HOME", "/nonexistent/home");

/// A directory with this `usage.toml` in it.
fn directory_with(usage_toml: &str) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("usage.toml"), usage_toml).unwrap();
    directory
}

fn sources(directory: &Path, variables: &[(&str, &str)]) -> Sources {
    let environment = variables.iter().copied().chain([HOME]).collect();
    Sources::gather(Flags::default(), environment, directory)
}

fn resolve(directory: &Path, variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::resolve(&sources(directory, variables))
}

fn refusal(directory: &Path, variables: &[(&str, &str)]) -> String {
    resolve(directory, variables).unwrap_err().to_string()
}

/// Every setting in one line each: name, value, origin, what is wrong.
fn shown(sources: &Sources) -> String {
    let lines: Vec<String> = describe(sources)
        .into_iter()
        .map(|line| {
            let origin = line.origin.map_or("?".to_owned(), |origin| origin.to_string());
            let value = line.value.unwrap_or("-".to_owned());
            let problems: Vec<String> = line.error.into_iter().chain(line.warnings).collect();
            format!("{} = {value} [{origin}] {}", line.name, problems.join(" / "))
                .trim_end()
                .to_owned()
        })
        .collect();
    lines.join("\n")
}

#[test]
fn defaults_hold_where_nobody_says_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    insta::assert_snapshot!(shown(&sources(directory.path(), &[])));
    let settings = resolve(directory.path(), &[]).unwrap();
    assert_eq!(settings.burst().get(), 10);
    assert!(settings.cron_secret.is_none());
}

#[test]
fn the_table_of_variables_states_the_true_defaults() {
    let directory = tempfile::tempdir().unwrap();
    let lines = describe(&sources(directory.path(), &[]));
    let stated = [
        Variable::USAGE_DATABASE_URL,
        Variable::USAGE_DATABASE_RETRY_SECONDS,
        Variable::USAGE_OPENAI_BASE_URL,
        Variable::USAGE_OPENAI_ARRAY_ENCODING,
        Variable::USAGE_ANTHROPIC_BASE_URL,
        Variable::USAGE_REQUESTS_PER_MINUTE,
        Variable::USAGE_REQUEST_TIMEOUT,
        Variable::USAGE_NO_NAMES,
        Variable::USAGE_BIND,
        Variable::USAGE_WEBHOOK_FORMAT,
        Variable::USAGE_WEBHOOK_TIMEOUT,
    ];
    for variable in stated {
        let line = lines.iter().find(|line| line.name == variable.name).unwrap();
        assert_eq!(line.value.as_deref(), Some(variable.default), "{}", variable.name);
    }
}

#[test]
fn flag_then_environment_then_file_then_default() {
    type Case<'a> = (Flags, &'a [(&'a str, &'a str)], &'a Path, &'a str);

    let directory = directory_with("database_url = 'sqlite:file.db'");
    let flags = Flags {
        database: Some("sqlite:flag.db".parse().unwrap()),
        config: None,
    };
    let usage = ("USAGE_DATABASE_URL", "sqlite:usage-variable.db");
    let host = ("DATABASE_URL", "sqlite:variable.db");
    let blank = ("USAGE_DATABASE_URL", " ");
    let empty = tempfile::tempdir().unwrap();

    let cases: [Case<'_>; 6] = [
        (
            flags,
            &[usage, host],
            directory.path(),
            "sqlite:flag.db [--database]",
        ),
        (
            Flags::default(),
            &[usage, host],
            directory.path(),
            "sqlite:usage-variable.db [USAGE_DATABASE_URL]",
        ),
        (
            Flags::default(),
            &[blank, host],
            directory.path(),
            "sqlite:variable.db [DATABASE_URL]",
        ),
        (
            Flags::default(),
            &[blank],
            directory.path(),
            "sqlite:file.db [usage.toml:1]",
        ),
        (
            Flags::default(),
            &[],
            directory.path(),
            "sqlite:file.db [usage.toml:1]",
        ),
        (Flags::default(), &[], empty.path(), "sqlite:usage.db [default]"),
    ];
    for (flags, variables, directory, expected) in cases {
        let environment = variables.iter().copied().collect();
        let Setting { value, origin } = Settings::resolve(&Sources::gather(flags, environment, directory))
            .unwrap()
            .database_url;
        assert_eq!(format!("{value} [{origin}]"), expected);
    }
}

#[test]
fn the_settings_file_is_named_by_flag_then_by_variable_and_must_then_exist() {
    let directory = directory_with("bind = '127.0.0.1:1'");
    std::fs::write(directory.path().join("a.toml"), "bind = '127.0.0.1:2'").unwrap();
    std::fs::write(directory.path().join("b.toml"), "bind = '127.0.0.1:3'").unwrap();
    let bind = |config: Option<&str>, variable: &str| {
        let flags = Flags {
            config: config.map(Into::into),
            ..Flags::default()
        };
        let environment = Environment::from_iter([("USAGE_CONFIG", variable)]);
        Settings::resolve(&Sources::gather(flags, environment, directory.path()))
            .map(|settings| format!("{} [{}]", settings.bind.value, settings.bind.origin))
            .map_err(|error| error.to_string())
    };
    assert_eq!(bind(None, "").unwrap(), "127.0.0.1:1 [usage.toml:1]");
    assert_eq!(bind(None, "a.toml").unwrap(), "127.0.0.1:2 [a.toml:1]");
    assert_eq!(bind(Some("b.toml"), "a.toml").unwrap(), "127.0.0.1:3 [b.toml:1]");
    assert_eq!(
        bind(Some("c.toml"), "a.toml").unwrap_err(),
        "--config: the settings file c.toml does not exist"
    );
    assert_eq!(
        bind(None, "c.toml").unwrap_err(),
        "USAGE_CONFIG: the settings file c.toml does not exist"
    );
}

#[test]
fn every_refusal_names_its_place() {
    let empty = tempfile::tempdir().unwrap();
    for (variables, expected) in [
        (
            [("DATABASE_URL", "mysql://me:hunter2@db/usage")],
            "DATABASE_URL: `mysql` is not a supported kind of database; write sqlite:PATH or postgres://…",
        ),
        (
            [("USAGE_REQUESTS_PER_MINUTE", "0")],
            "USAGE_REQUESTS_PER_MINUTE: `0` is not a number of requests per minute; write a whole number from 1 to 100000",
        ),
        (
            [("USAGE_REQUEST_TIMEOUT", "0")],
            "USAGE_REQUEST_TIMEOUT: `0` is not a time-out; write a whole number of seconds from 1 to 3600",
        ),
        (
            [("USAGE_REQUESTS_PER_MINUTE", "100001")],
            "USAGE_REQUESTS_PER_MINUTE: `100001` is not a number of requests per minute; write a whole number from 1 to 100000",
        ),
        (
            [("USAGE_BIND", "localhost")],
            "USAGE_BIND: `localhost` is not an address to listen on; write address:port, for example 127.0.0.1:8080",
        ),
        (
            [(
                "USAGE_WEBHOOK_URL",
                "https://a.example/1 http://b.example/hunter2",
            )],
            "USAGE_WEBHOOK_URL: the URL is http to another machine, which would send it in the clear; use https, or a loopback address",
        ),
        (
            [("USAGE_WEBHOOK_FORMAT", "teams")],
            "USAGE_WEBHOOK_FORMAT: `teams` is not a format of webhooks; write json or slack",
        ),
        (
            [("USAGE_WEBHOOK_TIMEOUT", "121")],
            "USAGE_WEBHOOK_TIMEOUT: `121` is not a time-out of webhooks; write a whole number of seconds from 1 to 120",
        ),
        (
            [("USAGE_DATABASE_RETRY_SECONDS", "3601")],
            "USAGE_DATABASE_RETRY_SECONDS: `3601` is not a time to wait for the database; write a whole number of seconds from \
             0 to 3600",
        ),
        (
            [("USAGE_PING_URL", "hc-ping.example/hunter2")],
            "USAGE_PING_URL: the value is not a URL; write it like https://hooks.example/services/…",
        ),
    ] {
        assert_eq!(refusal(empty.path(), &variables), expected);
    }

    let rate = directory_with("\nrequests_per_minute = -5");
    assert_eq!(
        refusal(rate.path(), &[]),
        "usage.toml:2: `-5` is not a number of requests per minute; write a whole number from 1 to 100000"
    );
    let huge = directory_with("requests_per_minute = 9223372036854775808");
    assert_eq!(
        refusal(huge.path(), &[]),
        "usage.toml:1: `9223372036854775808` is not a number of requests per minute; write a whole number from 1 to 100000"
    );
    let blank = directory_with("openai_base_url = ' '");
    assert_eq!(
        refusal(blank.path(), &[]),
        "usage.toml:1: the value is empty; remove the line or write a value"
    );
    let unknown = directory_with("requests_per_minut = 5");
    assert_eq!(
        refusal(unknown.path(), &[]),
        "usage.toml:1: there is no setting `requests_per_minut`; did you mean `requests_per_minute`?"
    );
}

#[test]
fn limits_of_the_pace() {
    let directory = tempfile::tempdir().unwrap();
    for (text, burst) in [("1", 1), ("9", 9), ("100000", 10)] {
        let settings = resolve(directory.path(), &[("USAGE_REQUESTS_PER_MINUTE", text)]).unwrap();
        assert_eq!(settings.requests_per_minute.value.to_string(), text);
        assert_eq!(settings.burst().get(), burst);
    }
}

#[test]
fn the_master_key_comes_from_one_place() {
    let directory = directory_with("master_key_file = 'file.key'");
    let root = directory.path();
    let key = ("USAGE_MASTER_KEY", "not-a-real-key");
    let file = ("USAGE_MASTER_KEY_FILE", "variable.key");
    let source = |variables: &[(&str, &str)]| resolve(root, variables).unwrap().master_key;

    assert_eq!(
        refusal(root, &[key, file]),
        "USAGE_MASTER_KEY and USAGE_MASTER_KEY_FILE are both set; unset one of them"
    );
    assert_eq!(source(&[key]).value.to_string(), "set, hidden");
    assert_eq!(source(&[file]).value.path(), Some(&*root.join("variable.key")));
    assert_eq!(source(&[]).value.path(), Some(&*root.join("file.key")));
    assert_eq!(source(&[]).origin.to_string(), "usage.toml:1");
}

#[test]
fn the_previous_master_key_is_read_like_the_current_one_but_never_made() {
    let directory = directory_with("previous_master_key_file = 'file.key'");
    let root = directory.path();
    let key = ("USAGE_PREVIOUS_MASTER_KEY", "not-a-real-key!");
    let file = ("USAGE_PREVIOUS_MASTER_KEY_FILE", "variable.key");
    let source = |variables: &[(&str, &str)]| {
        let settings = resolve(root, variables).unwrap();
        settings.previous_master_key.unwrap()
    };

    assert_eq!(
        refusal(root, &[key, file]),
        "USAGE_PREVIOUS_MASTER_KEY and USAGE_PREVIOUS_MASTER_KEY_FILE are both set; unset one of them"
    );
    assert_eq!(source(&[key]).value.to_string(), "set, hidden");
    let error = source(&[key]).value.load().unwrap_err().to_string();
    assert!(
        error.starts_with("USAGE_PREVIOUS_MASTER_KEY is not base64; "),
        "{error}"
    );
    assert_eq!(source(&[file]).value.path(), Some(&*root.join("variable.key")));
    let Setting { value, origin } = source(&[]);
    assert_eq!(origin.to_string(), "usage.toml:1");
    let error = value.load_or_create().unwrap_err().to_string();
    assert!(
        error.ends_with(
            "does not exist; restore it from a backup or name another in USAGE_PREVIOUS_MASTER_KEY_FILE"
        ),
        "{error}"
    );
    assert!(!root.join("file.key").exists());

    let empty = tempfile::tempdir().unwrap();
    assert!(resolve(empty.path(), &[]).unwrap().previous_master_key.is_none());
}

#[test]
fn the_default_key_follows_the_users_folders() {
    let directory = tempfile::tempdir().unwrap();
    for (xdg, expected) in [
        ("", "/nonexistent/home/.config/usage/master.key"),
        ("relative", "/nonexistent/home/.config/usage/master.key"),
        ("/xdg", "/xdg/usage/master.key"),
    ] {
        let settings = resolve(directory.path(), &[("XDG_CONFIG_HOME", xdg)]).unwrap();
        assert_eq!(
            settings.master_key.value.path(),
            Some(Path::new(expected)),
            "{xdg:?}"
        );
    }
    let homeless = Sources::gather(Flags::default(), Environment::default(), directory.path());
    assert_eq!(
        Settings::resolve(&homeless).unwrap().master_key.value.path(),
        None
    );
}

#[test]
fn the_ledger_and_its_default_key_never_share_a_folder() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("usage");
    std::fs::create_dir(&folder).unwrap();
    let home = home.path().to_str().unwrap();
    let settings = resolve(
        &folder,
        &[
            ("XDG_CONFIG_HOME", home),
            ("USAGE_DATABASE_URL", "sqlite:usage.db"),
        ],
    )
    .unwrap();
    assert!(matches!(
        settings.master_key.value.load_or_create(),
        Err(MasterKeyError::BesideDatabase { .. })
    ));
}

#[test]
fn doctor_sees_everything_masked_and_one_fault_hides_no_other() {
    let directory = directory_with(
        "bind = '0.0.0.0:80'\nrequests_per_minute = 0\n[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = 12.5",
    );
    let sources = sources(
        directory.path(),
        &[
            ("USAGE_DATABASE_URL", "postgres://me:hunter2@db/usage"),
            ("USAGE_MASTER_KEY", "hunter2"),
            ("USAGE_OPENAI_BASE_URL", "https://me:hunter2@proxy/v1"),
            ("CRON_SECRET", "hunter2"),
            (
                "USAGE_WEBHOOK_URL",
                "https://hooks.example/hunter2 http://127.0.0.1:9/hunter2 https://hooks.example/hunter2",
            ),
            ("USAGE_PING_URL", "https://ping.example/hunter2"),
        ],
    );
    let text = shown(&sources);
    assert!(!text.contains("hunter2"), "{text}");
    assert!(!format!("{sources:?}").contains("hunter2"));
    insta::assert_snapshot!(text);
}

#[test]
fn doctor_shows_a_settings_file_that_cannot_be_used() {
    let directory = directory_with("colour = true");
    insta::assert_snapshot!(shown(&sources(directory.path(), &[])));
    assert_eq!(
        refusal(directory.path(), &[]),
        "usage.toml:1: there is no setting `colour`; the settings are database_url, database_retry_seconds, master_key_file, \
         previous_master_key_file, openai_base_url, openai_array_encoding, anthropic_base_url, requests_per_minute, request_timeout, prices_file, no_names, bind, webhook_url, webhook_format, webhook_timeout, ping_url, budgets"
    );
}

#[test]
fn doctor_warns_of_a_cron_secret_that_is_none() {
    let directory = tempfile::tempdir().unwrap();
    for (secret, warnings) in [("undefined", 1), (" null ", 1), ("hunter2", 0), ("", 0)] {
        let lines = describe(&sources(directory.path(), &[("CRON_SECRET", secret)]));
        let line = lines.iter().find(|line| line.name == "CRON_SECRET").unwrap();
        assert_eq!(line.warnings.len(), warnings, "{secret:?}: {line:?}");
    }
}

#[test]
fn settings_show_no_secret_to_a_debugger() {
    let directory = tempfile::tempdir().unwrap();
    let key = base64::prelude::BASE64_STANDARD.encode([7; 32]);
    let settings = resolve(
        directory.path(),
        &[
            ("DATABASE_URL", "postgres://me:hunter2@db/usage"),
            ("USAGE_MASTER_KEY", &key),
            ("CRON_SECRET", "hunter2"),
            ("USAGE_WEBHOOK_URL", "https://hooks.example/hunter2"),
            ("USAGE_PING_URL", "https://ping.example/hunter2"),
        ],
    )
    .unwrap();
    let text = format!("{settings:?}");
    assert!(!text.contains("hunter2") && !text.contains(&key), "{text}");
    assert_eq!(settings.cron_secret.unwrap().value.expose_secret(), "hunter2");
    assert_eq!(
        *settings.master_key.value.load().unwrap().expose_secret(),
        [7; 32]
    );
}
