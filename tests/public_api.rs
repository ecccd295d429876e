//! What is under semantic versioning: everything that the crate `nfbmr` names, as the committed list
//! `tests/public-api.txt` has it, so that no change of it goes unnoticed.
//!
//! The list is read from the sources, as `cargo fmt` lays them out: the names that `src/lib.rs` exports, and of each
//! its public fields, variants and methods. To take a change on purpose:
//! `UPDATE_PUBLIC_API=1 cargo test --test public_api`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const LIST: &str = "tests/public-api.txt";

/// The sources of every crate.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The names that a file exports by `pub use`, `pub fn` and so on, each with its module.
fn exports(text: &str) -> Vec<(String, String)> {
    let (mut module, mut names) = (String::new(), Vec::new());
    let mut statement: Option<String> = None;
    for line in text.lines() {
        let code = line.trim();
        if let Some(begun) = &mut statement {
            begun.push_str(code);
        } else if let Some(used) = code.strip_prefix("pub use ") {
            statement = Some(used.to_owned());
        } else if let Some(name) = code.strip_prefix("pub mod ") {
            match name.strip_suffix(" {") {
                Some(name) => module = format!("{name}::"),
                None => names.push((String::new(), format!("mod {}", name.trim_end_matches(';')))),
            }
        } else if line == "}" {
            module.clear();
        }
        if let Some(used) = statement.take_if(|statement| statement.ends_with(';')) {
            let used = used.trim_end_matches(';');
            let (path, group) = used.split_once("::{").unwrap_or((used, ""));
            match group.strip_suffix('}') {
                Some(group) => {
                    let group = group.split(',').map(str::trim).filter(|name| !name.is_empty());
                    names.extend(group.map(|name| (module.clone(), name.to_owned())));
                }
                None => {
                    let name = path.rsplit("::").next().unwrap();
                    names.push((module.clone(), name.to_owned()));
                }
            }
        }
    }
    names
}

/// What each type, trait and function says of itself: its public fields, variants, methods and arguments.
fn items(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut items: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let text = text.split("#[cfg(test)]").next().unwrap();
    let mut lines = text.lines().peekable();
    let mut of: Option<(String, Kind)> = None;
    while let Some(line) = lines.next() {
        if line.starts_with('}') {
            of = None;
        } else if !line.starts_with(' ') {
            if let Some((name, kind)) = header(line) {
                let known = items.entry(name.clone()).or_default();
                if kind == Kind::Function {
                    known.insert(signature(line, &mut lines));
                }
                of = line.ends_with('{').then_some((name, kind));
            }
        } else if let Some((name, kind)) = &of
            && line.starts_with("    ")
            && !line.starts_with("     ")
            && let Some(member) = member(line.trim(), *kind)
        {
            let text = match member.starts_with("pub fn") || member.starts_with("fn") {
                true => signature(line, &mut lines),
                false => member.to_owned(),
            };
            items.get_mut(name).unwrap().insert(text);
        }
    }
    items
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Struct,
    Enum,
    Trait,
    Function,
    Methods,
}

/// What begins at a line that isn't indented.
fn header(line: &str) -> Option<(String, Kind)> {
    let name = |rest: &str| {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    let kinds = [
        ("pub struct ", Kind::Struct),
        ("pub enum ", Kind::Enum),
        ("pub trait ", Kind::Trait),
        ("pub fn ", Kind::Function),
    ];
    for (start, kind) in kinds {
        if let Some(rest) = line.strip_prefix(start) {
            return Some((name(rest), kind));
        }
    }
    let rest = line.strip_prefix("impl")?;
    if rest.contains(" for ") {
        return None;
    }
    // Past the generic arguments of the block.
    let mut depth = 0;
    let start = rest.find(|c: char| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        depth == 0 && c == ' '
    })?;
    Some((name(rest[start..].trim_start()), Kind::Methods))
}

/// A public member as it is written.
fn member(line: &str, kind: Kind) -> Option<&str> {
    match kind {
        Kind::Struct => line.starts_with("pub ").then_some(line),
        Kind::Enum => line
            .starts_with(|c: char| c.is_ascii_uppercase())
            .then(|| line.trim_end_matches([' ', '{', ','])),
        Kind::Trait => (line.starts_with("fn ") || line.starts_with("type ")).then_some(line),
        Kind::Methods => {
            let public = line.starts_with("pub fn ") || line.starts_with("pub const ");
            public.then_some(line)
        }
        Kind::Function => None,
    }
}

/// A function's signature, which may go over several lines.
fn signature<'a>(
    line: &str,
    rest: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
) -> String {
    let mut text = line.trim().to_owned();
    while !text.ends_with('{') && !text.ends_with(';') {
        let Some(next) = rest.next() else { break };
        text.push(' ');
        text.push_str(next.trim());
    }
    let text = text.trim_end_matches(['{', ';']).trim_end();
    text.replace("( ", "(").replace(", )", ")").replace(" where", "\n        where")
}

fn api() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        let source = entry.unwrap().path().join("src");
        // Whose names are no part of the facade, though some are the same.
        let others = ["cli", "python", "settings", "test-support"];
        if !others.iter().any(|name| source.ends_with(format!("crates/{name}/src"))) {
            sources(&source, &mut files);
        }
    }
    let mut below: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &files {
        for (name, members) in items(&fs::read_to_string(file).unwrap()) {
            below.entry(name).or_default().extend(members);
        }
    }
    let mut own_files = Vec::new();
    sources(&root.join("src"), &mut own_files);
    let mut own: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for file in &own_files {
        for (name, members) in items(&fs::read_to_string(file).unwrap()) {
            own.entry(name).or_default().extend(members);
        }
    }
    let mut list: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let lib = fs::read_to_string(root.join("src/lib.rs")).unwrap();
    let mut names = exports(&lib);
    for module in ["report", "weights"] {
        let text = fs::read_to_string(root.join(format!("src/{module}.rs"))).unwrap();
        let within = exports(&text).into_iter().map(|(_, name)| (format!("{module}::"), name));
        names.extend(within);
        let functions = items(&text).into_iter().filter(|(_, members)| !members.is_empty());
        names.extend(functions.map(|(name, _)| (format!("{module}::"), name)));
    }
    // Those of the settings are named where the systems are.
    let settings = root.join("crates/pipeline/src/systems/mod.rs");
    let settings = exports(&fs::read_to_string(settings).unwrap()).into_iter();
    names.extend(
        settings
            .filter(|(module, _)| module == "settings_of::")
            .map(|(_, name)| ("config::".to_owned(), name)),
    );
    for (module, name) in names.into_iter().filter(|(_, name)| name != "*") {
        let members = own.get(&name).or_else(|| below.get(&name)).cloned().unwrap_or_default();
        list.entry(format!("nfbmr::{module}{name}")).or_default().extend(members);
    }
    let mut text = String::new();
    for (name, members) in list {
        text += &format!("{name}\n");
        members.iter().for_each(|member| text += &format!("    {member}\n"));
    }
    text
}

#[test]
fn the_public_api_is_the_committed_one() {
    let (found, path) = (api(), Path::new(env!("CARGO_MANIFEST_DIR")).join(LIST));
    if std::env::var_os("UPDATE_PUBLIC_API").is_some() {
        fs::write(&path, &found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    let (expected_lines, found_lines) = (lines(&expected), lines(&found));
    let added: Vec<_> = found_lines.difference(&expected_lines).collect();
    let removed: Vec<_> = expected_lines.difference(&found_lines).collect();
    assert!(found == expected, "the public API changed: added {added:#?}, removed {removed:#?}");
}

#[test]
fn members_are_found_however_they_are_laid_out() {
    let text = "pub struct A {\n    /// Doc.\n    pub x: u32,\n    y: u32,\n}\n\nimpl<B: Backend> A<B> {\n    pub fn f(\n        \
                &self,\n        x: u32,\n    ) -> u32 {\n        1\n    }\n\n    fn g() {}\n}\n\npub enum E {\n    One,\n    \
                Two { x: u32 },\n}\n";
    let items = items(text);
    let of = |name: &str| items[name].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(of("A"), ["pub fn f(&self, x: u32) -> u32", "pub x: u32,"]);
    assert_eq!(of("E"), ["One", "Two { x: u32 }"]);
    let names = exports("pub use a::b::{C,\n    D};\n\npub mod m {\n    pub use x::Y;\n}\n");
    let names: Vec<_> = names.iter().map(|(module, name)| format!("{module}{name}")).collect();
    assert_eq!(names, ["C", "D", "m::Y"]);
}
