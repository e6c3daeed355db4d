//! Files as other programs write them, byte by byte.
#![allow(dead_code)] // not every test writes each

pub(crate) mod caffe;
pub(crate) mod onnx;
pub(crate) mod protobuf;
pub(crate) mod torch;

/// Numbers of a seed, as small as weights are; the same for the same place of the same tensor.
pub(crate) fn numbers(name: &str, count: usize) -> Vec<f32> {
    let seed = name.bytes().fold(17_u64, |seed, byte| seed.wrapping_mul(31) + u64::from(byte));
    let number = |i: u64| {
        let bits = (seed ^ i).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        ((bits >> 40) as f32 / (1 << 24) as f32 - 0.5) * 0.02
    };
    (0..count as u64).map(number).collect()
}
