"""The `original` network (layer file #145 of the authors' code) in PyTorch, trained for 20 steps.

    pip install torch==2.15.0 numpy==2.4.6
    python twin.py                      # two minutes on two CPU cores, 4 GB of memory

It prints 20 losses and writes `original_losses.json` beside itself. The Rust network has to train to the
same losses, to 1e-4 of each. Dropout is off; nothing is random: pixels, labels and weights come from
integer formulas that both sides repeat. The formulas are in README.md and in `mix`, `weights`, `batch`.

The reference is the float64 run. The float32 run shows how far rounding alone moves a loss.

Letters: B images, C channels, H rows, W columns; pixels are (B, H, W, C) bytes, tensors are (B, C, H, W).
"""

import json
import math
import platform
import re
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

# name, weight shape (out, in per group, height, width), std of the weights, every bias
LAYERS = [
    ("conv1", (96, 3, 11, 11), 0.01, 0.0),
    ("conv2", (256, 48, 5, 5), 0.01, 1.0),
    ("conv3", (384, 256, 3, 3), 0.03, 0.0),
    ("conv4", (384, 192, 3, 3), 0.03, 1.0),
    ("conv5", (256, 192, 3, 3), 0.03, 1.0),
    ("fc6", (4096, 9216), 0.01, 1.0),
    ("fc7", (4096, 4096), 0.01, 1.0),
    ("fc8", (1000, 4096), 0.01, 0.0),
]
NAMES = [f"{layer}.{part}" for layer, *_ in LAYERS for part in ("weight", "bias")]

STEPS, BATCH, BATCHES = 20, 8, 4  # four batches, taken in turn
SIDE, CHANNELS, CLASSES = 224, 3, 10  # labels 0..9 of the 1000 outputs
MEAN = 128.0  # one grey level instead of a mean image

# Not the rates of the real run: see README.md, "Why these rates". rate * decay is the original's, 5e-6.
WEIGHT = dict(rate=5e-6, momentum=0.9, decay=1.0)
BIAS = dict(rate=0.02, momentum=0.9, decay=0.0)


def mix(x):
    """Scatters the bits of 32-bit integers; products wrap."""
    x = x.astype(np.uint32)
    x ^= x >> np.uint32(16)
    x *= np.uint32(0x7FEB352D)
    x ^= x >> np.uint32(15)
    x *= np.uint32(0x846CA68B)
    x ^= x >> np.uint32(16)
    return x


def weights(p, shape, std):
    """Parameter number `p`, uniform with mean 0 and standard deviation `std`: float32, the same bits everywhere."""
    i = np.arange(math.prod(shape), dtype=np.uint32)  # position in row-major (out, in, height, width)
    bits = mix(i * np.uint32(16) + np.uint32(p + 1)) >> np.uint32(8)  # 24 bits: exact in a float32
    unit = bits.astype(np.float32) * np.float32(2.0**-24) - np.float32(0.5)  # exact, in [-0.5, 0.5)
    return (unit * np.float32(2.0 * math.sqrt(3.0) * std)).reshape(shape)  # the only rounding


def parameters(dtype):
    """All 16 parameters in the order of `NAMES`."""
    out = []
    for layer, (_, shape, std, bias) in enumerate(LAYERS):
        out.append(torch.from_numpy(weights(2 * layer, shape, std)).to(dtype))
        out.append(torch.full((shape[0],), bias, dtype=dtype))
    return [p.requires_grad_() for p in out]


def batch(s):
    """Pixels (B, H, W, C) as bytes and labels (B) of step `s`: noise over a checkerboard that tells the class."""
    y, x, c = np.meshgrid(np.arange(SIDE), np.arange(SIDE), np.arange(CHANNELS), indexing="ij")
    size = SIDE * SIDE * CHANNELS
    pixels, labels = [], []
    for b in range(BATCH):
        image = (s % BATCHES) * BATCH + b
        label = image * 37 % CLASSES
        counter = 0x9E3779B9 + image * size + np.arange(size, dtype=np.uint64)
        noise = mix(counter).reshape(SIDE, SIDE, CHANNELS) >> np.uint32(24)  # 0..255
        tile = (x // (4 + 2 * label) + y // (22 - 2 * label) + c * label) % 2  # 0 or 1
        pixels.append(noise // 4 + 32 + 128 * tile)  # 32..223, mean about 128
        labels.append(label)
    return np.stack(pixels).astype(np.uint8), labels


def towers(norm, x):
    """Normalises the two halves of the channels apart, as on two GPUs."""
    return torch.cat([norm(half) for half in x.chunk(2, dim=1)], dim=1)


def lrn(x):
    """Across five channels. PyTorch divides alpha by 5, as the original code does."""
    return F.local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=2.0)


def map_norm(x):
    """Within one channel, over 5x5 pixels clipped at the border; the divisor stays 25."""
    squares = F.avg_pool2d(x * x, 5, stride=1, padding=2, count_include_pad=True)
    return x * (1.0 + 1e-3 * squares) ** -0.75


def network(pixels, params, seen=lambda name, x: x):
    """Logits (B, 1000). `seen` is handed the output of every layer, by name."""
    p = dict(zip(NAMES, params))
    w, b = (lambda layer: p[layer + ".weight"]), (lambda layer: p[layer + ".bias"])

    x = torch.from_numpy(pixels).to(params[0].dtype).permute(0, 3, 1, 2) - MEAN  # (B, 3, 224, 224)

    x = F.pad(x, (0, 3, 0, 3))  # zeros right and below: (B, 3, 227, 227)
    x = seen("conv1", F.conv2d(x, w("conv1"), b("conv1"), stride=4))  # (B, 96, 55, 55), linear
    x = seen("lrn1", towers(lrn, x))
    x = seen("pool1", F.relu(F.max_pool2d(x, 3, 2)))  # (B, 96, 27, 27)

    x = seen("conv2", F.relu(F.conv2d(x, w("conv2"), b("conv2"), padding=2, groups=2)))  # (B, 256, 27, 27)
    x = seen("lrn2", towers(lrn, x))
    x = seen("map_norm2", map_norm(x))
    x = seen("pool2", F.max_pool2d(x, 3, 2))  # (B, 256, 13, 13)

    x = seen("conv3", F.relu(F.conv2d(x, w("conv3"), b("conv3"), padding=1)))  # (B, 384, 13, 13)
    x = seen("conv4", F.relu(F.conv2d(x, w("conv4"), b("conv4"), padding=1, groups=2)))  # (B, 384, 13, 13)
    x = seen("conv5", F.conv2d(x, w("conv5"), b("conv5"), padding=1, groups=2))  # (B, 256, 13, 13), linear
    x = seen("pool5", F.relu(F.max_pool2d(x, 3, 2)))  # (B, 256, 6, 6)

    x = x.flatten(1)  # (B, 9216), in the order C, H, W
    x = seen("fc6", F.relu(F.linear(x, w("fc6"), b("fc6"))))  # (B, 4096)
    x = seen("fc7", F.relu(F.linear(x, w("fc7"), b("fc7"))))  # (B, 4096)
    return seen("fc8", F.linear(x, w("fc8"), b("fc8")))  # (B, 1000)


def update(w, v, g, rate, momentum, decay):
    """v <- momentum v - decay rate w - rate g;  w <- w + v."""
    v.mul_(momentum).add_(w, alpha=-decay * rate).add_(g, alpha=-rate)
    w.add_(v)


def rms(x):
    return x.detach().double().square().mean().sqrt().item()


def train(dtype, steps=STEPS):
    """20 losses, and what helps to find the first layer that differs."""
    params = parameters(dtype)
    velocities = [torch.zeros_like(p) for p in params]
    losses, outputs, gradients = [], {}, {}

    def seen(name, x):
        if not losses:
            outputs[name] = rms(x)
        return x

    for s in range(steps):
        pixels, labels = batch(s)
        loss = F.cross_entropy(network(pixels, params, seen), torch.tensor(labels))  # mean over the batch
        grads = torch.autograd.grad(loss, params)
        if not losses:
            gradients = {name: rms(g) for name, g in zip(NAMES, grads)}
        losses.append(loss.item())
        with torch.no_grad():
            for i, (w, v, g) in enumerate(zip(params, velocities, grads)):
                update(w, v, g, **(BIAS if i % 2 else WEIGHT))

    moved = {name: rms(a.detach() - b.detach()) for name, a, b in zip(NAMES, params, parameters(dtype))}
    return dict(losses=losses, outputs=outputs, gradients=gradients, moved=moved)


def digits(value):
    """Nine significant digits, through lists and tables."""
    if isinstance(value, dict):
        return {k: digits(v) for k, v in value.items()}
    if isinstance(value, list):
        return [digits(v) for v in value]
    return float(f"{value:.9g}")


def apart(a, b):
    """The largest relative difference of two lists."""
    return max(abs(x / y - 1.0) for x, y in zip(a, b))


def inputs():
    """A few values of every input, so that a wrong formula is found before a wrong layer is looked for."""
    batches, first = [], {}
    for s in range(BATCHES):
        pixels, labels = batch(s)
        head, tail = pixels.flatten()[:6].tolist(), pixels.flatten()[-6:].tolist()
        batches.append(dict(labels=labels, sum=int(pixels.sum(dtype=np.int64)), first=head, last=tail))
    for layer, (name, shape, std, _) in enumerate(LAYERS):
        w = weights(2 * layer, shape, std).flatten()
        first[f"{name}.weight"] = [float(v) for v in (*w[:3], w[-1])]  # a float32 is exact in a JSON number
    return dict(batches=batches, weights_first_three_and_last=first)


def main():
    reference, rounded = train(torch.float64), train(torch.float32)
    for s, (a, b) in enumerate(zip(reference["losses"], rounded["losses"])):
        print(f"{s:2}  {a:.9g}  float32 {b:.9g}  ({b / a - 1.0:+.1e})")
    tables = ("outputs", "gradients", "moved")
    difference = {t: apart(rounded[t].values(), reference[t].values()) for t in tables}
    difference["losses"] = apart(rounded["losses"], reference["losses"])
    print("float32 against float64, largest relative difference:", {k: f"{v:.1e}" for k, v in difference.items()})

    record = dict(
        made_by="twin.py",
        versions=dict(torch=torch.__version__, numpy=np.__version__, python=platform.python_version()),
        settings=dict(
            network="original, dropout off", steps=STEPS, batch=BATCH, batches=BATCHES, mean=MEAN,
            weight=WEIGHT, bias=BIAS, reference="float64",
        ),
        losses=digits(reference["losses"]),
        losses_float32=digits(rounded["losses"]),
        largest_relative_difference_float32={k: float(f"{v:.2g}") for k, v in difference.items()},
        inputs=inputs(),
        first_step_output_rms=digits(reference["outputs"]),
        first_step_gradient_rms=digits(reference["gradients"]),
        moved_in_all_steps_rms=digits(reference["moved"]),
    )
    path = Path(__file__).with_name("original_losses.json")
    text = json.dumps(record, indent=1)
    text = re.sub(r"\[([^\[\]{}]*)\]", lambda m: "[" + " ".join(m[1].split()) + "]", text)  # a list is one line
    path.write_text(text + "\n")


if __name__ == "__main__":
    main()
