"""Writes JPEGs of every kind: any sampling, colours, markers and scans, which Pillow cannot write.

The encoder is plain and slow. Its tables of Huffman codes are not optimal, and are valid.
"""

import numpy as np

SIDE = 64
ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, (i // 8, i % 8)[(i // 8 + i % 8) % 2 == 0]))
K = np.arange(8)
COSINES = np.sqrt(2 / 8) * np.cos((2 * K[None, :] + 1) * K[:, None] * np.pi / 16)
COSINES[0] /= np.sqrt(2)
STEPS = np.full(64, 8)
STEPS[:10] = 4
# Twelve DC codes of four bits, and all AC codes of eight.
DC = {bits: (bits, 4) for bits in range(12)}
AC_SYMBOLS = [0, 0xF0] + [run << 4 | bits for run in range(16) for bits in range(1, 11)]
AC = {symbol: (code, 8) for code, symbol in enumerate(AC_SYMBOLS)}
# The first number of a scan: its components, first and last coefficient, bit positions.
PROGRESSIVE = [
    ([0, 1, 2], 0, 0, 0, 1), ([0], 1, 5, 0, 2), ([2], 1, 63, 0, 1), ([1], 1, 63, 0, 1),
    ([0], 6, 63, 0, 2), ([0], 1, 63, 2, 1), ([0, 1, 2], 0, 0, 1, 0), ([2], 1, 63, 1, 0),
    ([1], 1, 63, 1, 0), ([0], 1, 63, 1, 0),
]


class Bits:
    def __init__(self):
        self.out, self.rest, self.count = bytearray(), 0, 0

    def put(self, value, bits):
        self.rest, self.count = self.rest << bits | value, self.count + bits
        while self.count >= 8:
            byte = self.rest >> (self.count - 8) & 255
            self.out += bytes([byte, 0]) if byte == 255 else bytes([byte])
            self.count -= 8
        self.rest &= (1 << self.count) - 1

    def flush(self):
        if self.count:
            self.put((1 << (8 - self.count)) - 1, 8 - self.count)

    def symbol(self, codes, run, value):
        """A code for a run of zeros and a number's length, and the number."""
        value = int(value)
        bits = abs(value).bit_length()
        self.put(*codes[run << 4 | bits])
        self.put(value if value >= 0 else value + (1 << bits) - 1, bits)


def segment(marker, content):
    return bytes([255, marker]) + (len(content) + 2).to_bytes(2, "big") + bytes(content)


def ycc(rgb):
    r, g, b = (rgb[..., c].astype(float) for c in range(3))
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return [y, 128 + (b - y) * 0.564334, 128 + (r - y) * 0.713267]


def scene(seed):
    """Smooth colours with a disc and a little noise, as in photographs."""
    random = np.random.RandomState(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    waves = [128 + 90 * np.sin(x * 5 + random.rand() * 6) * np.cos(y * 4 + random.rand() * 6) for _ in "rgb"]
    image = np.stack(waves, -1)
    image[(y - 0.4) ** 2 + (x - 0.5) ** 2 < 0.06] = random.randint(30, 220, 3)
    return np.clip(image + random.randn(SIDE, SIDE, 1) * 3, 0, 255)


def coefficients(plane, own, most):
    """The quantized blocks of one component, in zigzag order."""
    rows, columns = (-(-SIDE // (8 * side)) for side in most[::-1])
    full = np.pad(plane, ((0, rows * 8 * most[1] - SIDE), (0, columns * 8 * most[0] - SIDE)), "edge")
    down, across = most[1] // own[1], most[0] // own[0]
    small = full.reshape(full.shape[0] // down, down, full.shape[1] // across, across).mean((1, 3))
    blocks = (small - 128).reshape(small.shape[0] // 8, 8, small.shape[1] // 8, 8).swapaxes(1, 2)
    values = np.einsum("ij,abjk,lk->abil", COSINES, blocks, COSINES)
    values = values.reshape(*values.shape[:2], 64)[..., ZIGZAG]
    return np.rint(values / STEPS).astype(int)


def first_ac(bits, values):
    run, last = 0, max((i for i, v in enumerate(values) if v), default=-1)
    for value in values[: last + 1]:
        if value == 0:
            run += 1
            continue
        while run > 15:
            bits.put(*AC[0xF0])
            run -= 16
        bits.symbol(AC, run, value)
        run = 0
    if last < len(values) - 1:
        bits.put(*AC[0])


def more_ac(bits, values, signs):
    """The next bit of coefficients: `values` are their sizes up to this bit."""
    last = max((i for i, v in enumerate(values) if v == 1), default=-1)
    run, corrections = 0, []

    def correct():
        for bit in corrections:
            bits.put(bit, 1)
        corrections.clear()

    for i, value in enumerate(values[: last + 1]):
        if value == 0:
            run += 1
            continue
        while run > 15:
            bits.put(*AC[0xF0])
            correct()
            run -= 16
        if value > 1:
            corrections.append(value & 1)
            continue
        bits.put(*AC[run << 4 | 1])
        bits.put(int(signs[i] > 0), 1)
        correct()
        run = 0
    if last < len(values) - 1:
        bits.put(*AC[0])
        corrections += [value & 1 for value in values[last + 1 :] if value > 1]
    correct()


def block(bits, z, scan, before):
    """One block of a scan; the DC value that the next one builds on."""
    _, first, last, high, low = scan
    if first > 0:
        sizes = [abs(int(v)) >> low for v in z[first : last + 1]]
        if high:
            more_ac(bits, sizes, z[first : last + 1])
        else:
            first_ac(bits, [s if v > 0 else -s for s, v in zip(sizes, z[first : last + 1])])
        return before
    if high:
        bits.put(int(z[0]) >> low & 1, 1)
        return before
    dc = int(z[0]) >> low
    bits.symbol(DC, 0, dc - before)
    if last > 0:
        first_ac(bits, z[1:])
    return dc


def jpeg(planes, sampling, names=None, interval=0, jfif=False, adobe=None, scans=None):
    """A JPEG of 64 x 64 pixels; with `scans` (see PROGRESSIVE), a progressive or separate one."""
    names = names or list(range(1, len(planes) + 1))
    most = [max(s[side] for s in sampling) for side in (0, 1)]
    values = [coefficients(plane, own, most) for plane, own in zip(planes, sampling)]
    scans = scans or [(list(range(len(planes))), 0, 63, 0, 0)]
    progressive = any(last < 63 for _, _, last, _, _ in scans)
    out = b"\xff\xd8"
    if jfif:
        out += segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0")
    if adobe is not None:
        out += segment(0xEE, b"Adobe\0\x64\0\0\0\0" + bytes([adobe]))
    out += segment(0xDB, [0] + [int(step) for step in STEPS])
    frame = [8, 0, SIDE, 0, SIDE, len(planes)]
    for name, (h, v) in zip(names, sampling):
        frame += [name, h << 4 | v, 0]
    out += segment(0xC2 if progressive else 0xC0, frame)
    out += segment(0xC4, [0] + [0, 0, 0, 12] + [0] * 12 + list(range(12)))
    out += segment(0xC4, [16] + [0] * 7 + [len(AC_SYMBOLS)] + [0] * 8 + AC_SYMBOLS)
    if interval:
        out += segment(0xDD, interval.to_bytes(2, "big"))
    for scan in scans:
        components, first, last, high, low = scan
        header = [len(components)] + [v for c in components for v in (names[c], 0)]
        out += segment(0xDA, header + [first, last, high << 4 | low])
        bits, before = Bits(), [0] * len(planes)
        for i, unit in enumerate(units(components, sampling, most)):
            if interval and i and i % interval == 0:
                bits.flush()
                bits.out += bytes([255, 0xD0 + (i // interval - 1) % 8])
                before = [0] * len(planes)
            for c, y, x in unit:
                before[c] = block(bits, values[c][y, x], scan, before[c])
        bits.flush()
        out += bits.out
    return out + b"\xff\xd9"


def units(components, sampling, most):
    """The blocks of each unit: component, row, column."""
    if len(components) == 1:
        (c,) = components
        across, down = (-(-SIDE * sampling[c][i] // (8 * most[i])) for i in (0, 1))
        return [[(c, y, x)] for y in range(down) for x in range(across)]
    across, down = (-(-SIDE // (8 * side)) for side in most)
    blocks = [(c, v, h) for c in components for v in range(sampling[c][1]) for h in range(sampling[c][0])]
    return [
        [(c, y * sampling[c][1] + v, x * sampling[c][0] + h) for c, v, h in blocks]
        for y in range(down)
        for x in range(across)
    ]
