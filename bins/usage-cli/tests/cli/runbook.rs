//! The runbook leaves nothing out, and every command that it shows is one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use usage_app::alerting::IncidentKind;
use usage_core::IssueCode;
use usage_testkit::CommandLine;

/// The project's programs; those that are not this one are tested where they are built.
const PROGRAMS: [&str; 2] = ["usage", "usage-cron"];

/// What else operators are shown.
const OTHERS: [&str; 19] = [
    "cd",
    "chown",
    "cp",
    "createdb",
    "crontab",
    "docker",
    "env",
    "export",
    "install",
    "journalctl",
    "kubectl",
    "pg_dump",
    "pg_restore",
    "psql",
    "sudo",
    "systemctl",
    "systemd-sysusers",
    "unset",
    "usage-simulator",
];

fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn binary() -> PathBuf {
    env!("CARGO_BIN_EXE_usage").into()
}

#[test]
fn every_command_that_is_shown_is_one() {
    for (name, at_least) in [("RUNBOOK.md", 25), ("OPERATIONS.md", 10)] {
        let mut shown = 0;
        for command in CommandLine::in_markdown(&document(name), &PROGRAMS) {
            let place = format!("docs/{name}:{}: {command:?}", command.line);
            if command.program == "usage" {
                assert_eq!(command.refusal(&binary()), None, "{place}");
                shown += 1;
            } else {
                let program = command.program.as_str();
                assert!(
                    PROGRAMS.contains(&program) || OTHERS.contains(&program),
                    "{place}"
                );
            }
        }
        assert!(shown >= at_least, "{name} shows {shown} commands only");
    }
}

/// Prose names commands without all that they need, and says `DAY` where one is meant.
#[test]
fn every_command_that_is_quoted_is_one() {
    for (name, at_least) in [("RUNBOOK.md", 25), ("OPERATIONS.md", 5)] {
        let mut quoted = 0;
        for mut command in CommandLine::in_prose(&document(name), &PROGRAMS) {
            for argument in &mut command.arguments {
                match argument.as_str() {
                    "DAY" => "2025-09-01".clone_into(argument),
                    "ENDPOINT" => "completions".clone_into(argument),
                    _ => {}
                }
            }
            if command.program == "usage" {
                let place = format!("docs/{name}:{}: {command:?}", command.line);
                assert!(command.help(&binary()).is_ok(), "{place}");
                quoted += 1;
            }
        }
        assert!(quoted >= at_least, "{name} quotes {quoted} commands only");
    }
}

#[test]
fn what_is_no_command_is_found() {
    for (line, why) in [
        ("usage stats", "unrecognized subcommand"),
        ("usage keys rotat 1", "unrecognized subcommand"),
        ("usage keys rotate", "<ID> is missing"),
        (
            "usage keys add --organization org-AbC123",
            "--provider is missing",
        ),
        ("usage backfill --stat 2025-09-01", "--stat"),
        ("usage backfill --start yesterday", "yesterday"),
        ("usage backup one.db two.db", "two.db"),
        ("usage copy", "--to is missing"),
    ] {
        let [command] = &CommandLine::in_shell(line, &PROGRAMS)[..] else {
            panic!("{line} is one command")
        };
        let refusal = command.refusal(&binary());
        assert!(
            refusal.as_ref().is_some_and(|refusal| refusal.contains(why)),
            "{line}: {refusal:?}"
        );
    }
}

#[test]
fn every_issue_code_says_what_to_do() {
    let runbook = document("RUNBOOK.md");
    let (_, codes) = runbook.split_once("\n## Issue codes\n").unwrap();
    let (codes, _) = codes.split_once("\n## ").unwrap();
    let rows: Vec<Vec<&str>> = codes
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    let mut named = BTreeSet::new();
    for row in &rows {
        let [names, severity, what, remedy] = &row[..] else {
            panic!("{row:?} has not four cells")
        };
        assert!(!what.is_empty() && !remedy.is_empty(), "{row:?}");
        for name in names.split(", ").map(|name| name.trim_matches('`')) {
            assert!(named.insert(name), "{name} is there twice");
            let code = IssueCode::ALL.iter().find(|code| code.as_str() == name);
            let code = code.unwrap_or_else(|| panic!("there is no {name}"));
            let usual = format!("{:?}", code.severity()).to_lowercase();
            assert!(
                severity.starts_with(&usual),
                "{name} is usually {usual}, not {severity}"
            );
        }
    }
    for code in IssueCode::ALL {
        assert!(named.contains(code.as_str()), "{code} is not in the runbook");
    }
}

#[test]
fn every_kind_of_incident_has_a_section() {
    let runbook = document("RUNBOOK.md");
    let (_, sections) = runbook.split_once("\n## Alerts and incidents\n").unwrap();
    let (sections, _) = sections.split_once("\n## ").unwrap();
    for kind in IncidentKind::ALL {
        let of_kind = format!("ncident `{kind}`");
        let found = sections
            .split("\n### ")
            .skip(1)
            .filter(|section| section.replace('\n', " ").contains(&of_kind))
            .count();
        assert_eq!(found, 1, "sections about {kind}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let runbook = document("RUNBOOK.md");
    let titles = |text: &str| -> BTreeSet<String> {
        let headings = text.lines().filter(|line| line.starts_with('#'));
        headings
            .map(|line| {
                line.trim_start_matches('#')
                    .trim()
                    .to_lowercase()
                    .replace(' ', "-")
            })
            .collect()
    };
    let mut followed = 0;
    for link in runbook.split("](").skip(1) {
        let (link, _) = link.split_once(')').unwrap();
        let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
        let text = if file.is_empty() {
            runbook.clone()
        } else if anchor.is_empty() {
            continue;
        } else {
            document(file)
        };
        assert!(titles(&text).contains(anchor), "{link}");
        followed += 1;
    }
    assert!(followed > 25, "{followed} links");
}
