//! Ctrl-C where the work does not end by itself, as a decoder that is busy with one image.

#[allow(dead_code)]
#[path = "../../src/prepare_data/interrupt.rs"]
mod handler;

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Tells the copy of this test that is started below how long to wait after a signal.
const PATIENCE: &str = "PATIENCE_IN_SECONDS";

/// Work that looks at no flag; without `PATIENCE` it is none.
#[test]
fn endless_work() {
    let Ok(patience) = std::env::var(PATIENCE) else { return };
    let say_so = || _ = writeln!(std::io::stderr(), "interrupted");
    handler::catch(Duration::from_secs(patience.parse().unwrap()), say_so).unwrap();
    _ = writeln!(std::io::stdout(), "\nat work");
    loop {
        std::thread::sleep(Duration::from_secs(1000));
    }
}

/// Starts `endless_work`, and waits until it is at work.
fn start(patience: &str) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "interrupt::endless_work", "--nocapture"])
        .env(PATIENCE, patience)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line == "at work"));
    child
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
}

/// It ends with the code of an error, and says so.
#[track_caller]
fn ends(mut child: Child) {
    let mut said = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(1), "interrupted\n"));
}

#[test]
fn the_first_ends_it_soon() {
    let child = start("0");
    interrupt(&child);
    ends(child);
    assert!(handler::PATIENCE < Duration::from_secs(1));
}

#[test]
fn the_second_ends_it_at_once() {
    let mut child = start("100000");
    interrupt(&child);
    std::thread::sleep(Duration::from_millis(300)); // signals at the same moment are one
    assert!(child.try_wait().unwrap().is_none(), "the first did not wait");
    interrupt(&child);
    ends(child);
}
