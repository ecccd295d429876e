//! Published data sets whose labels are in a list, each in a small copy of its layout.

mod support;

use std::fs;
use std::path::Path;

use nfbmr_data::{
    CellType, DataError, DatasetOptions, ElpvOptions, Layout, dagm, datasets, elpv, visa,
};
use proptest::prelude::*;
use support::{images, known, layout_error, names, touch, write};
use tempfile::TempDir;

fn dagm_class(class: &Path) {
    touch(class, &["Train/0576.PNG", "Train/0577.PNG", "Train/0579.PNG", "Test/0001.PNG"]);
    touch(class, &["Test/0002.PNG", "Test/0003.PNG"]);
    touch(class, &["Train/Label/0577_label.PNG", "Test/Label/0002_label.PNG"]);
    let train = "1\r\n576\t0\t0576.PNG\t0\t0\r\n577\t1\t0577.PNG\t0\t0577_label.PNG\r\n\
                 579\t0\t0579.PNG\t0\t0\r\n";
    write(class, "Train/Label/Labels.txt", train);
    let test = "1\n3\t1\t0003.PNG\t0\t0\n2\t1\t0002.PNG\t0\t0002_label.PNG\n1\t0\t0001.PNG\t0\t0\n";
    write(class, "Test/Label/Labels.txt", test);
}

#[test]
fn dagm_trains_on_what_is_free_of_defects() {
    let root = TempDir::new().unwrap();
    let class = root.path().join("Class1");
    dagm_class(&class);
    dagm_class(&root.path().join("Class10"));
    touch(root.path(), &["readme/about.PNG"]);
    assert_eq!(names(root.path(), Layout::Dagm), ["Class1", "Class10"]);
    assert_eq!(names(&class, Layout::Dagm), ["Class1"]);

    let set = dagm(&class).unwrap();
    let train = ["Train/0576.PNG", "Train/0579.PNG"];
    let test = ["Test/0001.PNG", "Test/0002.PNG", "Test/0003.PNG"];
    assert_eq!(images(&class, &set), [train.as_slice(), &test]);
    assert!(set.train.iter().all(|image| known(&class, image) == (false, None, None)));
    let mask = Some("Test/Label/0002_label.PNG".to_owned());
    let test: Vec<_> = set.test.iter().map(|image| known(&class, image)).collect();
    assert_eq!(test, [(false, None, None), (true, None, mask), (true, None, None)]);

    // Without the header, the first line is an image as any other.
    write(&class, "Test/Label/Labels.txt", "1 0 0001.PNG 0 0\n");
    assert_eq!(images(&class, &dagm(&class).unwrap())[1], ["Test/0001.PNG"]);
}

#[test]
fn dagm_says_what_is_missing_where() {
    let root = TempDir::new().unwrap();
    let class = root.path();
    dagm_class(class);
    write(class, "Train/Label/Labels.txt", "1\n577 1 0577.PNG 0 0577_label.PNG\n");
    let list = class.join("Train/Label/Labels.txt");
    assert_eq!(layout_error(dagm(class).unwrap_err()), (list, "none"));
    fs::remove_file(class.join("Test/Label/Labels.txt")).unwrap();
    let error = dagm(class).unwrap_err();
    assert!(error.to_string().contains("expected Test/Label/Labels.txt in"), "{error}");
}

const VISA: &str = "object,split,label,image,mask\n\
    pcb1,train,normal,pcb1/Data/Images/Normal/1.JPG,\n\
    candle,train,normal,candle/Data/Images/Normal/2.JPG,\n\
    candle,train,normal,candle/Data/Images/Normal/1.JPG,\n\
    candle,test,anomaly,candle/Data/Images/Anomaly/0.JPG,candle/Data/Masks/Anomaly/0.png\n\
    candle,test,normal,candle/Data/Images/Normal/0.JPG,\n\
    pcb1,test,anomaly,pcb1/Data/Images/Anomaly/0.JPG,\n";

fn visa_root(root: &Path, csv: &str) {
    for name in ["Normal/0", "Normal/1", "Normal/2", "Anomaly/0"] {
        touch(root, &["candle", "pcb1"].map(|object| format!("{object}/Data/Images/{name}.JPG")));
    }
    touch(root, &["candle/Data/Masks/Anomaly/0.png"]);
    write(root, "split_csv/1cls.csv", csv);
}

#[test]
fn visa_follows_the_one_class_split() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    for csv in [VISA.to_owned(), format!("\u{feff}{}", VISA.replace('\n', "\r\n"))] {
        visa_root(dir, &csv);
        let [candle, pcb] = visa(dir).unwrap().try_into().unwrap();
        assert_eq!((candle.name.as_str(), pcb.name.as_str()), ("candle", "pcb1"));
        let at = |name: &str| format!("candle/Data/Images/{name}.JPG");
        let [train, test] = images(dir, &candle);
        assert_eq!(train, [at("Normal/1"), at("Normal/2")]);
        assert_eq!(test, [at("Anomaly/0"), at("Normal/0")]);
        let mask = Some("candle/Data/Masks/Anomaly/0.png".to_owned());
        assert_eq!(known(dir, &candle.test[0]), (true, None, mask));
        assert_eq!(known(dir, &candle.test[1]), (false, None, None));
        assert_eq!(known(dir, &pcb.test[0]), (true, None, None));
    }
}

#[test]
fn visa_says_what_is_missing_where() {
    let root = TempDir::new().unwrap();
    let dir = root.path();
    let error = visa(dir).unwrap_err();
    assert!(error.to_string().contains("expected split_csv/1cls.csv in"), "{error}");
    visa_root(dir, "object,split,label,image,mask\n");
    assert_eq!(layout_error(visa(dir).unwrap_err()), (dir.join("split_csv/1cls.csv"), "none"));
    visa_root(dir, &VISA.lines().take(2).collect::<Vec<_>>().join("\n"));
    assert_eq!(layout_error(visa(dir).unwrap_err()), (dir.join("pcb1"), "one split"));
}

/// Cell `i` is normal, unsure (1/3 or 2/3) or has a defect, and is mono or poly, in turn.
fn elpv_root(root: &Path, cells: usize) {
    let probabilities = ["0.0", "0.3333333333333333", "0.0", "1.0", "0.6666666666666666"];
    let mut labels = String::new();
    for cell in 0..cells {
        let path = format!("images/cell{cell:04}.png");
        touch(root, &[&path]);
        let kind = if cell % 2 == 0 { "mono" } else { "poly" };
        labels += &format!("{path}  {:<20}{kind}\n", probabilities[cell % 5]);
    }
    write(root, "labels.csv", labels);
}

#[test]
fn elpv_leaves_unsure_cells_out() {
    let root = TempDir::new().unwrap();
    elpv_root(root.path(), 20);
    let options = ElpvOptions { train: 5, ..ElpvOptions::default() };
    let set = elpv(root.path(), &options).unwrap();
    assert_eq!((set.name.as_str(), set.train.len(), set.test.len()), ("elpv", 5, 3 + 4));
    let sets = datasets(
        root.path(),
        Layout::Elpv,
        &DatasetOptions { elpv: options, ..DatasetOptions::default() },
    );
    assert_eq!(sets.unwrap(), [set]);

    let options = ElpvOptions { cells: Some(CellType::Poly), train: 2, seed: 0 };
    let set = elpv(root.path(), &options).unwrap();
    assert_eq!(set.name, "elpv-poly");
    let [train, test] = images(root.path(), &set);
    assert_eq!((train.len(), test.len()), (2, 2 + 2));
    for path in [train, test].concat() {
        let number: usize = path["images/cell".len()..path.len() - ".png".len()].parse().unwrap();
        assert!(number % 2 == 1 && [0, 2, 3].contains(&(number % 5)), "{path}");
    }

    let options = ElpvOptions { train: 8, ..ElpvOptions::default() };
    let error = elpv(root.path(), &options).unwrap_err();
    assert!(matches!(error, DataError::TooFewNormal { train: 8, found: 8, .. }), "{error:?}");
    fs::remove_file(root.path().join("labels.csv")).unwrap();
    let error = elpv(root.path(), &options).unwrap_err();
    assert_eq!(layout_error(error), (root.path().into(), "no such file"));
}

#[test]
fn elpv_shuffles_the_same_on_every_machine() {
    let root = TempDir::new().unwrap();
    elpv_root(root.path(), 40);
    let options = ElpvOptions { cells: None, train: 6, seed: 7 };
    let [train, _] = images(root.path(), &elpv(root.path(), &options).unwrap());
    let numbers: Vec<_> = train.iter().map(|path| &path["images/cell".len()..][..4]).collect();
    // As computed by hand from the block function of ChaCha8, in another language.
    assert_eq!(numbers, ["0002", "0007", "0010", "0017", "0022", "0035"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn elpv_splits_the_normal_cells_whatever_the_seed(seed: u64, train in 0usize..16) {
        let root = TempDir::new().unwrap();
        elpv_root(root.path(), 40);
        let set = elpv(root.path(), &ElpvOptions { cells: None, train, seed }).unwrap();
        prop_assert_eq!(set.train.len(), train);
        let defects = set.test.iter().filter(|image| image.is_defect()).count();
        prop_assert_eq!((defects, set.test.len()), (8, 24 - train));
        let mut all: Vec<_> = set.train.iter().chain(&set.test).map(|s| &s.path).collect();
        all.sort_unstable();
        all.dedup();
        prop_assert_eq!(all.len(), 24);
        prop_assert!(set.train.is_sorted_by_key(|image| &image.path));
        prop_assert!(set.test.is_sorted_by_key(|image| &image.path));
    }

    #[test]
    fn visa_puts_every_row_in_one_place(rows in prop::collection::vec((0..3usize, 0..3usize), 0..40)) {
        let root = TempDir::new().unwrap();
        let mut csv = "image,mask,label,split,object\n".to_owned();
        let mut counts = [[0; 3]; 3];
        // One row of each first, so that no object lacks a split.
        let each = (0..9).map(|i| (i / 3, i % 3));
        for (number, (object, kind)) in each.chain(rows).enumerate() {
            counts[object][kind] += 1;
            let name = format!("o{object}/{number:03}.JPG");
            touch(root.path(), &[&name]);
            let kind = ["normal,train", "normal,test", "anomaly,test"][kind];
            csv += &format!("{name},,{kind},o{object}\n");
        }
        write(root.path(), "split_csv/1cls.csv", csv);
        let sets = visa(root.path()).unwrap();
        let found = sets.iter().map(|set| {
            let defects = set.test.iter().filter(|image| image.is_defect()).count();
            [set.train.len(), set.test.len() - defects, defects]
        });
        prop_assert_eq!(found.collect::<Vec<_>>(), counts);
    }
}
