//! No files of a crate import each other in a circle.
//!
//! An import counts towards the file that defines the name, whichever module hands it on. Lines `mod` and
//! `pub use` import nothing, nor do comments, strings and what is under `#[cfg(test)]`.

mod imports;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use imports::{Arrows, Modules, between_folders, circles};

/// The sources below a folder, by their paths from `root`.
fn sources(root: &Path, folder: &Path) -> Vec<(String, String)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| {
        if path.is_dir() {
            return sources(root, &path);
        }
        let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
        let is_source = name.ends_with(".rs");
        is_source.then(|| (name, fs::read_to_string(&path).unwrap())).into_iter().collect()
    });
    files.collect()
}

fn arrows_of(package: &Path) -> Arrows {
    let files = sources(&package.join("src"), &package.join("src"));
    assert!(!files.is_empty(), "no sources in {}", package.display());
    Modules::new(files.iter().map(|(file, text)| (file.as_str(), text.as_str()))).arrows()
}

#[test]
fn no_crate_has_a_circle() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let crates = fs::read_dir(root.join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let mut failures = Vec::new();
    for package in crates.chain([root.to_owned()]) {
        let found = circles(&arrows_of(&package)).into_iter();
        failures.extend(found.map(|circle| format!("\n{}{circle}", package.display())));
    }
    assert!(failures.is_empty(), "files import each other in circles:{}", failures.concat());
}

/// Where the rooms of the pipeline stand, from the ground up.
const ROOMS: [&str; 15] = [
    "checksum",
    "error",
    "progress",
    "input",
    "features",
    "score",
    "file",
    "train",
    "systems",
    "config",
    "choose",
    "calibrate",
    "model",
    "export",
    "detect",
];

#[test]
fn rooms_of_the_pipeline_know_those_below_alone() {
    let arrows = arrows_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/pipeline"));
    let place = |file: &str| {
        let room = file.split(['/', '.']).next().unwrap();
        let place = ROOMS.iter().position(|known| *known == room);
        place
            .or((room == "lib").then_some(ROOMS.len()))
            .unwrap_or_else(|| panic!("{file}: no room"))
    };
    let arrows = arrows.iter().flat_map(|(from, to)| to.keys().map(move |to| (from, to)));
    for (from, to) in arrows {
        assert!(place(to) <= place(from), "{from} imports of {to}, which stands above it");
    }
}

#[test]
fn every_file_says_what_lives_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = [root.join("src"), root.join("crates")];
    for (file, text) in files.iter().flat_map(|folder| sources(root, folder)) {
        if file.starts_with("src/") || file.contains("/src/") {
            assert!(text.starts_with("//!"), "{file}: expected a line //! at its head");
        }
    }
}

#[test]
fn folders_of_the_pipeline_have_no_circle() {
    let arrows = arrows_of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("crates/pipeline"));
    let found = circles(&between_folders(&arrows));
    assert!(found.is_empty(), "folders import each other in circles:{}", found.concat());
}

/// The arrows between made-up files, as `from -> to: names`.
fn arrows(files: &[(&str, &str)]) -> Vec<String> {
    let arrows = Modules::new(files.iter().copied()).arrows();
    let lines = arrows.iter().flat_map(|(from, to)| {
        let names = |names: &BTreeSet<String>| Vec::from_iter(names.clone()).join(", ");
        to.iter().map(move |(to, of)| format!("{from} -> {to}: {}", names(of)))
    });
    lines.collect()
}

#[test]
fn a_planted_circle_is_found() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c; mod d;"),
        ("a.rs", "use crate::b::B; pub struct A;"),
        ("b.rs", "pub struct B; fn f() -> Vec<super::c::C> { Vec::new() }"),
        ("c.rs", "use super::a::A as Other; pub struct C;"),
        ("d.rs", "use crate::a::A;"),
    ];
    let found = circles(&Modules::new(files).arrows());
    assert_eq!(found, ["\n  a.rs -> b.rs: B\n  b.rs -> c.rs: C\n  c.rs -> a.rs: A"]);
}

#[test]
fn a_name_counts_towards_the_file_that_defines_it() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::{A, inner::Deep as Renamed};"),
        ("a/mod.rs", "pub mod inner; mod other; pub use inner::A; pub use other::*;"),
        ("a/inner.rs", "pub struct A; pub struct Deep;"),
        ("a/other.rs", "pub const OTHER: u8 = 0;"),
        ("b.rs", "use crate::{A, Renamed, a::OTHER}; use crate::a; fn f(_: a::inner::Deep) {}"),
    ];
    assert_eq!(arrows(&files), ["b.rs -> a/inner.rs: A, Deep", "b.rs -> a/other.rs: OTHER"]);
}

#[test]
fn a_re_export_is_no_import_unless_the_file_uses_the_name() {
    let child = ("a/child.rs", "use super::Own; pub struct Child;");
    let hands_on = [("a/mod.rs", "mod child; pub use child::Child; pub struct Own;"), child];
    assert_eq!(arrows(&hands_on), ["a/child.rs -> a/mod.rs: Own"]);
    let uses = [("a/mod.rs", "mod child; pub use child::Child; pub struct Own(Child);"), child];
    assert_eq!(circles(&Modules::new(uses).arrows()).len(), 1);
}

#[test]
fn groups_and_globs_reach_each_defining_file() {
    let files = [
        ("lib.rs", "mod a; mod b; mod user;"),
        ("a.rs", "pub fn one() {} pub fn two() {}"),
        ("b/mod.rs", "pub mod c; pub use c::Three; pub enum Four { Five }"),
        ("b/c.rs", "pub struct Three; pub struct Six;"),
        ("user.rs", "use crate::{a::{self, one}, b::{*, c::{Six as _}}}; fn f() { a::two() }"),
    ];
    let user = ["a.rs: one, two", "b/c.rs: Six, Three", "b/mod.rs: Four"];
    assert_eq!(arrows(&files), user.map(|line| format!("user.rs -> {line}")));
}

#[test]
fn comments_strings_and_tests_import_nothing() {
    let text = r###"
        //! See [`B`](crate::b::B).
        /* crate::b::B /* crate::b::B */ */
        const TEXT: &str = "crate::b::B \" crate::b::B";
        const RAW: &str = r#"crate::b::B " crate::b::B"#;
        fn f<'a>(x: &'a str) -> bool { x.starts_with('"') || x.contains('\'') || x == "crate::b::B" }
        #[cfg(test)]
        mod tests { use crate::b::B; fn g() { let _ = [B; 2]; } }
        #[cfg(test)]
        use crate::b::B;
        fn h() -> std::b::B { std::b::B }
    "###;
    let files = [("lib.rs", "mod a; mod b;"), ("a.rs", text), ("b.rs", "pub struct B;")];
    assert_eq!(arrows(&files), [""; 0]);
    let after = format!("{text} fn i(_: crate::b::B) {{}}");
    let files = [("lib.rs", "mod a; mod b;"), ("a.rs", &after), ("b.rs", "pub struct B;")];
    assert_eq!(arrows(&files), ["a.rs -> b.rs: B"]);
}

#[test]
fn files_may_be_free_of_circles_and_their_folders_not() {
    let files = [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a/low.rs", "pub struct Low;"),
        ("a/high.rs", "use crate::b::Middle;"),
        ("a/mod.rs", "mod low; mod high; pub use low::Low;"),
        ("b.rs", "use crate::a::Low; pub struct Middle;"),
        ("c.rs", "use crate::b::Middle;"),
    ];
    let arrows = Modules::new(files).arrows();
    assert_eq!(circles(&arrows), [""; 0]);
    assert_eq!(circles(&between_folders(&arrows)), ["\n  a -> b: Middle\n  b -> a: Low"]);
}
