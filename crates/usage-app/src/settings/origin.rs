//! Where a setting came from.

use std::fmt;
use std::path::PathBuf;

/// A setting's value and where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value that holds.
    pub value: T,
    /// Who said so.
    pub origin: Origin,
}

/// Where a setting came from: also the place that an error message points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The flag of this name.
    Flag(&'static str),
    /// The environment variable of this name.
    Environment(&'static str),
    /// A line, counted from one, of the settings file.
    File {
        /// The file, as it was named.
        path: PathBuf,
        /// Which line.
        line: usize,
    },
    /// Nobody: what holds unless someone says otherwise.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) | Self::Environment(name) => f.write_str(name),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The text of [`Origin`]'s `Display`.
impl serde::Serialize for Origin {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
