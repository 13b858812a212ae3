//! Every environment variable that the project reads, in one table.

/// An environment variable: what it means, and its key in `usage.toml` if it may stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Variable {
    /// The name in the environment.
    pub name: &'static str,
    /// The key in `usage.toml`; `None` for what does not belong there.
    pub file_key: Option<&'static str>,
    /// What it is, in one line.
    pub meaning: &'static str,
    /// What holds when it is not set, in words where it is not a value.
    pub default: &'static str,
    /// Whether its value is never shown.
    pub secret: bool,
}

impl Variable {
    /// Every variable, in the order in which people meet them.
    pub const ALL: [Self; 26] = [
        Self::USAGE_CONFIG,
        Self::USAGE_DATABASE_URL,
        Self::DATABASE_URL,
        Self::USAGE_DATABASE_RETRY_SECONDS,
        Self::USAGE_MASTER_KEY_FILE,
        Self::USAGE_MASTER_KEY,
        Self::USAGE_PREVIOUS_MASTER_KEY_FILE,
        Self::USAGE_PREVIOUS_MASTER_KEY,
        Self::USAGE_OPENAI_BASE_URL,
        Self::USAGE_OPENAI_ARRAY_ENCODING,
        Self::USAGE_ANTHROPIC_BASE_URL,
        Self::USAGE_REQUESTS_PER_MINUTE,
        Self::USAGE_REQUEST_TIMEOUT,
        Self::USAGE_PRICES_FILE,
        Self::USAGE_NO_NAMES,
        Self::USAGE_BIND,
        Self::USAGE_WEBHOOK_URL,
        Self::USAGE_WEBHOOK_FORMAT,
        Self::USAGE_WEBHOOK_TIMEOUT,
        Self::USAGE_PING_URL,
        Self::CRON_SECRET,
        Self::DAILY_USAGE_SANITIZE_SALT,
        Self::USAGE_LOG,
        Self::NO_COLOR,
        Self::XDG_CONFIG_HOME,
        Self::HOME,
    ];

    /// Which file to read instead of `usage.toml` in the current directory.
    pub const USAGE_CONFIG: Self = Self {
        name: "USAGE_CONFIG",
        file_key: None,
        meaning: "The settings file; one that is named must exist",
        default: "usage.toml in the current directory, if there is one",
        secret: false,
    };

    /// The ledger. Its password, if any, is masked wherever the value is shown.
    pub const USAGE_DATABASE_URL: Self = Self {
        name: "USAGE_DATABASE_URL",
        file_key: Some("database_url"),
        meaning: "The ledger: sqlite:PATH or postgres://USER:PASSWORD@HOST/NAME",
        default: "sqlite:usage.db",
        secret: false,
    };

    /// The ledger, under the name that many hosts set.
    pub const DATABASE_URL: Self = Self {
        name: "DATABASE_URL",
        file_key: None,
        meaning: "The ledger when USAGE_DATABASE_URL is not set",
        default: "not set",
        secret: false,
    };

    /// How long a PostgreSQL server that goes away is waited for.
    pub const USAGE_DATABASE_RETRY_SECONDS: Self = Self {
        name: "USAGE_DATABASE_RETRY_SECONDS",
        file_key: Some("database_retry_seconds"),
        meaning: "Seconds that a PostgreSQL server which goes away is waited for (0 to 3600; 0: not at all)",
        default: "60",
        secret: false,
    };

    /// A file with the master key.
    pub const USAGE_MASTER_KEY_FILE: Self = Self {
        name: "USAGE_MASTER_KEY_FILE",
        file_key: Some("master_key_file"),
        meaning: "A file that holds the master key (32 bytes in base64), which encrypts provider keys",
        default: "usage/master.key under XDG_CONFIG_HOME, made on first use",
        secret: false,
    };

    /// The master key itself.
    pub const USAGE_MASTER_KEY: Self = Self {
        name: "USAGE_MASTER_KEY",
        file_key: None,
        meaning: "The master key itself (32 bytes in base64), instead of a file",
        default: "not set",
        secret: true,
    };

    /// A file with the master key that was used before.
    pub const USAGE_PREVIOUS_MASTER_KEY_FILE: Self = Self {
        name: "USAGE_PREVIOUS_MASTER_KEY_FILE",
        file_key: Some("previous_master_key_file"),
        meaning: "A file with the master key used before, which still opens what it sealed; never made",
        default: "not set",
        secret: false,
    };

    /// The master key that was used before.
    pub const USAGE_PREVIOUS_MASTER_KEY: Self = Self {
        name: "USAGE_PREVIOUS_MASTER_KEY",
        file_key: None,
        meaning: "The master key used before (32 bytes in base64), instead of a file",
        default: "not set",
        secret: true,
    };

    /// Where `OpenAI`'s API is.
    pub const USAGE_OPENAI_BASE_URL: Self = Self {
        name: "USAGE_OPENAI_BASE_URL",
        file_key: Some("openai_base_url"),
        meaning: "Where OpenAI's API is; https, or http to this machine only",
        default: "https://api.openai.com/v1",
        secret: false,
    };

    /// How lists are written into `OpenAI`'s queries.
    pub const USAGE_OPENAI_ARRAY_ENCODING: Self = Self {
        name: "USAGE_OPENAI_ARRAY_ENCODING",
        file_key: Some("openai_array_encoding"),
        meaning: "How lists are written into OpenAI's queries: repeated, brackets or comma",
        default: "repeated",
        secret: false,
    };

    /// Where Anthropic's API is.
    pub const USAGE_ANTHROPIC_BASE_URL: Self = Self {
        name: "USAGE_ANTHROPIC_BASE_URL",
        file_key: Some("anthropic_base_url"),
        meaning: "Where Anthropic's API is; https, or http to this machine only",
        default: "https://api.anthropic.com",
        secret: false,
    };

    /// The pace of requests to a provider.
    pub const USAGE_REQUESTS_PER_MINUTE: Self = Self {
        name: "USAGE_REQUESTS_PER_MINUTE",
        file_key: Some("requests_per_minute"),
        meaning: "Requests an account may make in a minute (1 to 100000), in bursts of 10",
        default: "50",
        secret: false,
    };

    /// The user's own prices.
    pub const USAGE_PRICES_FILE: Self = Self {
        name: "USAGE_PRICES_FILE",
        file_key: Some("prices_file"),
        meaning: "A file with prices of your own (TOML), which come before the built-in price list",
        default: "not set",
        secret: false,
    };

    /// How long one request to a provider may take.
    pub const USAGE_REQUEST_TIMEOUT: Self = Self {
        name: "USAGE_REQUEST_TIMEOUT",
        file_key: Some("request_timeout"),
        meaning: "Seconds that one attempt of a request to a provider may take (1 to 3600)",
        default: "300",
        secret: false,
    };

    /// Whether users' names and e-mail addresses stay out of the ledger.
    pub const USAGE_NO_NAMES: Self = Self {
        name: "USAGE_NO_NAMES",
        file_key: Some("no_names"),
        meaning: "true: store no user's name or e-mail address, and erase those that are stored",
        default: "false",
        secret: false,
    };

    /// Where the server listens.
    pub const USAGE_BIND: Self = Self {
        name: "USAGE_BIND",
        file_key: Some("bind"),
        meaning: "The address and port that the server listens on",
        default: "127.0.0.1:8080",
        secret: false,
    };

    /// Who is told of incidents. Only the host is ever shown.
    pub const USAGE_WEBHOOK_URL: Self = Self {
        name: "USAGE_WEBHOOK_URL",
        file_key: Some("webhook_url"),
        meaning: "Webhooks that are told of incidents, separated by blanks; https, or http to this machine only",
        default: "not set",
        secret: false,
    };

    /// What a webhook is sent.
    pub const USAGE_WEBHOOK_FORMAT: Self = Self {
        name: "USAGE_WEBHOOK_FORMAT",
        file_key: Some("webhook_format"),
        meaning: "What webhooks are sent: json or slack",
        default: "json",
        secret: false,
    };

    /// How long a webhook may take.
    pub const USAGE_WEBHOOK_TIMEOUT: Self = Self {
        name: "USAGE_WEBHOOK_TIMEOUT",
        file_key: Some("webhook_timeout"),
        meaning: "Seconds that a webhook or a ping may take (1 to 120)",
        default: "10",
        secret: false,
    };

    /// A dead-man's switch. Only the host is ever shown.
    pub const USAGE_PING_URL: Self = Self {
        name: "USAGE_PING_URL",
        file_key: Some("ping_url"),
        meaning: "A dead-man's switch: fetched after a good cron pass, with /fail at its end after a bad one",
        default: "not set",
        secret: false,
    };

    /// What a caller of the cron routes must present.
    pub const CRON_SECRET: Self = Self {
        name: "CRON_SECRET",
        file_key: None,
        meaning: "What a caller of the server's cron routes must present; without it they answer nobody",
        default: "not set",
        secret: true,
    };

    /// What the pseudonyms of sanitized fixtures depend on.
    pub const DAILY_USAGE_SANITIZE_SALT: Self = Self {
        name: "DAILY_USAGE_SANITIZE_SALT",
        file_key: None,
        meaning: "The secret that pseudonyms of sanitized fixtures depend on; 16 characters or more",
        default: "not set",
        secret: true,
    };

    /// How much is logged.
    pub const USAGE_LOG: Self = Self {
        name: "USAGE_LOG",
        file_key: None,
        meaning: "How much is logged to standard error: off, error, warn, info, debug or trace",
        default: "warn",
        secret: false,
    };

    /// The convention of no-color.org.
    pub const NO_COLOR: Self = Self {
        name: "NO_COLOR",
        file_key: None,
        meaning: "Set to anything: no colours",
        default: "colours on a terminal",
        secret: false,
    };

    /// The user's configuration folder; a relative path counts as unset, as the XDG specification demands.
    pub const XDG_CONFIG_HOME: Self = Self {
        name: "XDG_CONFIG_HOME",
        file_key: None,
        meaning: "The folder under which the default master key file lies",
        default: ".config under HOME",
        secret: false,
    };

    /// The user's home.
    pub const HOME: Self = Self {
        name: "HOME",
        file_key: None,
        meaning: "The user's home folder",
        default: "not set",
        secret: false,
    };
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fmt::Write as _;

    use super::Variable;

    #[test]
    fn the_table_of_variables() {
        let mut table = String::new();
        for variable in Variable::ALL {
            let Variable {
                name,
                file_key,
                meaning,
                default,
                secret,
            } = variable;
            let file_key = file_key.unwrap_or("-");
            let secret = if secret { " | secret" } else { "" };
            writeln!(table, "{name} | {file_key} | {meaning} | {default}{secret}").unwrap();
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn names_and_keys_are_unique_and_no_secret_has_a_key() {
        let names: BTreeSet<_> = Variable::ALL.iter().map(|variable| variable.name).collect();
        assert_eq!(names.len(), Variable::ALL.len());
        let keys: Vec<_> = Variable::ALL
            .iter()
            .filter_map(|variable| variable.file_key)
            .collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        assert!(
            Variable::ALL
                .iter()
                .all(|variable| !variable.secret || variable.file_key.is_none())
        );
    }
}
