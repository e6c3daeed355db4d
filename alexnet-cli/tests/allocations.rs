//! A training step takes no memory from the system after the first one: it uses what the one before
//! has given back.
//!
//! The only test of its file: what children have taken is counted for the whole process.

use std::fs;
use std::process::Command;

/// The pages that the system has given to children of this process that have ended; none where it
/// does not say.
fn pages() -> Option<i64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // After the program's name, which is in brackets and may hold anything, cminflt is the ninth
    // field there.
    stat.rsplit_once(')')?.1.split_whitespace().nth(8)?.parse().ok()
}

/// The pages that a process takes which trains `small` for so many steps.
fn taken(steps: &str) -> Option<i64> {
    let before = pages()?;
    let arguments = ["bench", "--step-only", "--json", "--threads", "1", "--preset", "small"];
    let output = Command::new(env!("CARGO_BIN_EXE_alexnet"))
        .args(arguments)
        .args(["--batch", "32", "--steps", steps])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(pages()? - before)
}

/// Where other programs use the memory too, a process may take some thousand pages more than the
/// next. So the fewest of several are compared, and of more where those do not do.
#[test]
fn later_steps_take_no_memory() {
    let (mut few, mut many) = (i64::MAX, i64::MAX);
    for round in 1..=8 {
        let (Some(of_two), Some(of_ten)) = (taken("2"), taken("10")) else { return };
        (few, many) = (few.min(of_two), many.min(of_ten));
        assert!(few > 4_000, "{few} pages in all: this network is too small to show anything");
        if round > 1 && (many - few) / 8 < 100 {
            return;
        }
    }
    let each = (many - few) / 8;
    panic!("each step takes {each} pages from the system, the first two {few}");
}
