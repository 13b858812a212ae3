//! What cannot be asked for.

use crate::place::{Place, provider};
use crate::shared::{DatabaseKind, finish_with};

#[test]
fn what_is_wrong_takes_one_line_and_nothing_is_done() {
    let provider = provider();
    let place = Place::new(DatabaseKind::Sqlite, &provider, &["org-cron"]);
    for (arguments, words) in [
        (
            &["serve", "--schedule", "every day"] as &[&str],
            "`every day` is no schedule: ",
        ),
        (&["run", "--schedule", "daily"], "`daily` is no schedule: "),
        (
            &["run", "--schedule", "0 2 * * *", "--zone", "Berlin"],
            "`Berlin` is no time zone; ",
        ),
        (&["serve", "--zone", "Berlin"], "`Berlin` is no time zone; "),
        (
            &["serve", "--bind", "localhost"],
            "--bind: `localhost` is not an address to listen on; write address:port, for example 127.0.0.1:8080",
        ),
        (
            &["serve", "--bind", "0.0.0.0:0"],
            "0.0.0.0:0 is not a loopback address, and this server speaks no TLS; ",
        ),
        (&["run", "--horizon", "0"], "--horizon: 0 is not in 1..=3650"),
        (&["run", "--deadline", "soon"], "`soon` is not a duration; "),
        (
            &["run", "--account", "org-unknown"],
            "the ledger has no account openai/org-unknown with a usable key; ",
        ),
    ] {
        let refused = place.run(arguments).ends_with(2);
        let errors: Vec<&str> = refused
            .stderr
            .lines()
            .filter(|line| line.starts_with("error: "))
            .collect();
        assert!(
            errors.len() == 1 && errors[0].contains(words),
            "{arguments:?}: {refused:#?}"
        );
        assert_eq!(refused.stdout, "");
    }
    assert_eq!(provider.simulator.requests().len(), 0);
}

#[test]
fn the_environment_says_how_much_is_logged_unless_a_flag_does() {
    let provider = provider();
    let place = Place::new(DatabaseKind::Sqlite, &provider, &["org-cron"]);
    let lines = |flags: &[&str]| {
        let arguments = [&["run", "--plan"], flags].concat();
        let mut command = place.command(&arguments);
        let finished = finish_with(command.env("USAGE_LOG", "error"), "").succeeds();
        finished.stderr.lines().count()
    };
    assert_eq!(lines(&[]), 0);
    assert!(lines(&["--log-level", "info"]) > 0);
}
