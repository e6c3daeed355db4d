//! Whatever fails and whenever, the file gets all records in their order, and never half of one
//! before another.

use std::cell::RefCell;
use std::io::{Cursor, Error, ErrorKind, Result};
use std::rc::Rc;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::log::lines::Lines;

/// What the next call to the disk does.
#[derive(Debug, Clone, Copy)]
enum Outcome {
    Done,
    /// Only so many bytes are written.
    Short(usize),
    Fails,
    /// So many bytes are written all the same.
    FailsAfter(usize),
}

#[derive(Default)]
struct Disk {
    file: Cursor<Vec<u8>>,
    outcomes: VecDeque<Outcome>,
    is_full: bool,
    syncs: usize,
}

/// A file on a disk that has these outcomes, and then none but good ones.
#[derive(Clone, Default)]
struct FailingFile(Rc<RefCell<Disk>>);

impl FailingFile {
    fn new(outcomes: &[Outcome]) -> Self {
        let file = Self::default();
        file.0.borrow_mut().outcomes = outcomes.iter().copied().collect();
        file
    }

    fn content(&self) -> Vec<u8> {
        self.0.borrow().file.get_ref().clone()
    }

    fn set_full(&self, is_full: bool) {
        self.0.borrow_mut().is_full = is_full;
    }

    fn next(&self) -> Outcome {
        self.0.borrow_mut().outcomes.pop_front().unwrap_or(Outcome::Done)
    }

    fn succeeds(&self) -> Result<()> {
        match self.next() {
            Outcome::Fails | Outcome::FailsAfter(_) => Err(Error::other("broken")),
            Outcome::Done | Outcome::Short(_) => Ok(()),
        }
    }

    fn log(&self, header: &'static str, keep: Option<u64>) -> AppendFile<Lines, Self> {
        let file = self.clone();
        let open = move || file.succeeds().map(|()| file.clone());
        AppendFile::with_storage("runs/a/log".into(), Lines { header }, keep, Box::new(open))
    }
}

impl Read for FailingFile {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        self.succeeds()?;
        self.0.borrow_mut().file.read(bytes)
    }
}

impl Seek for FailingFile {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.0.borrow_mut().file.seek(to)
    }
}

impl Write for FailingFile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let (outcome, mut disk) = (self.next(), self.0.borrow_mut());
        if disk.is_full {
            return Err(ErrorKind::StorageFull.into());
        }
        let mut put = |most: usize| {
            let count = most.min(bytes.len());
            disk.file.get_mut().extend_from_slice(&bytes[..count]); // opened to append
            count
        };
        match outcome {
            Outcome::Done => Ok(put(usize::MAX)),
            Outcome::Short(most) => Ok(put(most)),
            Outcome::Fails => Err(ErrorKind::StorageFull.into()),
            Outcome::FailsAfter(most) => {
                put(most);
                Err(Error::other("broken"))
            }
        }
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Storage for FailingFile {
    fn cut(&mut self, length: u64) -> Result<()> {
        self.succeeds()?;
        self.0.borrow_mut().file.get_mut().truncate(length as usize);
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        self.succeeds()?;
        self.0.borrow_mut().syncs += 1;
        Ok(())
    }
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let most = 0..9usize;
    prop_oneof![
        Just(Outcome::Done),
        most.clone().prop_map(Outcome::Short),
        Just(Outcome::Fails),
        most.prop_map(Outcome::FailsAfter),
    ]
}

fn record(number: usize) -> Vec<u8> {
    format!("{number}{}\n", "x".repeat(number % 7)).into_bytes()
}

proptest! {
    /// Every pattern of failures; then the disk is well, and the file is what it would have been.
    #[test]
    fn all_records_arrive_in_order(
        outcomes in vec(outcome(), 0..80),
        count in 1..25usize,
        header in prop_oneof![Just(""), Just("a,b\n")],
    ) {
        let file = FailingFile::new(&outcomes);
        let mut log = file.log(header, Some(0));
        let mut want = header.as_bytes().to_vec();
        for number in 0..count {
            log.append(record(number));
            want.extend(record(number));
            let bytes = file.content();
            prop_assert!(want.starts_with(&bytes), "{bytes:?} is no beginning of {want:?}");
            if log.storage.is_some() && log.begun {
                prop_assert_eq!(log.offset(), Some(want.len() as u64));
            }
        }
        file.0.borrow_mut().outcomes.clear();
        log.sync();
        prop_assert_eq!(file.content(), want);
        prop_assert!(!log.in_trouble && log.waiting.is_empty() && log.waiting_bytes == 0);
    }

    /// The same, where the run goes back to a checkpoint now and then, or is killed and resumed.
    #[test]
    fn what_lies_behind_an_offset_is_cut(
        turns in vec((vec(outcome(), 0..12), 1..6usize, any::<Index>(), 0..3u8), 1..8),
    ) {
        let file = FailingFile::default();
        let mut log = file.log("a,b\n", Some(0));
        let (mut want, mut number) = (b"a,b\n".to_vec(), 0);
        for (outcomes, count, to, end) in turns {
            // Offsets, and what the file has then; a checkpoint is saved when the disk takes it.
            let mut saved = vec![(log.offset().unwrap(), want.clone())];
            file.0.borrow_mut().outcomes = outcomes.into();
            for _ in 0..count {
                log.append(record(number));
                want.extend(record(number));
                number += 1;
                saved.extend(log.offset().map(|offset| (offset, want.clone())));
            }
            let (offset, kept) = saved[to.index(saved.len())].clone();
            match end {
                0 => {
                    want = kept;
                    log.cut_to(offset);
                }
                1 => {
                    log.flush();
                    file.0.borrow_mut().outcomes.clear();
                    log.flush();
                    want = kept;
                    log = file.log("a,b\n", Some(offset));
                }
                _ => {}
            }
            file.0.borrow_mut().outcomes.clear();
            log.flush();
            prop_assert_eq!(file.content(), want.clone());
            prop_assert_eq!(log.offset(), Some(want.len() as u64));
        }
    }

    /// A run that is killed leaves any part of its last record.
    #[test]
    fn half_a_record_is_cut_on_opening(count in 0..9usize, end in any::<Index>()) {
        let whole: Vec<u8> = (0..count).flat_map(record).collect();
        let file = FailingFile::default();
        let end = end.index(whole.len() + 1);
        file.0.borrow_mut().file.get_mut().extend_from_slice(&whole[..end]);
        let mut log = file.log("", None);
        log.append(b"next\n".to_vec());
        let kept = whole[..end].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        prop_assert_eq!(file.content(), [&whole[..kept], b"next\n"].concat());
    }
}

#[test]
fn trouble_is_told_once_and_so_is_its_end() {
    let file = FailingFile::default();
    let mut log = file.log("", Some(0));
    assert_eq!(log.take_notice(), None);
    file.set_full(true);
    for number in 0..5 {
        log.append(record(number));
        let notice = log.take_notice();
        assert_eq!(notice.is_some(), number == 0, "{notice:?}");
        if let Some(notice) = notice {
            let want = "runs/a/log: no storage space: the run goes on; what belongs there is kept \
                        in memory and tried again";
            assert_eq!(notice, want);
        }
    }
    file.set_full(false);
    log.append(record(5));
    assert_eq!(log.take_notice().unwrap(), "runs/a/log: written again; nothing was lost");
    assert_eq!(file.content(), (0..6).flat_map(record).collect::<Vec<_>>());

    // A sync that fails is over when one succeeds, not with the next record.
    file.0.borrow_mut().outcomes = [Outcome::Fails].into();
    log.sync();
    assert!(log.take_notice().unwrap().contains("broken"));
    log.append(record(6));
    assert_eq!(log.take_notice(), None);
    log.sync();
    assert!(log.take_notice().unwrap().contains("written again"));
    assert_eq!(file.0.borrow().syncs, 1);
}

#[test]
fn a_long_spell_takes_no_more_memory() {
    let file = FailingFile::default();
    file.set_full(true);
    let mut log = file.log("a,b\n", Some(0));
    log.most_waiting = 100;
    for number in 0..1000 {
        log.append(format!("{number:09}\n").into_bytes());
        assert!(log.waiting_bytes <= 100 && log.waiting.len() <= 10);
    }
    file.set_full(false);
    log.take_notice();
    log.flush();
    let told = log.take_notice().unwrap();
    assert!(told.ends_with("991 records were too many for the memory and are lost"), "{told}");
    let kept = (991..1000).map(|number| format!("{number:09}\n")).collect::<String>();
    assert_eq!(file.content(), format!("a,b\n{kept}").into_bytes());
    log.cut_to(0);
    assert_eq!(file.content(), b"a,b\n", "what it begins with comes again");
}

/// A file that lacks what a checkpoint knows of: a log was deleted, or a process was killed while
/// records waited for the disk.
#[test]
fn what_is_missing_is_told() {
    let file = FailingFile::default();
    file.0.borrow_mut().file.get_mut().extend_from_slice(&record(1));
    let length = record(1).len() as u64;
    let mut log = file.log("", Some(length));
    assert_eq!(log.take_notice(), None);
    log = file.log("", Some(length + 5));
    let want = "runs/a/log: 5 bytes that it had are missing; it has a gap there";
    assert_eq!(log.take_notice().unwrap(), want);
    log.append(record(2));
    assert_eq!(log.take_notice(), None, "it is told once");
    // Of a log without an offset nothing is known.
    assert_eq!(file.log("", None).take_notice(), None);
}

/// A disk of the system that is always full.
#[cfg(target_os = "linux")]
#[test]
fn a_full_device_ends_nothing() {
    let lines = Lines { header: "" };
    let mut log = AppendFile::open("/dev/full".into(), lines, Some(0));
    log.append(record(1));
    assert!(log.take_notice().unwrap().starts_with("/dev/full: No space left on device"));
    log.append(record(2));
    assert_eq!((log.take_notice(), log.waiting.len()), (None, 2));
}

/// A folder that is not there yet is made; one that cannot be made is tried again.
#[test]
fn a_log_that_cannot_be_opened_is_opened_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("logs/log");
    std::fs::write(folder.path().join("logs"), "in the way").unwrap();
    let mut log = AppendFile::open(path.clone(), Lines { header: "a,b\n" }, None);
    log.append(record(1));
    assert!(log.take_notice().is_some() && log.offset().is_none());
    std::fs::remove_file(folder.path().join("logs")).unwrap();
    log.append(record(2));
    assert!(log.take_notice().unwrap().contains("nothing was lost"));
    let want = [b"a,b\n".to_vec(), record(1), record(2)].concat();
    assert_eq!(std::fs::read(path).unwrap(), want);
    assert_eq!(log.offset(), Some(want.len() as u64));
}
