"""Writes the small files of this folder: state dicts as PyTorch saves them, in each way that matters.

pip install torch numpy
python alexnet-train/tests/weights/make_torch.py alexnet-train/tests/weights

NAME.pth is what `torch.save` writes, NAME.json what its tensors are: their numbers in f32 by name. The
files that are refused have no such list.
"""

import collections
import json
import pathlib
import pickle
import sys
import zipfile

import torch
from torch import nn


def numbers(shape, seed):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.classifier = nn.Linear(4, 2)


def filled():
    net = Net()
    for seed, parameter in enumerate(net.parameters()):
        parameter.data.copy_(numbers(parameter.shape, seed))
    return net


class Harmful:
    def __reduce__(self):
        import os

        return os.system, ("touch executed",)


def main():
    folder = pathlib.Path(sys.argv[1])
    floats = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
    whole, net = numbers((6, 5), 7), filled()
    kept = {
        "module": net.state_dict(),  # an OrderedDict with versions of its modules
        "parameters": collections.OrderedDict(net.named_parameters()),  # as torchvision's file
        "dtypes": {str(dtype)[6:]: numbers((2, 3), 3).to(dtype) for dtype in floats},
        "views": {
            "transposed": whole.t(),
            "row": whole[2],
            "column": whole[:, 3],
            "inner": whole[1:4, 2:5],
            "every-other": whole[::2, ::3],
            "scalar": whole[4, 4],
            "empty": whole[:0],
            "shared": whole,
        },
        "training": {"epoch": 3, "loss": 0.5, "state_dict": net.state_dict(), "done": False},
        "parallel": nn.DataParallel(net).state_dict(),
    }
    for name, state in kept.items():
        torch.save(state, folder / f"{name}.pth")
        state = state.get("state_dict", state)
        tensors = {key: [list(t.shape), t.detach().float().flatten().tolist()] for key, t in state.items()}
        tensors = {key.removeprefix("module."): value for key, value in tensors.items()}
        (folder / f"{name}.json").write_text(json.dumps(tensors) + "\n")
    state = {"w": numbers((2, 2), 1)}
    torch.save(state, folder / "protocol-5.pth", pickle_protocol=5)
    (folder / "protocol-5.json").write_text(json.dumps({"w": [[2, 2], state["w"].flatten().tolist()]}) + "\n")
    torch.save(state, folder / "refused-legacy.pth", _use_new_zipfile_serialization=False)
    torch.save({"w": Harmful()}, folder / "refused-code.pth")
    torch.save(net, folder / "refused-module.pth")
    torch.jit.script(net).save(folder / "refused-script.pth")
    (folder / "refused-pickle.pth").write_bytes(pickle.dumps({"w": [1.0]}, 4))
    with zipfile.ZipFile(folder / "protocol-5.pth") as source:
        with zipfile.ZipFile(folder / "refused-compressed.pth", "w", zipfile.ZIP_DEFLATED) as target:
            for name in source.namelist():
                target.writestr(zipfile.ZipInfo(name), source.read(name), zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main()
