//! A file is the old one or the new one, whatever happens.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn replaces_the_old_file_and_leaves_nothing_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    nfbmr_files::write(&path, b"old").unwrap();
    nfbmr_files::write(&path, b"new").unwrap();
    assert_eq!(nfbmr_files::read(&path).unwrap(), b"new");
    assert_eq!(names(folder.path()), ["model"]);
}

#[test]
fn what_cannot_be_replaced_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    fs::write(&path, b"old").unwrap();
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    let error = nfbmr_files::write(&path, b"new").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert_eq!(fs::read(&path).unwrap(), b"old");

    fs::create_dir(folder.path().join("taken")).unwrap();
    nfbmr_files::write(&folder.path().join("taken"), b"new").unwrap_err();
    nfbmr_files::write(&folder.path().join("absent/model"), b"new").unwrap_err();
    let mut left = names(folder.path());
    left.sort_unstable();
    assert_eq!(left, ["model", "taken"]);
}

#[test]
fn a_reader_sees_one_whole_file_while_another_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let contents = [vec![1; 1 << 20], vec![2; 1 << 19]];
    nfbmr_files::write(&path, &contents[0]).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for content in contents.iter().cycle().take(20) {
                nfbmr_files::write(&path, content).unwrap();
            }
        });
        while !writer.is_finished() {
            assert!(contents.contains(&nfbmr_files::read(&path).unwrap()));
        }
        writer.join().unwrap();
    });
}

/// Waiting for a pipe's other end would be for ever.
#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_opened() {
    use std::os::unix::net::UnixListener;

    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    for path in [folder.path(), &socket, Path::new("/dev/zero")] {
        let error = nfbmr_files::read(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", path.display());
    }
    assert_eq!(
        nfbmr_files::read(&folder.path().join("absent")).unwrap_err().kind(),
        ErrorKind::NotFound
    );
}

/// A model behind a link, and the link.
#[cfg(unix)]
#[test]
fn links_are_followed() {
    use std::os::unix::fs::symlink;

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir_all(at("store/deep")).unwrap();
    fs::write(at("store/model"), b"old").unwrap();
    symlink("../model", at("store/deep/second")).unwrap();
    symlink("store/deep/second", at("link")).unwrap();
    nfbmr_files::write(&at("link"), b"new").unwrap();
    assert_eq!(fs::read(at("store/model")).unwrap(), b"new");
    assert!(fs::symlink_metadata(at("link")).unwrap().is_symlink());
    assert_eq!(names(&at("store/deep")), ["second"]);

    symlink("store/made", at("dangling")).unwrap();
    nfbmr_files::write(&at("dangling"), b"new").unwrap();
    assert!(fs::symlink_metadata(at("dangling")).unwrap().is_symlink());
    assert_eq!(fs::read(at("store/made")).unwrap(), b"new");

    symlink("absent/model", at("nowhere")).unwrap();
    assert_eq!(nfbmr_files::write(&at("nowhere"), b"new").unwrap_err().kind(), ErrorKind::NotFound);
    symlink("circle", at("circle")).unwrap();
    nfbmr_files::write(&at("circle"), b"new").unwrap_err();
    assert!(fs::symlink_metadata(at("circle")).unwrap().is_symlink());
}

#[cfg(unix)]
#[test]
fn a_file_keeps_its_mode_and_its_owner() {
    use std::fs::Permissions;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    for mode in [0o600, 0o640, 0o666, 0o777] {
        fs::write(&path, b"old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        nfbmr_files::write(&path, b"new").unwrap();
        let found = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(found, mode, "{found:o}");
        assert_eq!(fs::read(&path).unwrap(), b"new");
    }
    // Root alone gives files away.
    if chown(&path, Some(12345), Some(23456)).is_ok() {
        nfbmr_files::write(&path, b"newer").unwrap();
        let found = fs::metadata(&path).unwrap();
        assert_eq!((found.uid(), found.gid()), (12345, 23456));
    }
}

#[cfg(unix)]
#[test]
fn what_is_no_file_is_not_replaced() {
    use std::os::unix::fs::{FileTypeExt, symlink};
    use std::os::unix::net::UnixListener;

    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    let link = folder.path().join("link");
    symlink(&socket, &link).unwrap();
    for path in [socket.as_path(), &link, Path::new("/dev/null")] {
        let error = nfbmr_files::write(path, b"new").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput, "{}", path.display());
    }
    let error = nfbmr_files::write(folder.path(), b"new").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IsADirectory);
    assert!(fs::metadata(&socket).unwrap().file_type().is_socket());
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
}
