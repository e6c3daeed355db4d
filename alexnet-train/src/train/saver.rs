//! Saves a run while it goes on: a copy is made between two steps, and a thread writes it.

use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use crate::checkpoint::files::{CheckpointFiles, Kept};
use crate::checkpoint::progress::SavedState;
use crate::checkpoint::write::{CheckpointFile, CheckpointWriter};
use crate::error::Error;
use crate::log::event::Event;
use crate::log::sink::EventSink;
use crate::system::let_others_go_first;
use crate::train::checkpoint_every::CheckpointEvery;
use crate::train::finite::LastStep;
use crate::train::setup::State;
use crate::train::snapshot::Snapshot;

/// Saves a run, and says so as [`Event::Checkpoint`] when it is on the disk. Where the disk is full
/// or fails, the run goes on, says so once as [`Event::Warning`], and tries again at its next turn.
pub(crate) struct Saver {
    files: CheckpointFiles,
    writer: Arc<CheckpointWriter>,
    every: CheckpointEvery,
    saved: Instant,
    /// Steps since then.
    steps: usize,
    is_asked: bool,
    writing: Option<Writing>,
    /// The copy that the last checkpoint was written of, whose memory the next one uses.
    spare: Option<Snapshot>,
    is_failing: bool,
}

/// A checkpoint on its way to the disk.
struct Writing {
    thread: JoinHandle<(Result<u64, Error>, Snapshot)>, // the bytes
    at: (usize, usize),
    began: Instant,
    waited: f64,
}

impl Saver {
    pub(crate) fn new(
        files: CheckpointFiles,
        writer: CheckpointWriter,
        every: CheckpointEvery,
    ) -> Self {
        let (writer, saved) = (Arc::new(writer), Instant::now());
        Self {
            files,
            writer,
            every,
            saved,
            steps: 0,
            is_asked: false,
            writing: None,
            spare: None,
            is_failing: false,
        }
    }

    /// Takes the memory for copies. The system clears it at the first touch, which takes longer
    /// than a copy: a run has this done before its first step.
    pub(crate) fn reserve(&mut self, state: &State) -> Result<(), Error> {
        self.spare = Some(self.copy(state)?);
        Ok(())
    }

    /// A copy of the state as it is now, in the memory of the last one.
    fn copy(&mut self, State { network, optimizer, .. }: &State) -> Result<Snapshot, Error> {
        Ok(match self.spare.take() {
            Some(mut spare) => {
                optimizer.snapshot_again(network, &mut spare)?;
                spare
            }
            None => optimizer.snapshot(network)?,
        })
    }

    /// Counts a step.
    pub(crate) fn count_step(&mut self) {
        self.steps += 1;
    }

    /// Makes it time to save before the next step.
    pub(crate) fn make_due(&mut self) {
        self.is_asked = true;
    }

    /// Whether it is time to save. While the last checkpoint is still on its way to the disk, the
    /// next one waits for its turn.
    pub(crate) fn is_due(&self) -> bool {
        let is_due = match self.every {
            CheckpointEvery::Steps(steps) => self.steps >= steps,
            CheckpointEvery::Time(time) => self.steps > 0 && self.saved.elapsed() >= time,
        };
        let is_due = is_due || self.is_asked;
        is_due && self.writing.as_ref().is_none_or(|writing| writing.thread.is_finished())
    }

    /// Whether the last checkpoint could not be written.
    pub(crate) fn is_failing(&self) -> bool {
        self.is_failing
    }

    /// Begins to write a checkpoint, after the one that may still be on its way. The losses of all
    /// steps have to be in the log.
    ///
    /// # Errors
    ///
    /// As [`look`](Self::look); an error of a device.
    pub(crate) fn save(
        &mut self,
        state: &State,
        kept: Kept,
        last: LastStep,
        events: &mut EventSink<'_>,
    ) -> Result<(), Error> {
        let began = Instant::now();
        self.finish(events)?;
        let snapshot = self.copy(state)?;
        let saved = SavedState { progress: state.at.clone(), logs: events.offsets() };
        let waited = began.elapsed().as_secs_f64();
        (self.saved, self.steps, self.is_asked) = (Instant::now(), 0, false);
        let (files, writer) = (self.files.clone(), Arc::clone(&self.writer));
        let at = (state.at.epoch, state.at.step);
        // A thread of its own also because the loop's thread holds a `PoolGuard`, which would keep
        // buffers until the end of the run.
        let thread = std::thread::spawn(move || {
            let_others_go_first(); // steps take longer by half while it has a core of its own
            let made = writer.file(&files.run.checkpoint(), &snapshot, Some(&saved), last);
            let written = made.and_then(|file| {
                files.write(at, kept, |out| file.write_to(out))?;
                Ok(file.length())
            });
            (written, snapshot)
        });
        self.writing = Some(Writing { thread, at, began: self.saved, waited });
        Ok(())
    }

    /// Tells of a checkpoint that has come to the disk, or failed to.
    ///
    /// # Errors
    ///
    /// [`Error::Diverged`] for values that are not finite, of which nothing is saved.
    pub(crate) fn look(&mut self, events: &mut EventSink<'_>) -> Result<(), Error> {
        match self.writing.take_if(|writing| writing.thread.is_finished()) {
            Some(writing) => self.ended(writing, events),
            None => Ok(()),
        }
    }

    /// The same, and waits for a checkpoint that is on its way.
    pub(crate) fn finish(&mut self, events: &mut EventSink<'_>) -> Result<(), Error> {
        match self.writing.take() {
            Some(writing) => self.ended(writing, events),
            None => Ok(()),
        }
    }

    fn ended(&mut self, writing: Writing, events: &mut EventSink<'_>) -> Result<(), Error> {
        let Writing { thread, at: (epoch, step), began, waited } = writing;
        let (written, snapshot) =
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        self.spare = Some(snapshot);
        match written {
            Ok(bytes) => {
                if std::mem::take(&mut self.is_failing) {
                    let message = "checkpoints can be written again".to_owned();
                    events.emit(Event::Warning { epoch, step, message });
                }
                let seconds = began.elapsed().as_secs_f64();
                events.emit(Event::Checkpoint { epoch, step, bytes, seconds, waited });
                Ok(())
            }
            Err(error @ Error::Diverged { .. }) => Err(error),
            Err(_) if self.is_failing => Ok(()),
            Err(error) => {
                self.is_failing = true;
                let message = format!(
                    "a checkpoint is not complete: {error}; the run goes on, and tries \
                     again at the next turn"
                );
                events.emit(Event::Warning { epoch, step, message });
                Ok(())
            }
        }
    }

    /// Final weights for the file `path`.
    pub(crate) fn weights(
        &mut self,
        path: &Path,
        state: &State,
        last: LastStep,
    ) -> Result<CheckpointFile, Error> {
        let snapshot = self.copy(state)?;
        self.writer.file(path, &snapshot, None, last)
    }
}

impl Drop for Saver {
    /// A run that ends by an error still has the lock of its folder until the last file is whole.
    fn drop(&mut self) {
        if let Some(writing) = self.writing.take() {
            _ = writing.thread.join();
        }
    }
}
