//! Tools from PyPI, each set in a virtual environment of its own.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Written last; a folder without it was left half made.
const COMPLETE: &str = "complete";

/// A set of tools, pinned by versions and hashes.
pub(crate) struct Tools {
    /// What they are, for messages.
    pub(crate) what: &'static str,
    /// The folder of the virtual environment: other versions get another one.
    pub(crate) folder: &'static str,
    /// The file that pins them.
    pub(crate) requirements: &'static str,
}

impl Tools {
    /// The folder with the programs, installed below `folder` unless they are there; whoever asks meanwhile waits, in other
    /// processes too.
    pub(crate) fn install(&self, python: &str, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let lock = File::create(folder.join(format!("{}.lock", self.folder)))?;
        // Held until the file is closed, however this ends.
        lock.lock()?;
        let place = folder.join(self.folder);
        let programs = place.join("bin");
        if place.join(COMPLETE).is_file() {
            return Ok(programs);
        }
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        self.run(Command::new(python).args(["-m", "venv"]).arg(&place))?;
        self.run(
            Command::new(programs.join("python"))
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--no-input",
                    "--disable-pip-version-check",
                ])
                .args(["--require-hashes", "--requirement", self.requirements]),
        )?;
        fs::write(place.join(COMPLETE), "")?;
        Ok(programs)
    }

    fn run(&self, command: &mut Command) -> io::Result<()> {
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
            "{} cannot be installed; it takes Python 3.11 or later with venv (apt-get install python3-venv) and a way to \
             PyPI: {command:?}: {why}",
            self.what
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_python_is_one_line_that_names_the_package() {
        let folder = std::env::temp_dir().join(format!("usage-testkit-{}", std::process::id()));
        let tools = Tools {
            what: "the tool",
            folder: "tool-1",
            requirements: "requirements.txt",
        };
        let error = tools.install("no-such-python", &folder).unwrap_err().to_string();
        fs::remove_dir_all(&folder).unwrap();
        assert!(error.starts_with("the tool cannot be installed; "), "{error}");
        assert!(error.contains("apt-get install python3-venv"), "{error}");
        assert!(error.contains("\"no-such-python\" \"-m\" \"venv\""), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}
