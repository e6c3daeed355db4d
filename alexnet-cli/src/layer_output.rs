//! The outputs of a layer for many images in a file: what `features` and `logits` have in common.

use std::collections::BTreeMap;
use std::path::Path;

use alexnet_train::{FeatureFile, FeatureImages, features};
use anyhow::Result;

use crate::figure::checkpoint::Loaded;
use crate::output::{Report, json_path};
use crate::progress::with_bar;

/// The outputs of a layer that are to be written.
pub(crate) struct LayerOutput<'a> {
    pub(crate) loaded: &'a Loaded,
    pub(crate) layer: &'a str,
    /// The name of the tensor of a safetensors file.
    pub(crate) tensor: &'a str,
    pub(crate) images: FeatureImages<'a>,
    pub(crate) labels: Option<&'a [u32]>,
    /// What is said besides network, layer and checkpoint.
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) loader_threads: usize,
}

impl LayerOutput<'_> {
    /// Computes them batch by batch, writes them to `output`, and says so.
    pub(crate) fn write(self, output: &Path) -> Result<()> {
        let Self { loaded, layer, tensor, images, labels, .. } = self;
        let Loaded { network, inputs, .. } = loaded;
        let shape = network.spec().output_of(layer)?;
        let mut metadata = about(loaded);
        metadata.insert("layer".to_owned(), layer.to_owned());
        metadata.extend(self.metadata);
        let count = images.count();
        let mut file = FeatureFile::create_named(output, tensor, shape, count, labels, &metadata)?;
        with_bar("features", |report| {
            let mut done = 0;
            features(network, images, inputs, layer, self.loader_threads, &mut |rows| {
                file.write(rows)?;
                done += rows.dim(0)? as u64;
                report(done, count as u64);
                Ok(())
            })
        })?;
        file.commit()?;
        let numbers = shape.dims().iter().map(usize::to_string).collect::<Vec<_>>().join(" × ");
        writeln!(Report, "{count} × {numbers} from layer {layer}: {}", output.display())?;
        Ok(())
    }
}

/// Whose numbers a file has: its metadata.
pub(crate) fn about(loaded: &Loaded) -> BTreeMap<String, String> {
    let Loaded { checkpoint, file, .. } = loaded;
    BTreeMap::from([
        ("network".to_owned(), checkpoint.network.name.clone()),
        ("checkpoint".to_owned(), json_path(file).into_owned()),
        ("checkpoint_checksum".to_owned(), checkpoint.checksum.clone()),
    ])
}
