//! Logging to standard error: what a run meets on its way. Results never go here, secrets never go anywhere.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

use crate::settings::{Environment, InvalidValue, Origin, SettingsError, Variable};

/// How much this project logs. Libraries never log more than warnings: at their finer levels they may print headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// What failed.
    Error,
    /// And what someone should look at.
    #[default]
    Warn,
    /// And what was done.
    Info,
    /// And how.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    /// Every level, from none to all.
    pub const ALL: [Self; 6] = [
        Self::Off,
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// The name in flags and variables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The level of the flag, else that of `USAGE_LOG`, else the program's own.
    pub fn resolve(
        flag: Option<Self>,
        environment: &Environment,
        default: Self,
    ) -> Result<Self, SettingsError> {
        if let Some(level) = flag {
            return Ok(level);
        }
        let Some(text) = environment.text(Variable::USAGE_LOG)? else {
            return Ok(default);
        };
        text.parse().map_err(|problem| SettingsError::Invalid {
            origin: Origin::Environment(Variable::USAGE_LOG.name),
            problem,
        })
    }

    const fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::OFF,
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LogLevel {
    type Err = InvalidValue;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|level| level.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| InvalidValue::LogLevel(text.to_owned()))
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// A line for people.
    #[default]
    Text,
    /// One JSON object a line, for collectors.
    Json,
}

/// Sends what is logged from now on to standard error, in colour only on a terminal and unless `NO_COLOR` is set.
///
/// Call it once, in `main`; a second call changes nothing.
pub fn install(level: LogLevel, format: LogFormat, environment: &Environment) {
    let colours = io::stderr().is_terminal() && !environment.is_set(Variable::NO_COLOR);
    let subscriber = subscriber(level, format, colours, io::stderr);
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("logging was already set up");
    }
}

fn subscriber<W>(
    level: LogLevel,
    format: LogFormat,
    colours: bool,
    writer: W,
) -> impl Subscriber + Send + Sync
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    // Every crate of this project starts with `usage`.
    let targets = Targets::new()
        .with_default(level.filter().min(LevelFilter::WARN))
        .with_target("usage", level.filter());
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match format {
        LogFormat::Text => lines.compact().with_ansi(colours).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_ansi(false).boxed(),
    };
    Registry::default().with(lines.with_filter(targets))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What a few events look like.
    fn logged(level: LogLevel, format: LogFormat, colours: bool) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber(level, format, colours, move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::debug!(target: "usage_ingest::fetch", "a page");
            tracing::info!(target: "usage_ingest", windows = 31, "done");
            tracing::warn!(target: "usage_ingest", code = "DIMENSION_EMPTY", "a warning");
            tracing::info!(target: "reqwest::connect", "headers");
            tracing::warn!(target: "reqwest::connect", "a library's warning");
        });
        String::from_utf8(lines.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn libraries_never_log_more_than_warnings() {
        let text = logged(LogLevel::Trace, LogFormat::Text, false);
        let messages = ["a page", "done", "a warning", "a library's warning"];
        assert!(messages.iter().all(|message| text.contains(message)), "{text}");
        assert!(!text.contains("headers"), "{text}");
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn the_level_holds_for_everyone() {
        for (level, lines) in [
            (LogLevel::Off, 0),
            (LogLevel::Error, 0),
            (LogLevel::Warn, 2),
            (LogLevel::Info, 3),
            (LogLevel::Debug, 4),
        ] {
            let text = logged(level, LogFormat::Text, false);
            assert_eq!(text.lines().count(), lines, "{level}: {text}");
        }
    }

    #[test]
    fn colours_come_only_when_asked_for() {
        let escape = '\u{1b}';
        assert!(logged(LogLevel::Warn, LogFormat::Text, true).contains(escape));
        assert!(!logged(LogLevel::Warn, LogFormat::Text, false).contains(escape));
        assert!(!logged(LogLevel::Warn, LogFormat::Json, true).contains(escape));
    }

    #[test]
    fn json_is_one_object_a_line() {
        let text = logged(LogLevel::Info, LogFormat::Json, false);
        let objects: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(objects[0]["message"], "done");
        assert_eq!(objects[0]["windows"], 31);
        assert_eq!(objects[0]["level"], "INFO");
        assert_eq!(objects[1]["code"], "DIMENSION_EMPTY");
    }

    #[test]
    fn flag_then_variable_then_warnings() {
        let environment = |value: &str| Environment::from_iter([("USAGE_LOG", value)]);
        let resolve = |flag, value| LogLevel::resolve(flag, &environment(value), LogLevel::Warn);
        assert_eq!(resolve(Some(LogLevel::Error), "debug"), Ok(LogLevel::Error));
        assert_eq!(resolve(None, "DEBUG"), Ok(LogLevel::Debug));
        assert_eq!(resolve(None, ""), Ok(LogLevel::Warn));
        assert_eq!(
            resolve(None, "verbose").unwrap_err().to_string(),
            "USAGE_LOG: `verbose` is not a log level; use off, error, warn, info, debug or trace"
        );
    }
}
