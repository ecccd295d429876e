//! Plain layouts, path lists and parallel loading.

mod support;

use std::fs;
use std::path::PathBuf;

use image::{Rgb, RgbImage};
use nfbmr_data::{
    DataError, Label, Limits, OnBadFile, folder, list_images, load_image, mvtec, mvtec_categories,
    path_list,
};
use support::{layout_error, relative, touch};
use tempfile::TempDir;

#[test]
fn mvtec_reads_splits_defects_and_masks() {
    let root = TempDir::new().unwrap();
    let category = root.path().join("bottle");
    touch(
        &category,
        &[
            "train/good/001.png",
            "train/good/000.PNG",
            "train/good/.hidden.png",
            "train/good/notes.txt",
            "test/good/000.png",
            "test/crack/000.png",
            "test/crack/001.png",
            "ground_truth/crack/000_mask.png",
        ],
    );
    let set = mvtec(&category).unwrap();
    assert_eq!(set.name, "bottle");
    let paths = |images: &[nfbmr_data::LabelledImage]| {
        relative(&category, images.iter().map(|image| image.path.clone()))
    };
    assert_eq!(paths(&set.train), ["train/good/000.PNG", "train/good/001.png"]);
    assert!(set.train.iter().all(|image| !image.is_defect()));
    assert_eq!(paths(&set.test), ["test/crack/000.png", "test/crack/001.png", "test/good/000.png"]);
    let masks: Vec<_> = set.test.iter().map(|image| image.masks.clone()).collect();
    let mask = category.join("ground_truth").join("crack").join("000_mask.png");
    assert_eq!(masks, [vec![mask], vec![], vec![]]);
    assert_eq!(set.test[1].defect.as_deref(), Some("crack"));
    assert_eq!(set.test[1].label, Label::Defect);
    assert_eq!((set.test[2].label, &set.test[2].defect), (Label::Normal, &None));
}

#[test]
fn mvtec_says_what_is_missing_where() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    assert_eq!(layout_error(mvtec(dir).unwrap_err()), (dir.into(), "no such folder"));
    fs::create_dir_all(dir.join("train/good")).unwrap();
    let (path, found) = layout_error(mvtec(dir).unwrap_err());
    assert_eq!((path, found), (dir.join("train/good"), "none"));
    touch(dir, &["train/good/0.png"]);
    assert_eq!(mvtec(dir).unwrap().test, [], "a test isn't needed to train");
    fs::create_dir_all(dir.join("test/good")).unwrap();
    assert_eq!(layout_error(mvtec(dir).unwrap_err()), (dir.join("test"), "none"));
}

#[test]
fn categories_are_found_below_the_root_or_at_it() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    assert_eq!(layout_error(mvtec_categories(dir).unwrap_err()).0, dir);
    touch(dir, &["wood/train/good/0.png", "bottle/train/good/0.png", "licence.txt", "docs/a.png"]);
    assert_eq!(mvtec_categories(dir).unwrap(), [dir.join("bottle"), dir.join("wood")]);
    assert_eq!(mvtec_categories(dir.join("wood")).unwrap(), [dir.join("wood")]);
    let error = mvtec_categories(dir.join("none")).unwrap_err();
    assert!(matches!(error, DataError::Read { .. }), "{error:?}");
}

#[test]
fn folder_without_abnormal_is_all_training() {
    let root = TempDir::new().unwrap();
    touch(root.path(), &["normal/b.jpg", "normal/a.bmp", "normal/deep/er/c.webp"]);
    let set = folder(root.path()).unwrap();
    let paths = relative(root.path(), set.train.into_iter().map(|image| image.path));
    assert_eq!(paths, ["normal/a.bmp", "normal/b.jpg", "normal/deep/er/c.webp"]);
    assert_eq!(set.test, []);
}

#[test]
fn folder_with_abnormal_tests_on_every_fifth_normal() {
    let root = TempDir::new().unwrap();
    let normal: Vec<String> = (0..11).map(|i| format!("normal/{i:02}.png")).collect();
    touch(root.path(), &normal);
    touch(root.path(), &["abnormal/x.png", "abnormal/dent/y.png"]);
    let set = folder(root.path()).unwrap();
    assert_eq!(set.train.len(), 9);
    let defects: Vec<_> = set.test.iter().map(|s| (s.is_defect(), s.defect.as_deref())).collect();
    assert_eq!(defects, [(true, Some("dent")), (true, None), (false, None), (false, None)]);
    let paths = relative(root.path(), set.test.into_iter().map(|image| image.path));
    assert_eq!(paths[2..], ["normal/04.png", "normal/09.png"]);
}

#[test]
fn folder_says_what_is_missing_where() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    assert_eq!(layout_error(folder(dir).unwrap_err()), (dir.into(), "no such folder"));
    touch(dir, &["normal/a.png", "abnormal/readme.txt"]);
    assert_eq!(layout_error(folder(dir).unwrap_err()), (dir.join("abnormal"), "none"));
}

#[test]
fn path_list_skips_comments_and_starts_at_its_folder() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    touch(dir, &["lists/b.png", "a.png"]);
    let list = dir.join("lists").join("train.txt");
    let absolute = dir.join("a.png");
    let text = format!("\u{feff}# good parts\r\n\r\n  b.png \r\n{}\n../a.png", absolute.display());
    fs::write(&list, text).unwrap();
    let lists = dir.join("lists");
    let expected = [lists.join("b.png"), absolute, lists.join("../a.png")];
    assert_eq!(path_list(&list).unwrap(), expected);
}

#[test]
fn path_list_names_the_line_at_fault() {
    let root = TempDir::new().unwrap();
    let list = root.path().join("list.txt");
    fs::write(&list, "# one\n\nmissing.png\n").unwrap();
    let error = path_list(&list).unwrap_err();
    assert!(matches!(error, DataError::ListEntry { line: 3, .. }), "{error:?}");
    fs::write(&list, "# none\n").unwrap();
    assert_eq!(layout_error(path_list(&list).unwrap_err()), (list.clone(), "none"));
    fs::write(&list, [0xFF, 0xFE, 0x00]).unwrap();
    assert!(matches!(path_list(&list), Err(DataError::Read { .. })));
}

#[test]
fn folders_named_like_images_are_folders() {
    let root = TempDir::new().unwrap();
    touch(root.path(), &["x.png/inside.jpeg", "y.TIF"]);
    let found = list_images(root.path()).unwrap();
    assert_eq!(relative(root.path(), found), ["x.png/inside.jpeg", "y.TIF"]);
}

#[cfg(unix)]
#[test]
fn links_are_followed_but_not_in_circles() {
    use std::os::unix::fs::symlink;

    let root = TempDir::new().unwrap();
    let elsewhere = TempDir::new().unwrap();
    let dir = root.path();
    touch(dir, &["a/0.png"]);
    touch(elsewhere.path(), &["1.png"]);
    symlink(dir, dir.join("a/loop")).unwrap();
    symlink(elsewhere.path(), dir.join("b")).unwrap();
    assert_eq!(relative(dir, list_images(dir).unwrap()), ["a/0.png", "b/1.png"]);

    symlink(dir.join("nowhere"), dir.join("broken.png")).unwrap();
    let listed = relative(dir, list_images(dir).unwrap());
    assert_eq!(listed, ["a/0.png", "b/1.png", "broken.png"], "an error of the file, not the list");
}

#[test]
fn loading_keeps_the_order_and_names_bad_files() {
    let root = TempDir::new().unwrap();
    let mut paths = Vec::new();
    for grey in 0..10u8 {
        let path = root.path().join(format!("{grey}.png"));
        RgbImage::from_pixel(9 + u32::from(grey), 6, Rgb([grey; 3])).save(&path).unwrap();
        paths.push(path);
    }
    let limits = Limits::default();
    let all =
        |paths: &[PathBuf]| paths.iter().map(|path| load_image(path, &limits)).collect::<Vec<_>>();
    let images = OnBadFile::Stop.keep_good(all(&paths)).unwrap();
    assert_eq!(images.len(), 10);
    for (grey, image) in (0..).zip(&images) {
        assert_eq!(image.to_rgb8(), RgbImage::from_pixel(9 + grey, 6, Rgb([grey as u8; 3])));
    }

    fs::write(&paths[7], b"text").unwrap();
    fs::write(&paths[3], b"text").unwrap();
    let error = OnBadFile::Stop.keep_good(all(&paths)).unwrap_err();
    assert!(matches!(&error, DataError::Decode { path, .. } if *path == paths[3]), "{error:?}");

    let mut skipped = Vec::new();
    let rest = OnBadFile::Skip(&mut skipped).keep_good(all(&paths)).unwrap();
    assert_eq!(rest, [&images[..3], &images[4..7], &images[8..]].concat());
    let names: Vec<_> = skipped
        .iter()
        .map(|error| match error {
            DataError::Decode { path, .. } => path,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(names, [&paths[3], &paths[7]]);
}
