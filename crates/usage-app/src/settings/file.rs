//! `usage.toml`.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use toml::de::{DeArray, DeTable, DeValue};

use super::budgets::{self, Budget};
use super::error::SettingsError;
use super::origin::{Origin, Setting};
use super::variables::Variable;

/// The values of a settings file, each with its line.
#[derive(Clone, Debug, Default)]
pub(super) struct SettingsFile {
    path: PathBuf,
    entries: BTreeMap<&'static str, Entry>,
    budgets: Vec<Setting<Budget>>,
}

/// The key of the only setting that is no variable.
const BUDGETS: &str = "budgets";

#[derive(Clone, Debug)]
struct Entry {
    text: String,
    line: usize,
}

impl SettingsFile {
    /// Reads the file at `location`; messages name it `path`. `None` when there is no such file.
    pub(super) fn read(path: &Path, location: &Path) -> Result<Option<Self>, SettingsError> {
        match std::fs::read_to_string(location) {
            Ok(content) => Self::parse(path, &content).map(Some),
            Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(reason) => Err(SettingsError::UnreadableFile {
                path: path.to_owned(),
                reason: reason.to_string(),
            }),
        }
    }

    fn parse(path: &Path, content: &str) -> Result<Self, SettingsError> {
        let place = |offset: usize| Origin::File {
            path: path.to_owned(),
            line: line_at(content, offset),
        };
        let table = DeTable::parse(content).map_err(|error| SettingsError::Syntax {
            place: place(error.span().map_or(0, |span| span.start)),
            message: error.message().split_whitespace().collect::<Vec<_>>().join(" "),
        })?;

        let mut pairs: Vec<_> = table.get_ref().iter().collect();
        pairs.sort_by_key(|(key, _)| key.span().start);
        let mut entries = BTreeMap::new();
        let mut budgets = Vec::new();
        for (key, value) in pairs {
            if key.get_ref() == BUDGETS {
                budgets = budgets::read(value.get_ref(), key.span().start, place)?;
                continue;
            }
            let place = place(key.span().start);
            let (key, text) = read_entry(key.get_ref(), value.get_ref(), &place)?;
            let line = line_at(content, value.span().start);
            entries.insert(key, Entry { text, line });
        }
        Ok(Self {
            path: path.to_owned(),
            entries,
            budgets,
        })
    }

    /// The budgets, in the order of the file.
    pub(super) fn budgets(&self) -> &[Setting<Budget>] {
        &self.budgets
    }

    /// The file, as messages name it.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The value of the setting and where it stands.
    pub(super) fn get(&self, variable: Variable) -> Option<(&str, Origin)> {
        let entry = self.entries.get(variable.file_key?)?;
        let origin = Origin::File {
            path: self.path.clone(),
            line: entry.line,
        };
        Some((&entry.text, origin))
    }
}

/// The key that the table of variables has, and the value as text, as if it stood in the environment.
fn read_entry(
    key: &str,
    value: &DeValue<'_>,
    place: &Origin,
) -> Result<(&'static str, String), SettingsError> {
    if let Some(advice) = secret_advice(key) {
        return Err(SettingsError::SecretInFile {
            place: place.clone(),
            key: key.to_owned(),
            advice,
        });
    }
    let known = Variable::ALL
        .into_iter()
        .find_map(|variable| Some((variable, variable.file_key.filter(|known| *known == key)?)));
    let Some((variable, key)) = known else {
        return Err(SettingsError::UnknownKey {
            place: place.clone(),
            key: key.to_owned(),
            advice: advice_for(key),
        });
    };

    let number = [
        Variable::USAGE_REQUESTS_PER_MINUTE,
        Variable::USAGE_REQUEST_TIMEOUT,
        Variable::USAGE_WEBHOOK_TIMEOUT,
        Variable::USAGE_DATABASE_RETRY_SECONDS,
    ]
    .contains(&variable);
    let switch = variable == Variable::USAGE_NO_NAMES;
    let list = variable == Variable::USAGE_WEBHOOK_URL;
    let text = match value {
        DeValue::Array(values) if list => texts(values),
        DeValue::Boolean(value) if switch => Some(value.to_string()),
        DeValue::String(text) if !number && !switch => Some(text.trim().to_owned()),
        DeValue::Integer(integer) if number => Some(
            i64::from_str_radix(integer.as_str(), integer.radix())
                .map_or_else(|_| integer.as_str().to_owned(), |value| value.to_string()),
        ),
        _ => None,
    };
    text.map(|text| (key, text))
        .ok_or_else(|| SettingsError::WrongType {
            place: place.clone(),
            key,
            expected: if number {
                "a whole number"
            } else if switch {
                "true or false"
            } else if list {
                "text in quotes, or a list of such texts"
            } else {
                "text in quotes"
            },
            found: value.type_str(),
        })
}

/// A list of texts, as the environment would have it: separated by blanks.
fn texts(values: &DeArray<'_>) -> Option<String> {
    let texts: Option<Vec<&str>> = values
        .iter()
        .map(|value| match value.get_ref() {
            DeValue::String(text) => Some(text.trim()),
            _ => None,
        })
        .collect();
    texts.map(|texts| texts.join(" ").trim().to_owned())
}

/// Where a secret belongs that someone put into the file.
fn secret_advice(key: &str) -> Option<&'static str> {
    match normalized(key).as_str() {
        "master_key" => Some("set USAGE_MASTER_KEY, or name a file with `master_key_file`"),
        "previous_master_key" => {
            Some("set USAGE_PREVIOUS_MASTER_KEY, or name a file with `previous_master_key_file`")
        }
        "cron_secret" => Some("set CRON_SECRET in the environment"),
        "sanitize_salt" | "daily_usage_sanitize_salt" => {
            Some("set DAILY_USAGE_SANITIZE_SALT in the environment")
        }
        _ => None,
    }
}

fn advice_for(unknown: &str) -> String {
    let keys: Vec<_> = Variable::ALL
        .into_iter()
        .filter_map(|variable| variable.file_key)
        .chain([BUDGETS])
        .collect();
    let unknown = normalized(unknown);
    let nearest = keys
        .iter()
        .min_by_key(|key| edit_distance(key, &unknown))
        .filter(|key| {
            let begins = unknown.len() >= 4 && key.starts_with(&unknown);
            begins || edit_distance(key, &unknown) <= 3.min(key.len() / 2)
        });
    match nearest {
        Some(key) => format!("did you mean `{key}`?"),
        None => format!("the settings are {}", keys.join(", ")),
    }
}

/// The key as this file would spell it: people also write `database-url` and `USAGE_DATABASE_URL`.
fn normalized(key: &str) -> String {
    let key = key.to_ascii_lowercase().replace('-', "_");
    key.strip_prefix("usage_").map(str::to_owned).unwrap_or(key)
}

/// How many characters to insert, delete or replace to get from one text to the other.
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (removed, character) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], removed + 1);
        for (index, other) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(character != *other);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(diagonal + 1).min(row[index] + 1);
        }
    }
    row[to.len()]
}

/// The line, counted from one, that holds the byte.
fn line_at(content: &str, offset: usize) -> usize {
    let before = content.get(..offset).unwrap_or_default();
    before.matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_with_its_line() {
        let content = "# the ledger of the team\ndatabase_url = \"postgres://db/usage\"\nmaster_key_file = '/run/key'\n\
                       previous_master_key_file = '/run/old.key'\n\
                       openai_base_url = \"http://127.0.0.1:1/v1\"\nopenai_array_encoding = \"comma\"\nanthropic_base_url = \"https://a.example\"\n\n\
                       requests_per_minute = 1_000\nrequest_timeout = 30\nprices_file = 'prices.toml'\nno_names = true\nbind = \"0.0.0.0:80\"\n\
                       webhook_url = ['https://a.example/1', 'https://b.example/2']\nwebhook_format = 'slack'\nwebhook_timeout = 5\n\
                       ping_url = 'https://c.example/3'\ndatabase_retry_seconds = 90\n";
        let file = SettingsFile::parse(Path::new("usage.toml"), content).unwrap();
        let read: Vec<String> = Variable::ALL
            .into_iter()
            .filter_map(|variable| {
                let (value, origin) = file.get(variable)?;
                Some(format!("{}: {value} ({origin})", variable.name))
            })
            .collect();
        assert_eq!(
            read,
            [
                "USAGE_DATABASE_URL: postgres://db/usage (usage.toml:2)",
                "USAGE_DATABASE_RETRY_SECONDS: 90 (usage.toml:18)",
                "USAGE_MASTER_KEY_FILE: /run/key (usage.toml:3)",
                "USAGE_PREVIOUS_MASTER_KEY_FILE: /run/old.key (usage.toml:4)",
                "USAGE_OPENAI_BASE_URL: http://127.0.0.1:1/v1 (usage.toml:5)",
                "USAGE_OPENAI_ARRAY_ENCODING: comma (usage.toml:6)",
                "USAGE_ANTHROPIC_BASE_URL: https://a.example (usage.toml:7)",
                "USAGE_REQUESTS_PER_MINUTE: 1000 (usage.toml:9)",
                "USAGE_REQUEST_TIMEOUT: 30 (usage.toml:10)",
                "USAGE_PRICES_FILE: prices.toml (usage.toml:11)",
                "USAGE_NO_NAMES: true (usage.toml:12)",
                "USAGE_BIND: 0.0.0.0:80 (usage.toml:13)",
                "USAGE_WEBHOOK_URL: https://a.example/1 https://b.example/2 (usage.toml:14)",
                "USAGE_WEBHOOK_FORMAT: slack (usage.toml:15)",
                "USAGE_WEBHOOK_TIMEOUT: 5 (usage.toml:16)",
                "USAGE_PING_URL: https://c.example/3 (usage.toml:17)",
            ]
        );
    }

    #[test]
    fn faults_name_file_line_and_remedy_in_one_line_without_the_value() {
        let faults: Vec<String> = [
            "bind = '127.0.0.1:1'\ndatabse_url = 'hunter2'",
            "database-url = 'hunter2'",
            "USAGE_BIND = 'hunter2'",
            "database = 'hunter2'",
            "colour = 'hunter2'",
            "[database]\nurl = 'hunter2'",
            "master_key = 'hunter2'",
            "\n\nCRON_SECRET = 'hunter2'",
            "requests_per_minute = 'hunter2'",
            "requests_per_minute = 1.5",
            "no_names = 'hunter2'",
            "bind = 8080",
            "database_url = [\n'hunter2']",
            "database_url = hunter2",
            "database_url = 'hunter2",
            "bind = 'a'\nbind = 'hunter2'",
            "hunter2",
            "\u{feff}zzz = 1",
            "webhook_url = 5",
            "webhook_url = ['https://a.example/hunter2', 5]",
            "webhook_timeout = '5'",
            "budget = 5",
            "budgets = 5",
            "budgets = ['hunter2']",
            "[budgets]\nname = 'a'",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'",
            "[[budgets]]\nperiod = 'daily'\namount_usd = 1",
            "[[budgets]]\nname = 'a'\namount_usd = 1",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = 1\nwarn = '80%'",
            "[[budgets]]\nname = ''\nperiod = 'daily'\namount_usd = 1",
            "[[budgets]]\nname = 5\nperiod = 'daily'\namount_usd = 1",
            "[[budgets]]\nname = 'a'\nperiod = 'yearly'\namount_usd = 1",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = 0",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = -1.5",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = inf",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = '0.0000000001'",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = 0.0000000001",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = '1,000'",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = true",
            "[[budgets]]\nname = 'a'\naccount = 'sk-admin-hunter2'\nperiod = 'daily'\namount_usd = 1",
            "[[budgets]]\nname = 'a'\nproject = 'sk-admin-hunter2'\nperiod = 'daily'\namount_usd = 1",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = 1\nwarn_at = 80",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = 1\nwarn_at = '100%'",
            "[[budgets]]\nname = 'a'\nperiod = 'daily'\namount_usd = 1\n[[budgets]]\nname = 'a'\nperiod = 'weekly'\namount_usd = 1",
        ]
        .into_iter()
        .map(|content| {
            let error = SettingsFile::parse(Path::new("usage.toml"), content)
                .unwrap_err()
                .to_string();
            assert!(!error.contains('\n') && !error.contains("hunter2"), "{error}");
            format!("{content:?}\n    {error}")
        })
        .collect();
        insta::assert_snapshot!(faults.join("\n"));
    }

    #[test]
    fn budgets_are_read_exactly_however_their_amount_is_written() {
        let content = "bind = '127.0.0.1:1'\n\n\
                       [[budgets]]\nname = 'all of it'\nperiod = 'monthly'\namount_usd = '250.00'\n\
                       [[budgets]]\nname = 'support bot'\naccount = 'openai/org-a'\nproject = 'proj_b'\nperiod = 'weekly'\n\
                       amount_usd = 0.123456789\nwarn_at = '80%'\n\
                       [[budgets]]\nname = 'c'\nperiod = 'daily'\namount_usd = 1_000\n\
                       [[budgets]]\nname = 'd'\nperiod = 'daily'\namount_usd = 9_007_199_254.740_993\n";
        let file = SettingsFile::parse(Path::new("usage.toml"), content).unwrap();
        let read: Vec<String> = file
            .budgets()
            .iter()
            .map(|budget| format!("{} ({})", budget.value, budget.origin))
            .collect();
        assert_eq!(
            read,
            [
                "all of it: 250 usd monthly (usage.toml:3)",
                "support bot: 0.123456789 usd weekly, openai/org-a, proj_b, warned at 80% (usage.toml:7)",
                "c: 1000 usd daily (usage.toml:14)",
                // A 64-bit float has no such number.
                "d: 9007199254.740993 usd daily (usage.toml:18)",
            ]
        );
    }

    #[test]
    fn a_missing_file_is_none_and_a_folder_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let shown = Path::new("usage.toml");
        assert!(
            SettingsFile::read(shown, &directory.path().join("usage.toml"))
                .unwrap()
                .is_none()
        );
        let error = SettingsFile::read(shown, directory.path())
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("cannot read the settings file usage.toml: "),
            "{error}"
        );
    }

    #[test]
    fn edit_distance_counts_changes() {
        for (from, to, distance) in [
            ("", "abc", 3),
            ("bind", "bind", 0),
            ("bind", "bond", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(edit_distance(from, to), distance, "{from} {to}");
            assert_eq!(edit_distance(to, from), distance, "{to} {from}");
        }
    }
}
