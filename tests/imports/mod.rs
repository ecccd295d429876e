//! Which files of a crate take names from which, from what each of them says.

mod source;

use std::collections::{BTreeMap, BTreeSet};

use source::{Source, Use};

/// The names that a file takes from others, by these files.
pub type Arrows = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// The most re-exports that a name is followed through.
const MAX_HOPS: usize = 16;

/// Where a path leads.
enum Found {
    Item { file: String, name: String },
    Module(Vec<String>),
}

/// The files of a crate by the paths of their modules.
pub struct Modules(BTreeMap<Vec<String>, Source>);

impl Modules {
    /// Files by their paths below `src`, with what is in them.
    pub fn new<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let files = files.into_iter().collect::<Vec<_>>();
        let is_library = files.iter().any(|(file, _)| *file == "lib.rs");
        let root = if is_library { "lib" } else { "main" };
        let by_module = files.iter().map(|(file, text)| {
            let stem = file.strip_suffix(".rs").expect("a source of Rust");
            let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
            if module.last().is_some_and(|last| last == "mod") || module == [root] {
                module.pop();
            }
            (module, Source::read(file, text))
        });
        Self(by_module.collect())
    }

    /// Where a path leads that a module names; `None` if out of the crate.
    fn find(&self, module: &[String], path: &[String], hops: usize) -> Option<Found> {
        let mut module = module.to_vec();
        let mut anchored = false;
        for (index, name) in path.iter().enumerate() {
            let child = [&module[..], std::slice::from_ref(name)].concat();
            match name.as_str() {
                "crate" => module.clear(),
                "super" => drop(module.pop()),
                "self" => {}
                _ => {
                    let is_last = index + 1 == path.len();
                    let item = self.item(&module, &path[index..], hops);
                    match item {
                        Some(Found::Item { .. }) if is_last => return item,
                        _ if self.0.contains_key(&child) => module = child,
                        Some(_) => return item,
                        None if anchored => {
                            let file = self.0.get(&module)?.file.clone();
                            return Some(Found::Item { file, name: name.clone() });
                        }
                        None => return None,
                    }
                }
            }
            anchored = true;
        }
        Some(Found::Module(module))
    }

    /// An item that a module defines, imports or hands on, the first name of a path.
    fn item(&self, module: &[String], path: &[String], hops: usize) -> Option<Found> {
        let (source, (name, rest)) = (self.0.get(module)?, path.split_first()?);
        if hops == MAX_HOPS {
            return None;
        }
        let follow = |one: &Use, rest: &[String]| {
            self.find(module, &[&one.path[..], rest].concat(), hops + 1)
        };
        let named = source.uses.iter().filter(|one| one.name == *name);
        let named = named.filter(|one| one.path.first() != Some(name) || one.path.len() > 1);
        if let Some(found) = named.filter_map(|one| follow(one, rest)).next() {
            return Some(found);
        }
        if source.defined.contains(name) {
            return Some(Found::Item { file: source.file.clone(), name: name.clone() });
        }
        let mut globs = source.uses.iter().filter(|one| one.name == "*");
        globs.find_map(|one| match follow(one, &[])? {
            Found::Module(of) if of != module => self.item(&of, path, hops + 1),
            _ => None,
        })
    }

    /// All that a module defines or hands on.
    fn all(&self, module: &[String]) -> Vec<Found> {
        let Some(source) = self.0.get(module) else { return Vec::new() };
        let own = source.defined.iter();
        let own = own.map(|name| Found::Item { file: source.file.clone(), name: name.clone() });
        let handed_on = source.uses.iter().filter(|one| one.public);
        own.chain(handed_on.filter_map(|one| self.find(module, &one.path, 0))).collect()
    }

    pub fn arrows(&self) -> Arrows {
        let mut arrows = Arrows::new();
        for (module, source) in &self.0 {
            let imported =
                source.uses.iter().filter(|one| !one.public || source.words.contains(&one.name));
            let paths = imported.map(|one| (&one.path, one.name == "*"));
            let paths = paths.chain(source.paths.iter().map(|path| (path, false)));
            let found = paths.flat_map(|(path, is_glob)| match self.find(module, path, 0) {
                Some(Found::Module(of)) if is_glob => self.all(&of),
                found => found.into_iter().collect(),
            });
            for found in found {
                if let Found::Item { file, name } = found
                    && file != source.file
                {
                    arrows
                        .entry(source.file.clone())
                        .or_default()
                        .entry(file)
                        .or_default()
                        .insert(name);
                }
            }
        }
        arrows
    }
}

/// The arrows between the folders right below `src`; a file that lies there is a folder of its own.
pub fn between_folders(files: &Arrows) -> Arrows {
    let folder =
        |file: &str| file.split('/').next().unwrap_or(file).trim_end_matches(".rs").to_owned();
    let mut folders = Arrows::new();
    for (from, arrows) in files {
        for (to, names) in arrows.iter().filter(|(to, _)| folder(to) != folder(from)) {
            let arrow = folders.entry(folder(from)).or_default().entry(folder(to)).or_default();
            arrow.extend(names.iter().cloned());
        }
    }
    folders
}

/// Each circle in words: who takes which names from whom.
pub fn circles(arrows: &Arrows) -> Vec<String> {
    let reached: BTreeMap<_, _> = arrows.keys().map(|file| (file, reached(arrows, file))).collect();
    let in_circle = |a: &String, b: &String| {
        let reaches = |a, b| reached.get(a).is_some_and(|reached| reached.contains(b));
        reaches(a, b) && reaches(b, a)
    };
    let first =
        |file: &&String| !reached.keys().any(|&other| other < *file && in_circle(other, file));
    let firsts = reached.keys().copied().filter(|file| in_circle(file, file)).filter(first);
    let describe = |first: &String| {
        let lines =
            arrows.iter().filter(|(from, _)| in_circle(first, from)).flat_map(|(from, to)| {
                let to = to.iter().filter(|(to, _)| in_circle(first, to));
                to.map(move |(to, names)| {
                    let names: Vec<_> = names.iter().map(String::as_str).collect();
                    format!("\n  {from} -> {to}: {}", names.join(", "))
                })
            });
        lines.collect()
    };
    firsts.map(describe).collect()
}

/// All files that a file needs, and those that they need.
fn reached<'a>(arrows: &'a Arrows, from: &'a String) -> BTreeSet<&'a String> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        let further = arrows.get(file).into_iter().flat_map(BTreeMap::keys);
        next.extend(further.filter(|&file| reached.insert(file)));
    }
    reached
}
