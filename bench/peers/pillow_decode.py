"""Pillow turns image files into 256 x 256 RGB on one core: decode, box resize, centre crop.

python pillow_decode.py FOLDER [ROUNDS]; the rates are by CPU time. Against it:
cargo run --release -p alexnet-data --example 04_decoding_rate -- FOLDER [ROUNDS]

Three ways: everything resized and then cropped; only the crop computed (Pillow's `box`); and that with
Pillow's own scaled decoding (`draft`), which it does where a half, a quarter or an eighth is enough.
"""

import io
import pathlib
import sys
import time

import PIL
from PIL import Image

SIZE = 256


def square(data, only_crop, draft):
    image = Image.open(io.BytesIO(data))
    if draft:
        image.draft("RGB", (SIZE, SIZE))
    image = image.convert("RGB")
    width, height = image.size
    short = min(width, height)
    method = Image.BOX if short > SIZE else Image.BICUBIC
    wide, high = round(width * SIZE / short), round(height * SIZE / short)
    left, top = (wide - SIZE) // 2, (high - SIZE) // 2
    if only_crop:
        x, y = width / wide, height / high
        box = (left * x, top * y, min((left + SIZE) * x, width), min((top + SIZE) * y, height))
        return image.resize((SIZE, SIZE), method, box).tobytes()
    image = image.resize((wide, high), method)
    return image.crop((left, top, left + SIZE, top + SIZE)).tobytes()


def main():
    folder = pathlib.Path(sys.argv[1])
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    files = [p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()]
    print(f"Pillow {PIL.__version__}, {len(files)} files")
    ways = {"whole": (False, False), "crop": (True, False), "crop, draft": (True, True)}
    for n in range(rounds):
        rates = []
        for name, way in ways.items():
            start, values = time.process_time(), 0
            for data in files:
                values += len(square(data, *way))
            rates.append(f"{name} {len(files) / (time.process_time() - start):.1f}")
        print(f"round {n}: images/s " + ", ".join(rates))


if __name__ == "__main__":
    main()
