//! Help, completions and man pages.

use std::fs;

use crate::support::Shop;

const COMMANDS: [&str; 9] = [
    "train",
    "detect",
    "calibrate",
    "evaluate",
    "inspect",
    "export",
    "weights import",
    "completions",
    "man",
];

const EXIT_CODES: &str = "\
Exit codes:
  0    done; of `detect`, all images are good
  1    `detect` found defects
  2    an error; of `detect`, one image or heatmap is enough, and it wins over 1
  130  stopped by Ctrl-C";

#[test]
fn every_command_has_help_with_examples() {
    let shop = Shop::new();
    let help = shop.nfbmr("--help").succeeds().stdout;
    assert!(help.contains("Examples:") && help.contains(EXIT_CODES), "{help}");
    let detect = shop.nfbmr("detect --help").succeeds().stdout;
    assert!(detect.contains(EXIT_CODES), "{detect}");
    let table =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md")).unwrap();
    for line in EXIT_CODES.lines().skip(1) {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        let row = format!("| {code} | {}", meaning.trim());
        assert!(table.contains(&row), "{row}");
    }
    for command in COMMANDS {
        let help = shop.nfbmr(&format!("{command} --help")).succeeds().stdout;
        assert!(help.contains("Example"), "{command}: {help}");
        assert!(help.contains(&format!("nfbmr {command}")), "{command}: {help}");
        assert!(!help.contains('\x1b'), "{command}: {help}");
    }
    assert!(shop.nfbmr("--version").succeeds().stdout.starts_with("nfbmr "));
}

#[test]
fn every_shell_has_completions() {
    let shop = Shop::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = shop.nfbmr(&format!("completions {shell}")).succeeds().stdout;
        for part in ["nfbmr", "calibrate", "max-false-alarms"] {
            assert!(script.contains(part), "{shell}");
        }
    }
    shop.nfbmr("completions csh").fails(&["bash, elvish, fish"]);
}

#[test]
fn every_command_has_a_man_page() {
    let shop = Shop::new();
    shop.nfbmr("man pages/man1").succeeds();
    let mut names = vec!["nfbmr".to_owned(), "nfbmr-weights".to_owned()];
    names.extend(COMMANDS.map(|command| format!("nfbmr-{}", command.replace(' ', "-"))));
    for name in &names {
        let page = fs::read_to_string(shop.path(format!("pages/man1/{name}.1"))).unwrap();
        assert!(page.contains(".TH") && page.contains("DESCRIPTION"), "{name}: {page}");
    }
    assert_eq!(fs::read_dir(shop.path("pages/man1")).unwrap().count(), names.len());
}
