//! The files of `docs/deploy` and the commands of the runbook, each held against a checker of its kind and against the real
//! binary.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use usage_app::cron::Schedule;
use usage_testkit::{CommandLine, DeployTools};

const PROGRAM: &str = "usage-cron";

/// Where units and crontab expect it.
const INSTALLED: &str = "/usr/local/bin/usage-cron";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn deploy(name: &str) -> PathBuf {
    root().join("docs/deploy").join(name)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn tools() -> &'static DeployTools {
    DeployTools::shared(Path::new(env!("CARGO_TARGET_TMPDIR")))
}

/// The binary takes the one command of this line.
#[track_caller]
fn is_taken(line: &str) {
    let commands = CommandLine::in_shell(line, &[PROGRAM]);
    let [command] = &commands[..] else {
        panic!("{line} is not one command: {commands:?}")
    };
    assert_eq!(command.program, PROGRAM, "{line}");
    assert_eq!(
        command.refusal(env!("CARGO_BIN_EXE_usage-cron").as_ref()),
        None,
        "{line}"
    );
}

#[test]
fn every_command_of_the_runbook_is_one() {
    let binary: &Path = env!("CARGO_BIN_EXE_usage-cron").as_ref();
    for name in ["RUNBOOK.md", "OPERATIONS.md"] {
        let text = read(&root().join("docs").join(name));
        let mut refusals = Vec::new();
        let shown = CommandLine::in_markdown(&text, &[PROGRAM]);
        for command in shown.iter().filter(|command| command.program == PROGRAM) {
            refusals.extend(command.refusal(binary).map(|why| (command.line, why)));
        }
        for command in CommandLine::in_prose(&text, &[PROGRAM]) {
            refusals.extend(command.help(binary).err().map(|why| (command.line, why)));
        }
        assert_eq!(refusals, [], "docs/{name}");
    }
}

#[test]
fn systemd_takes_the_units_and_finds_them_closed() {
    let folder = tempfile::tempdir().unwrap();
    let units = [
        "usage-cron.service",
        "usage-cron.timer",
        "usage-cron-serve.service",
    ];
    for name in units {
        // A program that is not there is an error, too.
        let here = read(&deploy("systemd").join(name)).replace(INSTALLED, env!("CARGO_BIN_EXE_usage-cron"));
        fs::write(folder.path().join(name), here).unwrap();
    }
    for name in units {
        let file = folder.path().join(name);
        systemd_analyze(
            Command::new("systemd-analyze")
                .args(["verify", "--man=no"])
                .arg(&file),
        );
    }
    for name in ["usage-cron.service", "usage-cron-serve.service"] {
        // Of 100; what is left is the network, which it is for.
        let mut command = Command::new("systemd-analyze");
        command.args(["security", "--offline=true", "--threshold=20", "--no-pager"]);
        systemd_analyze(command.arg(folder.path().join(name)));
        let unit = read(&deploy("systemd").join(name));
        let start = unit
            .lines()
            .find_map(|line| line.strip_prefix("ExecStart="))
            .unwrap();
        assert!(start.starts_with(INSTALLED), "{start}");
        is_taken(start);
        for line in ["LoadCredential=master.key:/etc/usage/master.key", "User=usage"] {
            assert!(unit.lines().any(|found| found == line), "{name} has no {line}");
        }
    }
    let unit = read(&deploy("systemd/usage-cron.service"));
    assert!(unit.contains("\nRestartPreventExitStatus=1\n"), "1 is a finding");
}

/// Runs systemd's own checker, which must have nothing to say against it.
#[track_caller]
fn systemd_analyze(command: &mut Command) {
    let told = command.output().unwrap_or_else(|error| {
        panic!("systemd-analyze is missing ({error}); it is in the Debian package systemd, and .ci/test installs it")
    });
    let said = String::from_utf8_lossy(&told.stderr);
    assert!(
        told.status.success(),
        "{command:?}: {said}{}",
        String::from_utf8_lossy(&told.stdout)
    );
    // A setting that it does not know is told and no more.
    assert_eq!(said, "", "{command:?}");
}

#[test]
fn the_crontab_has_a_schedule_and_a_command() {
    let table = read(&deploy("cron/usage-cron.crontab"));
    assert!(table.ends_with('\n'), "cron leaves out a line without an end");
    let (settings, jobs): (Vec<&str>, Vec<&str>) = table
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .partition(|line| line.starts_with(|first: char| first.is_ascii_uppercase()));
    assert!(settings.contains(&"USAGE_CONFIG=/etc/usage/usage.toml"));
    assert!(settings.iter().all(|line| !line.contains(' ')), "{settings:?}");
    let [job] = jobs[..] else { panic!("{jobs:?}") };
    // cron(8) makes a line break of it.
    assert!(!job.contains('%'), "{job}");
    let fields: Vec<&str> = job.splitn(6, ' ').collect();
    let schedule = fields[..5].join(" ");
    Schedule::cron(&schedule, None).unwrap();
    let command = fields[5].strip_prefix("cd /var/lib/usage && ").unwrap();
    assert!(
        command.ends_with(&format!("--schedule \"{schedule}\"")),
        "{command}"
    );
    is_taken(command);
}

#[test]
fn kubernetes_takes_the_manifests() {
    let mut kinds = BTreeSet::new();
    for entry in fs::read_dir(deploy("kubernetes")).unwrap() {
        let path = entry.unwrap().path();
        for version in ["1.31", "1.34", "1.37"] {
            let wrong = tools().validate_manifest(&path, version);
            assert_eq!(wrong, [""; 0], "Kubernetes {version}");
        }
        for document in documents(&path) {
            kinds.insert(document["kind"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(
        kinds.iter().map(String::as_str).collect::<Vec<_>>(),
        ["CronJob", "PersistentVolumeClaim", "Secret"]
    );
}

#[test]
fn what_kubernetes_does_not_know_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cronjob.yaml");
    let manifest = read(&deploy("kubernetes/cronjob.yaml"));
    fs::write(&file, manifest.replace("backoffLimit: 3", "backOffLimit: 3")).unwrap();
    let wrong = tools().validate_manifest(&file, "1.34");
    assert!(
        wrong.iter().any(|line| line.contains("backOffLimit")),
        "{wrong:?}"
    );
}

#[test]
fn the_cron_job_is_closed_and_does_not_repeat_a_finding() {
    let documents = documents(&deploy("kubernetes/cronjob.yaml"));
    let [cron_job] = &documents[..] else {
        panic!("{documents:?}")
    };
    let spec = &cron_job["spec"];
    Schedule::cron(spec["schedule"].as_str().unwrap(), spec["timeZone"].as_str()).unwrap();
    let job = &spec["jobTemplate"]["spec"];
    let pod = &job["template"]["spec"];
    let container = &pod["containers"][0];
    for (place, found, expected) in [
        ("concurrencyPolicy", &spec["concurrencyPolicy"], json!("Forbid")),
        ("backoffLimit", &job["backoffLimit"], json!(3)),
        // What a policy for failed pods takes for granted.
        ("restartPolicy", &pod["restartPolicy"], json!("Never")),
        (
            "runAsNonRoot",
            &pod["securityContext"]["runAsNonRoot"],
            json!(true),
        ),
        ("runAsUser", &pod["securityContext"]["runAsUser"], json!(65532)),
        (
            "automountServiceAccountToken",
            &pod["automountServiceAccountToken"],
            json!(false),
        ),
        (
            "readOnlyRootFilesystem",
            &container["securityContext"]["readOnlyRootFilesystem"],
            json!(true),
        ),
        (
            "allowPrivilegeEscalation",
            &container["securityContext"]["allowPrivilegeEscalation"],
            json!(false),
        ),
        (
            "capabilities",
            &container["securityContext"]["capabilities"],
            json!({ "drop": ["ALL"] }),
        ),
    ] {
        assert_eq!(*found, expected, "{place}");
    }
    for resource in ["/requests/cpu", "/requests/memory", "/limits/memory"] {
        assert!(container["resources"].pointer(resource).is_some(), "{resource}");
    }
    let rules = job["podFailurePolicy"]["rules"].as_array().unwrap();
    let action = |code: u8| {
        let rule = rules.iter().find(|rule| {
            let values = rule["onExitCodes"]["values"].as_array();
            values.is_some_and(|values| values.contains(&json!(code)))
        });
        let rule = rule.unwrap();
        assert_eq!(rule["onExitCodes"]["containerName"], container["name"]);
        rule["action"].clone()
    };
    assert_eq!([action(1), action(2)], ["FailJob", "Count"]);

    let words = container["args"].as_array().unwrap().iter();
    let words: Vec<&str> = words.map(|word| word.as_str().unwrap()).collect();
    let schedule = ["--schedule", spec["schedule"].as_str().unwrap()];
    assert!(words.windows(2).any(|pair| pair == schedule), "{words:?}");
    let quoted: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
    is_taken(&quoted.join(" "));
    let deadline = job["activeDeadlineSeconds"].as_u64().unwrap();
    assert!(words.contains(&"2h") && deadline > 2 * 3600, "{deadline}");

    // Everything that is mounted, claimed and read is in the other manifests.
    let volumes = pod["volumes"].as_array().unwrap();
    for mount in container["volumeMounts"].as_array().unwrap() {
        assert!(
            volumes.iter().any(|volume| volume["name"] == mount["name"]),
            "{mount}"
        );
    }
    let claim = &self::documents(&deploy("kubernetes/pvc.yaml"))[0];
    assert_eq!(
        volumes[0]["persistentVolumeClaim"]["claimName"],
        claim["metadata"]["name"]
    );
    let secret = &self::documents(&deploy("kubernetes/secret.example.yaml"))[0];
    assert_eq!(
        container["envFrom"][0]["secretRef"]["name"],
        secret["metadata"]["name"]
    );
    for (name, value) in secret["stringData"].as_object().unwrap() {
        assert!(
            value.as_str().unwrap().contains("replace-this"),
            "{name} is filled in"
        );
    }
}

fn documents(path: &Path) -> Vec<Value> {
    serde_json::from_str(&tools().yaml_as_json(path)).unwrap()
}

#[test]
fn the_image_has_every_program_and_nothing_else() {
    let file = deploy("docker/Dockerfile");
    let wrong = tools().lint_dockerfile(&file);
    assert_eq!(wrong, [""; 0]);
    let text = read(&file).replace("\\\n", " ");
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .collect();
    let stages: Vec<usize> = (0..lines.len())
        .filter(|line| lines[*line].starts_with("FROM "))
        .collect();
    let [build, last] = stages[..] else {
        panic!("{lines:#?}")
    };
    let (build, last) = (&lines[build..last], &lines[last..]);
    // The toolchain of the image is the one that the repository pins.
    let toolchain = read(&root().join("rust-toolchain.toml"));
    let pinned = build
        .iter()
        .find_map(|line| line.strip_prefix("ENV RUSTUP_TOOLCHAIN="))
        .unwrap();
    assert!(toolchain.contains(&format!("channel = \"{pinned}\"")), "{pinned}");
    let (version, _) = pinned.rsplit_once('.').unwrap();
    assert!(
        build[0].starts_with(&format!("FROM rust:{version}-")),
        "{}",
        build[0]
    );
    assert!(
        build
            .iter()
            .any(|line| line.contains("target-feature=+crt-static"))
    );
    for entry in fs::read_dir(root().join("bins")).unwrap() {
        let manifest = read(&entry.unwrap().path().join("Cargo.toml"));
        let package = manifest
            .lines()
            .find_map(|line| line.strip_prefix("name = "))
            .unwrap();
        let package = format!(" -p {}", package.trim_matches('"'));
        let cargo = build.iter().find(|line| line.contains("cargo build")).unwrap();
        assert!(
            cargo
                .split(';')
                .any(|command| format!("{command} ").contains(&format!("{package} "))),
            "{package} is not built"
        );
    }
    assert_eq!(last[0], "FROM scratch");
    let user = last.iter().find_map(|line| line.strip_prefix("USER ")).unwrap();
    let (user, group) = user.split_once(':').unwrap();
    assert!(user.parse::<u32>().unwrap() > 0 && group.parse::<u32>().unwrap() > 0);
    assert!(
        last.iter()
            .any(|line| line.contains("SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"))
    );
    assert!(
        !last.iter().any(|line| line.starts_with("RUN ")),
        "there is no shell"
    );
    let command = last.iter().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let command: Vec<String> = serde_json::from_str(command).unwrap();
    is_taken(&command.join(" "));
    let ignored = read(&root().join(".dockerignore"));
    for line in [".git", "**/target", "**/*.key", "**/*.env", "**/*.db"] {
        assert!(
            ignored.lines().any(|found| found == line),
            "{line} is not left out"
        );
    }
}
