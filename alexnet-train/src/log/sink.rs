//! Where a run's events go: to a callback and to the run's logs.

use std::path::Path;
use std::time::Duration;

use alexnet_model::Network;
use serde::Serialize;

use crate::checkpoint::progress::LogOffsets;
use crate::kernels::Kernels;
use crate::log::append::AppendFile;
use crate::log::csv;
use crate::log::event::{Event, unix_time};
use crate::log::lines::Lines;
use crate::log::tensorboard::TensorBoard;
use crate::recipe::Recipe;
use crate::run::RunFolder;

/// A line of the log: an event, and when it was written.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    event: &'a Event,
    time: f64,
}

/// A callback and the open logs of a run. No error of a log ends the run: it becomes a warning, and
/// what was to be written waits.
pub(crate) struct EventSink<'a> {
    on_event: &'a mut dyn FnMut(&Event),
    log: AppendFile<Lines>,
    table: AppendFile<Lines>,
    tensorboard: TensorBoard,
    names: [String; 3],
    steps_per_epoch: usize,
    /// Epoch and step of the last event that had them.
    at: (usize, usize),
}

impl<'a> EventSink<'a> {
    /// Opens the logs of a run that stands where they had `offsets`: what lies behind is cut off. A
    /// log without an offset is kept. A run that begins, `None`, has empty logs.
    pub(crate) fn open(
        run: &RunFolder,
        offsets: Option<&LogOffsets>,
        on_event: &'a mut dyn FnMut(&Event),
    ) -> Self {
        let paths = run.logs();
        let names = paths.each_ref().map(|path| name_in(run, path));
        let keep = |name| kept(offsets, name);
        let [log, table, tensorboard] = paths;
        Self {
            on_event,
            log: AppendFile::open(log, Lines { header: "" }, keep(&names[0])),
            table: AppendFile::open(table, Lines { header: csv::HEADER }, keep(&names[1])),
            tensorboard: TensorBoard::open(tensorboard, keep(&names[2])),
            names,
            steps_per_epoch: 0,
            at: (0, 0),
        }
    }

    /// Adds an event to the logs and calls the callback.
    pub(crate) fn emit(&mut self, event: Event) {
        match &event {
            Event::Start { steps_per_epoch, epoch, step, .. } => {
                (self.steps_per_epoch, self.at) = (*steps_per_epoch, (*epoch, *step));
            }
            Event::Step { epoch, step, .. } => self.at = (*epoch, *step),
            _ => {}
        }
        self.write(&event);
        self.warn();
        (self.on_event)(&event); // last, because it may end the process
    }

    /// Passes the number of evaluated images to the callback; they are not in the log.
    pub(crate) fn evaluated(&mut self, images: usize) {
        (self.on_event)(&Event::Evaluated { images });
    }

    /// Shows the recipe with which the run goes on after so many updates in TensorBoard. A run that
    /// is resumed with the same recipe does not: so the records after its checkpoint are as long
    /// as those that were cut off, and a TensorBoard that has read these goes on reading.
    pub(crate) fn recipe(&mut self, updates: usize, recipe: &Recipe) {
        let Ok(text) = toml::to_string(recipe) else { return };
        self.tensorboard.text(updates, "recipe", format!("```toml\n{text}```\n"));
        self.warn();
    }

    /// Shows the kernels of the first convolution after so many updates in TensorBoard, where they
    /// look at pixels.
    pub(crate) fn kernels(&mut self, updates: usize, network: &Network) {
        let Ok(kernels) = Kernels::of(network) else { return };
        self.tensorboard.kernels(updates, &kernels);
        self.warn();
    }

    /// How long each log is, and all of it is on the disk, as far as that takes it. A checkpoint
    /// holds this, so that a run that goes on from there can [open](Self::open) its logs as they
    /// were.
    pub(crate) fn offsets(&mut self) -> LogOffsets {
        self.log.sync();
        self.table.sync();
        self.tensorboard.file.sync();
        self.warn();
        let offsets = [self.log.offset(), self.table.offset(), self.tensorboard.file.offset()];
        let named = self.names.iter().cloned().zip(offsets);
        named.filter_map(|(name, offset)| Some((name, offset?))).collect()
    }

    /// Brings to the disk what the logs have to write, for a run that ends: it is tried after each
    /// of these pauses, in seconds, until nothing is left. What is then lost becomes a warning.
    pub(crate) fn finish(&mut self, pauses: &[u64]) {
        for pause in pauses {
            std::thread::sleep(Duration::from_secs(*pause));
            self.offsets();
            if self.log.is_well() && self.table.is_well() && self.tensorboard.file.is_well() {
                return;
            }
        }
        self.log.end();
        self.table.end();
        self.tensorboard.file.end();
        self.warn();
    }

    /// Cuts off what the logs have behind `offsets`, for a run that goes back to a checkpoint, or,
    /// `None`, to its beginning.
    pub(crate) fn cut_to(&mut self, offsets: Option<&LogOffsets>) {
        let [log, table, tensorboard] = self.names.each_ref().map(|name| kept(offsets, name));
        log.into_iter().for_each(|offset| self.log.cut_to(offset));
        table.into_iter().for_each(|offset| self.table.cut_to(offset));
        tensorboard.into_iter().for_each(|offset| self.tensorboard.file.cut_to(offset));
        self.warn();
    }

    fn write(&mut self, event: &Event) {
        if let Ok(mut line) = serde_json::to_vec(&Line { event, time: unix_time() }) {
            line.push(b'\n');
            self.log.append(line);
        }
        if let Some(row) = csv::row(event, self.steps_per_epoch) {
            self.table.append(row.into_bytes());
        }
        self.tensorboard.add(event, self.steps_per_epoch);
    }

    /// Makes warnings of what the logs have to say. What these lead to is for the next time.
    fn warn(&mut self) {
        let Self { log, table, tensorboard, .. } = self;
        let notices = [log.take_notice(), table.take_notice(), tensorboard.file.take_notice()];
        let (epoch, step) = self.at;
        for message in notices.into_iter().flatten() {
            let warning = Event::Warning { epoch, step, message };
            self.write(&warning);
            (self.on_event)(&warning);
        }
    }
}

/// How much of a log is kept; `None` for all of it.
fn kept(offsets: Option<&LogOffsets>, name: &str) -> Option<u64> {
    offsets.map_or(Some(0), |offsets| offsets.get(name).copied())
}

/// The name of a file in the run's folder, the same on every system.
fn name_in(run: &RunFolder, path: &Path) -> String {
    let name = path.strip_prefix(run.path()).unwrap_or(path);
    let parts = name.iter().map(|part| part.to_string_lossy().into_owned());
    parts.collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests;
