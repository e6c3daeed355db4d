//! What a pickle of tensors may be made of: plain values, and the few things of PyTorch that a
//! state dict needs. Nothing else is named, and nothing is called.

use crate::import::problem::{Problem, Result, quoted};
use crate::import::source::Dtype;

/// The number of an object, in the order in which they were made. Objects refer to each other by
/// it, so that a pickle can share or repeat them without using memory.
pub(crate) type Id = usize;

/// An object of a pickle.
#[derive(Debug)]
pub(crate) enum Object {
    /// `None`, a boolean or a number that no one asks for.
    Other,
    Int(i64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// `dict` and `OrderedDict`.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage),
    Tensor(Box<Tensor>),
}

/// What may be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `torch._utils._rebuild_tensor_v2`: storage, offset, sizes, steps, and what training needs.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`: a tensor, and what training needs.
    RebuildParameter,
    /// A class of storages: what their numbers are.
    Storage(Dtype),
}

/// A row of numbers: a record of the file.
#[derive(Debug, Clone)]
pub(crate) struct Storage {
    /// The record is `data/KEY`.
    pub(crate) key: String,
    pub(crate) dtype: Dtype,
    /// How many numbers it is said to have.
    pub(crate) count: u64,
}

/// A view of a storage.
#[derive(Debug, Clone)]
pub(crate) struct Tensor {
    pub(crate) storage: Storage,
    /// The place of its first number in the storage.
    pub(crate) offset: u64,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

impl Global {
    /// What `module.name` is; anything that is not in the list is refused by its name.
    pub(crate) fn named(module: &str, name: &str) -> Result<Self> {
        let other = |what, bytes| Ok(Self::Storage(Dtype::Other(what, bytes)));
        match (module, name) {
            ("collections", "OrderedDict") => Ok(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Ok(Self::RebuildParameter),
            ("torch", "FloatStorage") => Ok(Self::Storage(Dtype::F32)),
            ("torch", "DoubleStorage") => Ok(Self::Storage(Dtype::F64)),
            ("torch", "HalfStorage") => Ok(Self::Storage(Dtype::F16)),
            ("torch", "BFloat16Storage") => Ok(Self::Storage(Dtype::Bf16)),
            ("torch", "LongStorage") => other("integers of 64 bits", 8),
            ("torch", "IntStorage") => other("integers of 32 bits", 4),
            ("torch", "ShortStorage") => other("integers of 16 bits", 2),
            ("torch", "CharStorage" | "ByteStorage") => other("integers of 8 bits", 1),
            ("torch", "BoolStorage") => other("booleans", 1),
            _ => {
                let what = format!(
                    "it wants Python's {}, which is not among the few things that a state dict \
                     needs; nothing of it was executed",
                    quoted(&format!("{module}.{name}"))
                );
                Err(Problem::new(what).advice(
                    "take a file that holds a state dict: `torch.save(model.state_dict(), f)`",
                ))
            }
        }
    }
}
