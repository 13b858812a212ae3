//! The unit of `docs/deploy` and the commands of the runbook, held against systemd's own checker and the real binary.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use usage_testkit::CommandLine;

const PROGRAM: &str = "usage-server";
const BINARY: &str = env!("CARGO_BIN_EXE_usage-server");

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

#[test]
fn every_command_of_the_documents_is_one() {
    let mut shown = 0;
    for name in ["docs/RUNBOOK.md", "docs/HTTP.md", "README.md"] {
        let text = fs::read_to_string(docs().join("..").join(name)).unwrap();
        let mut refusals = Vec::new();
        for command in CommandLine::in_markdown(&text, &[PROGRAM]) {
            if command.program == PROGRAM {
                shown += 1;
                refusals.extend(command.refusal(BINARY.as_ref()).map(|why| (command.line, why)));
            }
        }
        assert_eq!(refusals, [], "{name}");
    }
    assert_ne!(shown, 0);
}

#[test]
fn systemd_takes_the_unit_and_finds_it_closed() {
    let unit = fs::read_to_string(docs().join("deploy/systemd/usage-server.service")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("usage-server.service");
    let start = unit
        .lines()
        .find_map(|line| line.strip_prefix("ExecStart="))
        .unwrap();
    // A program that is not there is an error, too.
    fs::write(&file, unit.replace("/usr/local/bin/usage-server", BINARY)).unwrap();
    for arguments in [
        &["verify", "--man=no"][..],
        // Of 100; what is left is the network, which it is for.
        &["security", "--offline=true", "--threshold=20", "--no-pager"],
    ] {
        let mut command = Command::new("systemd-analyze");
        let told = command.args(arguments).arg(&file).output().unwrap();
        assert!(told.status.success() && told.stderr.is_empty(), "{told:?}");
    }
    let commands = CommandLine::in_shell(start, &[PROGRAM]);
    assert_eq!(commands.len(), 1, "{start}");
    assert_eq!(commands[0].refusal(BINARY.as_ref()), None, "{start}");
    for line in ["LoadCredential=master.key:/etc/usage/master.key", "User=usage"] {
        assert!(unit.lines().any(|found| found == line), "no {line}");
    }
}
