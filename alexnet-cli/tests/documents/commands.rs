//! The commands and flags that exist: `alexnet` is asked for its help, cargo's and xtask's are
//! read.

use std::collections::BTreeMap;
use std::process::Command;

use super::repository::Repository;

/// Cargo's own commands, and those that CONTRIBUTING says how to install.
const CARGO: [&str; 10] =
    ["build", "test", "run", "bench", "check", "clippy", "fmt", "install", "fuzz", "mutants"];

/// Flags that a document may name without a command, besides those of this repository's programs.
const FLAGS_OF_CARGO: [&str; 3] = ["--features", "--workspace", "--release"];

type Checked = Result<(), String>;

pub(crate) struct Commands {
    pub(crate) repository: Repository,
    /// What `alexnet COMMAND --help` prints, by command, also by `figure kernels`; `alexnet --help`
    /// by the empty name.
    help: BTreeMap<String, String>,
    /// The sources of xtask.
    xtask: String,
}

impl Commands {
    pub(crate) fn new(repository: Repository) -> Self {
        let all = help(&["--help"]);
        let mut texts = BTreeMap::new();
        for name in commands(&all) {
            let text = help(&[&name, "--help"]);
            for inner in commands(&text) {
                texts.insert(format!("{name} {inner}"), help(&[&name, &inner, "--help"]));
            }
            texts.insert(name, text);
        }
        texts.insert(String::new(), all);
        let sources =
            repository.paths().filter(|p| p.starts_with("xtask/src/") && p.ends_with(".rs"));
        let xtask = sources.map(|path| repository.read(path)).collect();
        Self { repository, help: texts, xtask }
    }

    /// Checks a code span or a line of a code block.
    pub(crate) fn code(&self, code: &str) -> Checked {
        for command in code.split(" && ") {
            let words = command.split_whitespace().map(|w| w.trim_matches(['\'', '"', ',', ';']));
            let is_setting = |word: &&str| word.contains('=') && !word.starts_with('-');
            let mut words: Vec<&str> = words.skip_while(is_setting).collect();
            // Slurm's launcher, with its options, stands before the command.
            if words.first() == Some(&"srun") {
                let program = words.iter().position(|w| ["alexnet", "cargo"].contains(w));
                words.drain(..program.unwrap_or(0));
            }
            match words.as_slice() {
                ["cargo", arguments @ ..] => self.cargo(arguments)?,
                ["alexnet", arguments @ ..] => self.alexnet(arguments)?,
                [flag, ..] if flag.starts_with("--") => self.lonely_flag(flag)?,
                words => self.script(words)?,
            }
            let has_arguments = matches!(words.first(), Some(&"cargo" | &"alexnet"));
            words.iter().try_for_each(|word| self.repository.path(word, has_arguments))?;
        }
        Ok(())
    }

    fn alexnet(&self, arguments: &[&str]) -> Checked {
        let name = arguments.first().filter(|a| !a.starts_with('-')).copied().unwrap_or_default();
        if name.starts_with(|c: char| c.is_ascii_uppercase()) {
            return Ok(()); // `alexnet COMMAND`
        }
        // `alexnet figure kernels` is a command of a command.
        let inner = arguments.get(1).map(|inner| format!("{name} {inner}"));
        let name = inner.filter(|inner| self.help.contains_key(inner)).unwrap_or(name.to_owned());
        let help = self.help.get(&name).ok_or(format!("no such command: `alexnet {name}`"))?;
        for flag in flags(arguments) {
            let found = help.split([' ', '\n', ',']).any(|word| word == flag);
            exists(found, &format!("`alexnet {name} {flag}`"))?;
        }
        match value(arguments, "--preset") {
            Some(preset) if preset.starts_with(|c: char| c.is_ascii_lowercase()) => {
                self.repository.path(&format!("alexnet-train/recipes/{preset}.toml"), false)
            }
            _ => Ok(()),
        }
    }

    fn cargo(&self, arguments: &[&str]) -> Checked {
        let [command, arguments @ ..] = arguments else { return Ok(()) };
        match (*command, arguments) {
            ("xtask", _) => return self.xtask(arguments),
            ("fuzz", ["run", target, ..]) => {
                return self.repository.path(&format!("fuzz/fuzz_targets/{target}.rs"), false);
            }
            _ => exists(CARGO.contains(command), &format!("`cargo {command}`"))?,
        }
        let end = arguments.iter().position(|a| *a == "--").unwrap_or(arguments.len());
        let (arguments, of_program) = arguments.split_at(end);
        let package = value(arguments, "-p").unwrap_or("*");
        self.repository.path(&format!("{package}/Cargo.toml"), false)?;
        for (flag, folder) in
            [("--example", "examples"), ("--test", "tests"), ("--bench", "benches")]
        {
            if let Some(name) = value(arguments, flag) {
                let files = [format!("{name}.rs"), format!("{name}/main.rs")];
                let files = files.map(|file| format!("{package}/{folder}/{file}"));
                let found = files.iter().any(|file| self.repository.path(file, false).is_ok());
                exists(found, &format!("`{flag} {name}` in package {package}"))?;
            }
        }
        if let Some(feature) = value(arguments, "--features") {
            let (manifest, line) = (format!("{package}/Cargo.toml"), format!("\n{feature} = ["));
            let mut manifests = self.repository.ending_with(&manifest);
            let found = manifests.any(|path| self.repository.read(path).contains(&line));
            exists(found, &format!("the feature `{feature}` in package {package}"))?;
        }
        match (*command, package, of_program) {
            ("run", "alexnet-cli", ["--", arguments @ ..]) => self.alexnet(arguments),
            _ => Ok(()),
        }
    }

    /// The commands of xtask are variants in its sources, and its flags are fields.
    fn xtask(&self, arguments: &[&str]) -> Checked {
        if arguments.first() == Some(&"prepare-data") {
            return self.alexnet(arguments); // starts it with the same arguments
        }
        let has_line = |begin: &str, next: &[char]| {
            let mut rests = self.xtask.lines().filter_map(|line| line.trim().strip_prefix(begin));
            rests.any(|rest| rest.starts_with(next))
        };
        for name in arguments.iter().take_while(|a| !a.starts_with('-')) {
            let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
            let variant: String = name.split('-').map(capital).collect();
            exists(has_line(&variant, &[',', '(', ' ']), &format!("`cargo xtask … {name}`"))?;
        }
        for flag in flags(arguments) {
            let field = flag[2..].replace('-', "_");
            exists(has_line(&field, &[':']), &format!("`cargo xtask … {flag}`"))?;
        }
        Ok(())
    }

    /// The flags of a Python script stand in its text.
    fn script(&self, words: &[&str]) -> Checked {
        let Some(name) = words.iter().find(|word| word.ends_with(".py")) else { return Ok(()) };
        for path in self.repository.ending_with(name) {
            let text = self.repository.read(path);
            for flag in flags(words) {
                exists(text.contains(&format!("\"{flag}\"")), &format!("`{name} … {flag}`"))?;
            }
        }
        Ok(())
    }

    /// A flag without its command belongs to some program of this repository.
    fn lonely_flag(&self, flag: &str) -> Checked {
        let scripts = self.repository.ending_with("*.py").map(String::as_str);
        let found = FLAGS_OF_CARGO.contains(&flag)
            || self.help.keys().any(|name| {
                let words: Vec<&str> = name.split(' ').chain([flag]).collect();
                self.alexnet(&words).is_ok()
            })
            || self.xtask(&[flag]).is_ok()
            || scripts.into_iter().any(|path| self.script(&[path, flag]).is_ok());
        exists(found, &format!("`{flag}` of any program"))
    }
}

/// The names of the commands that a help lists.
fn commands(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let lines = lines.take_while(|line| !line.is_empty());
    // Descriptions that are too long go on in lines that are indented further.
    let names = lines.filter(|line| !line.starts_with("   "));
    let names = names.filter_map(|line| line.split_whitespace().next());
    names.filter(|name| *name != "help").map(str::to_owned).collect()
}

fn help(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_alexnet")).args(arguments).output().unwrap();
    assert!(output.status.success(), "alexnet {arguments:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn exists(found: bool, what: &str) -> Checked {
    found.then_some(()).ok_or_else(|| format!("there is no {what}"))
}

fn flags<'a>(words: &'a [&str]) -> impl Iterator<Item = &'a str> {
    let long = words.iter().filter(|word| word.starts_with("--") && word.len() > 2);
    long.map(|word| word.split('=').next().unwrap_or_default())
}

fn value<'a>(arguments: &[&'a str], flag: &str) -> Option<&'a str> {
    let at = arguments.iter().position(|a| *a == flag)?;
    arguments.get(at + 1).copied()
}
