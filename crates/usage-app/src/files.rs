//! Files that appear whole or not at all.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::AppError;

/// A file that is written beside its place and moved there when it is complete; until then nobody sees it, and if it is
/// never completed nothing is left behind.
pub(crate) struct AtomicFile {
    output: Output,
    mode: u32,
    /// The place as it was named, for messages.
    named: PathBuf,
}

/// For every reader that the folder admits.
const PUBLIC: u32 = 0o644;
/// For its owner only.
const PRIVATE: u32 = 0o600;

enum Output {
    Beside {
        file: NamedTempFile,
        place: PathBuf,
    },
    /// A pipe or a device, which nothing may be moved onto.
    Direct(fs::File),
}

impl AtomicFile {
    /// Begins a file at exactly this path, whose folder must exist. A link is followed, not replaced.
    pub(crate) fn create(named: &Path) -> Result<Self, AppError> {
        Self::with_mode(named, PUBLIC)
    }

    /// The same, readable by its owner only.
    pub(crate) fn create_private(named: &Path) -> Result<Self, AppError> {
        Self::with_mode(named, PRIVATE)
    }

    fn with_mode(named: &Path, mode: u32) -> Result<Self, AppError> {
        let is_device = fs::metadata(named).is_ok_and(|there| !there.is_file() && !there.is_dir());
        let output = if is_device {
            fs::OpenOptions::new().write(true).open(named).map(Output::Direct)
        } else {
            let place = fs::canonicalize(named).unwrap_or_else(|_| named.to_owned());
            let folder = match place.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => parent,
                _ => Path::new("."),
            };
            NamedTempFile::new_in(folder).map(|file| Output::Beside { file, place })
        };
        Ok(Self {
            output: output.map_err(cannot_write(named))?,
            mode,
            named: named.to_owned(),
        })
    }

    /// What to write to.
    pub(crate) fn writer(&mut self) -> &mut dyn Write {
        match &mut self.output {
            Output::Beside { file, .. } => file.as_file_mut(),
            Output::Direct(file) => file,
        }
    }

    /// Moves the file to its place, unless there is something already.
    pub(crate) fn commit_new(self) -> Result<(), AppError> {
        match self.output {
            Output::Direct(_) => Err(cannot_write(&self.named)(io::ErrorKind::AlreadyExists.into())),
            Output::Beside { file, place } => prepare(&file, self.mode)
                .and_then(|()| file.persist_noclobber(place).map_err(io::Error::from))
                .map(drop)
                .map_err(cannot_write(&self.named)),
        }
    }

    /// Moves the file to its place.
    pub(crate) fn commit(self) -> Result<(), AppError> {
        match self.output {
            Output::Direct(_) => Ok(()),
            Output::Beside { file, place } => prepare(&file, self.mode)
                .and_then(|()| file.persist(place).map_err(io::Error::from))
                .map(drop)
                .map_err(cannot_write(&self.named)),
        }
    }
}

fn prepare(file: &NamedTempFile, mode: u32) -> io::Result<()> {
    file.as_file().sync_all()?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A temporary file is private; what it becomes is for every reader the folder admits.
        file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
    }
    #[cfg(not(unix))]
    let _ = mode;
    Ok(())
}

/// A label as the end of a file's name: a hyphen and what is safe in a name everywhere; nothing without a label.
pub(crate) fn file_label(label: Option<&str>) -> String {
    label
        .iter()
        .flat_map(|label| ['-'].into_iter().chain(label.chars()))
        .map(|character| {
            if character.is_alphanumeric() {
                character
            } else {
                '-'
            }
        })
        .collect()
}

/// Makes the new name survive a power cut.
#[cfg(unix)]
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

/// Folders cannot be opened here.
#[cfg(not(unix))]
pub(crate) fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

pub(crate) fn cannot_write(path: &Path) -> impl FnOnce(io::Error) -> AppError {
    let path = path.to_owned();
    move |source| AppError::Write { path, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn appears_when_committed_and_not_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.csv");
        let mut abandoned = AtomicFile::create(&path).unwrap();
        abandoned.writer().write_all(b"half").unwrap();
        drop(abandoned);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);

        let mut whole = AtomicFile::create(&path).unwrap();
        whole.writer().write_all(b"whole").unwrap();
        assert!(!path.exists());
        whole.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
    }

    #[test]
    fn a_new_file_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record.json");
        for (text, written) in [("first", true), ("second", false)] {
            let mut file = AtomicFile::create(&path).unwrap();
            file.writer().write_all(text.as_bytes()).unwrap();
            assert_eq!(file.commit_new().is_ok(), written, "{text}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn follows_a_link_and_never_moves_onto_a_device() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "old").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let mut file = AtomicFile::create(&link).unwrap();
        file.writer().write_all(b"new").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

        let device = folder.path().join("device");
        std::os::unix::fs::symlink("/dev/null", &device).unwrap();
        let mut file = AtomicFile::create(&device).unwrap();
        file.writer().write_all(b"gone").unwrap();
        file.commit().unwrap();
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
    }
}
