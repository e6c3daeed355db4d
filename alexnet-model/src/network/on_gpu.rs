//! How layers run on a GPU: where it has all towers, with their maps apart, and with the rest of a
//! convolution left to the layer after it. The numbers are the same to rounding.
//!
//! cuDNN's fastest kernels do not know groups. Where no layer mixes towers, a convolution in groups
//! runs as one for each tower, over maps that the layer before has written in that order; the next
//! pooling reads them so.
//!
//! An LRN that is fused with a pooling reads its input once each way. There it also adds the bias
//! of the convolution before it and applies its ReLU, and sums the gradient of the bias.

use alexnet_kernels::Towers;

use super::fused_layer::{FusedLayer, LeftRest};
use crate::spec::LayerKind;

/// Arranges layers for a GPU.
pub(super) fn arrange(layers: &mut [FusedLayer]) {
    lay_apart(layers);
    leave_rests(layers);
}

/// Lets convolutions leave their bias and their ReLU to an LRN and pooling after them.
fn leave_rests(layers: &mut [FusedLayer]) {
    for at in 1..layers.len() {
        let [conv, next] = &mut layers[at - 1..=at] else { return };
        let takes = matches!(next.kind, LayerKind::Lrn { .. }) && next.pool.is_some();
        let rest = match (conv.kind, conv.first_parameter) {
            (LayerKind::Conv { .. }, Some(first)) if takes && !next.all_gather => {
                LeftRest { bias: first + 1, relu: conv.relu.is_some() }
            }
            _ => continue,
        };
        (conv.left_rest, next.left_rest) = (Some(rest), Some(rest));
    }
}

/// Lets the maps of towers lie apart wherever that helps a convolution in groups: from the layer
/// before, a pooling or a convolution over all channels, to the next pooling.
fn lay_apart(layers: &mut [FusedLayer]) {
    let pools = |layer: &FusedLayer| layer.max_pool().is_some();
    let mut done = 0;
    while let Some((at, count)) =
        (done..layers.len()).find_map(|at| Some((at, groups(&layers[at])?)))
    {
        done = at + 1;
        let keeps = |layer: &FusedLayer| keeps_apart(layer, count);
        // The layers around that keep towers apart, up to a pooling on both sides.
        let inner = |layer: &FusedLayer| keeps(layer) && !pools(layer);
        let first = layers[..at].iter().rposition(|layer| !inner(layer));
        let last = (at..layers.len()).find(|&at| !inner(&layers[at]));
        let (Some(first), Some(last)) = (first, last) else { continue };
        if !can_write_apart(&layers[first], count) || !pools(&layers[last]) || !keeps(&layers[last])
        {
            continue;
        }
        let towers = Towers { count, input_apart: true, output_apart: true };
        layers[first + 1..last].iter_mut().for_each(|layer| layer.towers = towers);
        // A pooling may be the last of one row of layers and the first of the next.
        layers[first].towers = Towers { output_apart: true, count, ..layers[first].towers };
        layers[last].towers = Towers { output_apart: false, ..towers };
        done = last;
    }
}

/// Whether a layer, whose input may lie apart already, can write the maps of so many towers apart.
fn can_write_apart(layer: &FusedLayer, count: usize) -> bool {
    let fits = !layer.towers.input_apart || layer.towers.count == count;
    let of_all = matches!(layer.kind, LayerKind::Conv { groups: 1, .. });
    fits && (layer.max_pool().is_some() || of_all) && layer.output.channels().is_multiple_of(count)
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
