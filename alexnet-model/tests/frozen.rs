//! Frozen layers: what is trained gets the same gradients to the bit, what is frozen none, and
//! nothing is kept for it.

mod common;

use std::collections::BTreeMap;

use alexnet_kernels::normals;
use alexnet_model::{FrozenLayers, Mode, Network, NetworkSpec};
use candle_core::{DType, Device, Result, Tensor};
use common::Sizes;

const MODE: Mode = Mode::Train { seed: 5, step: 9 };

fn bits(t: &Tensor) -> Result<Vec<u32>> {
    let values = t.force_contiguous()?.flatten_all()?.to_vec1::<f32>()?;
    Ok(values.into_iter().map(f32::to_bits).collect())
}

/// The bits of the logits, and of the gradient with respect to each parameter by its index.
type Pass = (Vec<u32>, BTreeMap<usize, Vec<u32>>);

/// A forward and a backward pass with its first layers frozen; how many layers keep nothing.
fn pass(network: &Network, images: &Tensor, frozen: FrozenLayers) -> Result<(Pass, usize)> {
    let tape = network.forward_tape(images, MODE, frozen)?;
    let kept_nothing = |saved: &&Vec<Tensor>| saved.is_empty();
    let layers = tape.towers()[0].iter().take_while(kept_nothing).count();
    assert!(!tape.towers()[0][layers..].iter().any(|saved| saved.is_empty()));
    let logits = bits(tape.logits())?;
    let weights = normals(9, 2, 1.0, tape.logits().elem_count());
    let gradient = Tensor::from_vec(weights, tape.logits().dims(), &Device::Cpu)?;
    let mut gradients = BTreeMap::new();
    network.backward(tape, gradient, &mut |index, gradient| {
        assert!(gradients.insert(index, bits(gradient)?).is_none());
        Ok(())
    })?;
    Ok(((logits, gradients), layers))
}

#[test]
fn what_is_trained_has_the_same_gradients_and_what_is_frozen_none() -> Result<()> {
    for spec in [Sizes::TOY.spec(), NetworkSpec::preset("demo").unwrap()] {
        let [c, h, w] = spec.input;
        let images =
            Tensor::from_vec(normals(9, 1, 1.0, 3 * c * h * w), (3, c, h, w), &Device::Cpu)?;
        for devices in [1, 2] {
            let network = Network::new(&spec, 3, &Device::Cpu)?;
            let network = network.to_devices(&vec![Device::Cpu; devices], DType::F32)?;
            let names: Vec<&str> = network.parameters().map(|p| p.layer.as_str()).collect();
            let ((logits, all), none) = pass(&network, &images, FrozenLayers::NONE)?;
            assert_eq!((all.len(), none), (names.len(), 0));
            let each = network.towers()[0].parameters();
            let with_weights: Vec<&str> = each.iter().step_by(2).map(|p| &*p.layer).collect();
            for (first, layer) in with_weights.iter().enumerate() {
                let is_trained = |index: usize| with_weights[first..].contains(&names[index]);
                let frozen = network.frozen_layers(is_trained);
                let ((found, gradients), keep_nothing) = pass(&network, &images, frozen)?;
                let runs = network.towers()[0].layers();
                assert_eq!(runs[keep_nothing].name, *layer, "{devices} devices");
                assert_eq!(found, logits);
                let want = all.iter().filter(|(index, _)| is_trained(**index));
                let want: BTreeMap<_, _> =
                    want.map(|(index, bits)| (*index, bits.clone())).collect();
                assert!(gradients == want, "{}, {devices} devices, from {layer}", spec.name);
            }
            // Nothing at all is trained.
            let ((found, gradients), keep_nothing) =
                pass(&network, &images, network.frozen_layers(|_| false))?;
            assert_eq!((found, gradients.len()), (logits, 0));
            assert_eq!(keep_nothing, network.towers()[0].layers().len());
        }
    }
    Ok(())
}

/// One bias is enough for its layer to be trained, and all layers after it.
#[test]
fn a_layer_is_frozen_only_with_its_bias_and_all_layers_before_it() -> Result<()> {
    let network = Network::new(&Sizes::TOY.spec(), 3, &Device::Cpu)?;
    let images = Tensor::zeros((1, 3, 13, 11), DType::F32, &Device::Cpu)?;
    let layers = |is_trained: &dyn Fn(usize) -> bool| -> Result<usize> {
        Ok(pass(&network, &images, network.frozen_layers(is_trained))?.1)
    };
    assert_eq!(layers(&|index| index == 1)?, 0); // the bias of conv1 alone
    let conv2 = network.towers()[0].layers().iter().position(|layer| layer.name == "conv2");
    assert_eq!(Some(layers(&|index| index == 2)?), conv2);
    assert_eq!(layers(&|index| index != 3)?, 0);
    Ok(())
}
