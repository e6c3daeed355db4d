//! Importing weights takes the memory of the weights, and no copy of the file beside it.

use std::fs::File;

use alexnet_model::NetworkSpec;
use alexnet_train::{ImportOptions, import};
use peak_alloc::PeakAlloc;
use serde_json::{Map, json};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// 244 MB of zeros, which take no space on the disk: at most 1.1 times as much in memory, written
/// too.
#[test]
fn weights_are_in_memory_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("w.safetensors");
    let (mut header, mut end) = (Map::new(), 0);
    for layer in NetworkSpec::preset("torchvision").unwrap().fused_layers().unwrap() {
        let Some(shape) = layer.weight else { continue };
        for (part, shape) in [("weight", &shape[..]), ("bias", &shape[..1])] {
            let start = end;
            end += 4 * shape.iter().product::<usize>();
            let entry = json!({"dtype": "F32", "shape": shape, "data_offsets": [start, end]});
            header.insert(format!("{}.{part}", layer.name), entry);
        }
    }
    let header = serde_json::to_vec(&header).unwrap();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], &header].concat();
    std::fs::write(&path, &bytes).unwrap();
    let length = bytes.len() + end;
    File::options().write(true).open(&path).unwrap().set_len(length as u64).unwrap();

    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    let imported = import(&path, &ImportOptions::default()).unwrap();
    imported.write(&dir.path().join("out.safetensors")).unwrap();
    let peak = ALLOCATOR.peak_usage() - before;
    assert!(peak >= end && peak as f64 <= 1.1 * length as f64, "{peak} for {length}");
}
