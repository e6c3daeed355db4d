"""FFCV's loader fills batches of mirrored crops of 224 from raw records of 256 pixels, with one worker.

    python ffcv_loader.py [--images 260] [--batch 128] [--rounds 5]

FFCV has no random crop that does not resize: this is its centre crop of 224, which it runs through its resizing at the
same size. Batches stay bytes, as ours do. The rate is by CPU time of the whole process, of the best round; prints one
JSON object. How FFCV is installed: ffcv_write.py.
"""

import argparse
import json
import os
import tempfile
import time

import numpy
from ffcv.fields import IntField, RGBImageField
from ffcv.fields.decoders import CenterCropRGBImageDecoder, IntDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import RandomHorizontalFlip
from ffcv.writer import DatasetWriter

STORED, CROP = 256, 224


class Images:
    def __init__(self, count):
        shape = (count, STORED, STORED, 3)
        self.images = numpy.random.default_rng(1).integers(0, 256, shape, dtype=numpy.uint8)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return self.images[i], i % 1000


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=260)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "images.beton")
        fields = {"image": RGBImageField(write_mode="raw"), "label": IntField()}
        DatasetWriter(path, fields, num_workers=1).from_indexed_dataset(Images(a.images))
        pipelines = {
            "image": [CenterCropRGBImageDecoder((CROP, CROP), CROP / STORED), RandomHorizontalFlip()],
            "label": [IntDecoder()],
        }
        loader = Loader(path, a.batch, num_workers=1, order=OrderOption.RANDOM, os_cache=True, pipelines=pipelines)
        best = 0.0
        for n in range(a.rounds + 1):
            images, start = 0, time.process_time()
            while images < 5000:
                images += sum(len(labels) for _, labels in loader)
            if n > 0:  # the first one compiles the pipeline
                best = max(best, images / (time.process_time() - start))
    print(json.dumps(dict(peer="FFCV", images_per_second_per_core=best)))


if __name__ == "__main__":
    main()
