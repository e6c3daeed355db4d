"""Looks whether a long run keeps its memory, its open files and its threads.

    python3 bench/flat.py [--alexnet target/release/alexnet] [--epochs 20] [--samples samples.csv]

The run is the demo's in batches of 4, of which an epoch has 1,000, with a checkpoint every 250
steps in a thread of its own, norms of the layers every 20, and its three logs; `alexnet watch`
looks on in a terminal of its own. Every second it is noted what /proc says of both. Prints least,
median and most of each tenth of the run, and exits with 1 where a median of the last tenth is above
that of the second: of the memory by 3 per cent, of open files or threads at all. `watch` may also
grow by the log, which it holds. Linux.
"""
import argparse
import csv
import fcntl
import os
import pathlib
import pty
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("--alexnet", default="target/release/alexnet")
parser.add_argument("--epochs", type=int, default=20)
parser.add_argument("--samples", help="a CSV file for all samples")
arguments = parser.parse_args()
program = str(pathlib.Path(arguments.alexnet).resolve(strict=True))
folder = pathlib.Path(tempfile.mkdtemp())
# Lower than the recipe's, because the batches are smaller.
RATES = ["--set", "weights.rate=0.0025", "--set", "biases.rate=0.0025"]
WHAT = ["memory_kb", "files", "threads"]
MOST = {"memory_kb": 1.03, "files": 1, "threads": 1}


def watch():
    """Starts `alexnet watch` in a terminal, which is read as it writes."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ["TERM"] = "xterm"
        os.execv(program, [program, "watch", str(folder / "run")])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))

    def read():
        try:
            while os.read(terminal, 1 << 16):
                pass
        except OSError:  # it has ended
            pass

    threading.Thread(target=read, daemon=True).start()
    return process, terminal


def sample(process):
    """What it holds: resident memory in kB, open files, threads; none when it is gone."""
    try:
        with open(f"/proc/{process}/status") as status:
            lines = dict(line.split(":", 1) for line in status)
        memory, threads = int(lines["VmRSS"].split()[0]), int(lines["Threads"])
        return memory, len(os.listdir(f"/proc/{process}/fd")), threads
    except (OSError, KeyError):
        return None


subprocess.run(
    [program, "prepare-data", "--source", "demo", "--output", "data", "--quiet"],
    cwd=folder, check=True,
)
training = subprocess.Popen(
    [program, "train", "--data", "data", "--run", "run", "--preset", "demo", "--set", "batch=4",
     "--epochs", str(arguments.epochs), *RATES, "--checkpoint-every", "250", "--norms-every", "20"],
    cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
)
while not (folder / "run/log.jsonl").exists() and training.poll() is None:
    time.sleep(0.1)
watching, terminal = watch()
began, samples = time.time(), []
while training.poll() is None:
    both = {"train": sample(training.pid), "watch": sample(watching)}
    if None not in both.values():
        samples.append((round(time.time() - began, 1), both))
    time.sleep(1)
is_watched = sample(watching) is not None
os.write(terminal, b"q")
os.waitpid(watching, 0)
if training.returncode != 0 or not is_watched:
    sys.exit(f"train exits with {training.returncode}, watch was there: {is_watched}; see {folder}")

if arguments.samples:
    with open(arguments.samples, "w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["seconds"] + [f"{name}_{what}" for name in both for what in WHAT])
        rows.writerows([seconds, *both["train"], *both["watch"]] for seconds, both in samples)
log = (folder / "run/log.jsonl").read_text()
steps, holds = log.count('"event":"step"'), {"train": 0, "watch": len(log) // 1024}
print(f"{steps} steps, {len(samples)} samples in {time.time() - began:.0f} s; least median most")
grown = []
for name in both:
    tenths = [
        [both[name] for _, both in samples[len(samples) * i // 10 : len(samples) * (i + 1) // 10]]
        for i in range(10)
    ]
    print(f"{name:6}" + "".join(f"{what:>25}" for what in WHAT))
    for number, tenth in enumerate(tenths, 1):
        columns = list(zip(*tenth))
        three = [(min(c), statistics.median_low(c), max(c)) for c in columns]
        print(f"{number:>6}" + "".join(f"{a:>9}{b:>8}{c:>8}" for a, b, c in three))
    for place, what in enumerate(WHAT):
        second, last = (
            statistics.median_low(values[place] for values in tenths[i]) for i in (1, 9)
        )
        held = holds[name] if what == "memory_kb" else 0
        if last > MOST[what] * second + held:
            grown.append(f"{what} of {name}: {second} in the second tenth, {last} in the last")
print("; ".join(grown) or "nothing grows")
shutil.rmtree(folder)
sys.exit(1 if grown else 0)
