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
