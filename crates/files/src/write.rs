//! A file written whole or not at all. Knows the system alone.

use std::io::{self, Write};
use std::path::Path;

/// Writes a file beside its target and renames it, so that the target is always whole: the old file or
/// the new one. A target marked read-only is left as it is.
///
/// # Errors
/// [`io::ErrorKind::PermissionDenied`] for a read-only target, otherwise what writing beside it or renaming
/// fails with. Nothing is left beside the target then.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let old = std::fs::metadata(path).ok();
    if old.as_ref().is_some_and(|old| old.permissions().readonly()) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is read-only"));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt;
        // As any program's new file, less the umask; temporary files are private otherwise.
        builder.permissions(Permissions::from_mode(0o666));
    }
    let mut file = builder.tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
