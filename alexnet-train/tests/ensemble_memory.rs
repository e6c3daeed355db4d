//! Saving and combining probabilities takes memory for some images, not for all.

use alexnet_data::Class;
use alexnet_train::{
    Ensemble, ProbabilitiesInfo, SavedMember, SavedProbabilities, Tops, save_probabilities,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// Files of 32 MB each, which would be 64 MB in f64.
#[test]
fn files_are_read_some_images_at_a_time() {
    let (images, classes) = (8_000, 1_000);
    let folder = tempfile::tempdir().unwrap();
    let labels: Vec<u32> = (0..images).map(|i| i % classes).collect();
    let info = ProbabilitiesInfo {
        dataset: "crc32:00000000".to_owned(),
        split: "val".to_owned(),
        classes: (0..classes).map(|class| Class::named(format!("n{class:08}"))).collect(),
        members: vec![SavedMember { checkpoint: "a".to_owned(), views: 1 }],
    };
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let paths = ["a", "b"].map(|name| folder.path().join(name));
    for path in &paths {
        let row = vec![1.0 / f64::from(classes); classes as usize];
        save_probabilities(path, &info, &labels, |file| {
            (0..images).try_for_each(|_| file.add(&row))
        })
        .unwrap();
        assert!(path.metadata().unwrap().len() > 32_000_000);
    }
    let saved = paths.iter().map(|path| SavedProbabilities::open(path).unwrap()).collect();
    let mut ensemble = Ensemble { networks: Vec::new(), saved };
    let (tops, mut credit) = (Tops::new(&[]), 0.0);
    ensemble
        .combine(&mut |said| {
            credit += said.scores(&tops).iter().map(|score| score.credit[1]).sum::<f64>();
            Ok(())
        })
        .unwrap();
    assert!((credit - f64::from(images) * 5.0 / f64::from(classes)).abs() < 1e-6, "{credit}");
    let taken = MEMORY.peak_usage() - before;
    assert!(taken < 12 << 20, "{taken} bytes");
}
