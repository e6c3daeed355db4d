"""Preparation of archives as large as you like, laid out as ILSVRC 2012, in turns with Pillow on the same files.

python3 bench/archives.py make PHOTOGRAPHS FOLDER [--images 51000]
python3 bench/archives.py run ALEXNET FOLDER OUT [--turns 3] [--threads 2] [--encoding raw] [--pillow PYTHON]

`make` repeats the JPEGs below PHOTOGRAPHS in a tar of 1,000 tars, 1,000 of them in a tar for validation, and adds a
devkit with made-up synsets. `run` has ALEXNET (target/release/alexnet) prepare it
into OUT, and Pillow read as many of its images from the same tar, make them 256 x 256 RGB and write the pixels, in
one process: the loop that people write instead. Both rates are images a second of processor time, user's and
system's, so other work on the machine disturbs them less; each turn's pair ran back to back. The last turn's
records stay: `alexnet verify OUT`.
"""
import argparse, io, json, os, pathlib, shutil, statistics, struct, subprocess, sys, tarfile, time, zlib

ARCHIVE = "ILSVRC2012_img_train.tar"
CLASSES = 1000
WNIDS = [f"n{1440764 + c * 97:08d}" for c in range(CLASSES)]


def make(arguments):
    photographs = [p.read_bytes() for p in sorted(pathlib.Path(arguments.photographs).rglob("*")) if p.is_file()]
    folder = pathlib.Path(arguments.folder)
    folder.mkdir(parents=True, exist_ok=True)
    done = 0
    with tarfile.open(folder / ARCHIVE, "w", format=tarfile.USTAR_FORMAT) as outer:
        for c, wnid in enumerate(WNIDS):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                while done < arguments.images * (c + 1) // CLASSES:
                    add(tar, f"{wnid}_{done}.JPEG", photographs[done % len(photographs)])
                    done += 1
            add(outer, wnid + ".tar", inner.getvalue())
    with tarfile.open(folder / "ILSVRC2012_img_val.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for i in range(CLASSES):
            add(tar, f"ILSVRC2012_val_{i + 1:08d}.JPEG", photographs[i % len(photographs)])
    with tarfile.open(folder / "ILSVRC2012_devkit_t12.tar.gz", "w:gz") as tar:
        data, truth = "ILSVRC2012_devkit_t12/data/", "".join(f"{i + 1}\n" for i in range(CLASSES))
        add(tar, data + "meta.mat", synsets())
        add(tar, data + "ILSVRC2012_validation_ground_truth.txt", truth.encode())
    print(f"{done} + {CLASSES} images, {(folder / ARCHIVE).stat().st_size} bytes")


def synsets():
    """A MAT 5 file with the struct array `synsets`; ids are not in the order of the WordNet ids."""

    def element(kind, data):
        whole = struct.pack("<II", kind, len(data)) + data
        return whole + b"\0" * (-len(whole) % 8)

    def matrix(kind, shape, name, content):
        head = element(6, bytes([kind]) + bytes(7)) + element(5, struct.pack("<II", *shape)) + element(1, name)
        return element(14, head + content)

    def number(value):
        return matrix(6, (1, 1), b"", element(9, struct.pack("<d", value)))

    def text(value):
        return matrix(4, (1, len(value)), b"", element(4, value.encode("utf-16-le")))

    fields = (b"ILSVRC2012_ID", b"WNID", b"words", b"num_children")
    content = struct.pack("<II", 5 | 4 << 16, 32) + element(1, b"".join(f.ljust(32, b"\0") for f in fields))
    for i in range(CLASSES):
        k = i * 379 % CLASSES
        content += number(i + 1) + text(WNIDS[k]) + text(f"word {k}") + number(0)
    packed = zlib.compress(matrix(2, (CLASSES, 1), b"synsets", content))
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + struct.pack("<II", 15, len(packed)) + packed


def add(tar, name, data):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    tar.addfile(entry, io.BytesIO(data))


def pillow(arguments):
    """The peer: prints its images and its processor time as JSON."""
    from peers.pillow_decode import square

    done = 0
    with tarfile.open(pathlib.Path(arguments.folder) / ARCHIVE) as outer, open(arguments.out, "wb") as out:
        for entry in outer:
            with tarfile.open(fileobj=outer.extractfile(entry)) as inner:
                for image in inner:
                    if done == arguments.images:
                        break
                    out.write(square(inner.extractfile(image).read(), only_crop=False, draft=False))
                    done += 1
    times = os.times()
    print(json.dumps({"images": done, "cpu": times.user + times.system}))


def measured(command):
    """Runs it; its last line, processor time, peak memory in MB and seconds."""
    start = time.time()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    lines = process.stdout.read().splitlines()
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{command} ended with {status}")
    return json.loads(lines[-1]), used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, time.time() - start


def run(arguments):
    out, archives = pathlib.Path(arguments.out), arguments.folder
    prepare = [arguments.alexnet, "prepare-data", "--json", "--input", archives, "--output", str(out)]
    prepare += ["--threads", str(arguments.threads), "--encoding", arguments.encoding]
    ratios = []
    for turn in range(arguments.turns):
        shutil.rmtree(out, ignore_errors=True)
        last, cpu, peak, seconds = measured(prepare)
        ours = last["images"] / cpu
        line = f"turn {turn}: {last['images']} images, {ours:.1f} a second of a core, {last['images'] / seconds:.1f} a second, "
        line += f"{peak:.0f} MB at most"
        if arguments.pillow:
            scratch = str(out) + ".pillow"
            command = [arguments.pillow, __file__, "pillow", archives, scratch, "--images", str(arguments.pillow_images)]
            peer, _, peak, _ = measured(command)
            os.remove(scratch)
            rate = peer["images"] / peer["cpu"]
            ratios.append(ours / rate)
            line += f"; Pillow {rate:.1f} ({peer['images']} images), {peak:.0f} MB; {ratios[-1]:.2f} times"
        print(line, flush=True)
    if ratios:
        print(f"median {statistics.median(ratios):.2f} times Pillow")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("make")
    command.add_argument("photographs")
    command.add_argument("folder")
    command.add_argument("--images", type=int, default=51_000)
    command.set_defaults(go=make)
    command = commands.add_parser("run")
    for name in ("alexnet", "folder", "out"):
        command.add_argument(name)
    command.add_argument("--turns", type=int, default=3)
    command.add_argument("--threads", type=int, default=2)
    command.add_argument("--encoding", default="raw")
    command.add_argument("--pillow", help="a Python with Pillow")
    command.add_argument("--pillow-images", type=int, default=10_000)
    command.set_defaults(go=run)
    command = commands.add_parser("pillow")
    command.add_argument("folder")
    command.add_argument("out")
    command.add_argument("--images", type=int, required=True)
    command.set_defaults(go=pillow)
    arguments = parser.parse_args()
    arguments.go(arguments)


if __name__ == "__main__":
    main()
