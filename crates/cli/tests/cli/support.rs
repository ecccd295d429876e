//! A folder with images and models, and runs of the program in it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use nfbmr_synthetic::{Counts, Kind, PartClass, write_mvtec};
use serde_json::Value;
use tempfile::TempDir;

/// Settings with which training takes a moment.
const SMALL: &str = "
input_size = 48
alignment = 'off'
augmentation = 'off'
kinds = 1
earlier_blocks = [0]
backbone.block = 4
flow.hidden = 16
flow.couplings = 2
flow_training.epochs = 2
flow_training.batch_size = 4
bmr.latent = 16
bmr.inner = 8
bmr_training.epochs = 2
bmr_training.batch_size = 4
";

/// Generated gears in the layout of MVTec AD: 16 to train on, 6 good and 6 defective ones to test on.
pub static GEARS: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = fresh("gears");
    let counts = Counts { train: 16, test_good: 6, test_defect: 6 };
    write_mvtec(&folder, Kind::Part(PartClass::Gear), &counts, 48, 3).unwrap();
    folder
});

/// A model of them, calibrated on 3 images.
pub static MODEL: LazyLock<PathBuf> = LazyLock::new(|| trained("model.nfbmr", "0.2"));

/// The same without a calibration.
pub static UNCALIBRATED: LazyLock<PathBuf> = LazyLock::new(|| trained("uncalibrated.nfbmr", "0"));

/// ImageNet weights of Lite0.
pub static WEIGHTS: LazyLock<PathBuf> = LazyLock::new(|| {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../weights/efficientnet-lite0.safetensors")
});

/// An empty folder that stays after the tests, below the build's.
fn fresh(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn trained(name: &str, hold_out: &str) -> PathBuf {
    let shop = Shop::new();
    let path = fresh(name).join(name);
    let args = ["train", &shop.gears(), "--hold-out", hold_out, "--config", "small.toml", "-o"];
    shop.run(args.map(OsStr::new).into_iter().chain([path.as_os_str()])).succeeds();
    path
}

/// A folder of its own to run the program in, with `small.toml`.
pub struct Shop {
    folder: TempDir,
}

impl Shop {
    pub fn new() -> Self {
        let shop = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(shop.path("small.toml"), SMALL).unwrap();
        shop
    }

    /// With a copy of the model as `model.nfbmr`.
    pub fn with_model() -> Self {
        let shop = Self::new();
        fs::copy(&*MODEL, shop.path("model.nfbmr")).unwrap();
        shop
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The path of the generated gears.
    pub fn gears(&self) -> String {
        GEARS.to_str().unwrap().to_owned()
    }

    /// Copies a test image of the gears.
    pub fn image(&self, from: &str, to: impl AsRef<Path>) {
        let to = self.path(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(GEARS.join(from), to).unwrap();
    }

    /// The program in this folder, with arguments.
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nfbmr"));
        command.args(args).current_dir(self.folder.path());
        command
    }

    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Ran {
        let output = self.command(args).output().unwrap();
        Ran::of(&output)
    }

    /// As [`Self::run`], with arguments as a shell splits them.
    pub fn nfbmr(&self, line: &str) -> Ran {
        self.run(line.split_whitespace())
    }

    /// The names in the folder, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.path()).unwrap();
        let name = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name();
        let mut names: Vec<String> =
            entries.map(|entry| name(entry).to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        names
    }
}

/// What became of a run.
#[derive(Debug)]
pub struct Ran {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    pub fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let ran = Self {
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
        ran
    }

    #[track_caller]
    pub fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Ends with exit code 2, nothing on standard output and all of these in its error.
    #[track_caller]
    pub fn fails(self, parts: &[&str]) -> Self {
        assert_eq!((self.code, self.stdout.as_str()), (Some(2), ""), "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "expected {part:?} in: {}", self.stderr);
        }
        self
    }

    /// Standard output, of which each line is a JSON object.
    pub fn records(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap()
    }
}
