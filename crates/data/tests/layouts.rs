//! Published data sets whose labels are in the names of folders and in masks, each in a small copy
//! of its layout, and the names of all layouts.

mod support;

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};
use nfbmr_data::{
    CellType, DataError, DatasetOptions, Layout, Limits, datasets, kolektor, magnetic_tile, mvtec,
};
use support::{images, known, layout_error, names, relative, touch};
use tempfile::TempDir;

#[test]
fn layouts_have_names() {
    for layout in Layout::ALL {
        assert_eq!(layout.to_string().parse(), Ok(layout));
    }
    for cell in CellType::ALL {
        assert_eq!(cell.to_string().parse(), Ok(cell));
    }
    let error = "mvtek".parse::<Layout>().unwrap_err();
    let known = "mvtec, dagm, visa, kolektor, btad, mpdd, magnetic-tile, elpv, folder";
    assert_eq!(error.to_string(), format!("expected one of {known}, found \"mvtek\""));
}

#[test]
fn every_layout_refuses_an_empty_root_and_none() {
    let root = TempDir::new().unwrap();
    for layout in Layout::ALL {
        let read = |root: &Path| datasets(root, layout, &DatasetOptions::default()).unwrap_err();
        let error = read(root.path());
        assert!(matches!(error, DataError::Layout { .. }), "{layout}: {error:?}");
        let error = read(&root.path().join("none"));
        let typed = matches!(error, DataError::Layout { .. } | DataError::Read { .. });
        assert!(typed, "{layout}: {error:?}");
    }
}

#[test]
fn a_root_shows_its_layout() {
    let found = |files: &[&str]| {
        let root = TempDir::new().unwrap();
        touch(root.path(), files);
        Layout::detect(root.path()).unwrap()
    };
    let marked: [(&[&str], Layout); 16] = [
        (&["train/good/0.png", "test/good/1.png"], Layout::Mvtec),
        (&["bottle/train/good/0.png", "license.txt"], Layout::Mvtec),
        (&["train/ok/0.bmp"], Layout::Mvtec),
        (&["01/train/ok/0.bmp"], Layout::Mvtec),
        (&["Train/Good/0.png"], Layout::Mvtec),
        (&["test/good/0.png"], Layout::Mvtec),
        (&["part/test_public/bad/0.png"], Layout::Mvtec),
        (&["Train/Label/Labels.txt", "Train/0576.PNG"], Layout::Dagm),
        (&["Class1/Train/Label/Labels.txt"], Layout::Dagm),
        (&["split_csv/1cls.csv", "candle/Data/Images/Normal/0000.JPG"], Layout::Visa),
        (&["labels.csv", "images/cell0001.png"], Layout::Elpv),
        (&["MT_Free/Imgs/exp1_num_1.jpg", "MT_Fray/Imgs/2.jpg"], Layout::MagneticTile),
        (&["Free/exp1_num_1.jpg", "Crack/exp1_num_2.jpg"], Layout::MagneticTile),
        (&["kos01/Part0.jpg", "kos01/Part0_label.bmp"], Layout::Kolektor),
        (&["OK/0.png", "NG/1.png"], Layout::Folder),
        (&["normal/0.png", "abnormal/1.png"], Layout::Folder),
    ];
    for (files, layout) in marked {
        assert_eq!(found(files), Some(layout), "{files:?}");
    }
    for files in [
        &["0.png", "monday/1.png"][..],
        &["labels.csv", "0.png"],
        &["a/normal/0.png"],
        &["normal/0.png", "bright/1.png"],
        &["Free/0.jpg", "Occupied/1.jpg"],
        &["kosmetik/0.png", "kos01/1.png"],
    ] {
        assert_eq!(found(files), None, "{files:?}");
    }
    assert!(matches!(Layout::detect("absent"), Err(DataError::Read { .. })));
}

#[test]
fn kolektor_holds_out_whole_items_and_tests_all_defects() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    touch(dir, &["notes/a.jpg"]);
    for item in 1..=4 {
        for part in 0..3 {
            let name = format!("kos{item:02}/Part{part}");
            touch(dir, &[format!("{name}.jpg")]);
            let mut mask = GrayImage::new(5, 4);
            if [(1, 2), (3, 0)].contains(&(item, part)) {
                mask.put_pixel(4, 3, Luma([255]));
            }
            mask.save(dir.join(format!("{name}_label.bmp"))).unwrap();
        }
    }
    let set = kolektor(dir, &Limits::default()).unwrap();
    let train = ["01/Part0", "01/Part1", "02/Part0", "02/Part1", "02/Part2", "04/Part0"];
    let train = [&train[..], &["04/Part1", "04/Part2"]].concat();
    let test = ["01/Part2", "03/Part0", "03/Part1", "03/Part2"];
    let full = |names: &[&str]| names.iter().map(|n| format!("kos{n}.jpg")).collect::<Vec<_>>();
    assert_eq!(images(dir, &set), [full(&train), full(&test)]);
    let masks: Vec<_> = set.test.iter().map(|image| known(dir, image)).collect();
    let defect = |name: &str| (true, None, Some(format!("{name}_label.bmp")));
    let normal = (false, None, None);
    let expected = [defect("kos01/Part2"), defect("kos03/Part0"), normal.clone(), normal];
    assert_eq!(masks, expected);
    assert_eq!(datasets(dir, Layout::Kolektor, &DatasetOptions::default()).unwrap(), [set]);

    fs::remove_file(dir.join("kos02/Part1_label.bmp")).unwrap();
    let error = kolektor(dir, &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("Part1_label.bmp"), "{error}");
    fs::remove_dir_all(dir.join("kos03")).unwrap();
    fs::remove_dir_all(dir.join("kos04")).unwrap();
    assert_eq!(layout_error(kolektor(dir, &Limits::default()).unwrap_err()), (dir.into(), "fewer"));
}

#[test]
fn btad_is_laid_out_as_mvtec() {
    let root = TempDir::new().unwrap();
    let category = root.path().join("01");
    touch(&category, &["train/ok/0001.bmp", "train/ok/0000.bmp", "test/ok/0009.bmp"]);
    touch(&category, &["test/ko/0000.bmp", "test/ko/0001.png", "test/ko/0002.bmp"]);
    touch(&category, &["ground_truth/ko/0000.png", "ground_truth/ko/0001.bmp"]);
    touch(root.path(), &["03/train/ok/0.bmp", "03/test/ko/0.bmp"]);
    assert_eq!(names(root.path(), Layout::Btad), ["01", "03"]);

    let set = mvtec(&category).unwrap();
    let test = ["test/ko/0000.bmp", "test/ko/0001.png", "test/ko/0002.bmp", "test/ok/0009.bmp"];
    let train = ["train/ok/0000.bmp", "train/ok/0001.bmp"];
    assert_eq!(images(&category, &set), [train.as_slice(), &test]);
    let test: Vec<_> = set.test.iter().map(|image| known(&category, image)).collect();
    let defect = |mask: Option<&str>| (true, Some("ko"), mask.map(str::to_owned));
    let masks = [Some("ground_truth/ko/0000.png"), Some("ground_truth/ko/0001.bmp"), None];
    assert_eq!(test, [&masks.map(defect)[..], &[(false, None, None)]].concat());
}

/// MVTec LOCO has a folder of masks for each image, and good images to validate with, which aren't trained on.
#[test]
fn loco_has_several_masks_for_an_image() {
    let root = TempDir::new().unwrap();
    let category = root.path().join("pushpins");
    let loco = ["train/good/000.png", "validation/good/000.png", "test/good/000.png"];
    touch(&category, &loco);
    touch(&category, &["test/logical_anomalies/000.png", "test/structural_anomalies/000.png"]);
    let masks =
        ["000/000.png", "000/001.png"].map(|m| format!("ground_truth/logical_anomalies/{m}"));
    touch(&category, &masks);
    touch(&category, &["ground_truth/structural_anomalies/000/000.png"]);
    assert_eq!(Layout::detect(root.path()).unwrap(), Some(Layout::Mvtec));
    let set = mvtec(&category).unwrap();
    let [train, test] = images(&category, &set);
    assert_eq!(train, ["train/good/000.png"]);
    assert_eq!(test.len(), 3);
    assert_eq!(relative(&category, &set.test[1].masks), masks);
    assert_eq!(set.test[2].masks.len(), 1);
    assert_eq!(set.test[1].defect.as_deref(), Some("logical_anomalies"));
}

/// The labelled test of MVTec AD 2 has its masks in it.
#[test]
fn mvtec_ad_2_is_tested_in_public() {
    let root = TempDir::new().unwrap();
    let part = root.path().join("can");
    touch(&part, &["train/good/0_regular.png", "validation/good/1_regular.png"]);
    touch(&part, &["test_public/good/2_regular.png", "test_public/bad/3_regular.png"]);
    touch(
        &part,
        &["test_public/ground_truth/bad/3_regular_mask.png", "test_private/4_regular.png"],
    );
    let set = mvtec(&part).unwrap();
    assert_eq!(
        images(&part, &set)[1],
        ["test_public/bad/3_regular.png", "test_public/good/2_regular.png"]
    );
    let mask = "test_public/ground_truth/bad/3_regular_mask.png".to_owned();
    assert_eq!(known(&part, &set.test[0]), (true, Some("bad"), Some(mask)));
    assert_eq!(known(&part, &set.test[1]), (false, None, None));
}

/// By stem, in any format and letters' case, beside the image or in a folder of any usual name.
#[test]
fn masks_are_found_by_the_stem_of_their_image() {
    for mask in [
        "ground_truth/crack/000.png",
        "ground_truth/crack/000.bmp",
        "ground_truth/crack/000_MASK.PNG",
        "ground_truth/crack/000_mask.jpg",
        "ground_truth/Crack/000-label.tif",
        "ground_truth/000_mask.png",
        "Masks/crack/000.png",
        "gt/crack/000_gt.png",
        "test/crack/000_mask.png",
        "test/ground_truth/crack/000.png",
    ] {
        let root = TempDir::new().unwrap();
        touch(
            root.path(),
            &["test/good/000.png", "test/crack/000.jpg", "test/crack/001.jpg", mask],
        );
        let set = mvtec(root.path()).unwrap();
        let names = images(root.path(), &set);
        assert_eq!(
            names[1],
            ["test/crack/000.jpg", "test/crack/001.jpg", "test/good/000.png"],
            "{mask}"
        );
        assert_eq!(relative(root.path(), &set.test[0].masks), [mask]);
        assert_eq!(set.test[1].masks.len() + set.test[2].masks.len(), 0, "{mask}");
    }
}

#[test]
fn either_of_train_and_test_is_enough() {
    let root = TempDir::new().unwrap();
    touch(
        root.path(),
        &["a/Train/Good/0.png", "a/Train/Bad/1.png", "b/test/Good/0.png", "b/test/dent/1.png"],
    );
    let [a, b] = ["a", "b"].map(|name| mvtec(root.path().join(name)).unwrap());
    assert_eq!((a.train.len(), a.test.len()), (1, 0));
    assert_eq!((b.train.len(), b.test.len()), (0, 2));
    assert!(!b.test[0].is_defect() || !b.test[1].is_defect());
    let error = mvtec(root.path()).unwrap_err();
    assert!(error.to_string().contains("or test with labelled ones"), "{error}");
}

#[test]
fn mpdd_is_laid_out_as_mvtec() {
    let root = TempDir::new().unwrap();
    let category = root.path().join("bracket_black");
    touch(&category, &["train/good/000.png", "test/good/000.png", "test/scratches/007.png"]);
    touch(&category, &["test/hole/001.png", "ground_truth/scratches/007_mask.png"]);
    let sets = datasets(root.path(), Layout::Mpdd, &DatasetOptions::default()).unwrap();
    assert_eq!(sets, [mvtec(&category).unwrap()]);
    let mask = Some("ground_truth/scratches/007_mask.png".to_owned());
    assert_eq!(known(&category, &sets[0].test[2]), (true, Some("scratches"), mask));
}

#[test]
fn magnetic_tiles_are_read_as_published_and_flat() {
    let root = TempDir::new().unwrap();
    for (layout, prefix, images_folder) in [("published", "MT_", "Imgs/"), ("flat", "", "")] {
        let dir = root.path().join(layout);
        let at = |kind: &str, file: &str| format!("{prefix}{kind}/{images_folder}{file}");
        touch(&dir, &["README.md"]);
        touch(&dir, &(1..=10).map(|i| at("Free", &format!("{i:02}.jpg"))).collect::<Vec<_>>());
        touch(&dir, &[at("Free", "01.png"), at("Crack", "a.jpg"), at("Crack", "a.png")]);
        touch(&dir, &[at("Fray", "b.JPG")]);
        if layout == "published" {
            touch(&dir, &["docs/figure.jpg"]);
        }
        let set = magnetic_tile(&dir).unwrap();
        let [train, test] = images(&dir, &set);
        let numbers = [1, 2, 3, 4, 6, 7, 8, 9].map(|i| at("Free", &format!("{i:02}.jpg")));
        assert_eq!(train, numbers);
        let defects = [at("Crack", "a.jpg"), at("Fray", "b.JPG")];
        assert_eq!(
            test,
            [&defects[..], &[5, 10].map(|i| at("Free", &format!("{i:02}.jpg")))].concat()
        );
        assert_eq!(known(&dir, &set.test[0]), (true, Some("Crack"), Some(at("Crack", "a.png"))));
        assert_eq!(known(&dir, &set.test[1]), (true, Some("Fray"), None));
        assert_eq!(known(&dir, &set.test[2]), (false, None, None));
        assert_eq!(names(&dir, Layout::MagneticTile), [layout]);
    }
    let dir = root.path().join("flat");
    fs::remove_dir_all(dir.join("Crack")).unwrap();
    fs::remove_dir_all(dir.join("Fray")).unwrap();
    assert_eq!(layout_error(magnetic_tile(&dir).unwrap_err()), (dir.clone(), "none"));
    fs::remove_dir_all(dir.join("Free")).unwrap();
    let error = magnetic_tile(&dir).unwrap_err();
    assert!(error.to_string().contains("MT_Free/Imgs or Free"), "{error}");
}
