//! The outputs of any layer of a network's file: those of the operations called one by one, also
//! where the network runs several as one, and the same on one device and on several.

mod common;

use alexnet_kernels::{
    Activation, AvgPool2d, Conv2d, Conv2dConfig, Dropout, DropoutMode, DropoutScale, Linear,
    Local2d, Local2dConfig, Lrn, MapNorm, MaxPool2d, Padding, normals,
};
use alexnet_model::{LayerKind, LayerSpec, Mode, Network, NetworkSpec, Scale};
use candle_core::{D, DType, Device, Module, Result, Tensor};
use common::Sizes;

fn images(spec: &NetworkSpec, batch: usize) -> Result<Tensor> {
    let [c, h, w] = spec.input;
    Tensor::from_vec(normals(9, 1, 1.0, batch * c * h * w), (batch, c, h, w), &Device::Cpu)
}

/// What one layer computes of `x`, by its operation alone, with weights in PyTorch's layout.
fn operation(network: &Network, layer: &LayerSpec, x: &Tensor) -> Result<Tensor> {
    let tensors = network.tensors()?;
    let [weight, bias] = ["weight", "bias"].map(|part| format!("{}.{part}", layer.name));
    match layer.kind {
        LayerKind::Conv { stride, pad: [top, bottom, left, right], groups, .. } => {
            let padding = Padding { top, bottom, left, right };
            let config = Conv2dConfig { stride, padding, groups };
            Conv2d::new(tensors[&weight].clone(), tensors[&bias].clone(), config)?.forward(x)
        }
        LayerKind::Local { kernel, stride, pad, .. } => {
            let config = Local2dConfig { kernel, stride, padding: pad };
            // Of its layouts, the operation's own is that of memory.
            let mut own = network.parameters().filter(|p| p.layer == layer.name).map(|p| &p.tensor);
            let [weight, bias] = [own.next().unwrap(), own.next().unwrap()];
            Local2d::new(weight.clone(), bias.clone(), config)?.forward(x)
        }
        LayerKind::AvgPool { kernel, stride, ceil } => {
            AvgPool2d::new(kernel, stride).ceil(ceil).forward(x)
        }
        LayerKind::Linear { .. } => Linear::new(tensors[&weight].clone(), tensors[&bias].clone())?
            .forward(&x.flatten_from(1)?),
        LayerKind::Lrn { n, alpha, beta, k, towers, alpha_over_n } => {
            Lrn { n, alpha, beta, k, towers, alpha_over_n }.forward(x)
        }
        LayerKind::MapNorm { n, alpha, beta, k } => MapNorm { n, alpha, beta, k }.forward(x),
        LayerKind::MaxPool { kernel, stride, ceil } => {
            MaxPool2d::new(kernel, stride).ceil(ceil).forward(x)
        }
        LayerKind::Dropout { keep, scale } => {
            let scale = match scale {
                Scale::AtTest => DropoutScale::AtTest,
                Scale::AtTraining => DropoutScale::AtTraining,
            };
            Dropout::new(keep).scale(scale).forward(x, DropoutMode::Test)
        }
        LayerKind::Relu => Activation::Relu.forward(x),
        LayerKind::Tanh => Activation::Tanh.forward(x),
    }
}

/// How far `a` is from `b`, by the largest number of `b`.
fn distance(a: &Tensor, b: &Tensor) -> Result<f32> {
    assert_eq!(a.dims(), b.dims());
    let largest = |x: &Tensor| x.abs()?.flatten_all()?.max(D::Minus1)?.to_scalar::<f32>();
    Ok(largest(&(a - b)?)? / largest(b)?.max(1e-30))
}

#[test]
fn every_layer_gives_what_the_operations_give_one_by_one() -> Result<()> {
    let mut tanh = Sizes::TOY.spec();
    for layer in tanh.layers.iter_mut().filter(|layer| layer.kind == LayerKind::Relu) {
        layer.kind = LayerKind::Tanh;
    }
    let presets = ["demo", "cifar", "cifar-18pct", "cifar-13pct"]
        .map(|name| NetworkSpec::preset(name).unwrap());
    for spec in [Sizes::TOY.spec(), tanh].into_iter().chain(presets) {
        let network = Network::new(&spec, 3, &Device::Cpu)?;
        let images = images(&spec, 3)?;
        let mut x = images.clone();
        let mut dead = 0;
        for layer in &spec.layers {
            x = operation(&network, layer, &x)?;
            let found = network.activations(&images, &layer.name)?;
            // Dense layers over maps add up in another order.
            let apart = distance(&found, &x)?;
            assert!(apart < 2e-6, "{}, {}: {apart}", spec.name, layer.name);
            let zero = x.abs()?.sum_all()?.to_scalar::<f32>()? == 0.0;
            dead += usize::from(zero);
        }
        assert_eq!(dead, 0, "{}: layers that give 0 compare nothing", spec.name);
        let last = network.activations(&images, &spec.layers[spec.layers.len() - 1].name)?;
        assert_eq!(distance(&last, &network.forward(&images, Mode::Test)?)?, 0.0);
    }
    Ok(())
}

#[test]
fn a_split_network_gives_the_channels_of_all_towers_in_their_order() -> Result<()> {
    for (spec, batch) in [(Sizes::TOY.spec(), 4), (NetworkSpec::preset("demo").unwrap(), 2)] {
        let whole = Network::new(&spec, 3, &Device::Cpu)?;
        let split = whole.to_devices(&vec![Device::Cpu; spec.towers], DType::F32)?;
        assert_eq!(split.towers().len(), 2);
        let images = images(&spec, batch)?;
        let each = vec![images.clone(); spec.towers];
        for layer in &spec.layers {
            let want = whole.activations(&images, &layer.name)?;
            let apart = distance(&split.activations(&images, &layer.name)?, &want)?;
            assert!(apart < 2e-5, "{}, {}: {apart}", spec.name, layer.name);
            let apart = distance(&split.activations(&each[..], &layer.name)?, &want)?;
            assert!(apart < 2e-5, "{}, {}: {apart}", spec.name, layer.name);
        }
    }
    Ok(())
}

/// On the other side of a fused ReLU and of a fused pooling, so that they cannot be mistaken.
#[test]
fn a_fused_layer_gives_its_own_outputs() -> Result<()> {
    let spec = NetworkSpec::preset("demo").unwrap();
    let network = Network::new(&spec, 1, &Device::Cpu)?;
    let images = images(&spec, 2)?;
    let of = |layer: &str| network.activations(&images, layer);
    assert!(of("conv2")?.min_all()?.to_scalar::<f32>()? < 0.0);
    assert!(of("relu2")?.min_all()?.to_scalar::<f32>()? == 0.0);
    assert_eq!(of("lrn1")?.dims(), [2, 32, 32, 32]);
    assert_eq!(of("pool1")?.dims(), [2, 32, 16, 16]);
    Ok(())
}

#[test]
fn an_unknown_layer_is_refused_with_the_nearest() -> Result<()> {
    let network = Network::new(&Sizes::TOY.spec(), 1, &Device::Cpu)?;
    let images = images(network.spec(), 1)?;
    let error = network.activations(&images, "conv22").unwrap_err().to_string();
    assert!(error.contains("has no layer `conv22`, did you mean `conv2`?"), "{error}");
    let error = network.activations(&images, "?").unwrap_err().to_string();
    assert!(error.contains("its layers are conv1, lrn1"), "{error}");
    Ok(())
}
