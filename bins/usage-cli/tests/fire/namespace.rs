//! A mount namespace with a small disk in it, which no other process sees.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A namespace that is kept by a shell in it and goes with it, and with the disk.
pub(crate) struct Namespace {
    shell: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    disk: PathBuf,
    is_root: bool,
}

impl Namespace {
    /// Mounts a disk of so many KiB on a folder. Root needs no user namespace for it, others get one.
    pub(crate) fn with_disk(folder: &Path, kibibytes: usize) -> Self {
        let user = Command::new("id").arg("-u").output().unwrap();
        let is_root = user.stdout == b"0\n";
        let mut shell = Command::new("unshare")
            .arg(if is_root { "-m" } else { "-rm" })
            .args([
                "/bin/sh",
                "-c",
                "while read -r line; do eval \"$line\" >&2; echo $?; done",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut namespace = Self {
            commands: shell.stdin.take().unwrap(),
            answers: BufReader::new(shell.stdout.take().unwrap()),
            shell,
            disk: folder.to_owned(),
            is_root,
        };
        let mount = format!("mount -t tmpfs -o size={kibibytes}k tmpfs {}", folder.display());
        namespace.shell(&mount);
        namespace
    }

    /// Gives the disk another size.
    pub(crate) fn resize(&mut self, kibibytes: usize) {
        let remount = format!("mount -o remount,size={kibibytes}k {}", self.disk.display());
        self.shell(&remount);
    }

    /// Fills whatever room is left with one file.
    pub(crate) fn fill(&mut self) {
        let filler = self.disk.join("filler");
        self.shell(&format!(
            "cat /dev/zero > {} 2> /dev/null || true",
            filler.display()
        ));
    }

    /// A program to be run in here, in some folder; the caller gives it its arguments and its environment.
    pub(crate) fn enter(&self, program: &str, work: &Path) -> Command {
        let mut command = Command::new("nsenter");
        if !self.is_root {
            command.args(["--preserve-credentials", "-U"]);
        }
        command
            .args(["-m", "-t", &self.shell.id().to_string()])
            .args(["/bin/sh", "-c", "cd \"$0\" && exec \"$@\""])
            .arg(work)
            .arg(program);
        command
    }

    fn shell(&mut self, line: &str) {
        writeln!(self.commands, "{line}").unwrap();
        let mut code = String::new();
        self.answers.read_line(&mut code).unwrap();
        assert_eq!(
            code, "0\n",
            "{line}: these tests mount a small disk, which takes `unshare` and the right to mount"
        );
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}
