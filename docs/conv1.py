"""Draws the kernels of a network's first convolution: python3 docs/conv1.py WEIGHTS PNG.

WEIGHTS is a safetensors file with `conv1.weight` of shape (O, 3, k, k), such as a run's
final.safetensors. Each kernel is scaled by its own largest weight: grey is zero, and a colour is
bright where its channel's weights are positive. Between weights, pixels are interpolated, in steps
of 5 of 255, which keeps the file small. Only Python's standard library is needed.
"""
import json, struct, sys, zlib

SIDE, GAP, COLUMNS = 49, 5, 16  # pixels of a kernel's side, pixels between kernels, kernels a row

def read_kernels(path):
    """The tensor as kernels[o][channel][y][x]."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        entry = json.loads(file.read(length))["conv1.weight"]
        outputs, channels, height, width = entry["shape"]
        if entry["dtype"] != "F32" or channels != 3:
            sys.exit(f"{path}: expected f32 weights of 3 channels, got {entry}")
        file.seek(8 + length + entry["data_offsets"][0])
        row = lambda: struct.unpack(f"<{width}f", file.read(4 * width))
        return [[[row() for _ in range(height)] for _ in "RGB"] for _ in range(outputs)]

def interpolate(plane, y, x):
    """The value between the nearest four weights of one channel; y and x are 0 to 1."""
    y, x = y * (len(plane) - 1), x * (len(plane[0]) - 1)
    top, left = min(int(y), len(plane) - 2), min(int(x), len(plane[0]) - 2)
    mix = lambda a, b, share: a + (b - a) * share
    upper, lower = (mix(row[left], row[left + 1], x - left) for row in plane[top:top + 2])
    return mix(upper, lower, y - top)

def draw(kernels):
    """The picture as rows of RGB bytes."""
    height, width = ((SIDE + GAP) * n + GAP for n in (-(-len(kernels) // COLUMNS), COLUMNS))
    image = [bytearray(b"\xff" * 3 * width) for _ in range(height)]
    for i, kernel in enumerate(kernels):
        scale = 127.5 / max(abs(w) for plane in kernel for row in plane for w in row)
        top, left = (GAP + (SIDE + GAP) * n for n in divmod(i, COLUMNS))
        for y in range(SIDE):
            values = (interpolate(plane, y / (SIDE - 1), x / (SIDE - 1))
                      for x in range(SIDE) for plane in kernel)
            shades = bytes(int(127.5 + scale * value) // 5 * 5 for value in values)
            image[top + y][3 * left:3 * (left + SIDE)] = shades
    return image

def write_png(path, image):
    """8 bits of RGB; each row is stored as differences to the pixel on the left (filter 1)."""
    header = struct.pack(">2I5B", len(image[0]) // 3, len(image), 8, 2, 0, 0, 0)
    rows = (bytes([1] + [(b - a) % 256 for a, b in zip(b"\0\0\0" + row, row)]) for row in image)
    pixels = zlib.compress(b"".join(rows), 9)
    with open(path, "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for chunk in b"IHDR" + header, b"IDAT" + pixels, b"IEND":
            length, checksum = (struct.pack(">I", n) for n in (len(chunk) - 4, zlib.crc32(chunk)))
            file.write(length + chunk + checksum)

if __name__ == "__main__":
    write_png(sys.argv[2], draw(read_kernels(sys.argv[1])))
