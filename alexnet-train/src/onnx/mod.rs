//! ONNX files: the format in which most programs that run networks read them.
//!
//! Such a file is one protobuf message ([`messages`]): a graph of operations, the constants that
//! they read, and texts. [`write`] writes the weights behind everything else, tensor by tensor, so
//! that no copy of them is made.

pub(crate) mod messages;
pub(crate) mod write;

/// The version of ONNX's operators that our graphs are of. Versions after it changed none of the
/// operations that we use, and programs of 2022 and later know it.
pub(crate) const OPSET: i64 = 17;

/// The version of the format in which that version of the operators came.
pub(crate) const IR_VERSION: i64 = 8;
