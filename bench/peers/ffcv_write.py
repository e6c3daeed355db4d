"""FFCV's writer turns a folder of images into its file, with one worker: python ffcv_write.py FOLDER [ROUNDS].

Records of at most 256 pixels a side, raw and as JPEG (its default quality, 90); FFCV resizes the longer side and
does not crop, so its records are the smaller ones. The rate is by CPU time of the process and its worker, which
import nothing meanwhile. FFCV is built where it is installed (Debian):

    apt-get install libopencv-dev libturbojpeg0-dev pkg-config g++
    python -m venv ffcv && ffcv/bin/pip install ffcv pillow
"""

import multiprocessing
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
        rates = []
        for mode in ("raw", "jpg"):
            with tempfile.TemporaryDirectory() as folder:
                fields = {"image": RGBImageField(write_mode=mode, max_resolution=256), "label": IntField()}
                writer = DatasetWriter(os.path.join(folder, "out.beton"), fields, num_workers=1)
                start = cpu()
                writer.from_indexed_dataset(files)
                for worker in multiprocessing.active_children():
                    worker.join()  # its time is counted then
                rates.append(f"{mode} {len(files) / (cpu() - start):.1f}")
        print(f"round {n}: images/s " + ", ".join(rates), flush=True)


if __name__ == "__main__":
    main()
