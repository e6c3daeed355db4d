//! What PyTorch lacks of a network's layers, in Python.

use alexnet_model::{LayerKind, NetworkSpec};

const LRN: &str = r#"def lrn(x, n, alpha, beta, k, towers=1):
    """Normalizes over n channels; windows end at the edge of a tower."""
    parts = [F.local_response_norm(part, n, alpha, beta, k) for part in x.chunk(towers, dim=1)]
    return torch.cat(parts, dim=1)
"#;

const MAP_NORM: &str = r#"def map_norm(x, n, alpha, beta, k):
    """Normalizes over n x n pixels of a channel; those outside of the map are zeros."""
    return x / (k + alpha * F.avg_pool2d(x * x, n, stride=1, padding=n // 2)) ** beta
"#;

const LOCAL: &str = r#"class Local(nn.Module):
    """A convolution whose filters differ from place to place."""

    def __init__(self, channels, size, kernel, stride=1, padding=0):
        super().__init__()
        filters, h, w = self.size = size
        self.window = dict(kernel_size=kernel, stride=stride, padding=padding)
        self.weight = nn.Parameter(torch.zeros(filters * h * w, channels * kernel**2))
        self.bias = nn.Parameter(torch.zeros(filters * h * w))

    def forward(self, x):
        filters, h, w = self.size
        windows = F.unfold(x, **self.window)  # (N, channels * kernel**2, h * w)
        weight = self.weight.view(filters, h * w, -1)
        y = torch.einsum("ncp,opc->nop", windows, weight) + self.bias.view(filters, -1)
        return y.view(-1, filters, h, w)
"#;

/// Those that the network's layers need, each with two empty lines after it.
pub(super) fn needed(network: &NetworkSpec) -> String {
    let has = |is: fn(&LayerKind) -> bool| network.layers.iter().any(|layer| is(&layer.kind));
    let all = [
        (has(|kind| matches!(kind, LayerKind::Lrn { .. })), LRN),
        (has(|kind| matches!(kind, LayerKind::MapNorm { .. })), MAP_NORM),
        (has(|kind| matches!(kind, LayerKind::Local { .. })), LOCAL),
    ];
    all.iter().filter(|(needed, _)| *needed).map(|(_, text)| format!("{text}\n\n")).collect()
}
