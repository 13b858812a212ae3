use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::python::Tools;

/// The one package with its version and hash.
const TOOLS: Tools = Tools {
    what: "the linter of FOCUS files",
    folder: "focus-data-toolkit-0.14.1",
    requirements: concat!(env!("CARGO_MANIFEST_DIR"), "/focus-requirements.txt"),
};

/// `focus-data-toolkit` from PyPI, a linter of FOCUS 1.4 files, in a virtual environment of its own.
///
/// It checks the structure of a file and the rules that one row can break. It is no check of full conformance; there is none
/// for 1.4 yet.
#[derive(Debug)]
pub struct FocusToolkit {
    python: PathBuf,
}

impl FocusToolkit {
    /// The toolkit that all tests share, installed below this folder (a test's `CARGO_TARGET_TMPDIR`) by the first that asks;
    /// others wait for it, those of other processes too.
    ///
    /// # Panics
    ///
    /// When there is no Python 3.11 or the package cannot be installed: a test that needs the linter fails without it.
    pub fn shared(folder: &Path) -> &'static Self {
        static SHARED: OnceLock<FocusToolkit> = OnceLock::new();
        SHARED.get_or_init(|| {
            let programs = TOOLS.install("python3", folder);
            Self {
                python: programs.unwrap_or_else(|error| panic!("{error}")).join("python"),
            }
        })
    }

    /// What is wrong with a file of costs, a line each; nothing if it is clean.
    ///
    /// # Panics
    ///
    /// When the linter does not run.
    #[track_caller]
    pub fn lint(&self, file: &Path) -> Vec<String> {
        let mut command = Command::new(&self.python);
        command
            .args([
                "-m",
                "focus_data_toolkit",
                "validate",
                "--dataset",
                "cost-and-usage",
            ])
            .arg(file);
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let said = String::from_utf8_lossy(&stdout);
        match status.code() {
            Some(0) if said.contains("lint OK (STRUCTURAL_VALID, SEMANTIC_VALID)") => Vec::new(),
            Some(1) => said.lines().map(str::to_owned).collect(),
            _ => panic!(
                "{command:?}: {status}: {said}{}",
                String::from_utf8_lossy(&stderr)
            ),
        }
    }
}
