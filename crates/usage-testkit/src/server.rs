use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The server's own log, in the cluster's directory.
pub(crate) const SERVER_LOG: &str = "server.log";

/// What the supervisor's commands print, in the cluster's directory.
const COMMANDS_LOG: &str = "commands.log";

const SUPERVISOR: &str = include_str!("supervisor.sh");

/// Where Debian and its kin keep one directory for each major version.
const VERSIONS: &str = "/usr/lib/postgresql";

/// The directory with the programs of a PostgreSQL server.
#[derive(Debug)]
pub(crate) struct Programs(PathBuf);

impl Programs {
    /// The newest installed server, else the one that `PATH` knows.
    pub(crate) fn find() -> io::Result<Self> {
        Self::find_in(Path::new(VERSIONS), on_path)
    }

    fn find_in(versions: &Path, fallback: impl FnOnce() -> Option<PathBuf>) -> io::Result<Self> {
        newest(versions).or_else(fallback).map(Self).ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::NotFound,
                format!(
                    "no PostgreSQL server in {}/*/bin or PATH; these tests start their own: install the server's \
                     programs (apt-get install postgresql)",
                    versions.display()
                ),
            )
        })
    }

    pub(crate) fn psql(&self) -> PathBuf {
        self.0.join("psql")
    }
}

fn newest(versions: &Path) -> Option<PathBuf> {
    fs::read_dir(versions)
        .ok()?
        .flatten()
        .filter_map(|entry| {
            Some((
                entry.file_name().to_str()?.parse::<u32>().ok()?,
                entry.path().join("bin"),
            ))
        })
        .filter(|(_, programs)| is_complete(programs))
        .max()
        .map(|(_, programs)| programs)
}

fn on_path() -> Option<PathBuf> {
    let found = output(Command::new("sh").args(["-c", "command -v postgres"])).ok()?;
    let programs = fs::canonicalize(found).ok()?.parent()?.to_owned();
    is_complete(&programs).then_some(programs)
}

fn is_complete(programs: &Path) -> bool {
    ["initdb", "pg_ctl", "postgres", "psql"]
        .iter()
        .all(|program| programs.join(program).is_file())
}

/// The script that owns a server and its directory: see `supervisor.sh`.
#[derive(Debug)]
pub(crate) struct Supervisor {
    script: Child,
    /// Held by this process alone, since pipes are not inherited by programs it starts: closed when it ends.
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    directory: PathBuf,
}

impl Supervisor {
    pub(crate) fn start(programs: &Programs, settings: &str) -> io::Result<Self> {
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", SUPERVISOR, "supervisor"])
            .args([&programs.0, &std::env::temp_dir()])
            .arg(settings)
            .env_clear()
            .envs([
                ("PATH", "/usr/local/bin:/usr/bin:/bin"),
                ("LC_ALL", "C"),
                ("HOME", "/"),
            ])
            .current_dir("/")
            // Ctrl-C goes to the process group of the tests; the supervisor outlives it to clean up.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        if let Some((user, group)) = server_user()? {
            command.uid(user).gid(group);
        }
        let mut script = command.spawn()?;
        let closed = || io::Error::other("the supervisor's pipes are closed");
        let commands = script.stdin.take().ok_or_else(closed)?;
        let mut answers = BufReader::new(script.stdout.take().ok_or_else(closed)?);
        let directory = PathBuf::from(line(&mut answers)?);
        Ok(Self {
            script,
            commands: Some(commands),
            answers,
            directory,
        })
    }

    /// Has the script carry out a command and waits until it is done.
    pub(crate) fn command(&mut self, command: &str) -> io::Result<()> {
        if let Some(commands) = &mut self.commands {
            writeln!(commands, "{command}")?;
        }
        let code = line(&mut self.answers)?;
        if code == "0" {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "the private PostgreSQL server failed to `{command}` (exit code {code}):\n{}{}",
            self.log(COMMANDS_LOG),
            self.log(SERVER_LOG),
        )))
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    fn log(&self, name: &str) -> String {
        fs::read_to_string(self.directory.join(name)).unwrap_or_default()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        drop(self.commands.take());
        // The script ends by itself now; there is nothing to do about one that cannot be waited for.
        let _ = self.script.wait();
    }
}

/// The user and group to run the server as when this process is root's, which PostgreSQL refuses to run as.
fn server_user() -> io::Result<Option<(u32, u32)>> {
    if id(&["-u"])? != 0 {
        return Ok(None);
    }
    Ok(Some((id(&["-u", "postgres"])?, id(&["-g", "postgres"])?)))
}

fn id(arguments: &[&str]) -> io::Result<u32> {
    output(Command::new("id").args(arguments))?
        .parse()
        .map_err(io::Error::other)
}

fn output(command: &mut Command) -> io::Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("{command:?}: {}", reason.trim_end())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn line(answers: &mut BufReader<ChildStdout>) -> io::Result<String> {
    let mut line = String::new();
    if answers.read_line(&mut line)? == 0 {
        return Err(io::Error::other(
            "the private PostgreSQL server's supervisor ended early; is there a writable directory for temporary files?",
        ));
    }
    Ok(line.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_server_is_one_line_that_names_the_package() {
        let error = Programs::find_in(Path::new("/nowhere"), || None)
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "no PostgreSQL server in /nowhere/*/bin or PATH; these tests start their own: install the server's \
             programs (apt-get install postgresql)"
        );
    }
}
