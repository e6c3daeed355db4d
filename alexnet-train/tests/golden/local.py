"""A small network with local layers and average pooling in PyTorch, trained for 12 steps.

    pip install torch==2.11.0 numpy==2.4.6
    python local.py                     # a second; writes local_losses.json beside itself

PyTorch has neither a local layer nor this test's network, so both are written out here: a local layer is
`unfold` and one product for each place. The weights, images and the update rule are those of twin.py: integer
formulas that the Rust test repeats. Everything is float64; the float32 run shows what rounding alone does.

Letters: B images, C channels, H rows, W columns, P places of a window, O filters.
"""

import json
import platform
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from twin import apart, digits, rms, update, weights

# name, weight shape, std of the weights; the rows of a local layer are its outputs in the order O, H, W
LAYERS = [
    ("conv1", (8, 3, 5, 5), 0.15),
    ("local2", (6 * 6 * 5, 8 * 3 * 3), 0.15),
    ("local3", (4 * 3 * 3, 6 * 2 * 2), 0.3),
    ("fc4", (5, 4 * 3 * 3), 0.3),
]
NAMES = [f"{layer}.{part}" for layer, *_ in LAYERS for part in ("weight", "bias")]
STEPS, BATCH, BATCHES, CLASSES = 12, 6, 3, 5
WEIGHT = dict(rate=0.05, momentum=0.9, decay=0.02)
BIAS = dict(rate=0.1, momentum=0.9, decay=0.0)


def parameters(dtype):
    out = []
    for layer, (_, shape, std) in enumerate(LAYERS):
        out.append(torch.from_numpy(weights(2 * layer, shape, std)).to(dtype))
        out.append(torch.from_numpy(weights(2 * layer + 1, shape[:1], 0.1)).to(dtype))
    return [p.requires_grad_() for p in out]


def local(x, weight, bias, kernel, stride, padding):
    """(B, C, H, W) to (B, O, H', W'): at each place its own product of the window and its weights."""
    windows = F.unfold(x, kernel, padding=padding, stride=stride)  # (B, C·kernel·kernel, P)
    size = [(side + 2 * padding - kernel) // stride + 1 for side in x.shape[2:]]
    weight = weight.view(-1, windows.shape[2], windows.shape[1])  # (O, P, C·kernel·kernel)
    y = torch.einsum("bkp,opk->bop", windows, weight) + bias.view(1, *weight.shape[:2])
    return y.view(x.shape[0], -1, *size)


def network(x, params):
    p = dict(zip(NAMES, params))
    w, b = (lambda layer: p[layer + ".weight"]), (lambda layer: p[layer + ".bias"])
    x = F.relu(F.conv2d(x, w("conv1"), b("conv1"), padding=2))  # (B, 8, 12, 10)
    x = F.avg_pool2d(x, 3, 2, ceil_mode=True)  # (B, 8, 6, 5)
    x = F.relu(local(x, w("local2"), b("local2"), 3, 1, 1))  # (B, 6, 6, 5)
    x = F.avg_pool2d(x, 2, 1)  # (B, 6, 5, 4)
    x = F.relu(local(x, w("local3"), b("local3"), 2, 2, 1))  # (B, 4, 3, 3)
    return F.linear(x.flatten(1), w("fc4"), b("fc4"))


def batch(s, dtype):
    """Images (B, 3, 12, 10) and labels (B) of step `s`; three batches come in turn."""
    images = weights(100 + s % BATCHES, (BATCH, 3, 12, 10), 1.0)
    labels = [(3 * image + s % BATCHES) % CLASSES for image in range(BATCH)]
    return torch.from_numpy(images).to(dtype), torch.tensor(labels)


def train(dtype):
    params = parameters(dtype)
    velocities = [torch.zeros_like(p) for p in params]
    losses, gradients = [], {}
    for s in range(STEPS):
        images, labels = batch(s, dtype)
        loss = F.cross_entropy(network(images, params), labels)
        grads = torch.autograd.grad(loss, params)
        if not losses:
            gradients = {name: rms(g) for name, g in zip(NAMES, grads)}
        losses.append(loss.item())
        with torch.no_grad():
            for i, (w, v, g) in enumerate(zip(params, velocities, grads)):
                update(w, v, g, **(BIAS if i % 2 else WEIGHT))
    return dict(losses=losses, gradients=gradients)


def main():
    reference, rounded = train(torch.float64), train(torch.float32)
    record = dict(
        made_by="local.py",
        versions=dict(torch=torch.__version__, numpy=np.__version__, python=platform.python_version()),
        losses=digits(reference["losses"]),
        first_step_gradient_rms=digits(reference["gradients"]),
        largest_relative_difference_float32=dict(
            losses=float(f"{apart(rounded['losses'], reference['losses']):.2g}"),
            gradients=float(f"{apart(rounded['gradients'].values(), reference['gradients'].values()):.2g}"),
        ),
    )
    print(json.dumps(record, indent=1))
    Path(__file__).with_name("local_losses.json").write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
