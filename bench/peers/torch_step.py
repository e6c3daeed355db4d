"""One training step of `original` without its same-map norm in PyTorch, on a CPU: prints one JSON object.

    python torch_step.py --mode eager|channels-last|compile [--batch 128] [--threads 2] [--steps 3] [--precision bf16]

fp32, or bf16 by autocast. Two towers are two groups; LRN runs in each tower by itself.
"""

import argparse
import json
import resource
import statistics
import time

import torch
import torch.nn.functional as F
from torch import nn


class Towers(nn.Module):
    """LRN within each half of the channels."""

    def forward(self, x):
        return torch.cat([F.local_response_norm(h, 5, 1e-4, 0.75, 2.0) for h in x.chunk(2, 1)], 1)


def pool():
    return nn.MaxPool2d(3, 2, ceil_mode=True)


def network():
    return nn.Sequential(
        nn.ZeroPad2d((0, 3, 0, 3)), nn.Conv2d(3, 96, 11, 4), Towers(), pool(), nn.ReLU(),
        nn.Conv2d(96, 256, 5, 1, 2, groups=2), nn.ReLU(), Towers(), pool(),
        nn.Conv2d(256, 384, 3, 1, 1), nn.ReLU(),
        nn.Conv2d(384, 384, 3, 1, 1, groups=2), nn.ReLU(),
        nn.Conv2d(384, 256, 3, 1, 1, groups=2), pool(), nn.ReLU(), nn.Flatten(),
        nn.Linear(9216, 4096), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(4096, 1000),
    )


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["eager", "channels-last", "compile"], default="eager")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--precision", choices=["f32", "bf16"], default="f32")
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    net = network()
    x = torch.randn(a.batch, 3, 224, 224) * 60.0
    labels = torch.arange(a.batch) * 37 % 1000
    if a.mode != "eager":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    weights = [p for p in net.parameters() if p.dim() > 1]
    biases = [p for p in net.parameters() if p.dim() == 1]
    groups = [dict(params=weights, weight_decay=5e-4), dict(params=biases, weight_decay=0.0)]
    sgd = torch.optim.SGD(groups, lr=1e-6, momentum=0.9)
    forward = torch.compile(net) if a.mode == "compile" else net

    def step():
        sgd.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=a.precision == "bf16"):
            loss = F.cross_entropy(forward(x), labels)
        loss.backward()
        sgd.step()
        return loss.item()

    step()
    seconds = []
    for _ in range(a.steps):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    print(json.dumps(dict(
        peer=f"PyTorch {torch.__version__} {a.mode} {a.precision}", batch=a.batch, threads=a.threads, step_seconds=seconds,
        images_per_second=a.batch / statistics.median(seconds),
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    )))


if __name__ == "__main__":
    main()
