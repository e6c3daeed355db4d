//! Fuzzes `alexnet_train::fuzz`'s target of this name.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| alexnet_train::fuzz::onnx_model(bytes));
