//! What one file of Rust names, read without a compiler; it knows of no other file.

use std::collections::BTreeSet;

/// One name of a `use` line.
#[derive(Default)]
pub struct Use {
    pub path: Vec<String>,
    /// What the file calls it; `*` for all names of a module.
    pub name: String,
    /// Whether the line hands the name on.
    pub public: bool,
}

/// What one file says.
#[derive(Default)]
pub struct Source {
    pub file: String,
    pub uses: Vec<Use>,
    /// Items outside of any braces.
    pub defined: BTreeSet<String>,
    /// Paths of two names or more, outside of `use` lines.
    pub paths: Vec<Vec<String>>,
    /// All names outside of `use` lines but fields and methods.
    pub words: BTreeSet<String>,
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Words, `::` and single signs, without comments, strings and characters.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
        let hashes = rest[word..].chars().take_while(|&c| c == '#').count();
        let raw =
            matches!(&rest[..word], "r" | "br" | "cr") && rest[word + hashes..].starts_with('"');
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if raw {
            let end = format!("\"{}", "#".repeat(hashes));
            let start = word + hashes + 1;
            start + rest[start..].find(&end).expect("the end of a raw string") + end.len()
        } else if first == '"' {
            quoted(rest, '"')
        } else if first == '\'' && is_character(rest) {
            quoted(rest, '\'')
        } else {
            let length = if rest.starts_with("::") { 2 } else { word.max(first.len_utf8()) };
            if !first.is_whitespace() {
                tokens.push(&rest[..length]);
            }
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// Length of a comment, which may have others inside.
fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    loop {
        match text.as_bytes().get(at..at + 2).expect("the end of a comment") {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
    }
}

/// Length of a string or character with its quotes.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|&(_, c)| {
        let ends = c == quote && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    end.expect("the end of a string").0 + 1
}

/// Whether a quote starts a character, not a lifetime.
fn is_character(text: &str) -> bool {
    let mut chars = text.chars().skip(1);
    chars.next() == Some('\\') || chars.next() == Some('\'')
}

/// The tokens without the items under `#[cfg(test)]`.
fn without_tests(tokens: &[&str]) -> Vec<String> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].starts_with(&TEST) {
            kept.push(tokens[at].to_owned());
            at += 1;
            continue;
        }
        let mut depth = 0;
        at += TEST.len();
        while let Some(&token) = tokens.get(at) {
            at += 1;
            match token {
                "{" | "(" | "[" => depth += 1,
                "}" | ")" | "]" => depth -= 1,
                _ => {}
            }
            if depth == 0 && matches!(token, "}" | ";") {
                break;
            }
        }
    }
    kept
}

/// Reads a tree of `use` at `at`, which is left after it.
fn use_tree(tokens: &[String], at: &mut usize, mut path: Vec<String>, found: &mut Vec<Use>) {
    loop {
        match tokens[*at].as_str() {
            "{" => {
                *at += 1;
                while tokens[*at] != "}" {
                    use_tree(tokens, at, path.clone(), found);
                    *at += usize::from(tokens[*at] == ",");
                }
                *at += 1;
                return;
            }
            "*" => {
                *at += 1;
                found.push(Use { path, name: "*".to_owned(), public: false });
                return;
            }
            "::" => *at += 1,
            "self" if !path.is_empty() => *at += 1,
            "as" => {
                let name = tokens[*at + 1].clone();
                *at += 2;
                found.push(Use { path, name, public: false });
                return;
            }
            word if is_word(word) => {
                path.push(word.to_owned());
                *at += 1;
            }
            _ => {
                let name = path.last().cloned().unwrap_or_default();
                found.push(Use { path, name, public: false });
                return;
            }
        }
    }
}

impl Source {
    pub fn read(file: &str, text: &str) -> Self {
        const ITEMS: [&str; 9] =
            ["fn", "struct", "enum", "union", "trait", "type", "const", "static", "mod"];
        let mut source = Self { file: file.to_owned(), ..Self::default() };
        let tokens = without_tests(&tokens(text));
        let (mut at, mut depth) = (0, 0);
        while at < tokens.len() {
            let before = if at == 0 { ";" } else { tokens[at - 1].as_str() };
            let after = |by: usize| tokens.get(at + by).map_or("", String::as_str);
            let word = tokens[at].as_str();
            depth += i32::from(word == "{") - i32::from(word == "}");
            if word == "use" && matches!(before, ";" | "{" | "}" | "]" | "pub" | ")") {
                let first = source.uses.len();
                let public = matches!(before, "pub" | ")");
                at += 1;
                use_tree(&tokens, &mut at, Vec::new(), &mut source.uses);
                source.uses[first..].iter_mut().for_each(|one| one.public = public);
                continue;
            }
            // `mod name;` says of a file that it is there.
            let is_file = word == "mod" && after(2) == ";";
            if depth == 0 && ITEMS.contains(&word) && is_word(after(1)) && !is_file {
                source.defined.insert(after(1).to_owned());
            }
            if is_word(word) && !matches!(before, "." | "::") {
                source.words.insert(word.to_owned());
                let mut path = vec![word.to_owned()];
                while after(2 * path.len() - 1) == "::" && is_word(after(2 * path.len())) {
                    path.push(after(2 * path.len()).to_owned());
                }
                if path.len() > 1 {
                    source.paths.push(path);
                }
            }
            at += 1;
        }
        source
    }
}
