//! Values that several commands take.

use std::net::SocketAddr;
use std::time::Duration;

use usage_app::hide_secrets;
use usage_app::settings::InvalidValue;
use usage_core::{Account, Decimal, ParseAccountError, Provider};

const MAX_LABEL_CHARACTERS: usize = 100;

/// A whole number with its unit: `90s`, `30m`, `2h`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let refusal = || {
        format!("`{text}` is not a duration; write a whole number and its unit, for example 90s, 30m or 2h")
    };
    let unit = text.chars().next_back().ok_or_else(refusal)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        _ => return Err(refusal()),
    };
    let number: u32 = text[..text.len() - 1].parse().map_err(|_| refusal())?;
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// `127.0.0.1:8080`.
pub fn parse_address(text: &str) -> Result<SocketAddr, InvalidValue> {
    text.parse().map_err(|_| InvalidValue::Bind(text.to_owned()))
}

/// `org-AbC123` or `openai/org-AbC123`. An organisation without a provider is `OpenAI`'s.
pub fn parse_account(text: &str) -> Result<Account, ParseAccountError> {
    match text.split_once('/') {
        Some((provider, organization)) => Account::new(provider.parse()?, organization),
        None => Account::new(Provider::OpenAi, text),
    }
}

/// A label is one line in a table and part of a file's name.
pub fn parse_label(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() || text.contains(char::is_control) || text.chars().count() > MAX_LABEL_CHARACTERS {
        return Err(format!(
            "a label is one line of 1 to {MAX_LABEL_CHARACTERS} characters"
        ));
    }
    if hide_secrets(text) != text.split_whitespace().collect::<Vec<_>>().join(" ") {
        return Err("a label that looks like a key or a password is not stored; choose another".to_owned());
    }
    Ok(text.to_owned())
}

/// `2`, `2%` and `0.5`: percent, whether it says so or not.
pub fn parse_percent(text: &str) -> Result<Decimal, String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end();
    number
        .parse()
        .ok()
        .filter(|percent: &Decimal| !percent.is_negative())
        .ok_or_else(|| {
            format!("`{text}` is no percentage; write a number that is not negative, for example 2 or 0.5%")
        })
}
