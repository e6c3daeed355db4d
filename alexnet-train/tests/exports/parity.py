"""What onnxruntime and PyTorch say of exported weights, beside what the project says.

python parity.py FOLDER, where FOLDER has case.safetensors (images, pictures, logits) and the exports
plain.onnx, picture.onnx, weights.pth with weights.py, and hf. It prints a JSON object: for each, how
far its logits are from the project's, over the largest of these.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime
import torch
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_torch

torch.set_num_threads(2)
folder = Path(sys.argv[1])
case = load_file(folder / "case.safetensors")
want = case["logits"]


def distance(got):
    assert got.shape == want.shape, (got.shape, want.shape)
    return float(numpy.abs(got - want).max() / numpy.abs(want).max())


def run_onnx(name, images):
    model = folder / name
    onnx.checker.check_model(str(model), full_check=True)
    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    outputs = [output.name for output in session.get_outputs()]
    assert outputs == ["logits"], outputs
    whole = session.run(None, {given.name: images})[0]
    singly = [session.run(None, {given.name: images[i : i + 1]})[0] for i in range(len(images))]
    return max(distance(whole), distance(numpy.concatenate(singly)))


def network(module):
    """The network of a module file, or torchvision's where there is none."""
    if not module.exists():
        import torchvision

        return torchvision.models.alexnet(num_classes=want.shape[1])
    spec = importlib.util.spec_from_file_location("module", module)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Network()


def run_torch(module, state):
    net = network(module).eval()
    net.load_state_dict(state)
    with torch.no_grad():
        return distance(net(torch.from_numpy(case["images"])).numpy())


state = torch.load(folder / "weights.pth", weights_only=True)
hub = load_torch(folder / "hf" / "model.safetensors")
assert list(hub) and set(hub) == set(state) and all(torch.equal(hub[n], state[n]) for n in state)
config = json.loads((folder / "hf" / "config.json").read_text())
assert config["num_classes"] == len(config["label_names"]) == want.shape[1]
mapped = torch.load(folder / "weights.pth", weights_only=True, mmap=True)
assert all(torch.equal(mapped[name], state[name]) for name in state)
print(
    json.dumps(
        {
            "onnx": run_onnx("plain.onnx", case["images"]),
            "onnx with input": run_onnx("picture.onnx", case["pictures"]),
            "torch": run_torch(folder / "weights.py", state),
            "hf": run_torch(folder / "hf" / "model.py", hub),
        }
    )
)
