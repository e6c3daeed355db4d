"""Writes the images of alexnet-data/tests/resized: pictures, and what OpenCV and Pillow make of them.

pip install numpy opencv-python-headless pillow
python bench/resize_golden.py alexnet-data/tests/resized

NAME.png is resized so that its shorter side is SIZE (by INTER_AREA where it shrinks, by INTER_CUBIC
where it grows), and the central square is NAME-SIZE.png: the authors' way of 2012. The same by
OpenCV's INTER_LINEAR is NAME-SIZE-linear.png, and by Pillow's BILINEAR NAME-SIZE-bilinear.png; with
the rounding of torchvision's Resize and CenterCrop NAME-SIZE-torchvision.png.
"""

import pathlib
import sys

import cv2
import numpy as np
from PIL import Image

PICTURES = {"wide": (37, 50, 16), "tall": (61, 33, 20), "twice": (40, 40, 20), "large": (120, 97, 24), "small": (12, 15, 32), "odd": (40, 54, 20)}


def picture(height, width, seed):
    """A few waves, a disc with a sharp edge, and noise."""
    chance = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / min(height, width)
    planes = [127 + 60 * np.sin(7 * x + c) + 40 * np.cos(9 * y * (c + 1)) for c in range(3)]
    image = np.stack(planes, -1) + chance.normal(0, 12, (height, width, 3))
    image[(y - 0.5) ** 2 + (x - 0.6) ** 2 < 0.08] = 240, 30, 90
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def main():
    folder = pathlib.Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    for seed, (name, (height, width, size)) in enumerate(PICTURES.items()):
        image, short = picture(height, width, seed), min(height, width)
        sides = [round(side * size / short) for side in (width, height)]
        how = cv2.INTER_AREA if short > size else cv2.INTER_CUBIC
        left, top = ((side - size) // 2 for side in sides)
        cv2.imwrite(str(folder / f"{name}.png"), image)
        for ending, resized in {
            "": cv2.resize(image, sides, interpolation=how),
            "-linear": cv2.resize(image, sides, interpolation=cv2.INTER_LINEAR),
            "-bilinear": np.asarray(Image.fromarray(image).resize(sides, Image.Resampling.BILINEAR)),
        }.items():
            square = resized[top : top + size, left : left + size]
            cv2.imwrite(str(folder / f"{name}-{size}{ending}.png"), square)
        sides = [int(size * side / short) for side in (width, height)]
        left, top = (int(round((side - size) / 2.0)) for side in sides)
        resized = np.asarray(Image.fromarray(image).resize(sides, Image.Resampling.BILINEAR))
        square = resized[top : top + size, left : left + size]
        cv2.imwrite(str(folder / f"{name}-{size}-torchvision.png"), square)


if __name__ == "__main__":
    main()
