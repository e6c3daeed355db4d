//! The files of CIFAR in memory: the labels and the planes of their images.

use super::pickle::{self, Array, Value};

/// The side of the images.
pub(super) const SIDE: usize = 32;
/// The pixels of one colour of an image.
pub(super) const PLANE: usize = SIDE * SIDE;

/// The images of one file.
pub(super) struct Planes {
    bytes: Vec<u8>,
    labels: Vec<u32>,
    /// Where the first value of the first image is.
    start: usize,
    /// From one image to the next.
    image_step: usize,
    /// From one value of an image to the next.
    value_step: usize,
}

impl Planes {
    /// A file of the binary version: records of `labels` labels, of which the last one is used, and
    /// of the three planes. An error says what is wrong with the file.
    pub(super) fn binary(bytes: Vec<u8>, labels: usize) -> Result<Self, String> {
        let record = labels + 3 * PLANE;
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            return Err(format!("has {} bytes; expected a multiple of {record}", bytes.len()));
        }
        let of_records = bytes.chunks_exact(record).map(|r| r[labels - 1].into()).collect();
        Ok(Self { bytes, labels: of_records, start: labels, image_step: record, value_step: 1 })
    }

    /// A file of the Python version, whose labels have the key `labels`.
    pub(super) fn python(bytes: Vec<u8>, labels: &str) -> Result<Self, String> {
        let (mut array, mut numbers) = (None, None);
        for (key, value) in pickle::read(&bytes)? {
            match value {
                Value::Array(value) if key == "data" => array = Some(value),
                Value::Numbers(value) if key == labels => numbers = Some(value),
                _ => (),
            }
        }
        let Array { rows, columns, by_columns, bytes: range } = array.ok_or("has no data")?;
        let numbers = numbers.ok_or_else(|| format!("has no list {labels:?}"))?;
        if columns != 3 * PLANE || rows != numbers.len() {
            let (n, expected) = (numbers.len(), 3 * PLANE);
            return Err(format!(
                "has {n} labels and {rows} × {columns} values; expected {n} × {expected}"
            ));
        }
        // A negative label is as wrong as one that is too large.
        let label = |number: i64| u32::try_from(number).unwrap_or(u32::MAX);
        let (image_step, value_step) = if by_columns { (1, rows) } else { (columns, 1) };
        let labels = numbers.into_iter().map(label).collect();
        Ok(Self { bytes, labels, start: range.start, image_step, value_step })
    }

    /// The number of images.
    pub(super) fn len(&self) -> usize {
        self.labels.len()
    }

    pub(super) fn label(&self, image: usize) -> u32 {
        self.labels[image]
    }

    /// Value number `i` of the red, the green and the blue plane of an image.
    pub(super) fn value(&self, image: usize, i: usize) -> u8 {
        self.bytes[self.start + image * self.image_step + i * self.value_step]
    }
}

/// The list of texts that has this key in a file of the Python version.
pub(super) fn texts(bytes: &[u8], key: &str) -> Result<Vec<String>, String> {
    let list = pickle::read(bytes)?.into_iter().find_map(|(found, value)| match value {
        Value::Texts(texts) if found == key => Some(texts),
        _ => None,
    });
    list.ok_or_else(|| format!("has no list {key:?}"))
}
