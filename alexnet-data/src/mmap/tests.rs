//! Pages that vanish while they are read. The handler of a signal is the whole process's, so each
//! test runs itself once more, in a process of its own.

use super::{Mapping, survive_cut_files};
use memmap2::Mmap;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

/// More than a page is, on any machine.
const STEP: usize = 64 << 10;
/// Says to a test that it runs in a process of its own.
const CHILD: &str = "ALEXNET_TEST_CHILD";

/// Runs the test of this name in a process of its own; in that process, `child` instead.
fn in_a_child(test: &str, child: impl FnOnce()) -> Option<ExitStatus> {
    if std::env::var_os(CHILD).is_some() {
        child();
        return None;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", &format!("mmap::tests::{test}"), "--nocapture"]).env(CHILD, "1");
    Some(command.output().unwrap().status)
}

/// A file of four steps, which are not zeros.
fn file() -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&[7; 4 * STEP]).unwrap();
    file
}

/// What vanishes is zeros, in every file and every thread, and only that mapping has holes.
#[test]
fn what_vanishes_is_zeros() {
    let status = in_a_child("what_vanishes_is_zeros", || {
        survive_cut_files();
        survive_cut_files(); // changes nothing
        let other = file();
        let other = Mapping::new(&other, "other".as_ref()).unwrap();
        let cut_and_read = || {
            let file = file();
            let map = Mapping::new(&file, "file".as_ref()).unwrap();
            for kept in [3, 1, 0] {
                map.read(0..map.len(), |bytes| {
                    file.set_len((kept * STEP) as u64).unwrap();
                    let of_step = |step: usize| bytes[step * STEP..][..STEP].iter().copied().max();
                    (0..kept).for_each(|step| assert_eq!(of_step(step), Some(7)));
                    (kept..4).for_each(|step| assert_eq!(of_step(step), Some(0)));
                });
                assert!(map.has_holes());
            }
        };
        cut_and_read();
        std::thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(cut_and_read))));
        assert_eq!(other.read(0..other.len(), |bytes| bytes.iter().copied().min()), Some(7));
        assert!(!other.has_holes());
    });
    assert!(status.is_none_or(|status| status.success()), "{status:?}");
}

/// A mapping of someone else's, cut while we read ours, ends the process as it would without us.
#[test]
fn what_is_not_ours_ends_the_process() {
    let status = in_a_child("what_is_not_ours_ends_the_process", || {
        survive_cut_files();
        let (ours, theirs) = (file(), file());
        let map = Mapping::new(&ours, "ours".as_ref()).unwrap();
        #[allow(unsafe_code)]
        // SAFETY: the file is shortened below, and the process must end of it.
        let foreign = unsafe { Mmap::map(&theirs) }.unwrap();
        theirs.set_len(0).unwrap();
        map.read(0..1, |_| assert_eq!(foreign[STEP], 0));
    });
    assert!(status.is_none_or(|status| status.signal() == Some(libc::SIGBUS)), "{status:?}");
}

/// Without the handler the process ends, so the other test sees it work.
#[test]
fn without_the_handler_the_process_ends() {
    let status = in_a_child("without_the_handler_the_process_ends", || {
        let file = file();
        let map = Mapping::new(&file, "file".as_ref()).unwrap();
        file.set_len(0).unwrap();
        map.read(0..map.len(), |bytes| assert_eq!(bytes[STEP], 0));
    });
    assert!(status.is_none_or(|status| status.signal() == Some(libc::SIGBUS)), "{status:?}");
}
