//! Database URLs.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use secrecy::{ExposeSecret as _, SecretString};

use super::mask::mask_url;
use crate::text::names_key;

/// Where the ledger is.
///
/// `Display` and `Debug` hide the password.
///
/// ```
/// use usage_app::settings::DatabaseUrl;
///
/// let url: DatabaseUrl = "postgres://me:hunter2@db-1,db-2/usage".parse()?;
/// assert_eq!(url.to_string(), "postgres://me:***@db-1,db-2/usage");
/// # Ok::<(), usage_app::settings::ParseDatabaseUrlError>(())
/// ```
#[derive(Clone)]
pub enum DatabaseUrl {
    /// A file; a relative path counts from the current directory, whoever names it.
    Sqlite(PathBuf),
    /// A `postgres://` or `postgresql://` URL, exactly as it was written: libpq alone knows how to read its hosts.
    Postgres(SecretString),
}

impl DatabaseUrl {
    /// The file of an `SQLite` ledger.
    pub fn sqlite_path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }

    /// As the store takes it, password and all.
    pub(crate) fn with_password(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(url) => url.expose_secret().to_owned(),
        }
    }
}

impl Default for DatabaseUrl {
    /// `sqlite:usage.db`.
    fn default() -> Self {
        Self::Sqlite(PathBuf::from("usage.db"))
    }
}

impl FromStr for DatabaseUrl {
    type Err = ParseDatabaseUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ParseDatabaseUrlError::Empty);
        }
        if text.contains(char::is_control) {
            return Err(ParseDatabaseUrlError::ControlCharacter);
        }
        let Some((scheme, rest)) = split_scheme(text) else {
            return Err(ParseDatabaseUrlError::NoScheme(suggestion(text)));
        };
        match scheme {
            "sqlite" => sqlite_path(rest).map(Self::Sqlite),
            "postgres" | "postgresql" => match rest.strip_prefix("//") {
                None => Err(ParseDatabaseUrlError::NoSlashes(scheme.to_owned())),
                Some(rest) if has_one_reading(rest) => Ok(Self::Postgres(text.into())),
                Some(_) => Err(ParseDatabaseUrlError::Ambiguous),
            },
            key if names_key(key) => Err(ParseDatabaseUrlError::NoScheme(suggestion(text))),
            _ => Err(ParseDatabaseUrlError::UnsupportedScheme(scheme.to_owned())),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => f.write_str(&mask_url(url.expose_secret())),
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabaseUrl({self})")
    }
}

/// The text is no place where a ledger can live. No message repeats what may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseDatabaseUrlError {
    /// Nothing.
    #[error("the database URL is empty; write sqlite:PATH or postgres://…")]
    Empty,
    /// A line break or the like.
    #[error("the database URL holds a control character; write sqlite:PATH or postgres://…")]
    ControlCharacter,
    /// No scheme; the text holds what was probably meant.
    #[error("the database URL names no kind of database; write {0}")]
    NoScheme(String),
    /// Another kind of database.
    #[error("`{0}` is not a supported kind of database; write sqlite:PATH or postgres://…")]
    UnsupportedScheme(String),
    /// `postgres:` without the slashes.
    #[error("a PostgreSQL URL starts with `{0}://`; write {0}://USER@HOST/NAME")]
    NoSlashes(String),
    /// A server's URL that libpq would divide elsewhere than its author, and quote a piece of the password for it.
    #[error(
        "the database URL can be read in several ways; write @, / and % in a password as %40, %2F and %25, a blank as %20"
    )]
    Ambiguous,
    /// `sqlite:` alone.
    #[error("the database URL names no file; write sqlite:PATH, for example sqlite:usage.db")]
    NoPath,
    /// A database that ends with the process.
    #[error("a ledger in memory would be gone when the command ends; write sqlite:PATH")]
    InMemory,
    /// The URL form, which every tool reads otherwise.
    #[error("`sqlite://` is read differently by every tool; write sqlite:PATH, for example sqlite:usage.db")]
    SqliteSlashes,
    /// `?mode=…` and the like.
    #[error("an SQLite ledger takes no parameters; write sqlite:PATH without `file:` and `?`")]
    SqliteParameters,
}

/// `scheme:rest`. A single letter is a Windows drive, not a scheme.
fn split_scheme(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once(':')?;
    let plain = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
    let starts_well = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    (scheme.len() > 1 && starts_well && scheme.chars().all(plain)).then_some((scheme, rest))
}

/// Whether everybody divides the part after `postgres://` alike: one `@` at most, before the first `/` and `?`, no
/// blank, and a valid escape behind every `%`. libpq takes an `@` or `/` inside a password for the end of the user or
/// of the host, and repeats what it cannot read in its errors.
fn has_one_reading(rest: &str) -> bool {
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let ats = |text: &str| text.matches('@').count();
    ats(authority) <= 1
        && ats(rest) == ats(authority)
        && !rest.contains(char::is_whitespace)
        && rest.split('%').skip(1).all(starts_with_escape)
}

/// Two hexadecimal digits that stand for no zero byte, which libpq refuses.
fn starts_with_escape(text: &str) -> bool {
    text.get(..2)
        .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
        .is_some_and(|digits| digits != "00")
}

fn sqlite_path(rest: &str) -> Result<PathBuf, ParseDatabaseUrlError> {
    let rest = rest.trim();
    if rest.is_empty() {
        return Err(ParseDatabaseUrlError::NoPath);
    }
    if rest.contains(":memory:") || rest.contains("mode=memory") {
        return Err(ParseDatabaseUrlError::InMemory);
    }
    if rest.starts_with("//") {
        return Err(ParseDatabaseUrlError::SqliteSlashes);
    }
    if rest.starts_with("file:") || rest.contains('?') {
        return Err(ParseDatabaseUrlError::SqliteParameters);
    }
    Ok(PathBuf::from(rest))
}

/// What to write instead of a text without a scheme. Only a text that is plainly a path is repeated: another may be
/// libpq's `host=… password=…`, or a provider's key.
fn suggestion(text: &str) -> String {
    let path = text
        .chars()
        .all(|character| character.is_alphanumeric() || "/\\._-: ".contains(character));
    if path && !names_key(text) {
        format!("sqlite:{text}")
    } else {
        "sqlite:PATH or postgres://USER@HOST/NAME".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_files_and_servers() {
        for (text, shown) in [
            ("sqlite:usage.db", "sqlite:usage.db"),
            (
                " sqlite:/var/lib/usage/ledger.db\n",
                "sqlite:/var/lib/usage/ledger.db",
            ),
            ("sqlite:with space.db", "sqlite:with space.db"),
            ("sqlite:C:\\ledger.db", "sqlite:C:\\ledger.db"),
            ("postgres:///usage", "postgres:///usage"),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn a_server_url_passes_untouched_and_shows_no_password() {
        let text = "postgresql://me:hunter2@[::1]:5432,db-2:5433/usage?target_session_attrs=read-write&password=hunter2";
        let url: DatabaseUrl = text.parse().unwrap();
        let DatabaseUrl::Postgres(whole) = &url else {
            panic!("{url}");
        };
        assert_eq!(whole.expose_secret(), text);
        for shown in [url.to_string(), format!("{url:?}")] {
            assert!(
                !shown.contains("hunter2") && shown.contains("[::1]:5432,db-2:5433/usage"),
                "{shown}"
            );
        }
    }

    #[test]
    fn a_server_url_has_one_reading_or_is_refused() {
        for text in [
            "postgres://me:p@hunter2@127.0.0.1:1/usage",
            "postgres://me:pa/hunter2@127.0.0.1:1/usage",
            "postgres://me:pa?hunter2@127.0.0.1:1/usage",
            "postgres://me:p@hunter2/word@127.0.0.1:1/usage",
            "postgres://me:hunter2%@127.0.0.1:1/usage",
            "postgres://me:hunter2%4@127.0.0.1:1/usage",
            "postgres://me:hunter2%zz@127.0.0.1:1/usage",
            "postgres://me:hunter2%00@127.0.0.1:1/usage",
            "postgres://me:hunter2%é@127.0.0.1:1/usage",
            "postgres://me:hunter2 tail@127.0.0.1:1/usage",
            "postgres://db/usage?password=hunter2%zz",
            "postgres://db/usage?user=me&password=p@hunter2",
            "postgresql://me:p@hunter2@127.0.0.1:1",
        ] {
            let error = text.parse::<DatabaseUrl>().unwrap_err();
            assert_eq!(error, ParseDatabaseUrlError::Ambiguous, "{text}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
        for text in [
            "postgres://me:p%40ss%2Fw%25rd@127.0.0.1:1/usage",
            "postgres://me@db",
            "postgres://@db/usage",
            "postgres://db/usage?user=me%40team&options=-c%20geqo%3Doff",
            "postgres://db?host=/run/postgresql",
        ] {
            assert!(text.parse::<DatabaseUrl>().is_ok(), "{text}");
        }
    }

    #[test]
    fn refusals_say_what_to_write() {
        let refusals: Vec<String> = [
            "",
            "usage.db",
            "C:\\usage.db",
            "./data/usage.db",
            "host=db user=me password=hunter2",
            "me:hunter2@db/usage",
            "mysql://me:hunter2@db/usage",
            "POSTGRES://db/usage",
            "postgres:usage",
            "sqlite:",
            "sqlite::memory:",
            "sqlite:file:x?mode=memory",
            "sqlite://usage.db",
            "sqlite:usage.db?mode=rwc",
            "sqlite:a\nb",
            "sk-admin-hunter2",
            "sk-admin-hunter2:usage",
        ]
        .into_iter()
        .map(|text| {
            let error = text.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
            format!("{text:?}: {error}")
        })
        .collect();
        insta::assert_snapshot!(refusals.join("\n"));
    }
}
