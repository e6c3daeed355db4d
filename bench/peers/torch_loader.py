"""PyTorch's DataLoader fills batches of mirrored crops of 224 from raw records of 256 pixels, in one process.

    python torch_loader.py [--images 260] [--batch 128] [--rounds 5]

The records are one memory-mapped array of bytes in warm memory, the cheapest that PyTorch can be given; batches stay
bytes, as ours do. The rate is of the fastest round; prints one JSON object.
"""

import argparse
import json
import os
import tempfile
import time

import numpy
import torch
from torch.utils.data import DataLoader, Dataset

STORED, CROP = 256, 224


class Records(Dataset):
    def __init__(self, path):
        self.images = torch.from_numpy(numpy.load(path, mmap_mode="r+"))

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        top, left, mirrored = torch.randint(STORED - CROP + 1, (3,)).tolist()
        image = self.images[i, top:top + CROP, left:left + CROP]
        return (image.flip(1) if mirrored % 2 else image), i % 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=260)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "images.npy")
        shape = (a.images, STORED, STORED, 3)
        numpy.save(path, numpy.random.default_rng(1).integers(0, 256, shape, dtype=numpy.uint8))
        loader = DataLoader(Records(path), a.batch, shuffle=True)
        best = 0.0
        for n in range(a.rounds + 1):
            images, start = 0, time.perf_counter()
            while images < 5000:
                images += sum(len(labels) for _, labels in loader)
            if n > 0:  # the first one reads the file
                best = max(best, images / (time.perf_counter() - start))
    print(json.dumps(dict(peer=f"PyTorch {torch.__version__} DataLoader", images_per_second_per_core=best)))


if __name__ == "__main__":
    main()
