//! What can be asked for, and what cannot.

use crate::shared::finish_with;
use crate::world::World;

#[test]
fn the_help_is_complete() {
    let world = World::empty();
    let help = finish_with(&mut world.command(&["--help"]), "").succeeds();
    insta::assert_snapshot!(help.stdout);
}

#[test]
fn what_is_wrong_takes_one_line_and_nothing_is_made() {
    let world = World::empty();
    for (arguments, words) in [
        (
            &["--bind", "localhost"] as &[&str],
            "--bind: `localhost` is not an address to listen on; write address:port, for example 127.0.0.1:8080",
        ),
        (
            &["--bind", "0.0.0.0:0"],
            "0.0.0.0:0 is not a loopback address, and this server speaks no TLS; ",
        ),
        (&["--horizon", "0"], "--horizon: 0 is not in 1..=3650"),
        (
            &["--demo", "--audit-dir", "audit"],
            "the argument '--demo' cannot be used with '--audit-dir <DIR>'",
        ),
        (
            &["--database", "sqlite:other.db", "--demo"],
            "the argument '--database <URL>' cannot be used with '--demo'",
        ),
        (
            &["serve"],
            "unexpected argument 'serve' found; try 'usage-server --help'",
        ),
    ] {
        let refused = finish_with(&mut world.command(arguments), "").ends_with(2);
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
    assert!(!world.has_ledger());
}
