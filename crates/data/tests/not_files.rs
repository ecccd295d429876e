//! What lies among images and is none: folders, links, FIFOs, devices, what must not be read.

use std::fs;
use std::path::{Path, PathBuf};

use image::{Rgb, RgbImage};
use nfbmr_data::{DataError, Limits, folder, list_images, load_image, mvtec};
use tempfile::TempDir;

fn write_image(path: impl AsRef<Path>) -> PathBuf {
    RgbImage::from_pixel(3, 2, Rgb([1, 2, 3])).save(&path).unwrap();
    path.as_ref().into()
}

fn load(path: impl AsRef<Path>) -> Result<(u32, u32), DataError> {
    load_image(path, &Limits::default()).map(|image| (image.width(), image.height()))
}

#[test]
fn an_empty_folder_has_no_images_and_is_no_data_set() {
    let root = TempDir::new().unwrap();
    assert_eq!(list_images(&root).unwrap(), <[PathBuf; 0]>::default());
    assert!(matches!(mvtec(&root), Err(DataError::Layout { .. })));
    assert!(matches!(folder(&root), Err(DataError::Layout { .. })));
}

#[test]
fn a_file_is_no_folder() {
    let root = TempDir::new().unwrap();
    let path = write_image(root.path().join("x.png"));
    let error = list_images(&path).unwrap_err();
    assert!(matches!(&error, DataError::Read { path: named, .. } if *named == path), "{error:?}");
}

#[test]
fn a_folder_named_like_an_image_is_searched_but_not_loaded() {
    let root = TempDir::new().unwrap();
    let inner = root.path().join("x.png");
    fs::create_dir(&inner).unwrap();
    let path = write_image(inner.join("y.png"));
    assert_eq!(list_images(&root).unwrap(), [path]);
    let error = load(&inner).unwrap_err();
    let expected = format!("expected a file at {}, found a folder", inner.display());
    assert_eq!(error.to_string(), expected);
}

#[test]
fn large_folders_are_listed() {
    let root = TempDir::new().unwrap();
    for index in 0..5_000 {
        fs::write(root.path().join(format!("{index:04}.png")), b"").unwrap();
    }
    let images = list_images(&root).unwrap();
    assert_eq!(images.len(), 5_000);
    assert!(images.is_sorted());
}

#[cfg(unix)]
mod unix {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    fn is_read_error_of(error: &DataError, path: &Path) -> bool {
        matches!(error, DataError::Read { path: named, .. } if named == path)
    }

    #[test]
    fn links_to_themselves_and_to_nothing_are_errors_of_the_file() {
        let root = TempDir::new().unwrap();
        let [circle, nowhere] = ["circle.png", "nowhere.png"].map(|name| root.path().join(name));
        symlink("circle.png", &circle).unwrap();
        symlink("not there", &nowhere).unwrap();
        symlink(".", root.path().join("again")).unwrap();
        assert_eq!(list_images(&root).unwrap(), [circle.as_path(), &nowhere]);
        for path in [circle, nowhere] {
            let error = load(&path).unwrap_err();
            assert!(is_read_error_of(&error, &path), "{error:?}");
        }
    }

    #[test]
    fn what_might_never_end_is_not_opened() {
        let root = TempDir::new().unwrap();
        let [fifo, socket, device] =
            ["fifo.png", "socket.png", "zero.png"].map(|name| root.path().join(name));
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let _listener = UnixListener::bind(&socket).unwrap();
        symlink("/dev/zero", &device).unwrap();
        assert_eq!(list_images(&root).unwrap(), [fifo.as_path(), &socket, &device]);
        for (path, found) in [(fifo, "a FIFO"), (socket, "a socket"), (device, "a device")] {
            let error = load(&path).unwrap_err();
            let expected = format!("expected a file at {}, found {found}", path.display());
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn what_must_not_be_read_says_so() {
        let root = TempDir::new().unwrap();
        let file = write_image(root.path().join("x.png"));
        let inner = root.path().join("inner");
        fs::create_dir(&inner).unwrap();
        for path in [&file, &inner] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        }
        // The superuser reads everything.
        if fs::read(&file).is_err() {
            let error = load(&file).unwrap_err();
            assert!(is_read_error_of(&error, &file), "{error:?}");
            let error = list_images(&root).unwrap_err();
            assert!(is_read_error_of(&error, &inner), "{error:?}");
        }
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
    }

    /// A file that even the superuser cannot read, and one that holds more than it says.
    #[cfg(target_os = "linux")]
    #[test]
    fn files_that_are_not_what_they_seem_are_refused() {
        let memory = Path::new("/proc/self/mem");
        let error = load(memory).unwrap_err();
        assert!(is_read_error_of(&error, memory), "{error:?}");

        let growing = Path::new("/proc/cpuinfo");
        assert_eq!(fs::metadata(growing).unwrap().len(), 0);
        let limits = Limits { max_alloc: 10, ..Limits::default() };
        let error = load_image(growing, &limits).unwrap_err();
        assert!(error.to_string().ends_with("expected at most 10 bytes, found 11"), "{error}");
    }

    /// Some file systems refuse such names.
    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_utf8_are_names() {
        let root = TempDir::new().unwrap();
        let odd = |name: &[u8]| root.path().join(OsStr::from_bytes(name));
        let image = write_image(odd(b"\xE4.png"));
        let text = odd(b"\xFC.png");
        fs::write(&text, "text").unwrap();
        assert_eq!(list_images(&root).unwrap(), [image.as_path(), &text]);
        assert_eq!(load(&image).unwrap(), (3, 2));
        let error = load(&text).unwrap_err();
        assert!(error.to_string().contains("\u{FFFD}.png"), "{error}");
    }
}
