"""Weights in the layouts of torchvision and of Caffe, and what these networks say of 20 pictures.

    python parity.py make FOLDER            # torchvision.pth, bvlc_alexnet.caffemodel, …, pictures/*.png
    python parity.py compare FOLDER NAME    # FOLDER/NAME-ours.npy with FOLDER/NAME.npy: at most 1e-4 apart

The weights come from a seed, with the scale of trained ones, so that pictures differ in their logits.
Caffe's networks are computed by NumPy from the bytes of the file, as its prototxt says: blue first,
pixels of 0 to 255 minus the mean image, the centre of 227, groups, LRN over the mean of five squares.
Needs torch, torchvision, numpy and pillow.
"""

import pathlib
import sys

import numpy as np

SIZES = {"conv1": (96, 3, 11), "conv2": (256, 48, 5), "conv3": (384, 256, 3), "conv4": (384, 192, 3), "conv5": (256, 192, 3)}
DENSE = {"fc6": (4096, 9216), "fc7": (4096, 4096), "fc8": (1000, 4096)}
GROUPS = {"conv2": 2, "conv4": 2, "conv5": 2}
KINDS = {"conv": (4, "Convolution"), "fc": (14, "InnerProduct"), "norm": (15, "LRN"), "pool": (17, "Pooling"), "relu": (18, "ReLU")}
ORDERS = {
    "bvlc_alexnet": "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2",
    "bvlc_reference_caffenet": "conv1 relu1 pool1 norm1 conv2 relu2 pool2 norm2",
}
REST = "conv3 relu3 conv4 relu4 conv5 relu5 pool5 fc6 relu6 fc7 relu7 fc8"
LIMIT = 1e-4


def draw_pictures(folder):
    from PIL import Image

    folder.mkdir()
    chance = np.random.default_rng(7)
    y, x = np.mgrid[:256, :256] / 256
    for number in range(20):
        waves = chance.uniform(2, 30, (3, 2))
        planes = [127 + 90 * np.sin(a * x + b * y + number) for a, b in waves]
        image = np.stack(planes, -1) + chance.normal(0, 12, (256, 256, 3))
        cy, cx, radius = chance.uniform(0.2, 0.8, 3)
        image[(y - cy) ** 2 + (x - cx) ** 2 < (radius / 4) ** 2] = chance.uniform(0, 255, 3)
        image = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        Image.fromarray(image).save(folder / f"{number:02}.png")


def pictures(folder):
    from PIL import Image

    return [Image.open(path).convert("RGB") for path in sorted(folder.glob("*.png"))]


def torchvision(folder):
    import torch
    import torchvision

    torch.manual_seed(3)
    model = torchvision.models.alexnet(weights=None).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            fan_in = parameter[0].numel()
            parameter.normal_(0, (2 / fan_in) ** 0.5 if parameter.ndim > 1 else 0.1)
    import collections

    torch.save(collections.OrderedDict(model.named_parameters()), folder / "torchvision.pth")
    transform = torchvision.models.AlexNet_Weights.IMAGENET1K_V1.transforms()
    images = torch.stack([transform(picture) for picture in pictures(folder / "pictures")])
    with torch.no_grad():
        np.save(folder / "torchvision.npy", model(images).numpy())


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + bytes(value)


def blob(array):
    four = (1,) * (4 - array.ndim) + array.shape
    sizes = b"".join(field(number + 1, size) for number, size in enumerate(four))
    return sizes + field(5, array.astype("<f4").tobytes())


def save_caffe(path, order, weights, first):
    """A NetParameter with layers of version 1, or of version 2."""
    net = field(1, b"AlexNet")
    for name in order.split():
        number, kind = KINDS[name.rstrip("0123456789")]
        blobs = [blob(array) for array in weights.get(name, ())]
        if first:
            layer = field(4, name.encode()) + field(5, number) + b"".join(field(6, b) for b in blobs)
        else:
            layer = field(1, name.encode()) + field(2, kind.encode()) + b"".join(field(7, b) for b in blobs)
        net += field(2 if first else 100, layer)
    path.write_bytes(net)


def fields(data):
    """The fields of a message: an own reader, which takes the bytes as Caffe's proto says."""
    at = 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return value

    while at < len(data):
        tag = number()
        value = number()
        if tag & 7 == 2:
            at, value = at + value, data[at : at + value]
        yield tag >> 3, value


def read_blob(data):
    sizes, numbers = {}, None
    for key, value in fields(data):
        if key <= 4:
            sizes[key] = value
        elif key == 5:
            numbers = np.frombuffer(value, "<f4")
    return numbers.reshape([sizes[key] for key in (1, 2, 3, 4)])


def load_caffe(path):
    """The names of the layers in their order, and their blobs."""
    order, weights = [], {}
    for key, layer in fields(memoryview(path.read_bytes())):
        if key not in (2, 100):
            continue
        (name_key, blob_key) = (4, 6) if key == 2 else (1, 7)
        found = list(fields(layer))
        name = next(bytes(value).decode() for key, value in found if key == name_key)
        order.append(name)
        blobs = [read_blob(value) for key, value in found if key == blob_key]
        if blobs:
            weights[name] = blobs
    return order, weights


def conv(x, weight, bias, stride, pad, groups):
    x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    kernel, outputs = weight.shape[-1], []
    for part, filters in zip(np.split(x, groups, 1), np.split(weight, groups)):
        windows = np.lib.stride_tricks.sliding_window_view(part, (kernel, kernel), (2, 3))[:, :, ::stride, ::stride]
        outputs.append(np.einsum("bchwij,ocij->bohw", windows, filters, optimize=True))
    return np.concatenate(outputs, 1) + bias.reshape(1, -1, 1, 1)


def norm(x):
    squares = np.pad(x**2, ((0, 0), (2, 2), (0, 0), (0, 0)))
    sums = sum(squares[:, i : i + x.shape[1]] for i in range(5))
    return x / (1 + 1e-4 / 5 * sums) ** 0.75


def pool(x):
    """Maxima over 3 x 3 with stride 2; the last window may hang over the edge, as in Caffe."""
    size = -(-(x.shape[2] - 3) // 2) + 1
    missing = 2 * (size - 1) + 3 - x.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (0, missing), (0, missing)), constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (3, 3), (2, 3))[:, :, ::2, ::2]
    return windows.max((4, 5))


def caffe(folder, name, first):
    chance = np.random.default_rng(11)
    weights = {}
    for layer, (filters, channels, kernel) in SIZES.items():
        std = (2 / (channels * kernel * kernel)) ** 0.5
        weights[layer] = [chance.normal(0, std, (filters, channels, kernel, kernel)), chance.normal(0, 0.1, filters)]
    for layer, (outputs, inputs) in DENSE.items():
        weights[layer] = [chance.normal(0, (2 / inputs) ** 0.5, (outputs, inputs)), chance.normal(0, 0.1, outputs)]
    save_caffe(folder / f"{name}.caffemodel", f"{ORDERS[name]} {REST}", weights, first)
    del weights
    y, x = np.mgrid[:256, :256] / 256
    mean = np.stack([104 + 9 * np.sin(5 * x), 117 + 7 * np.cos(4 * y), 123 + 6 * np.sin(3 * x * y)]).astype(np.float32)
    (folder / "imagenet_mean.binaryproto").write_bytes(blob(mean[None]))

    order, weights = load_caffe(folder / f"{name}.caffemodel")
    data = np.stack([np.asarray(picture)[:, :, ::-1].transpose(2, 0, 1) for picture in pictures(folder / "pictures")])
    x = (data.astype(np.float64) - mean)[:, :, 14:241, 14:241]
    for layer in order:
        kind = layer.rstrip("0123456789")
        if kind == "conv":
            pad = {"conv1": 0, "conv2": 2}.get(layer, 1)
            weight, bias = weights[layer]
            x = conv(x, weight, bias, 4 if layer == "conv1" else 1, pad, GROUPS.get(layer, 1))
        elif kind == "fc":
            weight, bias = weights[layer]
            x = x.reshape(len(x), -1) @ weight[0, 0].T.astype(np.float64) + bias.reshape(1, -1)
        else:
            x = {"relu": lambda x: np.maximum(x, 0), "norm": norm, "pool": pool}[kind](x)
    np.save(folder / f"{name}.npy", x)


def compare(folder, name):
    ours, theirs = (np.load(folder / f"{name}{ending}.npy") for ending in ("-ours", ""))
    assert ours.shape == theirs.shape == (20, 1000), (ours.shape, theirs.shape)
    scale = np.abs(theirs).max()
    spread = np.abs(theirs - theirs.mean(0)).max() / scale
    assert spread > 0.1, f"the pictures hardly differ: {spread}"
    off = np.abs(ours - theirs).max() / scale
    print(f"{name}: {off:.2g} of the largest logit, {scale:.3g}; pictures differ by {spread:.2g}")
    assert off <= LIMIT, f"{name}: {off} > {LIMIT}"


def main():
    what, folder = sys.argv[1], pathlib.Path(sys.argv[2])
    if what == "make":
        draw_pictures(folder / "pictures")
        torchvision(folder)
        caffe(folder, "bvlc_alexnet", True)
        caffe(folder, "bvlc_reference_caffenet", False)
    else:
        compare(folder, sys.argv[3])


if __name__ == "__main__":
    main()
