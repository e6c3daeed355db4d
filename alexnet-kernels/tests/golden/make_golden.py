"""Golden numbers for every operation of alexnet-kernels, computed by PyTorch.

    pip install torch==2.15.0 numpy==2.4.6 safetensors==0.8.0
    python make_golden.py               # seconds; writes ops.safetensors beside itself

`tests/golden.rs` holds the crate against that file, forwards and backwards. Inputs are rounded to
float32 before they are used, everything is computed in float64 and rounded to float32 once, so the
file is right to its last bit or so. Tensors are named `operation.case.tensor`, and a gradient is
`d` and the name of what it belongs to. The one entry of the file's metadata, `golden`, is JSON: the
library versions and the constants of every case.

Letters: B images, C channels in, O out, H rows, W columns.
"""

import json
from pathlib import Path

import numpy as np
import safetensors
import torch
import torch.nn.functional as F
from safetensors.torch import save_file

random = torch.Generator().manual_seed(2012)
tensors, cases = {}, {}


def normal(*shape, scale=1.0):
    """Values a float32 holds exactly, as float64."""
    return (torch.randn(shape, generator=random, dtype=torch.float64) * scale).float().double()


def store(name, **parts):
    for part, value in parts.items():
        value = value.detach()
        value = value.float() if value.is_floating_point() else value
        tensors[f"{name}.{part}"] = value.contiguous()


def differentiate(operation, function, constants, **inputs):
    """One case: `y = function(inputs)`, a random `dy`, and the gradients of Σ dy·y."""
    name = f"{operation}.{sum(c.startswith(operation + '.') for c in cases)}"
    cases[name] = constants
    leaves = {part: value.clone().requires_grad_() for part, value in inputs.items()}
    y = function(**leaves)
    dy = normal(*y.shape)
    gradients = torch.autograd.grad(y, list(leaves.values()), dy)
    store(name, **inputs, y=y, dy=dy, **{f"d{part}": g for part, g in zip(inputs, gradients)})


def conv(what, shape, weights, stride=1, groups=1, top=0, bottom=0, left=0, right=0):
    constants = dict(what=what, stride=stride, groups=groups, padding=[top, bottom, left, right])

    def function(x, w, b):
        return F.conv2d(F.pad(x, (left, right, top, bottom)), w, b, stride=stride, groups=groups)

    inputs = dict(x=normal(*shape), w=normal(*weights), b=normal(weights[0]))
    differentiate("conv", function, constants, **inputs)


def lrn(what, shape, n, alpha, k, towers=1, alpha_over_n=True, scale=1.0):
    constants = dict(what=what, n=n, alpha=alpha, beta=0.75, k=k)
    constants |= dict(towers=towers, alpha_over_n=alpha_over_n)
    divided = alpha if alpha_over_n else alpha * n  # PyTorch divides by n

    def function(x):
        chunks = x.chunk(towers, dim=1)
        return torch.cat([F.local_response_norm(t, n, divided, 0.75, k) for t in chunks], dim=1)

    differentiate("lrn", function, constants, x=normal(*shape, scale=scale))


def map_norm(what, shape, n, alpha, k, scale=1.0):
    constants = dict(what=what, n=n, alpha=alpha, beta=0.75, k=k)

    def function(x):  # zeros around the map are counted: the divisor stays n * n
        squares = F.avg_pool2d(x * x, n, stride=1, padding=n // 2, count_include_pad=True)
        return x * (k + alpha * squares) ** -0.75

    differentiate("map_norm", function, constants, x=normal(*shape, scale=scale))


def max_pool(what, x, kernel, stride, ceil):
    constants = dict(what=what, kernel=kernel, stride=stride, ceil=ceil)

    def function(x):
        return F.max_pool2d(x, kernel, stride, ceil_mode=ceil)

    differentiate("max_pool", function, constants, x=x)


def cross_entropy(what, logits, labels):
    """The loss of each row, their mean, and the gradient of the mean."""
    name = f"cross_entropy.{sum(c.startswith('cross_entropy.') for c in cases)}"
    cases[name] = dict(what=what)
    z = logits.clone().requires_grad_()
    losses = F.cross_entropy(z, labels, reduction="none")
    (dz,) = torch.autograd.grad(F.cross_entropy(z, labels), [z])
    labels = labels.to(torch.uint32)
    store(name, logits=logits, labels=labels, losses=losses, loss=losses.mean(), dlogits=dz)


def sgd(what, rates, momentum, decay, scale):
    """Weights and velocity: v <- momentum v - decay rate w - rate g; w <- w + v in each step."""
    name = f"sgd.{sum(c.startswith('sgd.') for c in cases)}"
    cases[name] = dict(what=what, rates=rates, momentum=momentum, decay=decay)
    start, gradients = normal(37, scale=scale), normal(len(rates), 37)
    w, v = start.clone(), torch.zeros_like(start)
    states = []
    for rate, g in zip(rates, gradients):
        v = momentum * v - decay * rate * w - rate * g
        w = w + v
        states.append(torch.stack([w, v]))
    if len(set(rates)) == 1:  # PyTorch's velocity does not contain the rate: then both are the same
        theirs = start.clone().requires_grad_()
        optimizer = torch.optim.SGD([theirs], lr=rates[0], momentum=momentum, weight_decay=decay)
        for g in gradients:
            theirs.grad = g.clone()
            optimizer.step()
        torch.testing.assert_close(theirs.detach(), w, rtol=1e-12, atol=1e-12)
    store(name, start=start, gradients=gradients, states=torch.stack(states))


def main():
    hanging = "conv1: windows hang over the right and lower edge"
    conv(hanging, (2, 3, 24, 28), (8, 3, 11, 11), 4, bottom=3, right=3)
    conv("conv2: two towers", (2, 8, 9, 7), (12, 4, 5, 5), 1, 2, 2, 2, 2, 2)
    conv("conv3", (2, 6, 6, 5), (10, 6, 3, 3), 1, 1, 1, 1, 1, 1)
    conv("one channel, pixels left over", (3, 1, 9, 8), (4, 1, 3, 3), 2)
    conv("windows with gaps between", (2, 4, 10, 11), (6, 2, 2, 2), 3, 2)
    conv("every side and both kernel lengths differ", (2, 6, 8, 7), (6, 3, 4, 5), 2, 2, 0, 2, 1, 3)

    original = "the original's constants at its activations"
    lrn(original, (2, 16, 3, 4), 5, 1e-4, 2.0, towers=2, scale=60.0)
    lrn("the paper's text", (2, 16, 3, 4), 5, 1e-4, 2.0, alpha_over_n=False, scale=60.0)
    lrn("strong", (2, 12, 3, 5), 5, 3.0, 1.0)
    lrn("strong, two towers", (2, 12, 3, 5), 5, 3.0, 1.0, towers=2)
    undivided = "strong, undivided, three channels"
    lrn(undivided, (2, 10, 3, 5), 3, 3.0, 2.0, towers=2, alpha_over_n=False)

    map_norm(original, (2, 3, 7, 6), 5, 1e-3, 1.0, scale=20.0)
    map_norm("strong", (2, 3, 7, 6), 5, 25.0, 2.0)
    map_norm("strong, a window larger than the map", (2, 4, 3, 4), 5, 25.0, 1.0)
    map_norm("strong, three pixels", (2, 3, 4, 5), 3, 3.0, 1.0)

    max_pool("overlapping, as the paper", normal(2, 3, 13, 13), 3, 2, False)
    max_pool("overlapping, pixels left over", normal(2, 3, 8, 10), 3, 2, False)
    max_pool("overlapping, a last window hangs over", normal(2, 3, 8, 10), 3, 2, True)
    max_pool("side by side", normal(2, 3, 7, 9), 2, 2, False)
    max_pool("side by side, a last window hangs over", normal(2, 3, 7, 9), 2, 2, True)
    max_pool("gaps", normal(2, 3, 10, 9), 2, 3, False)
    max_pool("gaps; the last window hangs over, or lies outside", normal(2, 3, 10, 9), 2, 3, True)
    ties = torch.randint(0, 3, (2, 3, 13, 13), generator=random).double()
    max_pool("ties: the first of equal pixels takes the gradient", ties, 3, 2, False)

    x = normal(2, 3, 4, 5)
    x[0, 0, 0] = 0.0  # where the gradient is 0 by definition
    differentiate("relu", lambda x: F.relu(x), dict(what="some pixels are 0"), x=x)

    parts = dict(x=normal(3, 10), w=normal(7, 10), b=normal(7))
    differentiate("linear", lambda x, w, b: F.linear(x, w, b), dict(what="7 of 10"), **parts)

    labels = torch.randint(0, 11, (6,), generator=random)
    cross_entropy("6 rows, 11 classes", normal(6, 11, scale=3.0), labels)
    large = (normal(6, 11, scale=30.0) + 1000.0).float().double()
    cross_entropy("logits whose exponentials overflow", large, labels)

    large_weights = "the original's constants; large weights, so that decay shows"
    sgd(large_weights, [0.01] * 3, 0.9, 0.0005, 1000.0)
    sgd("strong", [0.25] * 3, 0.9, 0.5, 1.0)
    sgd("the rate drops and the velocity stays", [0.25, 0.25, 0.025], 0.9, 0.5, 1.0)

    versions = {library.__name__: library.__version__ for library in [torch, np, safetensors]}
    about = dict(made_by="make_golden.py", versions=versions, cases=cases)
    path = Path(__file__).with_name("ops.safetensors")
    # One entry: the order of several would be random.
    save_file(tensors, path, metadata={"golden": json.dumps(about)})
    print(f"{len(cases)} cases, {len(tensors)} tensors, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
