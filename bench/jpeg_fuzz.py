"""Holds the verdicts and pixels of 10,000 mutated JPEGs against libjpeg-turbo, through Python.

pip install numpy pillow opencv-python-headless
cargo build --release -p alexnet-data --example 06_verdicts
python bench/jpeg_fuzz.py target/release/examples/06_verdicts [COUNT [SEED]]

The verdict of the other side: refused, where Pillow makes no picture even of what is left; damaged,
where libjpeg-turbo has a warning about the data (OpenCV prints it) or Pillow an error; else whole. The mean difference
is that of the pixels, in full size and at a quarter of it. Another verdict, or a mean of more than 4
of 255, is listed with its reason, or as unexplained: those make the exit status 1.
"""

import collections
import io
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile

import cv2
import numpy as np
from jpeg_files import PROGRESSIVE, SIDE, jpeg, scene, ycc
from PIL import Image, ImageFile

SAMPLINGS = [
    [(1, 1)] * 3, [(2, 1), (1, 1), (1, 1)], [(1, 2), (1, 1), (1, 1)], [(2, 2), (1, 1), (1, 1)],
    [(4, 1), (1, 1), (1, 1)], [(3, 1), (1, 1), (1, 1)], [(1, 1), (2, 2), (2, 2)], [(2, 2), (2, 1), (2, 1)],
    [(1, 1), (2, 1), (1, 1)], [(1, 3), (1, 1), (1, 1)], [(2, 2), (1, 2), (1, 2)],
]
# Fewer than eight bytes.
FEW = re.compile(r" [1-7] extraneous")
SEPARATE = [([c], 0, 63, 0, 0) for c in range(3)]


def files(chance):
    """One file of each kind, whole."""
    made = {}
    for number, sampling in enumerate(SAMPLINGS):
        planes = ycc(scene(chance.randrange(1000)))
        for name, scans in (("sequential", None), ("progressive", PROGRESSIVE), ("separate", SEPARATE)):
            for interval in (0, 3):
                made[f"{name} {number} {interval}"] = jpeg(planes, sampling, interval=interval, jfif=True, scans=scans)
    image = scene(7)
    stored = [image[..., c] for c in range(3)]
    for adobe in (None, 0, 1):
        for names in ([1, 2, 3], list(b"RGB")):
            for jfif in (False, True):
                made[f"colours {adobe} {names} {jfif}"] = jpeg(stored, SAMPLINGS[0], names, 0, jfif, adobe)
    for adobe in (None, 0, 2):
        made[f"four {adobe}"] = jpeg(stored + [255 - stored[0] / 2], [(1, 1)] * 4, adobe=adobe)
    for factors in ((1, 1), (2, 2), (3, 1), (1, 4)):
        made[f"grey {factors}"] = jpeg(ycc(image)[:1], [factors], interval=5)
    for subsampling in (0, 1, 2):
        for progressive in (False, True):
            out = io.BytesIO()
            photo = Image.fromarray(scene(subsampling).astype(np.uint8))
            photo.save(out, "JPEG", quality=85, subsampling=subsampling, progressive=progressive, optimize=True)
            made[f"Pillow {subsampling} {progressive}"] = out.getvalue()
    return made


def mutate(chance, good, other):
    """A mutated file, and the name of the mutation."""
    scan = good.index(b"\xff\xda")
    data = scan + 2 + int.from_bytes(good[scan + 2 : scan + 4], "big")
    end = len(good) - 2
    at = chance.randrange(data, end)
    restarts = [i for i in range(data, end) if good[i] == 255 and 0xD0 <= good[i + 1] <= 0xD7]
    kinds = ["none", "bit", "byte", "header", "cut", "stop", "early end", "zeros", "ones", "junk", "tail", "gone"]
    kind = chance.choice(kinds + ["restart gone", "restart other", "interval gone"] * bool(restarts))
    restart = chance.choice(restarts) if restarts else 0
    out = bytearray(good)
    if kind == "bit":
        out[at] ^= 1 << chance.randrange(8)
    elif kind == "byte":
        out[at] = chance.randrange(256)
    elif kind == "header":
        out[chance.randrange(2, data)] = chance.randrange(256)
    elif kind == "cut":
        out = out[:at]
    elif kind == "stop":
        out = out[:at] + b"\xff\xd9"
    elif kind == "early end":
        out[at:at] = b"\xff\xd9"
    elif kind == "zeros":
        out[at:end] = bytes(end - at)
    elif kind == "ones":
        out[at:end] = b"\xff" * (end - at)
    elif kind == "junk":
        length = min(chance.randrange(1, 200), end - at)
        out[at : at + length] = bytes(chance.randrange(255) for _ in range(length))
    elif kind == "tail":
        out += chance.choice([other, other[: len(other) // 2], b"\xff\xda\0\x08", bytes(99)])
    elif kind == "gone":
        del out[at : at + chance.randrange(1, 40)]
    elif kind == "restart gone":
        del out[restart : restart + 2]
    elif kind == "restart other":
        out[restart + 1] = 0xD0 + chance.randrange(8)
    elif kind == "interval gone":
        following = [i for i in restarts if i > restart] or [end]
        del out[restart : following[0]]
    return bytes(out), kind


def warning(data):
    """What libjpeg-turbo in OpenCV writes to standard error while it decodes."""
    sys.stderr.flush()
    before = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        finally:
            os.dup2(before, 2)
            os.close(before)
        file.seek(0)
        return file.read().decode(errors="replace").strip()


def theirs(data, size):
    """Pillow's square, and libjpeg-turbo's verdict with its reason."""
    try:
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        image = Image.open(io.BytesIO(data))
        image.load()
        if image.format != "JPEG":
            return None, "refused", f"taken for {image.format}"
        image = image.convert("RGB")
    except Exception as error:  # Pillow raises many kinds
        return None, "refused", str(error)
    if min(image.size) != size:
        image = image.resize([round(side * size / min(image.size)) for side in image.size], Image.BOX)
    left, top = ((side - size) // 2 for side in image.size)
    pixels = np.asarray(image.crop((left, top, left + size, top + size))).astype(int)
    try:
        ImageFile.LOAD_TRUNCATED_IMAGES = False
        Image.open(io.BytesIO(data)).load()
    except Exception as error:
        return pixels, "damaged", f"Pillow: {error}"
    reason = warning(data)
    # Warnings that are not about the picture.
    if reason and not any(word in reason for word in ("Adobe color", "JFIF revision", "ICC", "SOS parameters")):
        return pixels, "damaged", reason
    return pixels, "whole", ""


def reason_for(ours, reason, verdict, why, mutation):
    """Why the verdicts differ, where that is meant to be; else nothing."""
    if ours == "whole" and "premature end" in why:
        return "the last number before a marker lacks a few bits"
    if ours == "damaged" and verdict == "whole":
        if "details" in reason:
            return "libjpeg takes a progressive picture without its last scans for whole"
        if "corrupt" in reason or "restart" in reason:
            return "libjpeg's fast path does not report bits that are no code, nor a restart marker too few"
        if re.match(r"\d+ bytes of its data are no part of the picture$", reason):
            return "OpenCV does not read past the last block"
        return ""
    if ours == "whole" and "extraneous bytes" in why:
        return "fewer than eight bytes that are skipped, or bytes between segments"
    if ours == "whole" and "bad Huffman" in why:
        return "a refining scan whose codes give more than one bit, which zune-jpeg takes"
    if ours == "refused" and "truncated" in reason:
        return "we refuse a file that ends early; libjpeg fills it with grey"
    if ours == "refused" and "nothing of it" in reason:
        return "nothing is decoded; libjpeg makes a grey picture"
    if ours == "damaged" and verdict == "refused":
        return "Pillow gives up where a later segment cannot be read; what was before it is there"
    if mutation == "header":
        return "a header that was changed: each decoder stops at another place"
    return ""


def reason_far(ours, data, reason, why, mutation):
    """Why the pixels differ by more than 4 in the mean, where that is meant to be; else nothing."""
    if "broken data stream" in why:
        return "Pillow gives up where a later segment cannot be read, and leaves all grey"
    if "scans are missing" in reason or (b"\xff\xc2" in data and "are missing" in reason):
        return "libjpeg guesses details that a progressive picture has lost"
    if mutation == "header":
        return "a header that was changed: each decoder stops at another place"
    if ours == "whole" and mutation != "none":
        return "a fault that leaves no trace but values that overflow, in zune-jpeg in another way"
    return ""


def main():
    program, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    chance = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    good = files(chance)
    names = list(good)
    made = []
    for _ in range(count):
        name, other = chance.choice(names), chance.choice(names)
        made.append((name, *mutate(chance, good[name], good[other]), chance.choice([SIDE, SIDE // 4])))
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        results = {}
        for size in (SIDE, SIDE // 4):
            inputs, pixels = root / f"in{size}", root / f"out{size}"
            inputs.mkdir()
            pixels.mkdir()
            for i, (_, data, _, own) in enumerate(made):
                if own == size:
                    (inputs / f"{i:06}").write_bytes(data)
            command = [program, inputs, str(size), pixels]
            lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
            for line in lines:
                file, verdict, time, reason = line.split("\t")
                square = pixels / file
                data = np.frombuffer(square.read_bytes(), np.uint8) if square.exists() else None
                results[int(file)] = (verdict, int(time), reason, data)
    tell(made, results)


def tell(made, results):
    verdicts, reasons, far = collections.Counter(), collections.Counter(), collections.Counter()
    means, unexplained = [], []
    slowest = max(time for _, time, _, _ in results.values())
    for i, (name, data, mutation, size) in enumerate(made):
        ours, _, reason, square = results[i]
        pixels, verdict, why = theirs(data, size)
        verdicts[ours, verdict] += 1
        what = f"{name}, {mutation}, {size}: {ours} ({reason}), theirs {verdict} ({why})"
        if ours != verdict:
            because = reason_for(ours, reason, verdict, why, mutation)
            reasons[because or "unexplained"] += 1
            if not because:
                unexplained.append(what)
        if square is not None and pixels is not None:
            means.append(float(np.abs(pixels - square.reshape(size, size, 3)).mean()))
            if means[-1] > 4:
                because = reason_far(ours, data, reason, why, mutation)
                far[ours, because or "unexplained"] += 1
                if not because:
                    unexplained.append(f"{means[-1]:.1f} {what}")
    print(f"{len(made)} files; the slowest took {slowest} ms")
    for (ours, verdict), n in sorted(verdicts.items()):
        print(f"{n:6} ours {ours}, theirs {verdict}")
    for because, n in reasons.most_common():
        print(f"{n:6} {because}")
    above = sum(far.values())
    print(f"mean difference: {np.mean(means):.3f}, over 4 in {above} of {len(means)}")
    for (ours, because), n in far.most_common():
        print(f"{n:6} of them {ours}: {because}")
    print("unexplained:", len(unexplained))
    for text in unexplained:
        print(text)
    sys.exit(1 if unexplained else 0)


if __name__ == "__main__":
    main()
