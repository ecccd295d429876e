//! What is taken of the folders and files that a user names, and what is said of the rest.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use nfbmr_data::{DataError, LabelledSelection, Reason, Selection};
use support::{relative, touch};
use tempfile::TempDir;

/// The images taken and the files left out of folders with these files.
fn selected(files: &[&str], named: &[&str]) -> (Vec<String>, Vec<(String, Reason)>, String) {
    let root = TempDir::new().unwrap();
    touch(root.path(), files);
    let paths: Vec<PathBuf> = named.iter().map(|name| root.path().join(name)).collect();
    let found = Selection::good(&paths, None).unwrap();
    let left_out = found
        .left_out
        .iter()
        .map(|left_out| (relative(root.path(), [&left_out.path]).remove(0), left_out.reason));
    let line = found.to_string().replace(&format!("{}/", root.path().display()), "");
    (relative(root.path(), &found.images), left_out.collect(), line)
}

fn refused(files: &[&str], named: &str) -> String {
    let root = TempDir::new().unwrap();
    touch(root.path(), files);
    let error = Selection::good(&[root.path().join(named)], None).unwrap_err();
    assert!(matches!(error, DataError::NoGoodImages { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn a_folder_of_images_is_taken_whole() {
    let (images, left_out, line) =
        selected(&["d/0.png", "d/monday/1.jpg", "d/tuesday/lot 3/2.bmp"], &["d"]);
    assert_eq!(images, ["d/0.png", "d/monday/1.jpg", "d/tuesday/lot 3/2.bmp"]);
    assert_eq!(left_out, []);
    assert_eq!(line, "3 images: 1 in d, 1 in d/monday, 1 in d/tuesday/lot 3");
}

#[test]
fn defects_tests_and_masks_are_never_trained_on() {
    use Reason::{Defects, Heatmaps, Masks, Tests};
    for (file, reason) in [
        ("d/defects/1.png", Defects),
        ("d/monday/NG/1.png", Defects),
        ("d/no_good/1.png", Defects),
        ("d/abnormal/1.png", Defects),
        ("d/niO/deep/er/1.png", Defects),
        ("d/masks/1.png", Masks),
        ("d/ground_truth/crack/1.png", Masks),
        ("d/labels/1.png", Masks),
        ("d/test/1.png", Tests),
        ("d/a/1_mask.png", Masks),
        ("d/a/1_MASK.PNG", Masks),
        ("d/a/1_label.bmp", Masks),
        ("d/a/1_heatmap.png", Heatmaps),
        ("d/a/1_heatmap-2.png", Heatmaps),
    ] {
        let (images, left_out, _) = selected(&["d/a/0.png", file], &["d"]);
        assert_eq!(images, ["d/a/0.png"], "{file}");
        assert_eq!(left_out, [(file.to_owned(), reason)]);
    }
}

#[test]
fn a_folder_named_good_leaves_its_neighbours_out_and_says_so() {
    let files = ["d/normal/0.png", "d/bright/1.png", "d/2.png"];
    let (images, left_out, line) = selected(&files, &["d"]);
    assert_eq!(images, ["d/normal/0.png"]);
    let beside = |file: &str| (file.to_owned(), Reason::BesideGood);
    assert_eq!(left_out, [beside("d/2.png"), beside("d/bright/1.png")]);
    assert_eq!(
        line,
        "1 image: 1 in d/normal; left out: 1 in d, 1 in d/bright (beside a folder of good parts; name it too \
         to take it)"
    );
    let (images, left_out, _) = selected(&files, &["d/normal", "d/bright"]);
    assert_eq!((images.len(), left_out.len()), (2, 0));
    for capital in ["d/train/Good/0.png", "d/Training/0.png", "d/iO/0.png", "d/OK/0.png"] {
        let (images, left_out, _) =
            selected(&[capital, "d/other/1.png", "d/validation/1.png"], &["d"]);
        assert_eq!(images, [capital]);
        assert_eq!(left_out.len(), 2, "{left_out:?}");
    }
}

#[test]
fn good_and_bad_folders_are_a_data_set() {
    for (good, bad) in
        [("OK", "NG"), ("good", "bad"), ("iO", "niO"), ("pass", "fail"), ("gut", "defekt")]
    {
        let mut files: Vec<String> = (0..10).map(|i| format!("d/{good}/{i}.png")).collect();
        files.push(format!("d/{bad}/x.png"));
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        let (images, left_out, line) = selected(&files, &["d"]);
        assert_eq!(images.len(), 8);
        assert!(images.iter().all(|path| path.starts_with(&format!("d/{good}/"))), "{images:?}");
        assert_eq!(left_out.len(), 3, "{line}");
        assert!(
            line.contains(&format!("2 in d/{good}")) && line.contains("kept to test with"),
            "{line}"
        );
    }
}

#[test]
fn what_leaves_nothing_is_refused_by_what_was_found() {
    let error = refused(&["NG/0.png", "NG/1.png"], "NG");
    assert!(error.contains("2 in") && error.contains("named as defects"), "{error}");
    let error = refused(&["d/test/0.png", "d/a/0_mask.png"], "d");
    assert!(
        error.contains("named as a test") && error.contains("masks, by name or values"),
        "{error}"
    );
    let error = refused(&["d/notes.txt"], "d");
    assert!(error.contains("notes.txt (no image)"), "{error}");
    // What a project is about says nothing of its images.
    assert_eq!(selected(&["defect-detection/0.png"], &["defect-detection"]).0.len(), 1);
}

#[test]
fn files_are_taken_by_name_and_once() {
    let files = ["a/0.png", "a/1.png", "NG/2.png", "a/1_mask.png", "a/notes.txt"];
    let named = ["a", "a/0.png", "NG/2.png", "a/1_mask.png", "a/notes.txt"];
    let (images, left_out, _) = selected(&files, &named);
    assert_eq!(images, ["a/0.png", "a/1.png"]);
    let reasons: Vec<Reason> = left_out.iter().map(|(_, reason)| *reason).collect();
    use Reason::{Defects, Masks, NoImage};
    assert_eq!(reasons, [Defects, Masks, NoImage]);
    // What a folder leaves out is taken where it is named too.
    let files = ["d/normal/0.png", "d/bright/1.png"];
    let (images, left_out, _) = selected(&files, &["d", "d/bright"]);
    assert_eq!((images.len(), left_out.len()), (2, 0));
    let absent = Selection::good(&["absent".into()], None).unwrap_err();
    assert!(matches!(absent, DataError::Read { .. }), "{absent:?}");
}

#[test]
fn masks_of_the_same_name_beside_images_are_left_out() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    let noise =
        image::RgbImage::from_fn(32, 32, |x, y| image::Rgb([(x * y) as u8, x as u8, y as u8]));
    for name in ["0", "1"] {
        noise.save(dir.join(name).with_extension("jpg")).unwrap();
        image::GrayImage::new(32, 32).save(dir.join(name).with_extension("png")).unwrap();
    }
    // A blank image alone, and copies in other formats, are no masks.
    image::GrayImage::new(32, 32).save(dir.join("2.png")).unwrap();
    noise.save(dir.join("3.png")).unwrap();
    noise.save(dir.join("3.bmp")).unwrap();
    let found = Selection::good(&[dir.to_owned()], None).unwrap();
    assert_eq!(relative(dir, &found.images), ["0.jpg", "1.jpg", "2.png", "3.bmp", "3.png"]);
    let left_out = found.left_out.iter().map(|left_out| &left_out.path);
    assert_eq!(relative(dir, left_out), ["0.png", "1.png"]);
    assert!(found.left_out.iter().all(|left_out| left_out.reason == Reason::Masks));
}

#[test]
fn many_folders_are_counted() {
    let files: Vec<String> = (0..9).map(|lot| format!("d/lot {lot}/0.png")).collect();
    let (_, _, line) = selected(&files.iter().map(String::as_str).collect::<Vec<_>>(), &["d"]);
    assert!(line.ends_with("1 in d/lot 5, 3 in 3 more folders"), "{line}");
}

#[test]
fn images_are_recognised_by_content() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    let image = image::RgbImage::new(4, 4);
    for (name, format) in [
        ("frame_0005", image::ImageFormat::Jpeg),
        ("2.jfif", image::ImageFormat::Jpeg),
        ("3.jpe", image::ImageFormat::Jpeg),
        ("4.pgm", image::ImageFormat::Pnm),
        ("5.dat", image::ImageFormat::Png),
    ] {
        image.save_with_format(dir.join(name), format).unwrap();
    }
    fs::write(dir.join("6.bin"), b"\0\0\0\x18ftypheic\0\0\0\0").unwrap();
    touch(dir, &["7.heic", "8.J2K", "v.mp4", "notes.txt"]);
    let found = Selection::to_detect(dir, None).unwrap();
    assert_eq!(found.images.len(), 8, "{:?}", found.images);
    assert!(found.to_string().ends_with("v.mp4 (no image)"), "{found}");
    assert_eq!(relative(dir, found.left_out.iter().map(|l| &l.path)), ["notes.txt", "v.mp4"]);
}

#[test]
fn own_heatmaps_are_not_scored() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    touch(dir, &["0.png", "a_heatmap.png", "maps/renamed.png", "b_mask.png"]);
    let images = |heatmaps: Option<&Path>| {
        relative(dir, Selection::to_detect(dir, heatmaps).unwrap().images)
    };
    assert_eq!(images(None), ["0.png", "b_mask.png", "maps/renamed.png"]);
    assert_eq!(images(Some(&dir.join("maps"))), ["0.png", "b_mask.png"]);
    assert_eq!(images(Some(dir)), ["0.png", "b_mask.png", "maps/renamed.png"]);
}

#[test]
fn labelled_images_say_where_they_come_from() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    touch(
        dir,
        &["part/test/Good/0.png", "part/test/crack/1.png", "part/ground_truth/crack/1_mask.png"],
    );
    touch(dir, &["part/train/good/2.png", "part/docs/figure.png"]);
    let found = LabelledSelection::in_folder(&dir.join("part"), None).unwrap();
    let line = found.to_string().replace(&format!("{}/", dir.display()), "");
    assert_eq!(
        line,
        "1 good (1 in part/test/Good), 1 defective (1 in part/test/crack); left out: 1 in part/train/good (to \
         train on), 1 in part/docs (no part of the layout mvtec)"
    );
    // The test alone.
    let test = LabelledSelection::in_folder(&dir.join("part/test"), None).unwrap();
    assert_eq!((test.set.test.len(), test.set.name.as_str()), (2, "part"));
    let none = LabelledSelection::in_folder(&dir.join("part/docs"), None).unwrap_err();
    assert!(matches!(none, DataError::NoTest { .. }), "{none:?}");
}

#[test]
fn folders_of_labelled_images_are_taken_whole() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    touch(dir, &["a/0.png", "b/dent/1.jpg", "b/2.jpg", "b/3.jpg", "b/3_mask.png"]);
    touch(dir, &["m/dent/1.bmp", "m/2_mask.png"]);
    let at = |name: &str| vec![dir.join(name)];
    let found = LabelledSelection::of_folders(&at("a"), &at("b"), &at("m")).unwrap();
    assert_eq!(found.left_out, []);
    let kinds: Vec<_> = found.set.test.iter().map(|s| (s.defect_name(), s.masks.len())).collect();
    assert_eq!(kinds, [(Some("defect"), 1), (Some("defect"), 1), (Some("dent"), 1), (None, 0)]);
    // Masks by the folder's own name, too.
    touch(dir, &["all/b/2.png"]);
    let found = LabelledSelection::of_folders(&at("a"), &at("b"), &at("all")).unwrap();
    assert_eq!(relative(dir, &found.set.test[0].masks), ["all/b/2.png"]);
}
