"""FFCV's writer turns a folder of images into its file, with one worker: python ffcv_write.py FOLDER [ROUNDS].

Raw pixels of at most 256 a side; FFCV resizes the longer side and does not crop, so its records are the smaller
ones. The rate is by CPU time of the process and its worker. Not run yet where this was written: see README.md.
"""

import os
import pathlib
import sys
import tempfile

from PIL import Image
from ffcv.fields import IntField, RGBImageField
from ffcv.writer import DatasetWriter


class Files:
    def __init__(self, folder):
        self.paths = [p for p in sorted(pathlib.Path(folder).rglob("*")) if p.is_file()]

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, i):
        return Image.open(self.paths[i]).convert("RGB"), 0


def cpu():
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main():
    files = Files(sys.argv[1])
    for n in range(int(sys.argv[2]) if len(sys.argv) > 2 else 5):
        with tempfile.TemporaryDirectory() as folder:
            fields = {"image": RGBImageField(write_mode="raw", max_resolution=256), "label": IntField()}
            writer = DatasetWriter(os.path.join(folder, "out.beton"), fields, num_workers=1)
            start = cpu()
            writer.from_indexed_dataset(files)
            print(f"round {n}: {len(files) / (cpu() - start):.1f} images/s")


if __name__ == "__main__":
    main()
