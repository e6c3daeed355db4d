"""One training step of `original` without its same-map norm in PyTorch, on a GPU: prints one JSON object a way.

    python torch_alexnet.py [--batch 1024] [--precision bf16|tf32|f32] [--steps 30] [--device cuda:0] [--ways eager …]

The ways: eager, channels-last, `torch.compile` and `torch.compile` with `mode="max-autotune"`, the last two channels last;
under bf16 with autocast. Data lie on the GPU. The last line names the best way.
Also `--lrn`: local response normalization alone, forward and backward, at the sizes of layer 1, with the bytes a second
of each tensor read or written once (x and y; x, dy and dx), as `alexnet bench` counts them.
`--device cpu` is there to see that the script runs.
"""

import argparse
import json
import statistics
import time

import torch
import torch.nn.functional as F

from torch_step import Towers, network

WAYS = ["eager", "channels-last", "compile", "compile-max-autotune"]


def timed(step, steps, warm):
    """Seconds of each step, on a GPU by its own clock."""
    for _ in range(warm):
        step()
    if not torch.cuda.is_initialized():
        seconds = []
        for _ in range(steps):
            start = time.perf_counter()
            step()
            seconds.append(time.perf_counter() - start)
        return seconds
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(steps + 1)]
    marks[0].record()
    for mark in marks[1:]:
        step()
        mark.record()
    torch.cuda.synchronize()
    return [a.elapsed_time(b) / 1e3 for a, b in zip(marks, marks[1:])]


def train(a, way):
    torch.manual_seed(1)
    net = network().to(a.device)
    x = torch.randn(a.batch, 3, 224, 224, device=a.device) * 60.0
    labels = torch.arange(a.batch, device=a.device) * 37 % 1000
    if way != "eager":
        net, x = net.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    weights = [p for p in net.parameters() if p.dim() > 1]
    biases = [p for p in net.parameters() if p.dim() == 1]
    groups = [dict(params=weights, weight_decay=5e-4), dict(params=biases, weight_decay=0.0)]
    sgd = torch.optim.SGD(groups, lr=1e-6, momentum=0.9, fused=True)
    forward = net
    if way.startswith("compile"):
        forward = torch.compile(net, mode="max-autotune" if way.endswith("autotune") else "default")

    def step():
        sgd.zero_grad(set_to_none=True)
        with torch.autocast(torch.device(a.device).type, torch.bfloat16, enabled=a.precision == "bf16"):
            loss = F.cross_entropy(forward(x), labels)
        loss.backward()
        sgd.step()

    return timed(step, a.steps, a.warm)


def lrn(a, way):
    dtype = torch.bfloat16 if a.precision == "bf16" else torch.float32
    x = torch.randn(a.batch, 96, 55, 55, device=a.device, dtype=dtype)
    if way != "eager":
        x = x.to(memory_format=torch.channels_last)
    dy = torch.randn_like(x)
    x.requires_grad_()
    layer = Towers()
    if way.startswith("compile"):
        layer = torch.compile(layer, mode="max-autotune" if way.endswith("autotune") else "default")

    def step():
        x.grad = None
        layer(x).backward(dy)

    return timed(step, a.steps, a.warm)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="bf16")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--warm", type=int, default=10, help="steps before those that count")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS)
    parser.add_argument("--lrn", action="store_true")
    a = parser.parse_args()
    on_gpu = a.device != "cpu"
    if on_gpu:
        torch.cuda.set_device(a.device)
        torch.cuda.init()
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = a.precision != "f32"
    torch.backends.cuda.matmul.allow_tf32 = a.precision != "f32"
    results = {}
    for way in a.ways:
        if on_gpu:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        try:
            seconds = lrn(a, way) if a.lrn else train(a, way)
        except Exception as error:  # a way that does not run here is left out and named
            print(json.dumps(dict(way=way, error=str(error).splitlines()[0])))
            continue
        results[way] = a.batch / statistics.median(seconds)
        row = dict(
            peer=f"PyTorch {torch.__version__} {way}" + (" lrn" if a.lrn else ""),
            device=torch.cuda.get_device_name() if on_gpu else "cpu", batch=a.batch,
            precision=a.precision, step_seconds=seconds, images_per_second=results[way],
            peak_memory_bytes=torch.cuda.max_memory_allocated() if on_gpu else None,
        )
        if a.lrn:
            size = 2 if a.precision == "bf16" else 4
            row["lrn_gbps"] = 5 * size * a.batch * 96 * 55 * 55 / statistics.median(seconds) / 1e9
        print(json.dumps(row), flush=True)
        torch.compiler.reset()
    if results:
        best = max(results, key=results.get)
        print(json.dumps(dict(best=best, images_per_second=results[best])))


if __name__ == "__main__":
    main()
