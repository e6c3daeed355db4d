//! Files of safetensors.

use safetensors::Dtype as Theirs;
use safetensors::tensor::Metadata;

use super::file::SourceFile;
use super::problem::{Problem, Result};
use super::source::{Dtype, MOST_SIZES, Place, Source, SourceTensor};
use crate::checkpoint::description::KEY;
use crate::checkpoint::header::METADATA;

/// The bytes of the longest header. One of ours has 20,000 bytes.
const HEADER: usize = 8 << 20;

/// Whether a file that starts with these bytes is one: the length of its header, and a JSON object.
pub(crate) fn is_safetensors(start: &[u8]) -> bool {
    let length = start.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
    length.is_some_and(|length| length < 1 << 32) && start.get(8) == Some(&b'{')
}

/// The tensors of a file.
pub(crate) fn read(file: &mut SourceFile) -> Result<Source> {
    let mut length = [0; 8];
    file.read(0, &mut length)?;
    let end = 8_u64.saturating_add(u64::from_le_bytes(length));
    let header = file.bytes(0..end, HEADER)?;
    let metadata: Metadata = serde_json::from_slice(header.get(8..).unwrap_or_default())
        .map_err(|e| Problem::new(format!("its header cannot be read: {e}")))?;
    let entry = |name| metadata.metadata().as_ref().and_then(|entries| entries.get(name));
    if entry(METADATA).is_some() {
        let problem = Problem::new("it is a checkpoint of this program already");
        return Err(problem.advice("use it as it is"));
    }
    let mut source = Source::new("safetensors file", file.length());
    source.description = entry(KEY).cloned();
    for name in metadata.offset_keys() {
        let Some(info) = metadata.info(&name) else { continue };
        let (start, stop) = info.data_offsets;
        let range = end.saturating_add(start as u64)..end.saturating_add(stop as u64);
        file.check(&range).map_err(|problem| problem.of(&name))?;
        if info.shape.len() > MOST_SIZES {
            let problem = Problem::new("it has too many sizes").of(&name);
            return Err(problem.expected(format!("at most {MOST_SIZES}"), info.shape.len()));
        }
        let dtype = match info.dtype {
            Theirs::F64 => Dtype::F64,
            Theirs::F32 => Dtype::F32,
            Theirs::F16 => Dtype::F16,
            Theirs::BF16 => Dtype::Bf16,
            Theirs::I64 | Theirs::U64 => Dtype::Other("integers of 64 bits", 8),
            Theirs::I32 | Theirs::U32 => Dtype::Other("integers of 32 bits", 4),
            _ => Dtype::Other("numbers of another kind", 1),
        };
        let (shape, place) = (info.shape.clone(), Place::Ranges(vec![range]));
        source.add(SourceTensor { name, shape, dtype, place, crc32: None })?;
    }
    Ok(source)
}
