//! Types what `docs/tutorial.md` types and compares what it shows.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Between the outputs of two commands.
const MARK: &str = "-- the next command --";

/// A command and the lines that it shows.
struct Step {
    command: String,
    shown: Vec<String>,
}

#[test]
fn the_tutorial_shows_what_happens() {
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/tutorial.md");
    let steps = steps(&fs::read_to_string(text).unwrap());
    assert!(steps.len() >= 10);
    let outputs = run(&steps);
    assert_eq!(outputs.len(), steps.len(), "{outputs:#?}");
    for (step, output) in steps.iter().zip(&outputs) {
        let lines: Vec<&str> = output.lines().collect();
        assert!(
            matches(&step.shown, &lines),
            "$ {}\nexpected:\n{}\nfound:\n{output}",
            step.command,
            step.shown.join("\n")
        );
    }
}

/// The commands of the blocks ```console.
fn steps(text: &str) -> Vec<Step> {
    let (mut steps, mut console) = (Vec::<Step>::new(), false);
    for line in text.lines() {
        if line.starts_with("```") {
            console = line == "```console";
        } else if console {
            match (line.strip_prefix("$ "), steps.last_mut()) {
                (Some(command), _) => {
                    steps.push(Step { command: command.to_owned(), shown: Vec::new() })
                }
                (None, Some(step)) => step.shown.push(line.to_owned()),
                (None, None) => panic!("expected a command, found {line:?}"),
            }
        }
    }
    steps
}

/// What each command writes, in one shell and an empty folder.
fn run(steps: &[Step]) -> Vec<String> {
    let program = PathBuf::from(env!("CARGO_BIN_EXE_nfbmr"));
    let folder = program.parent().unwrap();
    let generate = folder.join("examples/generate");
    assert!(generate.is_file(), "{} missing: cargo build --examples", generate.display());
    // What is built already isn't built again.
    let cargo = "cargo run --release --example generate --";
    let command = |step: &Step| {
        let command = step.command.replace(cargo, &format!("'{}'", generate.display()));
        // The exit code passes the mark.
        format!("{command}\nstatus=$?; echo '{MARK}'; (exit $status)\n")
    };
    let script = steps.iter().map(command).collect::<String>();
    let home = tempfile::tempdir().unwrap();
    let path = std::env::join_paths(
        [folder.to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(home.path())
        .env("PATH", path.unwrap())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut outputs: Vec<String> = text.split(&format!("{MARK}\n")).map(str::to_owned).collect();
    assert_eq!(outputs.pop().as_deref(), Some(""));
    outputs
}

/// Whether lines are those expected, where a line `...` is any number of them.
fn matches<E: AsRef<str>>(expected: &[E], lines: &[&str]) -> bool {
    match expected {
        [] => lines.is_empty(),
        [first, rest @ ..] if first.as_ref() == "..." => {
            (0..=lines.len()).any(|skipped| matches(rest, &lines[skipped..]))
        }
        [first, rest @ ..] => match lines {
            [line, lines @ ..] => is_line(first.as_ref(), line) && matches(rest, lines),
            [] => false,
        },
    }
}

/// Whether a line is the one expected, where `[..]` is any text.
fn is_line(expected: &str, line: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == line,
        Some((start, rest)) => line.strip_prefix(start).is_some_and(|line| {
            let ends = line.char_indices().map(|(at, _)| at).chain([line.len()]);
            ends.into_iter().any(|at| is_line(rest, &line[at..]))
        }),
    }
}

#[test]
fn lines_are_compared_but_for_what_is_left_out() {
    assert!(is_line("a [..] c", "a b b c") && is_line("[..]", "") && is_line("a[..]b[..]", "axxb"));
    assert!(!is_line("a [..] c", "a b d") && !is_line("a", "ab") && !is_line("ab", "a"));
    assert!(matches(&["a", "...", "d"], &["a", "b", "c", "d"]) && matches(&["..."], &[]));
    assert!(!matches(&["a", "..."], &["b"]) && !matches(&["a"], &["a", "b"]));
    assert!(!matches(&["a", "b"], &["a"]) && !matches::<&str>(&[], &["a"]));
}
