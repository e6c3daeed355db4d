"""What the golden numbers notice: each entry of FAULTS is an edit of twin.py, and the program prints what it does.

    python faults.py                    # ten minutes on two cores

For every fault, in float32, the largest relative change: of a layer's output and of a gradient in the first step
(root mean squares), of the way a parameter moved in all steps (the same), and of a loss; and the first step whose
loss is off by more than 1e-4.
"""

from pathlib import Path

import torch

TOLERANCE = 1e-4  # of a loss

FAULTS = [
    ("conv1 padded on all sides", "F.pad(x, (0, 3, 0, 3))", "F.pad(x, (1, 2, 1, 2))"),
    ("ReLU before LRN 1", 'seen("conv1", F.conv2d(x, w("conv1"), b("conv1"), stride=4))',
     'F.relu(F.conv2d(x, w("conv1"), b("conv1"), stride=4))'),
    ("LRN across the towers", "torch.cat([norm(half) for half in x.chunk(2, dim=1)], dim=1)", "norm(x)"),
    ("LRN: alpha not divided", "alpha=1e-4", "alpha=5e-4"),
    ("LRN: k = 1", "k=2.0", "k=1.0"),
    ("LRN: three channels", "size=5", "size=3"),
    ("LRN: gradient of the sum forgotten", "return F.local_response_norm(x, size=5, alpha=1e-4, beta=0.75, k=2.0)",
     "y = F.local_response_norm(x, 5, 1e-4, 0.75, 2.0); return x * torch.where(x == 0, 0, y / x).detach()"),
    ("same-map norm: missing", "map_norm(x))", "x)"),
    ("same-map norm: divisor clipped", "count_include_pad=True", "count_include_pad=False"),
    ("same-map norm: alpha not divided", "1e-3 * squares", "25e-3 * squares"),
    ("same-map norm: gradient of the sum forgotten", "1e-3 * squares", "1e-3 * squares.detach()"),
    ("conv3: biases 1", '("conv3", (384, 256, 3, 3), 0.03, 0.0)', '("conv3", (384, 256, 3, 3), 0.03, 1.0)'),
    ("fc6: order H, W, C", "x.flatten(1)", "x.permute(0, 2, 3, 1).flatten(1)"),
    ("pixels: blue first", ".permute(0, 3, 1, 2) - MEAN", ".permute(0, 3, 1, 2).flip(1) - MEAN"),
    ("pixels: mean 127", "MEAN = 128.0", "MEAN = 127.0"),
    ("weights: rate 1 % higher", "rate=5e-6", "rate=5.05e-6"),
    ("weights: no decay", "decay=1.0", "decay=0.0"),
    ("biases: half the rate", "rate=0.02", "rate=0.01"),
    ("biases: decayed like weights", "rate=0.02, momentum=0.9, decay=0.0", "rate=0.02, momentum=0.9, decay=2.5e-4"),
    ("momentum 0.89", "rate=5e-6, momentum=0.9", "rate=5e-6, momentum=0.89"),
    ("momentum looks ahead (Nesterov)", "w.add_(v)", "w.add_(v, alpha=momentum).add_(g, alpha=-rate)"),
]


def train(old="", new=""):
    path = Path(__file__).with_name("twin.py")
    source = path.read_text()
    assert old in source, old
    twin = {"__name__": "twin", "__file__": str(path)}
    exec(compile(source.replace(old, new) if old else source, path, "exec"), twin)
    return twin["train"](torch.float32)


def report(name, changed, right):
    def off(table):  # a fault may leave a layer out
        return max(abs(v / right[table][k] - 1.0) for k, v in changed[table].items() if right[table][k])

    losses = [abs(a / b - 1.0) for a, b in zip(changed["losses"], right["losses"])]
    step = next((str(s) for s, d in enumerate(losses) if not d <= TOLERANCE), "never")
    first, rest = f"{off('outputs'):8.1e} {off('gradients'):9.1e}", f"{off('moved'):8.1e} {max(losses):8.1e}"
    print(f"{name:46} {first} {rest}  {step}", flush=True)


def main():
    right = train()
    print(f"{'fault':46} {'outputs':>8} {'gradients':>9} {'moved':>8} {'losses':>8}  step")
    with torch.backends.mkldnn.flags(enabled=False):
        report("(none: other convolution code)", train(), right)
    for name, old, new in FAULTS:
        report(name, train(old, new), right)


if __name__ == "__main__":
    main()
