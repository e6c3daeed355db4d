"""How long `alexnet train` takes from its start to its first step on a dataset as large as ImageNet.

python3 bench/start_up.py ALEXNET FOLDER [--records 1281167] [--turns 5]

FOLDER gets a dataset of zeros: as many records of 256 x 256 x 3 zeros as asked for, in shards of 1 GiB whose zeros are
holes in the files (252 GB long, some 40 MB on disk), with true checksums. It is kept for the next time.
"""
import argparse, base64, json, os, shutil, statistics, struct, subprocess, time, zlib

SIDE, CLASSES, PER_SHARD = 256, 1000, 5461  # records that make 1 GiB
RECORD = SIDE * SIDE * 3


def write_shard(path, labels):
    crc = zlib.crc32(bytes(RECORD))
    area = len(labels) * RECORD
    entries = (struct.pack("<IIQII", label, crc, 4096 + i * RECORD, RECORD, 0) for i, label in enumerate(labels))
    index = b"".join(entries)
    header = b"\x89AXS\r\n\x1a\n" + struct.pack(
        "<6I5QI", 1, 4096, SIDE, SIDE, 3, 24, len(labels), 4096, area, 4096 + area, len(index), zlib.crc32(index))
    header = header.ljust(4092, b"\0")
    checksum = zlib.crc32(header)
    with open(path, "wb") as file:
        file.write(header + struct.pack("<I", checksum))
        file.seek(4096 + area)
        file.write(index)
    return {"records": len(labels), "bytes": 4096 + area + len(index), "checksum": f"crc32:{checksum:08x}"}


def write_dataset(folder, records):
    os.makedirs(folder)
    shards, counts = [], [0] * CLASSES
    for start in range(0, records, PER_SHARD):
        labels = [i * 7919 % CLASSES for i in range(start, min(records, start + PER_SHARD))]
        for label in labels:
            counts[label] += 1
        name = f"train-{len(shards):05}.shard"
        shards.append({"file": name, **write_shard(os.path.join(folder, name), labels)})
    open(os.path.join(folder, "report.jsonl"), "wb").close()
    unit = [[float(i == j) for j in range(3)] for i in range(3)]
    manifest = {
        "version": 1, "source": "folder", "height": SIDE, "width": SIDE, "order_seed": 1, "exif": "ignore",
        "encoding": {"raw_per_million": 1000000}, "ignored": 0,
        "classes": [{"name": f"n{i:08}"} for i in range(CLASSES)],
        "splits": [{"name": "train", "order": "shuffled", "records": records, "skipped": 0,
                    "images_per_class": counts, "shards": shards}],
        "report": {"file": "report.jsonl", "bytes": 0, "checksum": "crc32:00000000"},
        "statistics": {"images": records, "channel_mean": [0.0] * 3, "covariance": [[0.0] * 3] * 3,
                       "eigenvalues": [0.0] * 3, "eigenvectors": unit,
                       "mean_image": base64.b64encode(bytes(4 * RECORD)).decode()},
    }
    rest = json.dumps(manifest, indent=2)[2:].encode() + b"\n"
    with open(os.path.join(folder, "manifest.json"), "wb") as file:
        file.write(b'{"checksum":"crc32:%08x",\n' % zlib.crc32(rest) + rest)


def first_step(alexnet, data, run):
    """Seconds until the first batch was there and its step began: the step's own time is taken off."""
    shutil.rmtree(run, ignore_errors=True)
    log, began = os.path.join(run, "log.jsonl"), time.time()
    program = subprocess.Popen([alexnet, "train", "--data", data, "--run", run, "--preset", "original"],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        set_up = None
        while program.poll() is None:
            time.sleep(0.002)
            lines = open(log).read().splitlines() if os.path.exists(log) else []
            if lines and set_up is None:
                set_up = time.time() - began
            for line in lines[1:]:
                step = json.loads(line)
                if step["event"] == "step":
                    return set_up, set_up + step["waited"]
        raise SystemExit("the program ended before its first step; run it by hand to see why")
    finally:
        program.kill()
        program.wait()
        shutil.rmtree(run, ignore_errors=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("alexnet")
    arguments.add_argument("folder")
    arguments.add_argument("--records", type=int, default=1281167)
    arguments.add_argument("--turns", type=int, default=5)
    given = arguments.parse_args()
    data = os.path.join(given.folder, f"sparse-{given.records}")
    if not os.path.exists(os.path.join(data, "manifest.json")):
        shutil.rmtree(data, ignore_errors=True)
        write_dataset(data, given.records)
    times = [first_step(given.alexnet, data, os.path.join(given.folder, "run")) for _ in range(given.turns)]
    for set_up, begun in times:
        print(f"set up after {set_up:.3f} s, first step began after {begun:.3f} s")
    print(f"median {statistics.median(begun for _, begun in times):.3f} s")


if __name__ == "__main__":
    main()
