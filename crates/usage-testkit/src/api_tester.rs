use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::python::Tools;

const TOOLS: Tools = Tools {
    what: "the tester of HTTP APIs",
    folder: "schemathesis-4.32.5",
    requirements: concat!(env!("CARGO_MANIFEST_DIR"), "/api-requirements.txt"),
};

/// `schemathesis` from PyPI, in a virtual environment of its own: it calls an API in every way that its document allows,
/// and in some that it forbids, and holds the answers against the document.
#[derive(Debug)]
pub struct ApiTester {
    programs: PathBuf,
}

impl ApiTester {
    /// The tester that all tests share, installed below this folder (a test's `CARGO_TARGET_TMPDIR`) by the first that asks;
    /// others wait for it, those of other processes too.
    ///
    /// # Panics
    ///
    /// When there is no Python 3.11 or the packages cannot be installed: a test that needs it fails without.
    pub fn shared(folder: &Path) -> &'static Self {
        static SHARED: OnceLock<ApiTester> = OnceLock::new();
        SHARED.get_or_init(|| {
            let programs = TOOLS.install("python3", folder);
            Self {
                programs: programs.unwrap_or_else(|error| panic!("{error}")),
            }
        })
    }

    /// Calls every operation of the document at this URL, with so many examples each and this `Authorization`, always the same
    /// ones. Returns what the tester says if an answer is a server's error, or has a status, a media type or a form that the
    /// document does not know, or if what the document forbids, or a call without its token, is taken.
    ///
    /// # Panics
    ///
    /// When the tester does not run.
    ///
    /// # Errors
    ///
    /// An answer is not as it should be, or the tester cannot use the document.
    #[track_caller]
    pub fn run(&self, document: &str, authorization: &str, examples: u32) -> Result<String, String> {
        let output = Command::new(self.programs.join("schemathesis"))
            .args(["run", document, "--header"])
            .arg(format!("Authorization: {authorization}"))
            .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection,ignored_auth"])
            .args(["--phases", "examples,coverage,fuzzing", "--generation-deterministic"])
            .args(["--max-examples", &examples.to_string()])
            .args(["--suppress-health-check", "all", "--no-color", "--workers", "1"])
            .output();
        let Output {
            status,
            stdout,
            stderr,
        } = output.unwrap_or_else(|error| panic!("schemathesis does not run: {error}"));
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        if status.success() { Ok(said) } else { Err(said) }
    }
}
