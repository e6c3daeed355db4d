//! Which file of a crate imports which, read from its text: the rules about modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::{root, sources, tidy_crates};

/// A path of modules, from the crate's root.
type Module = Vec<String>;

/// What the text of a file says about others.
#[derive(Default)]
struct File {
    /// Paths that begin with `crate` or `super`, or with the name of a child in a `use`.
    paths: Vec<Vec<String>>,
    /// What a `use` brings in: under this name, this path.
    names: BTreeMap<String, Vec<String>>,
}

/// The files of a crate by their modules.
struct Crate(BTreeMap<Module, File>);

fn read(folder: &Path) -> Crate {
    let mut files = Vec::new();
    sources(folder, &mut files);
    let modules = files.iter().filter(|file| file.extension().is_some_and(|e| e == "rs"));
    let module = |file: &Path| {
        let path = file.strip_prefix(folder).unwrap().with_extension("");
        let mut module: Module =
            path.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
        if module.last().is_some_and(|last| ["lib", "main", "mod"].contains(&last.as_str())) {
            module.pop();
        }
        module
    };
    Crate(modules.map(|path| (module(path), file(&fs::read_to_string(path).unwrap()))).collect())
}

fn file(text: &str) -> File {
    // Tests at the end of a file are a module within it.
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let text = lines.collect::<Vec<_>>().join("\n");
    let mut file = File::default();
    let mut others = String::new();
    for statement in text.split_inclusive(';') {
        let start = statement.rfind("use ").filter(|at| {
            let before = statement[..*at].trim_end();
            before.is_empty() || before.ends_with(['}', ']', ')', '{']) || before.ends_with("pub")
        });
        let Some(start) = start else {
            others.push_str(statement);
            continue;
        };
        others.push_str(&statement[..start]);
        for path in expanded(statement[start + 4..].trim_end_matches(';')) {
            let (path, name) = path.split_once(" as ").unwrap_or((&path, ""));
            let path: Vec<String> = path.split("::").map(|part| part.trim().to_owned()).collect();
            let name = if name.is_empty() { path.last().unwrap().as_str() } else { name.trim() };
            file.names.insert(name.to_owned(), path.clone());
            file.paths.push(path);
        }
    }
    let separated = |c: char| !(c.is_alphanumeric() || c == '_' || c == ':');
    for word in others.split(separated).filter(|word| word.contains("::")) {
        let parts = word.split("::").filter(|part| !part.is_empty());
        let path: Vec<String> = parts.map(str::to_owned).collect();
        if path.first().is_some_and(|first| first == "crate" || first == "super") {
            file.paths.push(path);
        }
    }
    file
}

/// The paths of a `use`: `a::{b, c::{d, e}}` is `a::b`, `a::c::d`, `a::c::e`.
fn expanded(tree: &str) -> Vec<String> {
    let Some((prefix, rest)) = tree.split_once('{') else { return vec![tree.trim().to_owned()] };
    let inner = &rest[..rest.rfind('}').unwrap_or(rest.len())];
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    let prefix = prefix.trim();
    parts.flat_map(|part| expanded(part).into_iter().map(move |p| format!("{prefix}{p}"))).collect()
}

impl Crate {
    /// The module that defines what `path` means in `module`; none for what another crate defines.
    fn target(&self, module: &Module, path: &[String], depth: usize) -> Option<Module> {
        let mut at = module.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => at.clear(),
            "self" => {}
            "super" => _ = at.pop()?,
            child if self.0.contains_key(&[&at[..], &[child.to_owned()]].concat()) => {
                at.push(child.to_owned());
            }
            _ => return None,
        }
        rest = &rest[1..];
        while let Some((name, after)) = rest.split_first() {
            let child = [&at[..], std::slice::from_ref(name)].concat();
            if name == "super" {
                at.pop()?;
            } else if self.0.contains_key(&child) {
                at = child;
            } else {
                // It is defined here, or comes from where a `use` of this module has it.
                let from = self.0.get(&at).and_then(|file| file.names.get(name));
                let Some(from) = from.filter(|_| depth < 8) else { break };
                let whole = [&from[..], after].concat();
                return self.target(&at, &whole, depth + 1).or(Some(at));
            }
            rest = after;
        }
        Some(at)
    }

    /// Modules that import each other in a circle.
    fn circle(&self) -> Option<String> {
        let (imports, mut done) = (self.imports(), BTreeSet::new());
        self.0.keys().find_map(|module| search(&imports, module, &mut Vec::new(), &mut done))
    }

    /// The modules that each module imports. A parent names its children without importing them.
    fn imports(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let of = |(module, file): (&'_ Module, &File)| -> BTreeSet<Module> {
            let targets = file.paths.iter().filter_map(|path| self.target(module, path, 0));
            targets.filter(|target| !target.starts_with(module)).collect()
        };
        self.0.iter().map(|(module, file)| (module, of((module, file)))).collect()
    }
}

/// The first circle that a search from `module` finds.
fn search<'a>(
    imports: &'a BTreeMap<&Module, BTreeSet<Module>>,
    module: &'a Module,
    way: &mut Vec<&'a Module>,
    done: &mut BTreeSet<&'a Module>,
) -> Option<String> {
    if let Some(start) = way.iter().position(|on| *on == module) {
        let names = way[start..].iter().chain([&module]).map(|module| module.join("::"));
        return Some(names.collect::<Vec<_>>().join(" -> "));
    }
    if !done.insert(module) {
        return None;
    }
    way.push(module);
    let mut next = imports.get(module).into_iter().flatten();
    let found = next.find_map(|next| search(imports, next, way, done));
    way.pop();
    found
}

#[test]
fn no_modules_import_each_other_in_a_circle() {
    for name in tidy_crates() {
        let circle = read(&root().join(&name).join("src")).circle();
        assert_eq!(circle, None, "{name}");
    }
}

/// `lib.rs` is a face: inside of a crate, what is used comes from the module that defines it.
#[test]
fn nothing_is_imported_from_the_root_of_its_own_crate() {
    for name in tidy_crates() {
        let files = read(&root().join(&name).join("src"));
        for (module, file) in &files.0 {
            for path in &file.paths {
                let depth = path.iter().take_while(|part| *part == "super").count();
                let of_root = match path[0].as_str() {
                    "crate" => &path[1..],
                    "super" if depth == module.len() => &path[depth..],
                    _ => continue,
                };
                let child = of_root.first().is_some_and(|n| files.0.contains_key(&vec![n.clone()]));
                assert!(child, "{name}: {} has {}", module.join("::"), path.join("::"));
            }
        }
    }
}

/// The floors of alexnet-kernels: what operations share does not know any of them.
#[test]
fn what_operations_share_imports_no_operation() {
    let shared = ["cpu", "cuda", "device", "random", "layout", "op"];
    let files = read(&root().join("alexnet-kernels/src"));
    for (module, targets) in files.imports() {
        if module.first().is_some_and(|first| shared.contains(&first.as_str())) {
            let operation =
                targets.iter().find(|target| target.first().is_some_and(|t| t == "ops"));
            assert!(operation.is_none(), "{} imports {operation:?}", module.join("::"));
        }
    }
}

/// The rules see what they are there to see.
#[test]
fn paths_are_read() {
    assert_eq!(expanded("a::{b, c::{d, e as f}}"), ["a::b", "a::c::d", "a::c::e as f"]);
    let crate_of = |texts: &[(&str, &str)]| {
        let module = |name: &str| name.split_terminator("::").map(str::to_owned).collect();
        Crate(texts.iter().map(|(name, text)| (module(name), file(text))).collect())
    };
    let a =
        "use super::{\n    b::X,\n    Y,\n};\npub(crate) use c::Z;\nfn f() { crate::d::g(); }\n";
    let b = "use crate::a::Z; // not crate::d\n#[cfg(test)]\nmod tests {\n    use super::d;\n}";
    let files =
        crate_of(&[("", "mod a;\npub use b::Y;"), ("a", a), ("a::c", ""), ("b", b), ("d", "")]);
    let imports = files.imports();
    let names = |module: &str| -> Vec<String> {
        imports[&vec![module.to_owned()]].iter().map(|target| target.join("::")).collect()
    };
    assert_eq!((names("a"), names("b")), (vec!["b".into(), "d".into()], vec!["a::c".into()]));
    assert_eq!(files.circle(), None);
    let circle = crate_of(&[("a", "use crate::b::X;"), ("b", "use super::a::{Y, Z};")]).circle();
    assert_eq!(circle.as_deref(), Some("a -> b -> a"));
}
