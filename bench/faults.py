"""Makes each call of a small run fail that changes a file of its folder, and looks what follows.

    python3 bench/faults.py [--alexnet target/release/alexnet] [--every 1] [--large]

The run has three epochs, a checkpoint every other step, norms and a drop of its rates. Its calls
are numbered; for each number the run is made with a disk that fails there: once, for 20 calls, and
for good, with EIO and with ENOSPC, where a write comes to half of its bytes first. Then it has to

- end as if nothing had been: the same final weights, report and steps in its logs, and a warning;
- or, where not even `run.json` could be written, end with one line of error, and be a run after the
  same command once more; where its last files could not in several attempts, after `--resume`;
- lose no checkpoint that it has logged, and leave only files that can be loaded;
- and be the same run after `--resume` on a good disk, with nothing left over.

Prints what became of how many calls of each kind, and exits with 1 where something else did.
`--every K` tries each K-th number. With `--large` the checkpoints have more than a block of 4 MiB,
which goes past the system's cache. Linux on x86-64, by bench/failing.py.
"""
import argparse
import collections
import errno
import json
import pathlib
import random
import shutil
import struct
import subprocess
import sys
import tempfile
import time

import failing
from curves import event_steps, events, logged_steps

parser = argparse.ArgumentParser()
parser.add_argument("--alexnet", default="target/release/alexnet")
parser.add_argument("--every", type=int, default=1)
parser.add_argument("--large", action="store_true")
arguments = parser.parse_args()
program = str(pathlib.Path(arguments.alexnet).resolve(strict=True))
folder = pathlib.Path(tempfile.mkdtemp())
run = folder / "run"
SPANS = {"once": 1, "20 calls": 20, "for good": 1_000_000}
ERRORS = [errno.EIO, errno.ENOSPC]
# The run's files before its first event.
BEFORE = {".", ".run.lock", "run.json"}
NETWORK = """
name = "tiny"
input = [3, 7, 7]
[[layers]]
name = "conv1"
kind = "conv"
filters = 4
kernel = 3
pad = [1, 1, 1, 1]
init = { std = 0.01, bias = 0.1 }
[[layers]]
name = "relu1"
kind = "relu"
[[layers]]
name = "fc2"
kind = "linear"
outputs = 2
init = { std = 0.05, bias = 0.0 }
"""
HIDDEN = """[[layers]]
name = "fc1"
kind = "linear"
outputs = 6000
init = { std = 0.00001, bias = 0.0 }
"""
RATES = []
if arguments.large:
    # So many inputs of a layer take lower rates.
    RATES = ["--set", "weights.rate=1e-6", "--set", "biases.rate=1e-6"]
    before, last = NETWORK.rsplit("[[layers]]", 1)
    NETWORK = before + HIDDEN + "[[layers]]" + last


def draw_images():
    """Two classes of pictures of 8 × 8 random pixels, as BMP files."""
    draw = random.Random(1)
    for split, count in [("train", 24), ("val", 8)]:
        for image in range(2 * count):
            path = folder / "images" / split / str(image % 2) / f"{image}.bmp"
            path.parent.mkdir(parents=True, exist_ok=True)
            head = struct.pack("<IHHI", 54 + 192, 0, 0, 54)
            head += struct.pack("<IiiHHIIiiII", 40, 8, 8, 1, 24, 0, 192, 0, 0, 0, 0)
            path.write_bytes(b"BM" + head + draw.randbytes(192))


def command(*more):
    return [
        program, "train", "--data", str(folder / "data"), "--network", str(folder / "tiny.toml"),
        "--run", str(run), "--set", "batch=8", "--epochs", "3", "--set",
        "schedule.changes=[{ step = 9, weights = 1e-7 }]", "--checkpoint-every", "2",
        "--norms-every", "4", *RATES, *more,
    ]


def whole(why):
    """Checks that the run is complete, and the same as the one on a good disk."""
    for name in ["final.safetensors", "report.json"]:
        if (run / name).read_bytes() != want[name]:
            yield f"{why}: {name} is another"
    if logged_steps(run) != want["steps"]:
        yield f"{why}: the log has other steps"
    if event_steps(run) != want["events"]:
        yield f"{why}: TensorBoard's curve is another"


def position(path):
    """Epoch and step of a checkpoint."""
    bytes = path.read_bytes()
    (length,) = struct.unpack_from("<Q", bytes)
    header = json.loads(json.loads(bytes[8 : 8 + length])["__metadata__"]["alexnet"])
    return header["progress"]["epoch"], header["progress"]["step"]


def good_files(logged):
    """Checks that every file with the name of a good one is good, and none was lost."""
    files = [path for path in run.rglob("*.safetensors") if not path.name.startswith(".")]
    image = str(next((folder / "images/val").rglob("*.bmp")))
    for path in files:
        loads = [program, "predict", "--checkpoint", str(path), image]
        if subprocess.run(loads, capture_output=True).returncode != 0:
            yield f"{path.name} does not load"
    saved = [(e["epoch"], e["step"]) for e in logged if e["event"] == "checkpoint"]
    newest = run / "checkpoint.safetensors"
    if saved and (not newest.exists() or position(newest) < max(saved)):
        yield "a checkpoint is lost"


def is_harmless(call):
    """Without links there are copies, a lock holds without a name in it, and no one needs what an
    unfinished file has left."""
    is_leftover = call.kind == "unlink" and not call.path.endswith(".safetensors")
    is_name = call.path == ".run.lock" and call.kind in ["write", "truncate"]
    return call.kind == "link" or is_leftover or is_name


def try_fault(first, span, error):
    """Makes a run whose calls from `first` on fail; gives the failed calls, what became of it, and
    what should not have."""
    shutil.rmtree(run, ignore_errors=True)

    def fails(number):
        return error if first <= number < first + span else 0

    calls, status, text = failing.run(command(), str(run), fails)
    failed = [call for call in calls if call.error]
    needs_word = [call for call in failed if not is_harmless(call)]
    wrong = []
    is_begun = (run / "run.json").exists()
    logged = events(run) if (run / "log.jsonl").exists() else []
    if status == 0:
        outcome = "goes on" if needs_word else "no matter"
        if needs_word and "warning: " not in text:
            wrong.append("not a word")
        wrong += whole("at its end")
    else:
        lines = [line for line in text.splitlines() if line.startswith("error: ")]
        if len(lines) != 1:
            wrong.append(f"exit {status} with {len(lines)} lines of error")
        if not is_begun or all(call.path.split("/")[-1] in BEFORE for call in failed):
            outcome = "not begun"
        elif span > 1 and ("final.safetensors" in text or "report.json" in text):
            outcome = "last files later"
        else:
            outcome = "ended"
            wrong.append(f"it ended: {text.splitlines()[-1]}")
    wrong += good_files(logged)
    # `run.json` may be there where the run was refused because its folder could not be synced.
    again = subprocess.run(
        command(*(["--resume"] if is_begun else [])), capture_output=True, text=True
    )
    if again.returncode != 0:
        wrong.append(f"again: exit {again.returncode}, {again.stderr}")
    else:
        wrong += whole("again")
        left = [path.name for path in run.rglob("*") if path.name.startswith(".")]
        wrong += [f"left over: {left}"] if left else []
    return failed, outcome, wrong


def said(number, span, error, failed):
    where = f"{failed[0].kind} {failed[0].path}" if failed else "nothing"
    return f"{errno.errorcode[error]}, {span}, from call {number}, {where}"


(folder / "tiny.toml").write_text(NETWORK)
draw_images()
subprocess.run(
    [program, "prepare-data", "--source", "folder", "--input", str(folder / "images"), "--output",
     str(folder / "data"), "--size", "8", "--quiet"], check=True,
)
calls, status, text = failing.run(command(), str(run), lambda number: 0)
if status != 0:
    sys.exit(text)
want = {name: (run / name).read_bytes() for name in ["final.safetensors", "report.json"]}
want |= {"steps": logged_steps(run), "events": event_steps(run)}
began, faults, wrongs = time.time(), 0, 0
table = collections.defaultdict(collections.Counter)
for number in range(1, len(calls) + 1, arguments.every):
    for span, count in SPANS.items():
        for error in ERRORS:
            failed, outcome, wrong = try_fault(number, count, error)
            kind = failed[0].kind if failed else "none"
            table[kind, span, errno.errorcode[error]][outcome if not wrong else "WRONG"] += 1
            faults, wrongs = faults + 1, wrongs + bool(wrong)
            if wrong:
                print(f"{said(number, span, error, failed)}: {'; '.join(wrong)}", flush=True)

OUTCOMES = ["goes on", "no matter", "not begun", "last files later", "WRONG"]
print(f"{'call':10}{'fails':10}{'with':8}" + "".join(f"{o:>21}" for o in OUTCOMES))
for (kind, span, error), outcomes in sorted(table.items()):
    counts = "".join(f"{outcomes[o]:>21}" for o in OUTCOMES)
    print(f"{kind:10}{span:10}{error:8}{counts}")
print(f"{len(calls)} calls, {faults} faulty runs in {time.time() - began:.0f} s: {wrongs} wrong")
shutil.rmtree(folder)
sys.exit(1 if wrongs else 0)
