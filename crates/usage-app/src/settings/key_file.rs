//! Files that hold a secret: how they are made, read and judged.

use std::fs::{DirBuilder, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use secrecy::{ExposeSecret as _, SecretString};

/// A key is 44 characters; a file much longer is something else, named by mistake.
const MAX_BYTES: u64 = 4096;

/// The text of the file.
pub(super) fn read(path: &Path) -> io::Result<SecretString> {
    let mut text = String::new();
    let read = File::open(path)?.take(MAX_BYTES + 1).read_to_string(&mut text);
    let text = SecretString::from(text);
    match read? {
        length if length as u64 > MAX_BYTES => Err(io::Error::other("it is too large to be a key file")),
        _ => Ok(text),
    }
}

/// Makes the file with this text, and its folder, unless there is one: then that one stays.
pub(super) fn create_once(path: &Path, text: &SecretString) -> io::Result<()> {
    create_private_directory(directory_of(path))?;
    match create_new(path, text) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Makes the file with this text, readable by its owner only, in a folder that exists; fails with
/// [`io::ErrorKind::AlreadyExists`] if there is something. Whoever reads it sees all of it or nothing, also after a
/// crash.
pub(super) fn create_new(path: &Path, text: &SecretString) -> io::Result<()> {
    let directory = directory_of(path);
    // A temporary file has mode 0600 from the start, and a rename that never replaces decides between two processes.
    let mut file = tempfile::Builder::new()
        .prefix(".master.key-")
        .tempfile_in(directory)?;
    file.write_all(text.expose_secret().as_bytes())?;
    file.as_file().sync_all()?;
    file.persist_noclobber(path)?;
    sync_directory(directory)
}

fn directory_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// The file's permission bits, if they let its group or anyone else in.
#[cfg(unix)]
pub(super) fn mode_open_to_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;

    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Unknown here: the system has no permission bits.
#[cfg(not(unix))]
pub(super) fn mode_open_to_others(_path: &Path) -> Option<u32> {
    None
}

/// Whether both files lie in one directory, links followed as far as they lead to something that exists.
pub(super) fn same_directory(one: &Path, other: &Path) -> bool {
    match (real_directory(one), real_directory(other)) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

fn real_directory(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    if let Ok(path) = path.canonicalize() {
        return path.parent().map(Path::to_owned);
    }
    let directory = path.parent()?;
    Some(directory.canonicalize().unwrap_or_else(|_| directory.to_owned()))
}

fn create_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Makes the new name survive a power cut.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Directories cannot be opened here.
#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}
