//! Numbers outside their ranges, and input that a message repeats.

use crate::World;

/// Each number of each command: refused in one line that names option and range, before anything
/// is written.
#[test]
fn numbers_have_ranges() {
    let world = World::new();
    world.train("run");
    let before = names(&world);
    let weights = "--checkpoint run/final.safetensors";
    let huge = "18446744073709551615";
    for (command, option, values) in [
        ("train --data data --run new", "--loader-threads", &["0", huge, "-1"][..]),
        ("train --data data --run new", "--epochs", &["0", huge]),
        ("train --data data --run new", "--checkpoint-every", &["0", "1e3", "-1", "3weeksago"]),
        ("train --data data --run new", "--keep", &["0", huge]),
        ("train --data data --run new", "--time-limit", &["5", "-1h", &format!("{huge}years")]),
        (&format!("eval --data data {weights}"), "--loader-threads", &["0", huge]),
        (&format!("eval --data data {weights}"), "--views", &["0", "3", huge]),
        (&format!("predict {weights} images/a.jpg"), "--top", &["0", huge]),
        ("inspect data", "--images", &["0", "1025", huge]),
        ("bench", "--batch", &["0", huge]),
        ("bench", "--steps", &["0", huge]),
        ("bench", "--threads", &["0", huge]),
        ("bench", "--loader-threads", &[huge]),
        ("prepare-data --input images --output new", "--threads", &[huge]),
        ("prepare-data --input images --output new", "--size", &["0", "4097", huge]),
        ("prepare-data --input images --output new", "--shard-records", &["0", huge]),
        ("prepare-data --input images --output new", "--quality", &["0", "101", huge]),
        ("prepare-data --input images --output new", "--budget", &["-1", &format!("{huge}GB")]),
    ] {
        for value in values {
            let command = world.alexnet(&format!("{command} {option}={value}"));
            world.fails(command, 2, &[option]);
            assert_eq!(names(&world), before);
        }
    }
}

fn names(world: &World) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(world.path("")).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names
}

/// However long the input, a message has room for the reason: one word, or many.
#[test]
fn messages_repeat_200_characters_of_the_input() {
    let world = World::new();
    for long in ["x".repeat(5000), "many words ".repeat(500)] {
        for before in [
            &["train", "--data", "data", "--preset"][..],
            &["train", "--data", "data", "--epochs"],
            &["train", "--data", "data", "--set"],
            &["train", "--data"],
            &["train", "--resume", "--run"],
            &["describe", "--preset"],
            &["describe", "--network"],
            &["bench", "--without"],
            &["bench", "--device"],
            &["inspect", "data", "--split"],
            &["inspect", "data", "--sheet", "a.png", "--split"],
            &["verify"],
            &["prepare-data", "--output", "new", "--input"],
            &["prepare-data", "--output", "new", "--input", "images", "--source"],
            &["prepare-data", "--output", "new", "--input", "images", "--part"],
            &["prepare-data", "--output", "new", "--input", "images", "--budget"],
            &[],
        ] {
            let mut command = world.alexnet("");
            command.args(before).arg(&long);
            let output = command.output().unwrap();
            let error = String::from_utf8(output.stderr).unwrap();
            if before == ["inspect", "data", "--split"] {
                continue; // only a sheet needs a split
            }
            assert!(
                !output.status.success() && error.starts_with("error: "),
                "{before:?}: {error}"
            );
            let count = error.chars().count();
            assert!(count < 1010 && error.lines().count() == 1, "{before:?}: {count}: {error}");
            assert!(!error.contains(&long[..201]), "{before:?}: {error}");
        }
    }
}

/// A name with control characters does not reach the terminal as it is.
#[test]
fn messages_escape_control_characters() {
    let world = World::new();
    let mut command = world.alexnet("verify");
    command.arg("a\u{1b}[31m\nb");
    let error = world.fails(command, 3, &["\\u{1b}[31m", "os error 2"]);
    assert!(!error.contains('\u{1b}'), "{error:?}");
}
