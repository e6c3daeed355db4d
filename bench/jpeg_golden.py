"""Writes the JPEGs of alexnet-data/tests/jpegs, with the checksums of the pixels that libjpeg-turbo makes.

pip install numpy pillow
python bench/jpeg_golden.py alexnet-data/tests/jpegs

They are of the kinds that zune-jpeg makes wrong, and damaged ones. Several have blocks whose values
overflow.
"""

import io
import pathlib
import random
import sys
import zlib

from jpeg_files import PROGRESSIVE, jpeg, scene, ycc
from PIL import Image, ImageFile

SEPARATE = [([c], 0, 63, 0, 0) for c in range(3)]


def damaged(data, seed):
    """The same with 40 other bytes in its first scan."""
    chance = random.Random(seed)
    scan = data.index(b"\xff\xda") + 120
    return data[:scan] + bytes(chance.randrange(255) for _ in range(40)) + data[scan + 40 :]


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    ImageFile.LOAD_TRUNCATED_IMAGES = True
    planes = ycc(scene(3))
    made = {}
    for h, v in ((1, 1), (2, 1), (1, 2), (2, 2), (4, 1)):
        made[f"separate-{h}x{v}"] = jpeg(planes, [(h, v), (1, 1), (1, 1)], jfif=True, scans=SEPARATE)
    made["fine-chroma"] = jpeg(planes, [(1, 1), (2, 2), (2, 2)], jfif=True)
    made["by-three"] = jpeg(planes, [(1, 3), (1, 1), (1, 1)], jfif=True)
    made["fine-progressive"] = jpeg(planes, [(1, 1), (2, 1), (1, 1)], jfif=True, scans=PROGRESSIVE)
    made["damaged-separate"] = damaged(made["separate-2x2"], 1)
    made["damaged-restarts"] = damaged(jpeg(planes, [(2, 1), (1, 1), (1, 1)], interval=3, jfif=True), 2)
    made["damaged"] = damaged(jpeg(planes, [(2, 2), (1, 1), (1, 1)], jfif=True), 3)
    lines = []
    for name, data in made.items():
        (folder / f"{name}.jpg").write_bytes(data)
        image = Image.open(io.BytesIO(data)).convert("RGB")
        lines.append(f"{zlib.crc32(image.tobytes()):08x} {name}.jpg\n")
    (folder / "pixels.crc32").write_text("".join(lines))


if __name__ == "__main__":
    main()
