//! The demo: images drawn by code, then listed as a folder.

use super::folder;
use super::listing::Format;
use crate::demo::{DemoOptions, draw_demo};

pub(super) const FORMAT: Format = Format {
    name: "demo",
    default_size: 72,
    recognise: |_| false, // it is a folder like any other, and has to be named
    list: |input, val, scan| {
        draw_demo(input, &DemoOptions::STANDARD, scan.progress)?;
        folder::list(input, val, scan)
    },
};
