//! Damaged lists: labels and splits of data sets, and lists of paths.

use std::error::Error;
use std::fs;
use std::path::Path;

use nfbmr_data::{ElpvOptions, dagm, elpv, path_list, visa};

use crate::{MB, Reader, alone};

type Read = fn(&Path, &Path) -> Result<(), Box<dyn Error>>;

/// Name, file, content and reader of each list.
const LISTS: [(&str, &str, &str, Read); 4] = [
    (
        "labels of DAGM",
        "Train/Label/Labels.txt",
        "1\n1\t0\ta.png\t0\t0\n2\t1\tb.png\t0\ta_label.png\n3 0 b.png 0 0\r\n",
        |root, _| Ok(dagm(root).map(drop)?),
    ),
    (
        "the split of VisA",
        "split_csv/1cls.csv",
        "object,split,label,image,mask\nc,train,normal,a.png,\nc,test,normal,b.png,\n\
         c,test,anomaly,\"a.png\",b.png\nd,train,normal,a.png,\r\nd,test,normal,b.png,\n",
        |root, _| Ok(visa(root).map(drop)?),
    ),
    (
        "labels of ELPV",
        "labels.csv",
        "a.png 0.0 mono\nb.png  1.0 poly\na.png 0.3333333333333333 mono\nb.png 0.0 mono\n",
        |root, _| Ok(elpv(root, &ElpvOptions { train: 1, ..ElpvOptions::default() }).map(drop)?),
    ),
    ("a list of paths", "list.txt", "\u{feff}# good\na.png\n\n  b.png \r\n", |_, list| {
        Ok(path_list(list).map(drop)?)
    }),
];

#[test]
fn lists() {
    let _alone = alone();
    for (name, list, content, read) in LISTS {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        let path = root.join(list);
        let files = ["a.png", "b.png", "Train/a.png", "Train/b.png", "Train/Label/a_label.png"];
        let test = ["Test/a.png", "Test/Label/Labels.txt"];
        for file in files.into_iter().chain(test).chain([list]) {
            fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
            fs::write(root.join(file), "1\n1\t0\ta.png\t0\t0\n").unwrap();
        }
        fs::write(&path, content).unwrap();
        read(root, &path).unwrap();
        let reader = Reader { name, cases: 1_000, path: &path, named: root, room: [MB, 64] };
        reader.try_all(
            |damage| {
                let mut bytes = content.as_bytes().to_vec();
                damage.bytes(&mut bytes, b"../a.png /etc/passwd \"\"\",,,NaN 1e999 \xff\xfe\0\n\n");
                bytes
            },
            |path| read(root, path),
        );
    }
}
