use super::*;

fn parsed(line: &str) -> Result<Arguments, Refusal> {
    parse(line.split_whitespace().map(OsString::from))
}

fn wrong(line: &str) -> String {
    match parsed(line) {
        Err(Refusal::Wrong(message)) => message,
        Err(Refusal::Help(error)) => panic!("{line}: {error}"),
        Ok(_) => panic!("{line} was accepted"),
    }
}

fn backfill(line: &str) -> BackfillArguments {
    match parsed(line).unwrap().command {
        Command::Backfill(arguments) => arguments,
        _ => panic!("{line} is no backfill"),
    }
}

fn day(text: &str) -> NaiveDate {
    usage_core::parse_day(text).unwrap()
}

#[test]
fn verify_cli() {
    Arguments::command().debug_assert();
}

#[cfg(feature = "demo")]
#[test]
fn help_of_every_command() {
    fn add(command: &mut clap::Command, path: &str, text: &mut String) {
        let help = command.clone().term_width(100).render_long_help().to_string();
        let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
        text.push_str(&["$ ", path, " --help\n", &lines.join("\n"), "\n\n"].concat());
        for subcommand in command.get_subcommands_mut() {
            let name = subcommand.get_name().to_owned();
            if name != "help" {
                add(subcommand, &format!("{path} {name}"), text);
            }
        }
    }
    let mut command = Arguments::command();
    command.build();
    let mut text = String::new();
    add(&mut command, "usage", &mut text);
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_wrong_takes_one_line() {
    let lines = [
        "usage backfil",
        "usage nonsense",
        "usage backfill --strat 2025-09-01",
        "usage backfill --start 2025-9-1",
        "usage backfill --start 2025-02-30",
        "usage backfill --end 2025-09-01",
        "usage backfill --start",
        "usage backfill --endpoint chats",
        "usage backfill --endpoint Completions",
        "usage backfill --account org-a/b",
        "usage backfill --account google/org-a",
        "usage backfill --chunk-days 0",
        "usage backfill --chunk-days -1",
        "usage backfill --chunk-days 1.5",
        "usage backfill --group-by model,colour",
        "usage backfill --format yaml",
        "usage backfill --plan --plan",
        "usage backfill september",
        "usage keys remove",
        "usage keys ad",
        "usage keys add --provider openai",
        "usage keys add --provider google --organization org-a",
        "usage export",
        "usage export --format parquet",
        "usage reconcile",
        "usage reconcile --start 2025-09-01",
        "usage reconcile --month 2025-13",
        "usage reconcile --month 2025-09 --start 2025-09-01 --end 2025-09-02",
        "usage reconcile --month 2025-09 --invoice 12,5",
        "usage reconcile --start 2025-09-01 --end 2025-09-02 --invoice 12.5",
        "usage reconcile --month 2025-09 --max-variance lots",
        "usage completions tcsh",
        "usage status --log-level loud",
        "usage --log-format xml status",
        "usage --database usage.db status",
        "usage --database mysql://me@db/usage status",
        "usage --config keys status --nonsense",
    ];
    let refusals: Vec<String> = lines
        .into_iter()
        .map(|line| {
            let message = wrong(line);
            assert_eq!(message.lines().count(), 1, "{message}");
            format!("$ {line}\n{message}")
        })
        .collect();
    insta::assert_snapshot!(refusals.join("\n"));
}

#[test]
fn a_secret_in_the_wrong_place_is_not_repeated() {
    for line in [
        "usage keys add sk-admin-hunter2",
        "usage keys add --secret=sk-admin-hunter2",
        "usage keys add --provider sk-admin-hunter2 --organization org-a",
        "usage migrate postgres://me:hunter2@db/usage",
        "usage --database mysql://me:hunter2@db/usage migrate",
        "usage --log-level postgres://me:hunter2@db/usage migrate",
    ] {
        let message = wrong(line);
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[test]
fn a_value_with_line_breaks_and_escapes_stays_one_plain_line() {
    let arguments = ["usage", "backfill", "--start", "2025\n\n\u{1b}[31m09"].map(OsString::from);
    let Err(Refusal::Wrong(message)) = parse(arguments) else {
        panic!("accepted");
    };
    assert!(!message.contains(char::is_control), "{message:?}");
    assert!(
        message.ends_with("for example 2025-09-01; try 'usage backfill --help'"),
        "{message}"
    );
}

#[test]
fn help_version_and_nothing_keep_the_form_of_clap() {
    for (line, status) in [
        ("usage --help", 0),
        ("usage --version", 0),
        ("usage help backfill", 0),
        ("usage keys add --help", 0),
        ("usage", 2),
        ("usage keys", 2),
    ] {
        let Err(Refusal::Help(error)) = parsed(line) else {
            panic!("{line}");
        };
        assert_eq!(error.exit_code(), status, "{line}");
    }
}

#[test]
fn global_flags_go_before_or_after_the_command() {
    for line in [
        "usage --database sqlite:a.db --log-level debug --log-format json status",
        "usage status --database sqlite:a.db --log-level debug --log-format json",
    ] {
        let global = parsed(line).unwrap().global;
        assert_eq!(
            global.settings.flags().database.unwrap().to_string(),
            "sqlite:a.db"
        );
        assert_eq!(global.log_level, Some(LogLevel::Debug));
        assert_eq!(global.log_format, OutputFormat::Json);
    }
    let global = parsed("usage status").unwrap().global;
    assert!(global.settings.flags().database.is_none() && global.settings.flags().config.is_none());
    assert_eq!((global.log_level, global.log_format), (None, OutputFormat::Text));
}

#[test]
fn a_backfill_reads_whole_days_both_included() {
    let today = day("2025-10-02");
    for (flags, expected) in [
        (
            "--start 2025-09-01 --end 2025-10-01",
            "2025-09-01T00:00:00Z..2025-10-02T00:00:00Z/1d",
        ),
        (
            "--start 2025-10-01",
            "2025-10-01T00:00:00Z..2025-10-03T00:00:00Z/1d",
        ),
        ("", "2025-09-03T00:00:00Z..2025-10-03T00:00:00Z/1d"),
    ] {
        let range = backfill(&format!("usage backfill {flags}")).range(today).unwrap();
        assert_eq!(range.to_string(), expected, "{flags}");
    }
    let backwards = backfill("usage backfill --start 2025-09-02 --end 2025-09-01").range(today);
    assert_eq!(
        backwards.unwrap_err().to_string(),
        "the end 2025-09-01 lies before the start 2025-09-02; give the earlier day first"
    );
}

#[test]
fn a_backfill_takes_every_flag() {
    let all = backfill(
        "usage backfill --chunk-days 7 --label weekly --endpoint completions --endpoint completions \
         --account org-b --account openai/ORG_a --account b --plan --force --accept-retractions --artifact \
         --audit-dir records --group-by model,project_id --format json",
    );
    assert_eq!(all.chunk_days.map(NonZeroU32::get), Some(7));
    assert_eq!(all.label.as_deref(), Some("weekly"));
    assert_eq!(all.selection.endpoints(), [Endpoint::Completions]);
    let accounts: Vec<String> = all.selection.accounts().iter().map(ToString::to_string).collect();
    assert_eq!(accounts, ["openai/org-a", "openai/org-b"]);
    assert!(all.plan && all.force && all.accept_retractions && all.artifact);
    assert_eq!(all.audit_dir, PathBuf::from("records"));
    assert_eq!(all.group_by, [Dimension::Model, Dimension::ProjectId]);
    assert_eq!(all.format, OutputFormat::Json);

    let none = backfill("usage backfill");
    assert_eq!(none.selection.endpoints(), Endpoint::ALL);
    assert_eq!(none.selection.usage_endpoints(), Endpoint::USAGE);
    assert_eq!(none.selection.named_endpoints(), []);
    assert_eq!(none.selection.endpoints_of(Width::Hour), Endpoint::USAGE);
    assert!(none.selection.accounts().is_empty() && none.group_by.is_empty());
    assert!(!(none.plan || none.force || none.accept_retractions || none.artifact));
    assert_eq!(none.audit_dir, PathBuf::from("audit"));
    assert_eq!(none.format, OutputFormat::Text);
}

#[test]
fn a_key_names_its_account_and_projects() {
    let line = "usage keys add --provider openai --organization ORG_AbC --project x --project proj_x --project proj_a";
    let Command::Keys(KeysCommand::Add(add)) = parsed(line).unwrap().command else {
        panic!("{line}");
    };
    assert_eq!(add.account().unwrap().to_string(), "openai/org-AbC");
    assert_eq!(add.project_ids().unwrap(), ["proj_a", "proj_x"]);
    assert!(!add.no_check && add.secret_file.is_none() && add.label.is_none());
}

#[test]
fn labels_are_one_line() {
    assert_eq!(
        parse_label(" first real month "),
        Ok("first real month".to_owned())
    );
    assert_eq!(parse_label(&"ä".repeat(100)), Ok("ä".repeat(100)));
    for text in ["", "  ", "two\nlines", &"ä".repeat(101)] {
        assert_eq!(
            parse_label(text),
            Err("a label is one line of 1 to 100 characters".to_owned()),
            "{text:?}"
        );
    }
}

#[test]
fn an_export_checks_its_days_only_if_both_are_given() {
    for (flags, fine) in [
        ("", true),
        ("--start 2025-09-02", true),
        ("--end 2025-09-01", true),
        ("--start 2025-09-01 --end 2025-09-01", true),
        ("--start 2025-09-02 --end 2025-09-01", false),
    ] {
        let line = format!("usage export --format provider-csv {flags}");
        let Command::Export(export) = parsed(&line).unwrap().command else {
            panic!("{line}");
        };
        assert_eq!(export.format, ExportFormat::ProviderCsv);
        assert_eq!(export.check_range().is_ok(), fine, "{flags}");
    }
}
