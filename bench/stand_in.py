"""Makes a dataset that is as large as ImageNet and takes no space: every image is black.

    python3 bench/stand_in.py DIR [--train 1281167] [--val 50000] [--test 150000]
                                  [--classes 1000] [--size 256]

For checking that commands fit the paper's datasets (`alexnet reproduce CLAIM --scale full --data
DIR --dry-run`) where these are not at hand. The shards are sparse files, so the file system has to
have these. Their format is alexnet-data/FORMAT.md.
"""
import argparse
import base64
import json
import os
import struct
import zlib

parser = argparse.ArgumentParser()
parser.add_argument("dir")
parser.add_argument("--train", type=int, default=1_281_167)
parser.add_argument("--val", type=int, default=50_000)
parser.add_argument("--test", type=int, default=0)
parser.add_argument("--classes", type=int, default=1000)
parser.add_argument("--size", type=int, default=256)
arguments = parser.parse_args()
os.makedirs(arguments.dir, exist_ok=True)
SIDE, CLASSES, SHARD = arguments.size, arguments.classes, 5120
RECORD = SIDE * SIDE * 3
BLACK = zlib.crc32(bytes(RECORD))


def write_shard(name, first, records):
    """A shard of black images; the classes take turns."""
    entries = (
        struct.pack("<IIQII", (first + i) % CLASSES, BLACK, 4096 + i * RECORD, RECORD, 0)
        for i in range(records)
    )
    index = b"".join(entries)
    area = records * RECORD
    header = b"\x89AXS\r\n\x1a\n" + struct.pack(
        "<IIIIIIQQQQQI", 1, 4096, SIDE, SIDE, 3, 24, records, 4096, area, 4096 + area, len(index),
        zlib.crc32(index),
    )
    header = header.ljust(4092, b"\0")
    checksum = zlib.crc32(header)
    with open(os.path.join(arguments.dir, name), "wb") as file:
        file.write(header + struct.pack("<I", checksum))
        file.seek(4096 + area)
        file.write(index)
    length = 4096 + area + len(index)
    return {"file": name, "records": records, "bytes": length, "checksum": f"crc32:{checksum:08x}"}


def write_split(name, records):
    shards = [
        write_shard(f"{name}-{number:05}.shard", first, min(SHARD, records - first))
        for number, first in enumerate(range(0, records, SHARD))
    ]
    counts = [len(range(label, records, CLASSES)) for label in range(CLASSES)]
    order = "shuffled" if name == "train" else "sorted"
    return {"name": name, "order": order, "records": records, "skipped": 0,
            "images_per_class": counts, "shards": shards}


open(os.path.join(arguments.dir, "report.jsonl"), "w").close()
sizes = {"train": arguments.train, "val": arguments.val, "test": arguments.test}
identity = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
manifest = {
    "version": 1, "source": "stand-in", "height": SIDE, "width": SIDE, "order_seed": 2012,
    "shard_images": SHARD, "resample": "area", "crop": "centre", "exif": "ignore",
    "encoding": {"raw_per_million": 1_000_000}, "ignored": 0,
    "classes": [{"name": f"class-{number:05}"} for number in range(CLASSES)],
    "splits": [write_split(name, records) for name, records in sizes.items() if records],
    "report": {"file": "report.jsonl", "bytes": 0, "checksum": "crc32:00000000"},
    "statistics": {
        "images": arguments.train, "channel_mean": [0.0] * 3, "covariance": identity,
        "eigenvalues": [1.0] * 3, "eigenvectors": identity,
        "mean_image": base64.b64encode(bytes(4 * RECORD)).decode(),
    },
}
rest = json.dumps(manifest, indent=1)[1:].lstrip("\n").encode() + b"\n"
with open(os.path.join(arguments.dir, "manifest.json"), "wb") as file:
    file.write(b'{"checksum":"crc32:%08x",\n' % zlib.crc32(rest) + rest)
