//! Nearest neighbours beside brute force, and the memory they take.
//!
//! What is allocated is counted for the whole process, so the tests take turns.

mod common;

use std::sync::Mutex;

use alexnet_data::Dataset;
use alexnet_train::{
    Checkpoint, ComputeDevice, FeatureImages, NearestSearch, feature_rows, features, train,
};
use common::{dataset, job, recipe};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;
static TURN: Mutex<()> = Mutex::new(());

/// Vectors that are spread without a pattern, some of them the same.
fn vectors(count: usize, length: usize) -> Vec<Vec<f32>> {
    let value = |n: usize, i: usize| ((n * 7919 + i * 104_729) % 1009) as f32 / 100.0;
    (0..count).map(|n| (0..length).map(|i| value(n % 350, i)).collect()).collect()
}

/// The nearest by sorting all of them, of equal ones the first.
fn brute_force(query: &[f32], all: &[Vec<f32>], most: usize) -> Vec<(usize, f64)> {
    let distance = |vector: &Vec<f32>| {
        let squares = query.iter().zip(vector).map(|(a, b)| f64::from(a - b).powi(2));
        squares.sum::<f64>().sqrt()
    };
    let mut sorted: Vec<(usize, f64)> = all.iter().map(distance).enumerate().collect();
    sorted.sort_by(|a, b| a.1.total_cmp(&b.1));
    sorted.truncate(most);
    sorted
}

#[test]
fn the_search_finds_what_brute_force_finds() {
    let _turn = TURN.lock();
    let (all, queries) = (vectors(400, 17), vectors(9, 17));
    for block in [1, 7, 128, 400] {
        for most in [1, 6, 1000] {
            let mut search = NearestSearch::new(queries.clone(), most);
            all.chunks(block).for_each(|vectors| search.add(vectors));
            for (query, found) in queries.iter().zip(search.nearest()) {
                let found: Vec<_> = found.iter().map(|n| (n.index, n.distance)).collect();
                assert_eq!(found, brute_force(query, &all, most), "blocks of {block}, {most}");
            }
        }
    }
    let mut none = NearestSearch::new(Vec::new(), 3);
    none.add(&all);
    assert!(none.nearest().is_empty());
}

/// 200,000 vectors of 512 numbers are 410 MB; the search of them keeps the block that it is given.
#[test]
fn a_search_keeps_no_vectors() {
    let _turn = TURN.lock();
    let (queries, block) = (vectors(5, 512), vectors(200, 512));
    let mut search = NearestSearch::new(queries, 6);
    search.add(&block); // whatever threads and their stacks take is taken
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    for _ in 1..1_000 {
        search.add(&block);
    }
    let more = MEMORY.peak_usage().saturating_sub(before);
    assert!(more < 1 << 20, "{more} bytes");
    assert_eq!(search.nearest()[0].len(), 6);
}

/// The same through a network and a dataset: every training image is looked at once, in blocks, and
/// what is found is what brute force finds.
#[test]
fn neighbours_of_a_dataset() {
    let _turn = TURN.lock();
    let folder = tempfile::tempdir().unwrap();
    let data = dataset(folder.path(), 30, 2);
    let job = job(&data, &folder.path().join("run"), recipe(&[("epochs", "1")]));
    train(&job, &mut |_| ()).unwrap();
    let (data, path) = (Dataset::open(&data).unwrap(), job.run.weights());
    let checkpoint = Checkpoint::load(&path).unwrap();
    let network = checkpoint.network().unwrap();
    let inputs = [checkpoint.input(&path, &ComputeDevice::cpu()).unwrap()];
    let layer = network.spec().last_hidden().unwrap();
    let (training, validation) = (data.split("train").unwrap(), data.split("val").unwrap());
    // The rows of the images, and how many came in each block.
    let rows = |images: FeatureImages<'_>, threads, each: &mut dyn FnMut(&[Vec<f32>])| {
        let mut blocks = Vec::new();
        features(&network, images, &inputs, layer, threads, &mut |outputs| {
            let rows = feature_rows(outputs)?;
            each(&rows);
            blocks.push(rows.len());
            Ok(())
        })
        .unwrap();
        blocks
    };
    let all = |images| {
        let mut all = Vec::new();
        rows(images, 1, &mut |rows| all.extend_from_slice(rows));
        all
    };
    let queries = all(FeatureImages::Records(validation, &[3, 0, 17]));
    let vectors = all(FeatureImages::Split(training));
    for threads in [1, 3] {
        let mut search = NearestSearch::new(queries.clone(), 4);
        let images = FeatureImages::Split(training);
        assert_eq!(rows(images, threads, &mut |rows| search.add(rows)), [128, 128, 44]);
        for (query, found) in queries.iter().zip(search.nearest()) {
            let found: Vec<_> = found.iter().map(|n| (n.index, n.distance)).collect();
            assert_eq!(found, brute_force(query, &vectors, 4));
        }
    }
}
