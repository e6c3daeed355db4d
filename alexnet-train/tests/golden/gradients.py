"""Gradients of a small network in PyTorch, in f64, for tests/gradients.rs: grouped convolution, uneven padding, LRN,
pooling over the edge, both kinds of dropout in evaluation.

    pip install torch numpy safetensors
    python gradients.py        # writes gradients.safetensors beside itself
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.numpy import save_file

STORED, CROP, CLASSES, IMAGES = 17, 13, 5, 6
MEAN, SCALE = [110.0, 120.0, 100.0], [0.02, 0.025, 0.03]
SHAPES = {
    "conv1.weight": (8, 3, 3, 3), "conv1.bias": (8,),
    "conv2.weight": (6, 4, 3, 3), "conv2.bias": (6,),
    "fc3.weight": (7, 6 * 3 * 3), "fc3.bias": (7,),
    "fc4.weight": (CLASSES, 7), "fc4.bias": (CLASSES,),
}

draw = np.random.default_rng(17)
pixels = draw.integers(0, 256, (IMAGES, STORED, STORED, 3)).astype(np.uint8)
labels = draw.integers(0, CLASSES, IMAGES)
weights = {
    name: (draw.normal(0, 0.1, shape) if len(shape) == 1 else draw.normal(0, (1.5 / np.prod(shape[1:])) ** 0.5, shape))
    .astype(np.float32)
    for name, shape in SHAPES.items()
}


def network(x, w):
    x = F.conv2d(F.pad(x, (2, 1, 0, 1)), w["conv1.weight"], w["conv1.bias"], stride=2)  # left, right, top, bottom
    x = F.local_response_norm(F.relu(x), 3, alpha=0.9, beta=0.75, k=1.5)
    x = F.max_pool2d(x, 3, 2, ceil_mode=True)  # 6 x 7 to 3 x 3: the last row of windows hangs over
    x = 0.7 * x  # dropout that scales at test
    x = F.relu(F.conv2d(x, w["conv2.weight"], w["conv2.bias"], padding=1, groups=2))
    x = torch.tanh(F.linear(x.flatten(1), w["fc3.weight"], w["fc3.bias"]))
    return F.linear(x, w["fc4.weight"], w["fc4.bias"])  # dropout that scales in training is nothing here


low = (STORED - CROP) // 2
x = torch.tensor(pixels[:, low:low + CROP, low:low + CROP].astype(np.float64))
x = ((x - torch.tensor(MEAN, dtype=torch.float64)) * torch.tensor(SCALE, dtype=torch.float64)).permute(0, 3, 1, 2)
w = {name: torch.tensor(value.astype(np.float64), requires_grad=True) for name, value in weights.items()}
logits = network(x, w)
loss = F.cross_entropy(logits, torch.tensor(labels))
loss.backward()

tensors = {"pixels": pixels, "labels": labels.astype(np.uint32)} | weights
tensors["logits"] = logits.detach().numpy()
tensors["loss"] = loss.detach().numpy().reshape(1)
tensors |= {f"gradient.{name}": value.grad.numpy() for name, value in w.items()}
save_file({name: np.ascontiguousarray(t) for name, t in tensors.items()}, Path(__file__).with_name("gradients.safetensors"))
print(f"torch {torch.__version__}: loss {loss.item():.9f}")
