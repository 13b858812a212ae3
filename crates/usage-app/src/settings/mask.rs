//! Passwords inside URLs, hidden.

use std::borrow::Cow;

const MASK: &str = "***";

/// The URL with its password and every parameter that may hold one replaced by `***`.
///
/// When in doubt it hides too much: a password may hold an unescaped `@`, `/` or `?`, so everything from the first
/// colon of the user part up to the last `@` goes.
pub(super) fn mask_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return mask_parameters(url).into_owned();
    };
    let Some((user, rest)) = rest.rsplit_once('@') else {
        return format!("{scheme}://{}", mask_parameters(rest));
    };
    let user = match user.split_once(':') {
        Some((name, _)) => format!("{name}:{MASK}"),
        None => user.to_owned(),
    };
    format!("{scheme}://{user}@{}", mask_parameters(rest))
}

fn mask_parameters(text: &str) -> Cow<'_, str> {
    let Some((path, parameters)) = text.split_once('?') else {
        return Cow::Borrowed(text);
    };
    let masked: Vec<_> = parameters
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            Some((name, _)) if may_hold_secret(name) => Cow::Owned(format!("{name}={MASK}")),
            _ => Cow::Borrowed(parameter),
        })
        .collect();
    Cow::Owned(format!("{path}?{}", masked.join("&")))
}

/// `password`, `sslpassword`, `passfile`, and any name that is spelt with escapes.
fn may_hold_secret(parameter: &str) -> bool {
    parameter.to_ascii_lowercase().contains("pass") || parameter.contains('%')
}

#[cfg(test)]
mod tests {
    use super::mask_url;

    #[test]
    fn hides_passwords_wherever_they_stand() {
        for (url, masked) in [
            ("postgres://localhost/usage", "postgres://localhost/usage"),
            ("postgres://me@localhost/usage", "postgres://me@localhost/usage"),
            ("postgres://me:hunter2@db/usage", "postgres://me:***@db/usage"),
            (
                "postgres://me:h@nter/2?@db:5432/usage",
                "postgres://me:***@db:5432/usage",
            ),
            (
                "postgresql://me:hunter2@a:1,b:2/usage?sslmode=require",
                "postgresql://me:***@a:1,b:2/usage?sslmode=require",
            ),
            (
                "postgres:///usage?host=/run/db&password=hunter2&sslPassword=hunter2",
                "postgres:///usage?host=/run/db&password=***&sslPassword=***",
            ),
            (
                "postgres://db/usage?p%61ssword=hunter2",
                "postgres://db/usage?p%61ssword=***",
            ),
            ("https://me:hunter2@proxy/v1", "https://me:***@proxy/v1"),
        ] {
            assert_eq!(mask_url(url), masked);
        }
    }
}
