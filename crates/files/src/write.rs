//! A file written whole or not at all. Knows the system alone.

use std::collections::HashSet;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::NamedTempFile;

/// More links in a row lead nowhere, as Linux has it.
const MOST_LINKS: usize = 40;

/// Writes a file beside its target and renames it, so that the target is always whole: the old file or
/// the new one. Links are followed to the file, which keeps its mode, and its owner where that is permitted. A
/// target marked read-only is left as it is, and so is what is no regular file.
///
/// Where the folder can't sync files to the disk, as some shares can't, a [`tracing`] warning says so once.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] for a read-only target, [`io::ErrorKind::IsADirectory`] for a folder,
/// [`io::ErrorKind::InvalidInput`] for a device, a pipe or the like, otherwise what writing beside it or renaming
/// fails with. Nothing is left beside the target then.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let path = target(path)?;
    let old = match fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        old => Some(old?),
    };
    if let Some(old) = &old {
        check(old)?;
    }
    let folder = folder(&path);
    let mut file = create(folder, old.as_ref())?;
    file.write_all(bytes)?;
    if let Err(error) = file.as_file().sync_all() {
        match is_unsupported(&error) {
            true => warn(folder, &error),
            false => return Err(error),
        }
    }
    if let Some(old) = &old {
        keep(file.as_file(), old);
    }
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// The file that a path leads to by links, which need not be there.
///
/// # Errors
/// For links in a circle, and for one that can't be read.
pub fn target(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            return Ok(path);
        }
        path = folder(&path).join(fs::read_link(&path)?);
    }
    Err(io::Error::other("too many links in a row"))
}

/// The folder that a file is in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Refuses to replace what is there.
fn check(old: &Metadata) -> io::Result<()> {
    if old.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !old.is_file() {
        return Err(io::Error::new(ErrorKind::InvalidInput, "not a regular file"));
    }
    match old.permissions().readonly() {
        true => Err(io::Error::new(ErrorKind::PermissionDenied, "the file is read-only")),
        false => Ok(()),
    }
}

/// A file to write to, which goes if it isn't kept: never for more eyes than the old one.
fn create(folder: &Path, old: Option<&Metadata>) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::fs::Permissions;
        // As any program's new file, less the umask; temporary files are private otherwise.
        use std::os::unix::fs::PermissionsExt;
        let mode = old.map_or(0o666, mode);
        builder.permissions(Permissions::from_mode(mode));
    }
    #[cfg(not(unix))]
    let _ = old;
    builder.tempfile_in(folder)
}

/// Who may read and write a file.
#[cfg(unix)]
fn mode(metadata: &Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    metadata.permissions().mode() & 0o777
}

/// Gives a new file the owner and the mode of the old one, as far as the system permits.
#[cfg(unix)]
fn keep(file: &File, old: &Metadata) {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
    let Ok(new) = file.metadata() else { return };
    if (new.uid(), new.gid()) != (old.uid(), old.gid())
        && fchown(file, Some(old.uid()), Some(old.gid())).is_err()
    {
        // The group may be one of the user's, where the owner is another.
        let _ = fchown(file, None, Some(old.gid()));
    }
    if mode(&new) != mode(old) {
        let _ = file.set_permissions(Permissions::from_mode(mode(old)));
    }
}

#[cfg(not(unix))]
fn keep(_: &File, _: &Metadata) {}

/// Whether an error says that a file system has no such operation: EINVAL, ENOSYS, ENOTSUP or EOPNOTSUPP.
fn is_unsupported(error: &io::Error) -> bool {
    const EOPNOTSUPP: i32 = 95;
    matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported)
        || (cfg!(target_os = "linux") && error.raw_os_error() == Some(EOPNOTSUPP))
}

/// Says once of a folder that its files aren't safe.
fn warn(folder: &Path, error: &io::Error) {
    static WARNED: Mutex<Option<HashSet<PathBuf>>> = Mutex::new(None);
    let mut warned = WARNED.lock().unwrap_or_else(PoisonError::into_inner);
    if warned.get_or_insert_default().insert(folder.to_owned()) {
        tracing::warn!(
            "files in {} can't be synced to disk: a power failure may lose them ({error})",
            folder.display()
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_sync_is_no_failure_and_a_full_disk_is() {
        for kind in [ErrorKind::InvalidInput, ErrorKind::Unsupported] {
            assert!(is_unsupported(&kind.into()), "{kind}");
        }
        for kind in [ErrorKind::StorageFull, ErrorKind::PermissionDenied, ErrorKind::Other] {
            assert!(!is_unsupported(&kind.into()), "{kind}");
        }
        if cfg!(target_os = "linux") {
            // EINVAL, ENOSYS, EOPNOTSUPP; then EIO, ENOSPC, EDQUOT.
            for (number, expected) in
                [(22, true), (38, true), (95, true), (5, false), (28, false), (122, false)]
            {
                let error = io::Error::from_raw_os_error(number);
                assert_eq!(is_unsupported(&error), expected, "{error}");
            }
        }
    }
}
