"""Reads datasets of alexnet-data, from FORMAT.md alone: python read_shards.py DATASET. Needs numpy; Pillow for JPEGs.
`Split(folder, name)` has `labels` and, as `split[i]`, height x width x 3 bytes. Every checksum is compared."""
import io, json, mmap, os, struct, sys, zlib
import numpy as np

def need(condition, what):
    if not condition:
        raise ValueError(what)

def manifest(folder):
    with open(os.path.join(folder, "manifest.json"), "rb") as file:
        first, rest = file.read().split(b"\n", 1)
    need(first == b'{"checksum":"crc32:%08x",' % zlib.crc32(rest), "manifest.json: checksum")
    found = json.loads(b"{" + rest)
    need(found["version"] == 1, "manifest.json: version")
    return found

class Split:
    def __init__(self, folder, name):
        whole = manifest(folder)
        self.shape = (whole["height"], whole["width"], 3)
        info = next(s for s in whole["splits"] if s["name"] == name)
        self.records = [r for s in info["shards"] for r in self.shard(folder, s)]
        self.labels = np.array([label for _, label, *_ in self.records], dtype=np.int64)

    def shard(self, folder, info):
        path = os.path.join(folder, info["file"])
        need(os.path.getsize(path) == info["bytes"], f"{path}: length")
        with open(path, "rb") as file:
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        need(data[:8] == b"\x89AXS\r\n\x1a\n", f"{path}: first bytes")
        facts = struct.unpack_from("<6I5QI", data, 8)
        version, header, *shape, entry, records, area, area_length, index, index_length, index_crc = facts
        (crc,) = struct.unpack_from("<I", data, 4092)
        need(version == 1 and header == area == 4096 and entry == 24, f"{path}: version or layout")
        need(crc == zlib.crc32(data[:4092]) and info["checksum"] == f"crc32:{crc:08x}", f"{path}: header")
        need(tuple(shape) == self.shape and records == info["records"], f"{path}: shape or records")
        need((index, index_length) == (4096 + area_length, len(data) - index), f"{path}: index")
        need(zlib.crc32(data[index:]) == index_crc, f"{path}: checksum of the index")
        return [(data, *entry, f"{path}: record {i}")
                for i, entry in enumerate(struct.iter_unpack("<IIQII", data[index:]))]

    __len__ = lambda self: len(self.records)

    def __getitem__(self, i):
        data, _, crc, offset, length, encoding, name = self.records[i]
        stored = data[offset : offset + length]  # as long as it says: its checksum would differ
        need(zlib.crc32(stored) == crc, f"{name}: checksum")
        need(encoding in (0, 1), f"{name}: encoding {encoding}")
        if encoding == 1:
            from PIL import Image
            stored = np.asarray(Image.open(io.BytesIO(stored)).convert("RGB")).tobytes()
        need(len(stored) == np.prod(self.shape), f"{name}: number of pixels")
        return np.frombuffer(stored, dtype=np.uint8).reshape(self.shape)

if __name__ == "__main__":
    for split in manifest(sys.argv[1])["splits"]:
        found = Split(sys.argv[1], split["name"])
        for i in range(len(found)):
            print(split["name"], i, found.labels[i], f"{zlib.crc32(found[i].tobytes()):08x}")
