//! A state dict as Python's pickle of protocol 2, in the words of `torch.save`: an `OrderedDict` of
//! tensors, each `torch._utils._rebuild_tensor_v2` of a storage that lies in another file.

use candle_core::Tensor;

const PROTO_2: &[u8] = b"\x80\x02";
const ORDERED_DICT: &[u8] = b"ccollections\nOrderedDict\n)R"; // called without arguments
const REBUILD: &[u8] = b"ctorch._utils\n_rebuild_tensor_v2\n";
const FLOAT_STORAGE: &[u8] = b"ctorch\nFloatStorage\n";
const MARK: u8 = b'(';
const TUPLE: u8 = b't';
const REDUCE: u8 = b'R';
const SET_ITEMS: u8 = b'u';
const PERSISTENT_ID: u8 = b'Q';
const FALSE: u8 = 0x89;
const STOP: u8 = b'.';

/// The pickle of contiguous tensors of f32, of which number n lies in `data/n`.
pub(super) fn state_dict(names: &[String], tensors: &[&Tensor]) -> Vec<u8> {
    let mut out = [PROTO_2, ORDERED_DICT].concat();
    out.push(MARK);
    for (number, (name, tensor)) in names.iter().zip(tensors).enumerate() {
        text(&mut out, name);
        rebuilt(&mut out, number, tensor);
    }
    out.extend([SET_ITEMS, STOP]);
    out
}

/// A tensor: the function that makes it, called with storage, offset, shape, strides, whether it
/// has a gradient, and its hooks.
fn rebuilt(out: &mut Vec<u8>, number: usize, tensor: &Tensor) {
    out.extend(REBUILD);
    out.push(MARK);
    out.push(MARK);
    text(out, "storage");
    out.extend(FLOAT_STORAGE);
    text(out, &number.to_string());
    text(out, "cpu");
    integer(out, tensor.elem_count());
    out.extend([TUPLE, PERSISTENT_ID]);
    integer(out, 0);
    for sizes in [tensor.dims(), tensor.stride()] {
        out.push(MARK);
        sizes.iter().for_each(|size| integer(out, *size));
        out.push(TUPLE);
    }
    out.push(FALSE);
    out.extend(ORDERED_DICT);
    out.extend([TUPLE, REDUCE]);
}

/// A text of UTF-8, of less than 4 GiB.
fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'X');
    out.extend((text.len() as u32).to_le_bytes());
    out.extend(text.as_bytes());
}

/// A whole number in the fewest bytes, as Python's own pickles have it.
fn integer(out: &mut Vec<u8>, value: usize) {
    match value {
        0..=0xff => out.extend([b'K', value as u8]),
        0x100..=0xffff => {
            out.push(b'M');
            out.extend((value as u16).to_le_bytes());
        }
        0x1_0000..=0x7fff_ffff => {
            out.push(b'J');
            out.extend((value as u32).to_le_bytes());
        }
        _ => {
            out.extend([0x8a, 9]); // nine bytes of two's complement, of which the last is the sign
            out.extend((value as u64).to_le_bytes());
            out.push(0);
        }
    }
}
