//! Arguments that cannot be used: one line on standard error.

use std::error::Error as _;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use usage_app::hide_secrets;

/// Why a command line asks for nothing that can be done.
#[derive(Debug)]
pub enum Refusal {
    /// It asks for help or for the version, or for nothing at all.
    Help(clap::Error),
    /// It is wrong; the text is one line that says what and where to look.
    Wrong(String),
}

impl Refusal {
    /// Judges clap's error about these arguments of the command.
    pub fn new(error: clap::Error, command: &clap::Command, arguments: &[OsString]) -> Self {
        match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Self::Help(error),
            _ => Self::Wrong(one_line(&error, &command_path(command, arguments))),
        }
    }

    /// Prints it where it belongs, and gives the exit status.
    pub fn report(&self) -> ExitCode {
        match self {
            Self::Help(error) => match error.print().and_then(|()| io::stdout().flush()) {
                // Whoever reads has seen enough, as `head` does.
                Err(failed) if failed.kind() != io::ErrorKind::BrokenPipe => {
                    let _ = writeln!(io::stderr(), "error: cannot write the help: {failed}");
                    ExitCode::from(2)
                }
                _ => u8::try_from(error.exit_code()).map_or(ExitCode::from(2), ExitCode::from),
            },
            // If even this cannot be written, the exit status still tells.
            Self::Wrong(line) => {
                let _ = writeln!(io::stderr(), "{line}");
                ExitCode::from(2)
            }
        }
    }
}

/// clap's message takes several lines: this keeps what is wrong and what may have been meant.
fn one_line(error: &clap::Error, path: &str) -> String {
    let rendered = error.render().to_string();
    let argument = error.get(ContextKind::InvalidArg).map(ToString::to_string);
    let message = match (error.kind(), argument, error.source()) {
        // The parser's own message names the value already.
        (ErrorKind::ValueValidation, Some(argument), Some(source)) => {
            let flag = argument.split_whitespace().next().unwrap_or_default();
            format!("{flag}: {source}")
        }
        _ => first_paragraph(&rendered),
    };
    let message = hide_secrets(&message);
    let similar = similar(&rendered)
        .map(|tip| format!("; {tip}"))
        .unwrap_or_default();
    format!("error: {message}{similar}; try '{path} --help'")
}

fn first_paragraph(rendered: &str) -> String {
    let lines: Vec<&str> = rendered
        .lines()
        .map(str::trim)
        .take_while(|line| !line.is_empty())
        .collect();
    let text = lines.join(" ");
    text.strip_prefix("error: ").unwrap_or(&text).to_owned()
}

fn similar(rendered: &str) -> Option<&str> {
    rendered
        .lines()
        .filter_map(|line| line.trim().strip_prefix("tip: "))
        .find(|tip| tip.contains("similar"))
}

/// The command that the arguments lead to, as one would type it: `usage keys add`.
fn command_path(root: &clap::Command, arguments: &[OsString]) -> String {
    let mut path = root.get_name().to_owned();
    let mut command = root;
    let mut words = arguments.iter().skip(1).filter_map(|argument| argument.to_str());
    while let Some(word) = words.next() {
        if let Some(subcommand) = command.find_subcommand(word) {
            command = subcommand;
            path = format!("{path} {}", command.get_name());
        } else if takes_next_word(root, word) {
            // The value of `--config keys` is no subcommand.
            words.next();
        }
    }
    path
}

fn takes_next_word(root: &clap::Command, word: &str) -> bool {
    root.get_arguments().any(|argument| {
        argument.get_long().is_some()
            && argument.get_long() == word.strip_prefix("--")
            && argument.get_action().takes_values()
    })
}
