use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::python::Tools;

const TOOLS: Tools = Tools {
    what: "the checkers of deployment files",
    folder: "hadolint-2.15.1-kubernetes-validate-1.37.0",
    requirements: concat!(env!("CARGO_MANIFEST_DIR"), "/deploy-requirements.txt"),
};

/// The YAML documents of a file as one JSON list.
const TO_JSON: &str =
    "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";

/// Checkers of deployment files from PyPI, in a virtual environment of their own: `hadolint` for a Dockerfile,
/// `kubernetes-validate` for manifests, `PyYAML` to look into those.
#[derive(Debug)]
pub struct DeployTools {
    programs: PathBuf,
}

impl DeployTools {
    /// The tools that all tests share, installed below this folder (a test's `CARGO_TARGET_TMPDIR`) by the first that asks;
    /// others wait for it, those of other processes too.
    ///
    /// # Panics
    ///
    /// When there is no Python 3.11 or the packages cannot be installed: a test that needs them fails without.
    pub fn shared(folder: &Path) -> &'static Self {
        static SHARED: OnceLock<DeployTools> = OnceLock::new();
        SHARED.get_or_init(|| {
            let programs = TOOLS.install("python3", folder);
            Self {
                programs: programs.unwrap_or_else(|error| panic!("{error}")),
            }
        })
    }

    /// What is wrong with a Dockerfile, a line each; nothing if it is clean.
    ///
    /// # Panics
    ///
    /// When the linter does not run.
    #[track_caller]
    pub fn lint_dockerfile(&self, file: &Path) -> Vec<String> {
        let arguments = ["--no-color", "--failure-threshold", "style"];
        self.complaints(
            "hadolint",
            arguments.map(OsStr::new).into_iter().chain([file.as_os_str()]),
        )
    }

    /// What a Kubernetes of this version (as `1.31`) would refuse in a manifest, a line each; nothing if it is clean. Fields
    /// that it does not know are refused, too.
    ///
    /// # Panics
    ///
    /// When the checker does not run.
    #[track_caller]
    pub fn validate_manifest(&self, file: &Path, version: &str) -> Vec<String> {
        let arguments = ["--strict", "--quiet", "--kubernetes-version", version];
        self.complaints(
            "kubernetes-validate",
            arguments.map(OsStr::new).into_iter().chain([file.as_os_str()]),
        )
    }

    /// The documents of a YAML file as the text of one JSON list.
    ///
    /// # Panics
    ///
    /// When the file cannot be read or is no YAML.
    #[track_caller]
    pub fn yaml_as_json(&self, file: &Path) -> String {
        let output = self.run(
            "python",
            ["-c", TO_JSON]
                .map(OsStr::new)
                .into_iter()
                .chain([file.as_os_str()]),
        );
        assert!(
            output.status.success(),
            "{}: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    #[track_caller]
    fn complaints<'a>(&self, program: &str, arguments: impl Iterator<Item = &'a OsStr>) -> Vec<String> {
        let output = self.run(program, arguments);
        let said = [output.stdout, output.stderr].concat();
        let lines: Vec<String> = String::from_utf8_lossy(&said)
            .lines()
            .map(str::to_owned)
            .collect();
        match (output.status.code(), lines.is_empty()) {
            (Some(0), _) => Vec::new(),
            (Some(1), false) => lines,
            _ => panic!("{program}: {}: {}", output.status, lines.join("\n")),
        }
    }

    #[track_caller]
    fn run<'a>(&self, program: &str, arguments: impl Iterator<Item = &'a OsStr>) -> Output {
        let mut command = Command::new(self.programs.join(program));
        command.args(arguments);
        command
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }
}
