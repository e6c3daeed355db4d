//! Fuzzes `alexnet_data::fuzz`'s target of this name.

#![no_main]

use alexnet_data::fuzz::target;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| target("manifest")(bytes));
