//! What single layers compute, in whatever arrangement they run on a GPU, and runs whose first
//! layers are frozen.

use std::fs;

use crate::runs::DEVICES;
use crate::{FOLDER, losses, succeed, train};

/// The numbers of an npy file.
fn numbers(name: &str) -> Vec<f32> {
    let bytes = fs::read(FOLDER.join(name)).unwrap();
    let first = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[first..].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// Every layer where the arrangement matters: before and after what is fused into it, among layers
/// that keep towers apart, and after them.
#[test]
fn each_layer_computes_what_it_does_on_the_cpu() {
    train("layers", "short", &[], &[]);
    for layer in [
        "conv1", "lrn1", "pool1", "conv2", "relu2", "lrn2", "norm2", "conv4", "pool5", "relu7",
        "fc8",
    ] {
        let features = |device: &str| {
            let output = format!("{layer}-{}.npy", device.replace([':', ','], "-"));
            let job = ["features", "--checkpoint", "layers", "--data", "short", "--split", "val"];
            let more = ["--layer", layer, "--device", device, "--output", &output];
            succeed(&[&job[..], &more].concat(), &[]);
            numbers(&output)
        };
        let want = features("cpu");
        let largest = want.iter().fold(0f32, |most, x| most.max(x.abs()));
        assert!(largest > 0.0, "{layer} gives 0");
        for device in DEVICES {
            let got = features(device);
            assert_eq!(got.len(), want.len(), "{layer} on {device}");
            let away = got.iter().zip(&want).map(|(g, w)| (g - w).abs()).fold(0f32, f32::max);
            assert!(away <= 1e-5 * largest, "{layer} on {device}: {away} of {largest}");
        }
    }
}

/// Frozen layers keep their weights, and what is trained learns as on the CPU.
#[test]
fn frozen_layers_stay_and_the_others_learn_as_on_the_cpu() {
    for frozen in ["conv1", "conv1..conv3"] {
        let name = |device: &str| format!("{frozen}-{device}").replace(['.', ':', ','], "-");
        let run = |device: &str| {
            train(&name(device), "short", &["--freeze", frozen, "--device", device], &[]);
            losses(&name(device))
        };
        let want = run("cpu");
        for device in DEVICES {
            let got = run(device);
            let near = |step: usize, by: f64| (got[step] - want[step]).abs() <= by * want[step];
            assert!(near(0, 1e-6) && (1..4).all(|step| near(step, 1e-5)), "{device}: {got:?}");
            let conv1 = |device: &str| {
                let bytes = fs::read(FOLDER.join(name(device)).join("final.safetensors")).unwrap();
                let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
                file.tensor("conv1.weight").unwrap().data().to_vec()
            };
            assert!(conv1(device) == conv1("cpu"), "{frozen} on {device}");
        }
    }
}
