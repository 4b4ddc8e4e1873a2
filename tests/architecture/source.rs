//! A source file as the checks see it: its text, and its tokens without what is only compiled for tests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Every file below `src/`.
pub struct Sources(Vec<Source>);

/// One file.
pub struct Source {
    /// Below `src/`, with slashes.
    pub path: String,
    /// All of it.
    pub text: String,
    /// The tokens, test modules left out; punctuation one character at a time.
    pub tokens: Vec<Token>,
    /// Lines with `#[cfg(test)]` on something that is no module.
    pub tests_among_code: Vec<usize>,
    /// How many lines are taken by modules of tests that stand in the file.
    pub lines_of_tests: usize,
    /// Files that are modules only of tests, below `src/`.
    test_files: Vec<String>,
}

/// A word, a literal, a bracket or one character of punctuation.
pub struct Token {
    /// As written.
    pub text: String,
    /// Counted from one.
    pub line: usize,
}

impl Sources {
    /// All of them, read once.
    pub fn of_this_package() -> &'static Self {
        static SOURCES: LazyLock<Sources> = LazyLock::new(Sources::read);
        &SOURCES
    }

    fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut files = Vec::new();
        collect(&root, &mut files);
        let read = |file: PathBuf| {
            let path = file.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
            Source::parse(&path, &std::fs::read_to_string(&file).unwrap())
        };
        Self(files.into_iter().map(read).collect())
    }

    /// Those that are not only compiled for tests: neither a module of tests nor a module below one.
    pub fn code(&self) -> impl Iterator<Item = &Source> {
        let tests: BTreeSet<_> = self.0.iter().flat_map(|source| &source.test_files).map(String::as_str).collect();
        let below_tests = tests.iter().map(|file| format!("{}/", file.trim_end_matches(".rs"))).collect::<Vec<_>>();
        self.0.iter().filter(move |source| {
            let path = source.path.as_str();
            !tests.contains(path) && !below_tests.iter().any(|directory| path.starts_with(directory))
        })
    }
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

impl Source {
    /// The file at `path` (below `src/`) with this text.
    pub fn parse(path: &str, text: &str) -> Self {
        let mut source = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            tokens: Vec::new(),
            tests_among_code: Vec::new(),
            lines_of_tests: 0,
            test_files: Vec::new(),
        };
        source.flatten(text.parse().unwrap());
        source
    }

    /// All of it, parsed.
    pub fn syntax(&self) -> syn::File {
        syn::parse_file(&self.text).unwrap_or_else(|error| panic!("src/{}: {error}", self.path))
    }

    /// What a finding begins with.
    pub fn at(&self, line: usize) -> String {
        format!("src/{}:{line}", self.path)
    }

    /// Whether the words and characters of `pattern`, separated by spaces, stand at `index`.
    pub fn stands_at(&self, index: usize, pattern: &str) -> bool {
        pattern.split(' ').enumerate().all(|(offset, expected)| self.word(index + offset) == expected)
    }

    /// The token at `index`, empty past the end.
    pub fn word(&self, index: usize) -> &str {
        self.tokens.get(index).map_or("", |token| &token.text)
    }

    /// What follows `root::`, wherever it is written, with its place: one name, or the first name of each entry in braces.
    pub fn names_below(&self, root: &str) -> Vec<&Token> {
        let start = format!("{root} : :");
        let mut names = Vec::new();
        for index in (0..self.tokens.len()).filter(|index| self.stands_at(*index, &start)) {
            let first = index + 3;
            if self.word(first) == "{" {
                names.extend(self.heads_in_braces(first));
            } else {
                names.extend(self.tokens.get(first));
            }
        }
        names
    }

    fn heads_in_braces(&self, open: usize) -> impl Iterator<Item = &Token> {
        let mut depth = 0;
        let inside = self.tokens[open..].iter().enumerate().take_while(move |(_, token)| {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                "," if depth == 1 => return true,
                _ => {}
            }
            depth > 0
        });
        let mut depth = 0;
        inside.filter_map(move |(offset, token)| {
            match token.text.as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            let before = offset.checked_sub(1).map(|before| self.word(open + before));
            (depth == 1 && matches!(before, Some("{" | ","))).then_some(token)
        })
    }

    fn flatten(&mut self, stream: TokenStream) {
        let mut trees = stream.into_iter().peekable();
        while let Some(tree) = trees.next() {
            let line = tree.span().start().line;
            if is_hash(&tree) && trees.peek().is_some_and(is_cfg_test) {
                self.skip_tests(line, &mut trees);
                continue;
            }
            match tree {
                TokenTree::Group(group) => {
                    let (open, close) = match group.delimiter() {
                        Delimiter::Parenthesis => ("(", ")"),
                        Delimiter::Brace => ("{", "}"),
                        Delimiter::Bracket => ("[", "]"),
                        Delimiter::None => ("", ""),
                    };
                    self.push(open, line);
                    self.flatten(group.stream());
                    self.push(close, group.span_close().start().line);
                }
                leaf => self.push(&leaf.to_string(), line),
            }
        }
    }

    fn push(&mut self, text: &str, line: usize) {
        self.tokens.push(Token { text: text.to_owned(), line });
    }

    /// Passes over the item that `#[cfg(test)]` stands on: up to its body or its semicolon.
    fn skip_tests(&mut self, line: usize, trees: &mut impl Iterator<Item = TokenTree>) {
        let (mut module, mut file) = (None, None);
        let mut before = String::new();
        for tree in trees {
            match &tree {
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    self.lines_of_tests += group.span_close().end().line - line + 1;
                    break;
                }
                TokenTree::Group(group) if before == "#" => file = path_attribute(group.stream()).or(file),
                TokenTree::Ident(name) if before == "mod" => module = Some(name.to_string()),
                TokenTree::Punct(punct) if punct.as_char() == ';' => {
                    self.test_files.extend(module.as_deref().map(|name| self.file_of(name, file.as_deref())));
                    break;
                }
                _ => {}
            }
            before = tree.to_string();
        }
        if module.is_none() {
            self.tests_among_code.push(line);
        }
    }

    /// Where the module `name` of this file stands.
    fn file_of(&self, name: &str, path_attribute: Option<&str>) -> String {
        let (directory, file) = self.path.rsplit_once('/').map_or(("", self.path.as_str()), |parts| parts);
        let mut parts: Vec<&str> = directory.split('/').filter(|part| !part.is_empty()).collect();
        let own = format!("{name}.rs");
        if path_attribute.is_none() && !matches!(file, "mod.rs" | "lib.rs" | "main.rs") {
            parts.extend(file.strip_suffix(".rs"));
        }
        parts.push(path_attribute.unwrap_or(&own));
        parts.join("/")
    }
}

fn is_hash(tree: &TokenTree) -> bool {
    matches!(tree, TokenTree::Punct(punct) if punct.as_char() == '#')
}

fn is_cfg_test(tree: &TokenTree) -> bool {
    tree.to_string().replace(' ', "") == "[cfg(test)]"
}

/// `tests.rs` of `path = "tests.rs"`.
fn path_attribute(attribute: TokenStream) -> Option<String> {
    let written = attribute.to_string();
    let value = written.strip_prefix("path")?.trim_start().strip_prefix('=')?;
    Some(value.trim().trim_matches('"').to_owned())
}

fn words(source: &Source) -> String {
    source.tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn leaves_out_modules_of_tests_and_nothing_else() {
    let source = Source::parse("a.rs", "const A: u8 = 1; #[cfg(test)] mod tests { fn t() {} } const B: u8 = 2;");
    assert_eq!(words(&source), "const A : u8 = 1 ; const B : u8 = 2 ;");
    let kept = Source::parse("a.rs", "#[cfg(unix)] mod unix { fn f() {} }");
    assert!(words(&kept).contains("fn f"));
}

#[test]
fn knows_the_files_that_are_modules_of_tests() {
    let files = |path, text| Source::parse(path, text).test_files;
    assert_eq!(files("a.rs", "#[cfg(test)] mod tests;"), ["a/tests.rs"]);
    assert_eq!(files("a/b.rs", "#[cfg(test)] mod tests;"), ["a/b/tests.rs"]);
    assert_eq!(files("a/mod.rs", "#[cfg(test)] pub mod tests;"), ["a/tests.rs"]);
    assert_eq!(files("a/b.rs", "#[cfg(test)] #[path = \"b_tests.rs\"] mod tests;"), ["a/b_tests.rs"]);
    assert!(files("a.rs", "#[cfg(test)] mod tests {}").is_empty());
}

#[test]
fn finds_names_in_braces_in_paths_and_in_macros() {
    let source = Source::parse("a.rs", "use crate::{a::{b, c}, d, e::f}; fn g() { crate::h::i(); m!(crate::j::k); }");
    let names: Vec<_> = source.names_below("crate").iter().map(|token| token.text.as_str()).collect();
    assert_eq!(names, ["a", "d", "e", "h", "j"]);
}
