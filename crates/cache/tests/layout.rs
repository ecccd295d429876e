//! The layout as documented, against a file that another program wrote from the documentation.

use std::path::Path;

use nfbmr_cache::{FeatureCache, Features, Key};

#[test]
fn a_file_written_from_the_documentation_is_read_and_written_alike() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/features-v1.nfc");
    let folder = tempfile::tempdir().unwrap();
    let [copy, new] = ["copy.nfc", "new.nfc"].map(|name| folder.path().join(name));
    std::fs::copy(&fixture, &copy).unwrap();

    let pixels: Vec<u8> = (0..12).collect();
    let image = Key::builder().part("image", &pixels).part("block", b"10").build();
    let records = [
        (image, vec![1, 2, 3], vec![0.5, -1.0, 2.0, -4.0, 8.0, f32::INFINITY]),
        (Key::builder().build(), vec![], vec![0.1]),
    ];
    let (cache, writer) = (FeatureCache::open(copy).unwrap(), FeatureCache::open(&new).unwrap());
    assert_eq!(cache.len(), records.len());
    for (key, shape, values) in records {
        writer.insert(&key, &shape, &values).unwrap();
        assert_eq!(cache.get(&key).unwrap(), Some(Features { shape, values }));
    }
    assert_eq!(std::fs::read(new).unwrap(), std::fs::read(fixture).unwrap());
}
