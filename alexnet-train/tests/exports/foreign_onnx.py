"""Graphs of ONNX that other programs wrote, with weights of a seed, and what onnxruntime says of them.

python foreign_onnx.py FOLDER writes NAME.onnx and NAME.safetensors (images, RGB as the network here
takes them, and logits) for torchvision's alexnet by both exporters of PyTorch (the newer one where
onnxscript is installed) and for a file with the layout of the ONNX zoo's bvlcalexnet-12.onnx.
"""

import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime
import torch
import torchvision
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

folder = Path(sys.argv[1])
torch.manual_seed(1)
random = numpy.random.default_rng(1)
IMAGES = 20


def write(name, model, images, blue_first=False):
    onnx.checker.check_model(model)
    onnx.save(model, str(folder / f"{name}.onnx"))
    last = [node for node in model.graph.node if node.op_type == "Gemm"][-1].output[0]
    if last != model.graph.output[0].name:  # the logits are not an output
        del model.graph.output[:]
        model.graph.output.append(helper.make_tensor_value_info(last, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(model.SerializeToString())
    given = session.get_inputs()[0].name
    rows = []
    for image in images:
        image = image[None, ::-1] if blue_first else image[None]
        rows.append(session.run(None, {given: numpy.ascontiguousarray(image)})[0])
    save_file({"images": images, "logits": numpy.concatenate(rows)}, folder / f"{name}.safetensors")


def torchs():
    network = torchvision.models.alexnet().eval()
    images = random.normal(0, 1, (IMAGES, 3, 224, 224)).astype(numpy.float32)
    example = (torch.zeros(1, 3, 224, 224),)
    path = folder / "made.onnx"
    for name, options in [("torch-script", dict(dynamo=False)), ("torch-dynamo", dict(dynamo=True))]:
        if options["dynamo"]:
            try:
                import onnxscript  # noqa: F401
            except ImportError:
                continue
            options["external_data"] = False
        torch.onnx.export(network, example, str(path), verbose=False, **options)
        write(name, onnx.load(str(path)), images)
    # As older versions of PyTorch called constants: by numbers.
    model = onnx.load(str(path))
    names = {tensor.name: str(10 + n) for n, tensor in enumerate(model.graph.initializer)}
    for tensor in model.graph.initializer:
        tensor.name = names[tensor.name]
    for node in model.graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
    write("torch-anonymous", model, images)
    path.unlink()


def zoos():
    nodes, constants, inputs = [], [], []
    at = ["data_0"]

    def constant(name, values):
        constants.append(numpy_helper.from_array(values, name))
        kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        inputs.append(helper.make_tensor_value_info(name, kind, values.shape))
        return name

    def node(op, names=(), outputs=1, **attributes):
        made = [f"{op.lower()}{len(nodes)}_{n}" for n in range(outputs)]
        nodes.append(helper.make_node(op, at + list(names), made, **attributes))
        at[0] = made[0]

    def layer(op, name, shape, **attributes):
        std = (2 / numpy.prod(shape[1:])) ** 0.5
        weight = constant(f"{name}_w_0", random.normal(0, std, shape).astype(numpy.float32))
        bias = constant(f"{name}_b_0", random.normal(0, 0.1, shape[0]).astype(numpy.float32))
        node(op, [weight, bias], **attributes)

    convs = [
        ((96, 3, 11, 11), 4, 0, 1),
        ((256, 48, 5, 5), 1, 2, 2),
        ((384, 256, 3, 3), 1, 1, 1),
        ((384, 192, 3, 3), 1, 1, 2),
        ((256, 192, 3, 3), 1, 1, 2),
    ]
    for number, (shape, stride, pad, group) in enumerate(convs, 1):
        window = dict(kernel_shape=shape[2:], strides=[stride] * 2, pads=[pad] * 4)
        layer("Conv", f"conv{number}", shape, group=group, **window)
        node("Relu")
        if number <= 2:
            node("LRN", size=5, alpha=1e-4, beta=0.75, bias=1.0)
        if number in (1, 2, 5):
            node("MaxPool", kernel_shape=[3, 3], strides=[2, 2], pads=[0, 0, 1, 1])
    node("Reshape", [constant("OC2_DUMMY_1", numpy.array([1, 9216]))])
    for number, shape in [(6, (4096, 9216)), (7, (4096, 4096)), (8, (1000, 4096))]:
        layer("Gemm", f"fc{number}", shape, transB=1)
        if number < 8:
            node("Relu")
            node("Dropout", outputs=2)
    node("Softmax", axis=1)
    images = helper.make_tensor_value_info("data_0", TensorProto.FLOAT, (1, 3, 224, 224))
    output = helper.make_tensor_value_info(at[0], TensorProto.FLOAT, (1, 1000))
    graph = helper.make_graph(nodes, "AlexNet", [images] + inputs, [output], constants)
    operators = [helper.make_opsetid("", 12)]
    model = helper.make_model(graph, ir_version=3, opset_imports=operators)
    pictures = random.normal(0, 60, (IMAGES, 3, 224, 224)).astype(numpy.float32)
    write("zoo", model, pictures, blue_first=True)


torchs()
zoos()
