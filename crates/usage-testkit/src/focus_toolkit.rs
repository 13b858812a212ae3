use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

/// The one package with its version and hash.
const REQUIREMENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/focus-requirements.txt");

/// The folder of the virtual environment: another version gets another one.
const FOLDER: &str = "focus-data-toolkit-0.14.1";

/// Written last; a folder without it was left half made.
const COMPLETE: &str = "complete";

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
        SHARED.get_or_init(|| Self::install("python3", folder).unwrap_or_else(|error| panic!("{error}")))
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

    fn install(python: &str, folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join(format!("{FOLDER}.lock")))?;
        // Held until the file is closed, however this ends.
        lock.lock()?;
        let place = folder.join(FOLDER);
        let installed = Self {
            python: place.join("bin/python"),
        };
        if place.join(COMPLETE).is_file() {
            return Ok(installed);
        }
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        run(Command::new(python).args(["-m", "venv"]).arg(&place))?;
        run(Command::new(&installed.python)
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--no-input",
                "--disable-pip-version-check",
            ])
            .args(["--require-hashes", "--requirement", REQUIREMENTS]))?;
        fs::write(place.join(COMPLETE), "")?;
        Ok(installed)
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    let why = match command.output() {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(Output {
            status,
            stdout,
            stderr,
        }) => {
            let said = [stdout, stderr].concat();
            let lines = String::from_utf8_lossy(&said);
            format!(
                "{status}: {}",
                lines.split_whitespace().collect::<Vec<_>>().join(" ")
            )
        }
        Err(error) => error.to_string(),
    };
    Err(io::Error::other(format!(
        "the linter of FOCUS files cannot be installed; it takes Python 3.11 or later with venv (apt-get install \
         python3-venv) and a way to PyPI: {command:?}: {why}"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_python_is_one_line_that_names_the_package() {
        let folder = std::env::temp_dir().join(format!("usage-testkit-{}", std::process::id()));
        let error = FocusToolkit::install("no-such-python", &folder)
            .unwrap_err()
            .to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(error.contains("apt-get install python3-venv"), "{error}");
        assert!(error.contains("\"no-such-python\" \"-m\" \"venv\""), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
