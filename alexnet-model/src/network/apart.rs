//! Towers whose maps lie apart: where one GPU has all towers, each tower's maps by themselves.
//!
//! cuDNN's fastest kernels do not know groups. Between two poolings, where no layer mixes towers, a
//! convolution in groups runs as one for each tower, over maps that the first pooling has written
//! and the last reads in that order. The numbers are the same to rounding.

use alexnet_kernels::Towers;

use super::fused_layer::FusedLayer;
use crate::spec::LayerKind;

/// Lets the maps of towers lie apart between poolings wherever that helps a convolution.
pub(super) fn lay_apart(layers: &mut [FusedLayer]) {
    let pools = |layer: &FusedLayer| layer.max_pool().is_some();
    let mut from = 0;
    while let Some(first) = layers[from..].iter().position(pools).map(|at| from + at) {
        let Some(last) = layers[first + 1..].iter().position(pools).map(|at| first + 1 + at) else {
            return;
        };
        from = last;
        let groups = layers[first + 1..last].iter().find_map(groups);
        let Some(count) = groups else { continue };
        let before = layers[first].towers;
        if layers[first + 1..=last].iter().all(|layer| keeps_apart(layer, count))
            && (!before.input_apart || before.count == count)
        {
            let towers = Towers { count, input_apart: true, output_apart: true };
            layers[first + 1..last].iter_mut().for_each(|layer| layer.towers = towers);
            // A pooling may be the last of one row of layers and the first of the next.
            layers[first].towers = Towers { output_apart: true, count, ..before };
            layers[last].towers = Towers { output_apart: false, ..towers };
        }
    }
}

/// The groups of a convolution that has several.
fn groups(layer: &FusedLayer) -> Option<usize> {
    match layer.kind {
        LayerKind::Conv { groups, .. } if groups > 1 => Some(groups),
        _ => None,
    }
}

/// Whether a layer keeps so many towers apart.
fn keeps_apart(layer: &FusedLayer, count: usize) -> bool {
    match layer.kind {
        // Padding of one side would need a copy of the maps.
        LayerKind::Conv { groups, pad: [top, bottom, left, right], .. } => {
            groups == count && top == bottom && left == right
        }
        LayerKind::Lrn { towers, .. } => towers == count,
        LayerKind::MapNorm { .. } | LayerKind::MaxPool { .. } => true,
        kind => kind.activation().is_some(),
    }
}
