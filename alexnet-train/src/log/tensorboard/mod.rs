//! The curves, pictures and texts that TensorBoard shows of a run: one event file.
//!
//! A run has one such file, however often it is resumed: a reader that finds several would show
//! each as a curve of its own, or only the last. The step of a value is the number of updates that
//! were made before it was measured: a step's loss is that of the network before its update, and
//! the errors after the first epoch are those after as many updates as it has steps.

mod kernel_grid;
pub(crate) mod messages;
mod record;

use std::path::PathBuf;

use crate::kernels::Kernels;
use crate::log::append::AppendFile;
use crate::log::event::Event;
use crate::log::tensorboard::kernel_grid::{grid, png};
use crate::log::tensorboard::messages::{self as pb, Summary, Value};
use crate::log::tensorboard::record::EventFile;

/// Strings, as `types.proto` numbers them.
const DT_STRING: i32 = 7;

/// The event file of a run.
pub(crate) struct TensorBoard {
    pub(crate) file: AppendFile<EventFile>,
}

impl TensorBoard {
    /// Opens the event file; see [`AppendFile::open`].
    pub(crate) fn open(path: PathBuf, keep: Option<u64>) -> Self {
        Self { file: AppendFile::open(path, EventFile::default(), keep) }
    }

    /// Adds the numbers of an event, if it has any, of a run with so many steps in an epoch.
    pub(crate) fn add(&mut self, event: &Event, steps_per_epoch: usize) {
        let (updates, numbers) = match event {
            Event::Step { epoch, step, loss, rate, images, seconds, waited } => {
                let numbers = [
                    ("loss", f64::from(*loss)),
                    ("rate", f64::from(*rate)),
                    ("images_per_second", *images as f64 / seconds),
                    ("waited", waited / seconds),
                ];
                (epoch * steps_per_epoch + step, named(numbers))
            }
            Event::Epoch { epoch, train_loss, train_error, validation, .. } => {
                let mut numbers =
                    named([("train/loss", *train_loss), ("train/error", *train_error)]);
                if let Some(validation) = validation {
                    numbers.extend(named([
                        ("validation/loss", validation.loss),
                        ("validation/top1_error", validation.top1_error),
                        ("validation/top5_error", validation.top5_error),
                    ]));
                }
                ((epoch + 1) * steps_per_epoch, numbers)
            }
            Event::Norms { epoch, step, layers } => {
                let numbers = layers.iter().flat_map(|norms| {
                    let of =
                        |what, norm| (format!("norms/{}/{what}", norms.layer), f64::from(norm));
                    [
                        of("weight", norms.weight),
                        of("gradient", norms.gradient),
                        of("update", norms.update),
                    ]
                });
                (epoch * steps_per_epoch + step, numbers.collect())
            }
            _ => return,
        };
        let scalar =
            |(tag, number)| Value { tag, simple_value: Some(number as f32), ..Value::default() };
        self.append(updates, numbers.into_iter().map(scalar).collect());
    }

    /// Adds a picture of the first convolution's kernels after so many updates.
    pub(crate) fn kernels(&mut self, updates: usize, kernels: &Kernels) {
        let pixels = grid(kernels);
        let Ok(encoded_image_string) = png(&pixels) else { return }; // none has no pixel
        let [height, width] = [pixels.height, pixels.width].map(|length| length as i32);
        let image = pb::Image { height, width, colorspace: 3, encoded_image_string };
        let tag = format!("kernels/{}", kernels.layer);
        self.append(updates, vec![Value { tag, image: Some(image), ..Value::default() }]);
    }

    /// Adds a text in Markdown.
    pub(crate) fn text(&mut self, updates: usize, tag: &str, markdown: String) {
        let shape = pb::Shape { dim: vec![pb::Dim { size: 1 }] };
        let string_val = vec![markdown.into_bytes()];
        let tensor = pb::Tensor { dtype: DT_STRING, tensor_shape: Some(shape), string_val };
        let plugin_data = Some(pb::PluginData { plugin_name: "text".to_owned() });
        let metadata = Some(pb::Metadata { plugin_data });
        let tag = tag.to_owned();
        let value = Value { tag, tensor: Some(tensor), metadata, ..Value::default() };
        self.append(updates, vec![value]);
    }

    fn append(&mut self, updates: usize, value: Vec<Value>) {
        let summary = Some(Summary { value });
        let event = pb::Event { step: updates as i64, summary, ..pb::Event::default() };
        let record = self.file.format.record(event);
        self.file.append(record);
    }
}

/// The picture of the kernels, a PNG file, if they have pixels.
pub(crate) fn kernels_png(kernels: &Kernels) -> Option<Vec<u8>> {
    png(&grid(kernels)).ok()
}

fn named<const N: usize>(numbers: [(&str, f64); N]) -> Vec<(String, f64)> {
    numbers.map(|(tag, number)| (tag.to_owned(), number)).into()
}
