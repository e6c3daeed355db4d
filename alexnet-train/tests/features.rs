//! Features of a dataset and of files: the layer's outputs in the order of the images, in files
//! that other programs read.

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use alexnet_data::{Batch, Dataset, Views, test_views};
use alexnet_model::{Network, Shape};
use alexnet_train::{
    Checkpoint, ComputeDevice, Error, FeatureFile, FeatureImages, ImageSource, InputStage,
    features, train,
};
use candle_core::{DType, Device, Tensor};
use common::{dataset, job, recipe};

/// A trained network with its input, and the dataset it was trained on: 140 images, more than a
/// batch of features.
fn trained(folder: &Path) -> (Network, InputStage, Checkpoint, Dataset) {
    let data = dataset(folder, 14, 1);
    let job = job(&data, &folder.join("run"), recipe(&[("epochs", "1")]));
    train(&job, &mut |_| ()).unwrap();
    let checkpoint = Checkpoint::load(&job.run.weights()).unwrap();
    let input = checkpoint.input(&job.run.weights(), &ComputeDevice::cpu()).unwrap();
    (checkpoint.network().unwrap(), input, checkpoint, Dataset::open(&data).unwrap())
}

/// All features as one tensor, and how many images came at a time.
fn all(
    network: &Network,
    images: FeatureImages<'_>,
    inputs: &[InputStage],
    layer: &str,
    threads: usize,
) -> (Tensor, Vec<usize>) {
    let (mut parts, mut counts) = (Vec::new(), Vec::new());
    features(network, images, inputs, layer, threads, &mut |rows| {
        counts.push(rows.dim(0)?);
        parts.push(rows.copy()?);
        Ok(())
    })
    .unwrap();
    (Tensor::cat(&parts, 0).unwrap(), counts)
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn features_are_the_layers_outputs_for_the_centre_crops_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let (network, input, _, data) = trained(folder.path());
    let split = data.split("train").unwrap();
    let [_, h, w] = network.spec().input;
    let centre = test_views([split.height(), split.width()], [h, w], Views::One).unwrap();
    // The rounding of a dense layer may depend on how many images come together.
    let crops = [0..128, 128..140].map(|records| {
        let mut batch = Batch::new();
        batch.fill_views(split, records, [h, w], centre[0]).unwrap();
        input.run(&batch, 1.0).unwrap()
    });
    let outputs = |layer| {
        let parts = crops.each_ref().map(|crops| network.activations(crops, layer).unwrap());
        values(&Tensor::cat(&parts, 0).unwrap())
    };
    for (layer, dims) in [("relu4", vec![140, 64]), ("pool2", vec![140, 32, 4, 4])] {
        let split = FeatureImages::Split(split);
        let inputs = std::slice::from_ref(&input);
        let (one, counts) = all(&network, split, inputs, layer, 1);
        assert_eq!((one.dims(), &counts[..]), (&dims[..], &[128, 12][..]));
        assert!(values(&one) == outputs(layer), "{layer}");
        assert!(values(&all(&network, split, inputs, layer, 3).0) == values(&one), "{layer}");
    }
    // Split over two devices it is the same to rounding.
    let cpus = [ComputeDevice::cpu(), ComputeDevice::cpu()];
    let two = network.to_devices(&[Device::Cpu, Device::Cpu], DType::F32).unwrap();
    let checkpoint = Checkpoint::load(&folder.path().join("run/final.safetensors")).unwrap();
    let inputs = cpus.map(|cpu| checkpoint.input(Path::new("run"), &cpu).unwrap());
    let (split_features, _) = all(&two, FeatureImages::Split(split), &inputs, "relu4", 1);
    for (got, want) in values(&split_features).into_iter().zip(outputs("relu4")) {
        assert!((got - want).abs() <= 1e-4 * want.abs().max(1.0), "{got} {want}");
    }
}

/// Files become the pixels that the dataset's preparation made of them.
#[test]
fn features_of_files_are_those_of_their_records() {
    let folder = tempfile::tempdir().unwrap();
    let (network, input, checkpoint, data) = trained(folder.path());
    let inputs = std::slice::from_ref(&input);
    let split = data.split("val").unwrap();
    let (records, _) = all(&network, FeatureImages::Split(split), inputs, "relu4", 1);
    // The records are in an order of their own: each label has one image.
    let mut files: Vec<PathBuf> = Vec::new();
    for i in 0..split.len() {
        let class = &data.manifest().classes[split.label(i).unwrap() as usize].name;
        let mut found = fs::read_dir(folder.path().join("images/val").join(class)).unwrap();
        files.push(found.next().unwrap().unwrap().path());
    }
    let sources: Vec<ImageSource> = files.iter().cloned().map(ImageSource::from).collect();
    let of_files = FeatureImages::Files(&sources, checkpoint.preprocessing);
    assert_eq!(of_files.count(), 10);
    assert!(values(&all(&network, of_files, inputs, "relu4", 2).0) == values(&records));

    fs::write(&files[3], b"no image").unwrap();
    let error = features(&network, of_files, inputs, "relu4", 1, &mut |_| Ok(())).unwrap_err();
    assert!(matches!(&error, Error::Image { path, .. } if *path == files[3]), "{error}");
    let error = features(&network, of_files, inputs, "relu9", 1, &mut |_| Ok(())).unwrap_err();
    assert!(error.to_string().contains("did you mean `relu"), "{error}");
}

/// What numpy reads of an npy file: dtype, shape and the bytes of the numbers.
fn parse_npy(bytes: &[u8]) -> (String, Vec<usize>, &[u8]) {
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00");
    let end = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let header = std::str::from_utf8(&bytes[10..end]).unwrap();
    assert!(end.is_multiple_of(64) && header.ends_with('\n') && header.is_ascii());
    assert!(header.contains("'fortran_order': False"));
    let between =
        |from: &str, to: &str| header.split_once(from).unwrap().1.split_once(to).unwrap().0;
    let dims = between("'shape': (", ")").split(',').map(str::trim).filter(|n| !n.is_empty());
    let dims = dims.map(|n| n.parse().unwrap()).collect();
    (between("'descr': '", "'").to_owned(), dims, &bytes[end..])
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

fn write(path: &Path, rows: &[Tensor], labels: Option<&[u32]>) -> Result<(), Error> {
    let shape = match rows[0].dims() {
        [_, c, h, w] => Shape::Map(*c, *h, *w),
        dims => Shape::Vector(dims[1]),
    };
    let metadata = BTreeMap::from([("layer".to_owned(), "relu7".to_owned())]);
    let mut file = FeatureFile::create(path, shape, 3, labels, &metadata)?;
    rows.iter().try_for_each(|rows| file.write(rows))?;
    file.commit()
}

#[test]
fn files_hold_rows_and_labels_as_numpy_and_safetensors_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let row = |n: usize, first: f32| {
        Tensor::arange(first, first + 4.0 * n as f32, &Device::Cpu)
            .unwrap()
            .reshape((n, 4))
            .unwrap()
    };
    let (rows, labels) = ([row(2, 0.5), row(1, 8.5)], [7u32, 70_000, 0]);
    let want: Vec<f32> = (0..12).map(|i| i as f32 + 0.5).collect();

    write(&path("f.npy"), &rows, Some(&labels)).unwrap();
    let bytes = fs::read(path("f.npy")).unwrap();
    let (dtype, dims, numbers) = parse_npy(&bytes);
    assert_eq!((dtype.as_str(), &dims[..], floats(numbers)), ("<f4", &[3, 4][..], want.clone()));
    let bytes = fs::read(path("f.labels.npy")).unwrap();
    let (dtype, dims, numbers) = parse_npy(&bytes);
    assert_eq!((dtype.as_str(), &dims[..]), ("<i8", &[3][..]));
    let numbers = numbers.as_chunks::<8>().0.iter().map(|b| i64::from_le_bytes(*b));
    assert!(numbers.eq(labels.map(i64::from)));

    write(&path("f.safetensors"), &rows, Some(&labels)).unwrap();
    let bytes = fs::read(path("f.safetensors")).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header.metadata().as_ref().unwrap()["layer"], "relu7");
    let tensors = candle_core::safetensors::load(path("f.safetensors"), &Device::Cpu).unwrap();
    assert_eq!(values(&tensors["features"]), want);
    assert_eq!(tensors["features"].dims(), [3, 4]);
    assert_eq!(tensors["labels"].to_vec1::<i64>().unwrap(), labels.map(i64::from));

    // Maps have four dimensions; files without labels have no second file.
    let maps = [rows[0].reshape((2, 1, 2, 2)).unwrap(), rows[1].reshape((1, 1, 2, 2)).unwrap()];
    write(&path("g.npy"), &maps, None).unwrap();
    assert_eq!(parse_npy(&fs::read(path("g.npy")).unwrap()).1, [3, 1, 2, 2]);
    assert!(!path("g.labels.npy").exists());
    write(&path("g.safetensors"), &maps, None).unwrap();
    let tensors = candle_core::safetensors::load(path("g.safetensors"), &Device::Cpu).unwrap();
    assert_eq!((tensors.len(), tensors["features"].dims()), (1, &[3, 1, 2, 2][..]));
}

/// Too few or too many rows leave no file, and an older one stays.
#[test]
fn a_file_is_whole_or_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let rows = |n: usize| Tensor::zeros((n, 4), DType::F32, &Device::Cpu).unwrap();
    for name in ["f.npy", "f.safetensors"] {
        let path = folder.path().join(name);
        fs::write(&path, b"older").unwrap();
        for wrong in [vec![rows(2)], vec![rows(2), rows(2)]] {
            let error = write(&path, &wrong, Some(&[0, 1, 2])).unwrap_err().to_string();
            assert!(error.contains(name) && error.contains("3 images of 4 numbers"), "{error}");
        }
        assert_eq!(fs::read(&path).unwrap(), b"older");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    let error = write(&folder.path().join("f.csv"), &[rows(3)], None).unwrap_err().to_string();
    assert!(error.contains(".safetensors or .npy"), "{error}");
}
