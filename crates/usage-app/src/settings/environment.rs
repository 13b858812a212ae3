//! The environment, read once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::Path;

use super::error::SettingsError;
use super::variables::Variable;

/// The variables of [`Variable::ALL`], as they were at one moment.
///
/// A variable that is blank counts as not set: that is how shells and container files write "nothing".
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<&'static str, OsString>);

impl Environment {
    /// Reads the environment of this process. Call it once, in `main`.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn capture() -> Self {
        Self(
            Variable::ALL
                .into_iter()
                .filter_map(|variable| Some((variable.name, std::env::var_os(variable.name)?)))
                .collect(),
        )
    }

    /// The value as text without surrounding white space.
    pub(crate) fn text(&self, variable: Variable) -> Result<Option<&str>, SettingsError> {
        let Some(value) = self.0.get(variable.name) else {
            return Ok(None);
        };
        let text = value
            .to_str()
            .ok_or(SettingsError::NotUnicode(variable.name))?
            .trim();
        Ok((!text.is_empty()).then_some(text))
    }

    /// The value as a path, which need not be text.
    pub(crate) fn path(&self, variable: Variable) -> Option<&Path> {
        let value = self.0.get(variable.name)?;
        let blank = value.to_str().is_some_and(|text| text.trim().is_empty());
        (!blank).then(|| Path::new(value))
    }

    /// Whether the variable is there and not empty, whatever it says.
    pub(crate) fn is_set(&self, variable: Variable) -> bool {
        self.0.get(variable.name).is_some_and(|value| !value.is_empty())
    }
}

/// An environment made of pairs, for tests; names that no setting reads are left out.
impl<N: AsRef<str>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .filter_map(|(name, value)| {
                    let variable = Variable::ALL
                        .into_iter()
                        .find(|variable| variable.name == name.as_ref())?;
                    Some((variable.name, value.into()))
                })
                .collect(),
        )
    }
}

/// Only the names: values may be secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_variable_is_not_set_and_text_is_trimmed() {
        let environment = Environment::from_iter([
            ("USAGE_DATABASE_URL", " \n"),
            ("DATABASE_URL", " sqlite:a.db\n"),
            ("USAGE_CONFIG", ""),
            ("PATH", "/bin"),
        ]);
        assert_eq!(environment.text(Variable::USAGE_DATABASE_URL).unwrap(), None);
        assert_eq!(
            environment.text(Variable::DATABASE_URL).unwrap(),
            Some("sqlite:a.db")
        );
        assert_eq!(environment.path(Variable::USAGE_CONFIG), None);
        assert!(!environment.is_set(Variable::NO_COLOR));
        assert_eq!(
            format!("{environment:?}"),
            r#"{"DATABASE_URL", "USAGE_CONFIG", "USAGE_DATABASE_URL"}"#
        );
    }

    #[cfg(unix)]
    #[test]
    fn bytes_that_are_no_text_are_named_and_still_make_a_path() {
        use std::os::unix::ffi::OsStringExt as _;

        let bytes = OsString::from_vec(vec![b'/', 0xff]);
        let environment =
            Environment::from_iter([("USAGE_LOG", bytes.clone()), ("USAGE_CONFIG", bytes.clone())]);
        assert_eq!(
            environment.text(Variable::USAGE_LOG).unwrap_err().to_string(),
            "USAGE_LOG is not valid UTF-8"
        );
        assert_eq!(environment.path(Variable::USAGE_CONFIG), Some(Path::new(&bytes)));
    }
}
