"""How fast cuDNN runs AlexNet's convolutions in each way of arranging them: prints one JSON object a way.

    python conv_ways.py [--batch 1024] [--precision bf16|f32] [--steps 10] [--seconds 70] [--device cuda:0]

A grouped convolution runs grouped, as two with half the channels each (the towers apart in memory), or as one dense with
zero blocks. The first layer runs with its 3 channels, with 4 or 8 of which the rest are zero, and by space-to-depth: 48
channels of blocks of 4 x 4 pixels, a kernel of 3, stride 1. Each has three passes, in PyTorch, channels last, with cuDNN's
benchmark mode: forward, data (the gradient of the input) and filter (the gradient of the weights). `useful_tflops` counts
the operations of the layer as published, whatever a way adds. After the time `--seconds` no further way is begun.
`--device cpu` is there to see that the script runs.
"""

import argparse
import dataclasses
import json
import statistics
import time

import torch

from torch_alexnet import timed


@dataclasses.dataclass
class Way:
    """`copies` convolutions one after the other, each from `channels` to `outputs` channels."""

    layer: str
    name: str
    channels: int
    outputs: int
    size: int  # of the input map, whose padding is `padding`
    kernel: int
    stride: int = 1
    padding: int = 0
    groups: int = 1
    copies: int = 1
    useful: float = 0.0  # multiply-adds an image, as published

    def output(self):
        return (self.size + 2 * self.padding - self.kernel) // self.stride + 1


def ways():
    """The layers in their ways; maps as in the network `original`, whose first layer sees 228 x 228 pixels."""
    first = 55 * 55 * 96 * 363.0
    yield Way("conv1", "space-to-depth", 48, 96, 57, 3, useful=first)
    for channels in [3, 4, 8]:
        yield Way("conv1", f"{channels} channels", channels, 96, 227, 11, stride=4, useful=first)
    for layer, channels, outputs, size, kernel in [
        ("conv2", 96, 256, 27, 5),
        ("conv4", 384, 384, 13, 3),
        ("conv5", 384, 256, 13, 3),
    ]:
        shape = dict(size=size, kernel=kernel, padding=kernel // 2)
        shape["useful"] = size * size * outputs * kernel * kernel * channels / 2
        yield Way(layer, "grouped", channels, outputs, groups=2, **shape)
        yield Way(layer, "two", channels // 2, outputs // 2, copies=2, **shape)
        yield Way(layer, "dense", channels, outputs, **shape)
    third = 13 * 13 * 384 * 9 * 256.0
    yield Way("conv3", "whole", 256, 384, 13, 3, padding=1, useful=third)
    yield Way("conv3", "two outputs", 256, 192, 13, 3, padding=1, copies=2, useful=third)


def kernels(run):
    """The names of the slowest kernels of one call, and their milliseconds."""
    if not torch.cuda.is_initialized():
        return []
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        run()
        torch.cuda.synchronize()
    names = [
        f"{event.key[:100]} {event.self_device_time_total / 1e3:.3f} ms"
        for event in sorted(profile.key_averages(), key=lambda event: -event.self_device_time_total)
        if event.self_device_time_total > 0
    ]
    return names[:4]


def measure(way, a):
    dtype = torch.bfloat16 if a.precision == "bf16" else torch.float32

    def tensor(*shape):
        random = torch.randn(shape, device=a.device, dtype=dtype)
        return random.contiguous(memory_format=torch.channels_last)

    side = way.output()
    xs = [tensor(a.batch, way.channels, way.size, way.size) for _ in range(way.copies)]
    ws = [tensor(way.outputs, way.channels // way.groups, way.kernel, way.kernel) for _ in xs]
    dys = [tensor(a.batch, way.outputs, side, side) for _ in xs]
    numbers = [way.stride] * 2, [way.padding] * 2, [1, 1], False, [0, 0], way.groups

    def forward():
        for x, w in zip(xs, ws):
            torch.ops.aten.convolution(x, w, None, *numbers)

    def backward(mask):
        for x, w, dy in zip(xs, ws, dys):
            torch.ops.aten.convolution_backward(dy, x, w, None, *numbers, mask)

    passes = dict(forward=forward, filter=lambda: backward([False, True, False]))
    if way.layer != "conv1":  # nothing needs the gradient of the images
        passes["data"] = lambda: backward([True, False, False])
    for name, run in passes.items():
        row = {"layer": way.layer, "way": way.name, "pass": name}
        try:
            seconds = statistics.median(timed(run, a.steps, 3))
            row["kernels"] = kernels(run)
        except RuntimeError as error:  # a way that does not run here is named, and the rest go on
            print(json.dumps(row | dict(error=str(error).splitlines()[0])), flush=True)
            continue
        row["milliseconds"] = round(seconds * 1e3, 4)
        row["useful_tflops"] = round(2 * way.useful * a.batch / seconds / 1e12, 1)
        print(json.dumps(row | dict(batch=a.batch, precision=a.precision)), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--precision", choices=["bf16", "f32"], default="bf16")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=70)
    parser.add_argument("--device", default="cuda:0")
    a = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    torch.backends.cudnn.allow_tf32 = True
    began = time.monotonic()
    for way in ways():
        if time.monotonic() - began > a.seconds:
            print(json.dumps(dict(layer=way.layer, way=way.name, error="no time left")), flush=True)
            continue
        measure(way, a)


if __name__ == "__main__":
    main()
