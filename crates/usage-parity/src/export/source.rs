//! Where an export is read from.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek as _};
use std::path::{Path, PathBuf};

/// An export that can be read several times: once to see what it is, and once or twice to read it.
pub trait ExportSource: Send + Sync {
    /// The name in messages and reports; what follows the last `/` may tell the endpoint.
    fn name(&self) -> &str;

    /// Begins to read at the start.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;
}

/// A file of this machine. A pipe is copied into a temporary file first, since it can be read only once.
#[derive(Debug)]
pub struct ExportFile {
    name: String,
    path: PathBuf,
    copy: Option<File>,
}

impl ExportFile {
    /// The file, which must exist.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is a folder.
    pub fn new(path: &Path) -> io::Result<Self> {
        let metadata = std::fs::metadata(path)?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let copy = if metadata.is_file() {
            File::open(path)?;
            None
        } else {
            let mut copy = tempfile::tempfile()?;
            io::copy(&mut File::open(path)?, &mut copy)?;
            Some(copy)
        };
        Ok(Self {
            name: path.display().to_string(),
            path: path.to_owned(),
            copy,
        })
    }
}

impl ExportSource for ExportFile {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let file = match &self.copy {
            None => File::open(&self.path)?,
            Some(copy) => {
                let mut copy = copy.try_clone()?;
                copy.rewind()?;
                copy
            }
        };
        Ok(Box::new(file))
    }
}

/// An export in memory, for tests and small tools.
#[derive(Clone, Debug)]
pub struct ExportText {
    name: String,
    bytes: Vec<u8>,
}

impl ExportText {
    /// The text of an export under a file's name.
    pub fn new(name: impl Into<String>, text: impl Into<Vec<u8>>) -> Self {
        Self {
            name: name.into(),
            bytes: text.into(),
        }
    }
}

impl ExportSource for ExportText {
    fn name(&self) -> &str {
        &self.name
    }

    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(Cursor::new(self.bytes.clone())))
    }
}
