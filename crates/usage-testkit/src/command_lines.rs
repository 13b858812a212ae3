use std::path::Path;
use std::process::Command;

/// Programs that run another one, whose name stands somewhere among their arguments.
const WRAPPERS: [&str; 6] = ["docker", "env", "kubectl", "nice", "sudo", "systemd-run"];

/// A command that a document or a deployment file shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine {
    /// Its name, without the folder.
    pub program: String,
    /// What it is given.
    pub arguments: Vec<String>,
    /// The line on which it begins, counted from 1.
    pub line: usize,
}

impl CommandLine {
    /// The commands in the code blocks of a Markdown text: all of `sh` blocks, of `console` blocks what follows `$ `.
    ///
    /// `programs` are those that are looked for behind `sudo`, `docker run` and their like; where none of them is there,
    /// the wrapper is the command.
    pub fn in_markdown(text: &str, programs: &[&str]) -> Vec<Self> {
        let mut commands = Vec::new();
        let mut block = None;
        let mut lines = text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            let line = line.trim();
            if let Some(language) = line.strip_prefix("```") {
                block = (block.is_none()).then_some(language);
                continue;
            }
            let first = match block {
                Some("sh") => Some(line),
                Some("console") => line.strip_prefix("$ "),
                _ => None,
            };
            let Some(first) = first else { continue };
            let mut whole = first.to_owned();
            while let Some(before) = whole.strip_suffix('\\') {
                let next = lines.next().map_or("", |(_, line)| line.trim());
                whole = format!("{before}{next}");
            }
            commands.extend(Self::in_shell(&whole, programs).into_iter().map(|command| Self {
                line: number + 1,
                ..command
            }));
        }
        commands
    }

    /// The commands of these programs that the prose of a Markdown text quotes between backticks.
    pub fn in_prose(text: &str, programs: &[&str]) -> Vec<Self> {
        let mut commands = Vec::new();
        let mut is_code = false;
        let mut paragraph = String::new();
        let mut first = 1;
        for (number, line) in text.lines().chain([""]).enumerate() {
            is_code ^= line.trim().starts_with("```");
            // A quotation may go on in the next line, but never in the next paragraph.
            if !is_code && !line.trim().is_empty() && !line.trim().starts_with("```") {
                paragraph.push_str(line.trim());
                paragraph.push(' ');
                continue;
            }
            for quoted in paragraph.split('`').skip(1).step_by(2) {
                let quoted = Self::in_shell(quoted, programs).into_iter();
                commands.extend(
                    quoted
                        .filter(|command| programs.contains(&command.program.as_str()))
                        .map(|command| Self {
                            line: first,
                            ..command
                        }),
                );
            }
            paragraph.clear();
            first = number + 2;
        }
        commands
    }

    /// The commands of one line of a shell, without redirections and comments.
    pub fn in_shell(line: &str, programs: &[&str]) -> Vec<Self> {
        let of_words = |words: Vec<String>| Self::of_words(words, programs);
        split_shell(line).into_iter().filter_map(of_words).collect()
    }

    /// Why the program, which is this binary, does not take these arguments; `None` if it does.
    ///
    /// # Panics
    ///
    /// When the binary does not run.
    pub fn refusal(&self, binary: &Path) -> Option<String> {
        let help = match self.help(binary) {
            Ok(help) => help,
            Err(told) => return Some(told),
        };
        let Some(usage) = help.lines().find_map(|line| line.strip_prefix("Usage: ")) else {
            return Some("its help has no usage line".to_owned());
        };
        missing(usage, &help, &self.arguments).map(|missing| format!("{missing} is missing; usage: {usage}"))
    }

    /// The help of the command, which the binary prints if it takes these arguments, or why it does not take one of them.
    ///
    /// The arguments are parsed by the program itself, which is asked for help behind them, so that it does nothing else. It
    /// does not see then that something is missing.
    ///
    /// # Errors
    ///
    /// What the program says against an argument.
    ///
    /// # Panics
    ///
    /// When the binary does not run.
    pub fn help(&self, binary: &Path) -> Result<String, String> {
        let asked = Command::new(binary)
            .args(&self.arguments)
            .arg("--help")
            .env_clear()
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        if asked.status.success() {
            return Ok(String::from_utf8_lossy(&asked.stdout).into_owned());
        }
        let told = String::from_utf8_lossy(&asked.stderr);
        Err(told.lines().next().unwrap_or("it fails").to_owned())
    }

    fn of_words(words: Vec<String>, programs: &[&str]) -> Option<Self> {
        let is_program = |word: &String| {
            let name = word.rsplit('/').next();
            (word.starts_with('/') || !word.contains('/'))
                && programs.iter().any(|program| name == Some(program))
        };
        let mut start = words.iter().position(|word| !is_assignment(word))?;
        if WRAPPERS.contains(&words[start].as_str()) {
            let inner = words.iter().skip(start).position(is_program);
            start += inner.unwrap_or_default();
        }
        let mut words = words.into_iter().skip(start);
        let program = words.next()?;
        Some(Self {
            program: program.rsplit('/').next().unwrap_or(&program).to_owned(),
            arguments: words.collect(),
            line: 1,
        })
    }
}

/// `NAME=value` before a command.
fn is_assignment(word: &str) -> bool {
    word.split_once('=').is_some_and(|(name, _)| {
        !name.is_empty()
            && name
                .chars()
                .all(|character| character == '_' || character.is_ascii_alphanumeric())
    })
}

/// The words of each command of a line, without redirections and comments.
fn split_shell(line: &str) -> Vec<Vec<String>> {
    let mut commands: Vec<Vec<String>> = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut is_redirected = false;
    for character in line.chars().chain(['\n']) {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, '<' | '>' | '|' | ';' | '&' | '(' | ')') => {
                let before = word.take();
                // The number in `2>` is no word, and the `&` in `2>&1` begins no command.
                let is_number = before.as_deref().is_some_and(|word| word.parse::<u8>().is_ok());
                if let Some(before) = before.filter(|_| !is_number || !matches!(character, '<' | '>')) {
                    add(&mut commands, before, &mut is_redirected);
                }
                match character {
                    '<' | '>' => is_redirected = true,
                    '&' if is_redirected => {}
                    _ => {
                        is_redirected = false;
                        commands.push(Vec::new());
                    }
                }
            }
            (None, _) if character.is_whitespace() => {
                if let Some(word) = word.take() {
                    add(&mut commands, word, &mut is_redirected);
                }
            }
            _ => word.get_or_insert_default().push(character),
        }
    }
    commands.retain(|words| !words.is_empty());
    commands
}

fn add(commands: &mut [Vec<String>], word: String, is_redirected: &mut bool) {
    if std::mem::take(is_redirected) {
        return;
    }
    if let Some(words) = commands.last_mut() {
        words.push(word);
    }
}

/// What a usage line requires and the arguments do not have.
fn missing(usage: &str, help: &str, arguments: &[String]) -> Option<String> {
    let required: Vec<&str> = usage.split_whitespace().collect();
    // What stands before the first option or argument is the command's path.
    let path = required
        .iter()
        .position(|word| word.starts_with(['[', '<', '-']))
        .unwrap_or(required.len());
    let mut positionals = 0;
    let mut words = required[path..].iter();
    while let Some(word) = words.next() {
        if let Some(flag) = word.strip_prefix("--") {
            let flag = format!("--{flag}");
            let is_given = |argument: &String| *argument == flag || argument.starts_with(&format!("{flag}="));
            if !arguments.iter().any(is_given) {
                return Some(flag);
            }
            words.next();
        } else if word.starts_with('<') {
            positionals += 1;
            if given(help, arguments) < path - 1 + positionals {
                return Some((*word).to_owned());
            }
        }
    }
    None
}

/// How many arguments are neither flags nor values of flags: names of subcommands, and what those are given.
fn given(help: &str, arguments: &[String]) -> usize {
    // `-l, --label <L>`, and behind two blanks what it means.
    let definitions = help
        .lines()
        .filter_map(|line| line.trim_start().split("  ").next())
        .filter(|definition| definition.starts_with('-') && definition.contains('<'));
    let valued: Vec<&str> = definitions
        .flat_map(|definition| definition.split([' ', ',']))
        .collect();
    let mut count = 0;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        if !word.starts_with('-') {
            count += 1;
        } else if valued.contains(&word.as_str()) {
            words.next();
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(line: &str) -> Vec<String> {
        CommandLine::in_shell(line, &["usage", "usage-cron"])
            .into_iter()
            .map(|command| format!("{} {}", command.program, command.arguments.join("|")))
            .collect()
    }

    #[test]
    fn a_line_of_a_shell_is_taken_apart() {
        for (line, expected) in [
            (
                "usage keys rotate 1 < new.key   # secret",
                &["usage keys|rotate|1"][..],
            ),
            (
                "cd /x && usage-cron serve --schedule \"0 2 * * *\" 2>&1 | cat",
                &["cd /x", "usage-cron serve|--schedule|0 2 * * *", "cat "],
            ),
            (
                "A=1 B=2 usage status >out; export C=3",
                &["usage status", "export C=3"],
            ),
            (
                "sudo --user=usage env A=1 /usr/local/bin/usage doctor",
                &["usage doctor"],
            ),
            (
                "sudo systemctl start usage.service",
                &["sudo systemctl|start|usage.service"],
            ),
            ("kubectl exec deploy/usage -- usage status", &["usage status"]),
            ("createdb usage", &["createdb usage"]),
            (
                "usage backfill --label 'it is # 1'",
                &["usage backfill|--label|it is # 1"],
            ),
            ("# nothing", &[]),
        ] {
            assert_eq!(commands(line), expected, "{line}");
        }
    }

    #[test]
    fn only_code_blocks_have_commands() {
        let text = "usage a\n```sh\nusage b \\\n  c\n```\nusage d\n```toml\nusage = 1\n```\n```console\n$ usage e\nusage f\n```\n";
        let commands: Vec<(usize, String)> = CommandLine::in_markdown(text, &["usage"])
            .into_iter()
            .map(|command| (command.line, command.arguments.join("|")))
            .collect();
        assert_eq!(commands, [(3, "b|c".to_owned()), (11, "e".to_owned())]);
    }

    #[test]
    fn prose_quotes_commands() {
        let text =
            "Run `usage a\n--b c`, then `usage`.\n\n```sh\nusage d\n```\n* `other e`, `usage-cron f`\n";
        let commands: Vec<(usize, String)> = CommandLine::in_prose(text, &["usage", "usage-cron"])
            .into_iter()
            .map(|command| (command.line, command.arguments.join("|")))
            .collect();
        assert_eq!(
            commands,
            [(1, "a|--b|c".to_owned()), (1, String::new()), (7, "f".to_owned())]
        );
    }

    #[test]
    fn what_is_missing_is_found_in_the_usage_line() {
        let help = "Options:\n      --provider <P>\n  -l, --label <L>  A name\n      --plan\n";
        let missing = |usage: &str, line: &str| {
            let arguments: Vec<String> = line.split(' ').map(str::to_owned).collect();
            missing(usage, help, &arguments)
        };
        let add = "usage keys add [OPTIONS] --provider <P>";
        assert_eq!(missing(add, "keys add --provider openai"), None);
        assert_eq!(missing(add, "keys add --provider=openai"), None);
        assert_eq!(missing(add, "keys add --label x"), Some("--provider".to_owned()));
        let rotate = "usage keys rotate [OPTIONS] <ID>";
        assert_eq!(missing(rotate, "--label x keys rotate --plan 1"), None);
        assert_eq!(missing(rotate, "keys rotate -l 1"), Some("<ID>".to_owned()));
        assert_eq!(
            missing("usage keys [OPTIONS] <COMMAND>", "keys"),
            Some("<COMMAND>".to_owned())
        );
    }
}
