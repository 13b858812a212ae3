//! The master key, which encrypts provider keys.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret as _, ExposeSecretMut as _, SecretBox, SecretSlice, SecretString};

use super::key_file;
use super::variables::Variable;

/// Any padding is fine: a key is copied by hand between tools that write it and tools that do not.
const FORGIVING: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, FORGIVING);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, FORGIVING);

/// Where the master key is: 32 bytes in base64, standard or URL-safe, padded or not.
///
/// Describing a source reads nothing; only [`MasterKeySource::load`] and [`MasterKeySource::load_or_create`] do.
#[derive(Clone, Debug)]
pub struct MasterKeySource(Source);

#[derive(Clone, Debug)]
enum Source {
    Given {
        text: SecretString,
        variable: Variable,
    },
    File {
        path: PathBuf,
        database: Option<PathBuf>,
        variable: Variable,
    },
    Default {
        path: PathBuf,
        database: Option<PathBuf>,
    },
    Homeless,
}

impl MasterKeySource {
    /// The key itself, as text.
    pub fn given(text: SecretString) -> Self {
        Self(Source::Given {
            text,
            variable: Variable::USAGE_MASTER_KEY,
        })
    }

    /// The key that was used before, as text.
    pub fn previous_given(text: SecretString) -> Self {
        Self(Source::Given {
            text,
            variable: Variable::USAGE_PREVIOUS_MASTER_KEY,
        })
    }

    /// A file that someone named. It is never made here. `database` is the file of the ledger, if it is one.
    pub fn file(path: PathBuf, database: Option<PathBuf>) -> Self {
        Self(Source::File {
            path,
            database,
            variable: Variable::USAGE_MASTER_KEY_FILE,
        })
    }

    /// A file with the key that was used before; like [`MasterKeySource::file`].
    pub fn previous_file(path: PathBuf, database: Option<PathBuf>) -> Self {
        Self(Source::File {
            path,
            database,
            variable: Variable::USAGE_PREVIOUS_MASTER_KEY_FILE,
        })
    }

    /// `usage/master.key` in the user's configuration folder, which the first command that needs it makes.
    pub fn default_file(configuration_home: Option<PathBuf>, database: Option<PathBuf>) -> Self {
        Self(match configuration_home {
            Some(home) => Source::Default {
                path: home.join("usage").join("master.key"),
                database,
            },
            None => Source::Homeless,
        })
    }

    /// The key file, if the key is in one.
    pub fn path(&self) -> Option<&Path> {
        match &self.0 {
            Source::Given { .. } | Source::Homeless => None,
            Source::File { path, .. } | Source::Default { path, .. } => Some(path),
        }
    }

    /// Reads the key and makes none: for commands that only look.
    pub fn load(&self) -> Result<SecretBox<[u8; 32]>, MasterKeyError> {
        match &self.0 {
            Source::Given { text, variable } => decode(text, variable.name),
            Source::File { path, variable, .. } => read(path)?.ok_or_else(|| MasterKeyError::Missing {
                path: path.clone(),
                variable: variable.name,
            }),
            Source::Default { path, database } => {
                refuse_beside_database(path, database.as_deref())?;
                read(path)?.ok_or_else(|| MasterKeyError::NotMade { path: path.clone() })
            }
            Source::Homeless => Err(MasterKeyError::Homeless),
        }
    }

    /// Reads the key; makes the default key file with 32 random bytes if there is none yet. Two processes that do
    /// so at once end with one key.
    pub fn load_or_create(&self) -> Result<SecretBox<[u8; 32]>, MasterKeyError> {
        match (self.load(), &self.0) {
            (Err(MasterKeyError::NotMade { .. }), Source::Default { path, .. }) => {
                create(path)?;
                // Also what another process may have made in the meantime.
                self.load()
            }
            (loaded, _) => loaded,
        }
    }

    /// What is unwise but works.
    pub fn warnings(&self) -> Vec<MasterKeyWarning> {
        let Some(path) = self.path() else {
            return Vec::new();
        };
        let mut warnings = Vec::new();
        if let Some(mode) = key_file::mode_open_to_others(path) {
            let path = path.to_owned();
            warnings.push(MasterKeyWarning::ReadableByOthers { path, mode });
        }
        if let Source::File {
            database: Some(database),
            ..
        } = &self.0
            && key_file::same_directory(path, database)
        {
            let path = path.to_owned();
            warnings.push(MasterKeyWarning::BesideDatabase { path });
        }
        warnings
    }
}

/// Where it is, never what it is.
impl fmt::Display for MasterKeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Given { .. } => f.write_str("set, hidden"),
            Source::File { path, .. } | Source::Default { path, .. } => path.display().fmt(f),
            Source::Homeless => f.write_str("nowhere"),
        }
    }
}

/// Why there is no master key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// Not base64.
    #[error("{place} is not base64; a master key is 32 bytes in base64, as `openssl rand -base64 32` prints")]
    NotBase64 {
        /// The variable or the file.
        place: String,
    },
    /// Too long or too short.
    #[error(
        "{place} holds {bytes} bytes; a master key is 32 bytes in base64, as `openssl rand -base64 32` prints"
    )]
    WrongLength {
        /// The variable or the file.
        place: String,
        /// How many bytes it holds.
        bytes: usize,
    },
    /// A file that someone named does not exist.
    #[error(
        "the master key file {} does not exist; restore it from a backup or name another in {variable}",
        path.display()
    )]
    Missing {
        /// The file.
        path: PathBuf,
        /// The variable that names such a file.
        variable: &'static str,
    },
    /// The default key file was not made yet.
    #[error("there is no master key at {} yet; `usage keys add` makes one", path.display())]
    NotMade {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("cannot read the master key file {}: {reason}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        reason: io::Error,
    },
    /// The file cannot be made.
    #[error(
        "cannot make the master key file {}: {reason}; set USAGE_MASTER_KEY or USAGE_MASTER_KEY_FILE",
        path.display()
    )]
    NotCreatable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        reason: io::Error,
    },
    /// A file that was to be made for a new key is there already.
    #[error("{} exists already and is not replaced; name another file for the new master key", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file that someone named for a new key cannot be made.
    #[error("cannot make the master key file {}: {reason}", path.display())]
    NotMadeThere {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        reason: io::Error,
    },
    /// Whoever copies the folder has the data and the key to it.
    #[error(
        "the master key {} would lie beside the database that it protects; move the database, or name a key file elsewhere in USAGE_MASTER_KEY_FILE",
        path.display()
    )]
    BesideDatabase {
        /// The file.
        path: PathBuf,
    },
    /// No folder of the user's to keep a key in.
    #[error("there is no home folder to keep a master key in; set USAGE_MASTER_KEY or USAGE_MASTER_KEY_FILE")]
    Homeless,
}

/// Makes a file with a new master key of 32 random bytes, readable by its owner only, in a folder that exists.
///
/// Fails with [`MasterKeyError::Exists`] if there is anything at this path.
pub fn make_master_key_file(path: &Path) -> Result<(), MasterKeyError> {
    random_text()
        .and_then(|text| key_file::create_new(path, &text))
        .map_err(|reason| {
            let path = path.to_owned();
            if reason.kind() == io::ErrorKind::AlreadyExists {
                MasterKeyError::Exists { path }
            } else {
                MasterKeyError::NotMadeThere { path, reason }
            }
        })
}

/// What is unwise about a master key that works.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeyWarning {
    /// Other users of the machine may read the key.
    #[error("the master key file {0} is open to other users (mode {mode:o}); run `chmod 600 {0}`", path.display())]
    ReadableByOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Whoever copies the folder has the data and the key to it.
    #[error("the master key file {} lies beside the database that it protects; keep it elsewhere", path.display())]
    BesideDatabase {
        /// The file.
        path: PathBuf,
    },
}

fn read(path: &Path) -> Result<Option<SecretBox<[u8; 32]>>, MasterKeyError> {
    match key_file::read(path) {
        Ok(text) => decode(&text, &format!("the master key file {}", path.display())).map(Some),
        Err(reason) if reason.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(reason) => Err(MasterKeyError::Unreadable {
            path: path.to_owned(),
            reason,
        }),
    }
}

fn create(path: &Path) -> Result<(), MasterKeyError> {
    random_text()
        .and_then(|text| key_file::create_once(path, &text))
        .map_err(|reason| MasterKeyError::NotCreatable {
            path: path.to_owned(),
            reason,
        })
}

/// A key file's text with 32 random bytes.
fn random_text() -> io::Result<SecretString> {
    let mut key = SecretBox::<[u8; 32]>::new(Box::new([0; 32]));
    getrandom::fill(key.expose_secret_mut()).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(SecretString::from(STANDARD.encode(key.expose_secret()) + "\n"))
}

fn decode(text: &SecretString, place: &str) -> Result<SecretBox<[u8; 32]>, MasterKeyError> {
    let text = text.expose_secret().trim();
    let engine = if text.contains(['-', '_']) {
        URL_SAFE
    } else {
        STANDARD
    };
    let bytes = engine
        .decode(text)
        .map(SecretSlice::from)
        .map_err(|_| MasterKeyError::NotBase64 {
            place: place.to_owned(),
        })?;
    let mut key = SecretBox::<[u8; 32]>::new(Box::new([0; 32]));
    let bytes = bytes.expose_secret();
    if bytes.len() != 32 {
        return Err(MasterKeyError::WrongLength {
            place: place.to_owned(),
            bytes: bytes.len(),
        });
    }
    key.expose_secret_mut().copy_from_slice(bytes);
    Ok(key)
}

fn refuse_beside_database(path: &Path, database: Option<&Path>) -> Result<(), MasterKeyError> {
    match database {
        Some(database) if key_file::same_directory(path, database) => Err(MasterKeyError::BesideDatabase {
            path: path.to_owned(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
