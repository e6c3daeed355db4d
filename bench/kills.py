"""Kills a run at random moments, resumes it each time, and compares it with one left alone.

    python3 bench/kills.py [--kills 100] [--seed 1] [--alexnet target/release/alexnet]

The run is the demo's for two epochs, with a checkpoint every 20 steps, and one to three loader
threads in turns; when it has ended it is begun again, until there were so many kills. Each time its
final weights have to be the same bytes, its log one curve without gap or repeat, and so has
TensorBoard's event file to be. Exits with 1 where one is not.
"""
import argparse
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

from curves import event_steps, logged_steps

parser = argparse.ArgumentParser()
parser.add_argument("--kills", type=int, default=100)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--alexnet", default="target/release/alexnet")
arguments = parser.parse_args()
moments = random.Random(arguments.seed)
folder = pathlib.Path(tempfile.mkdtemp())
program = str(pathlib.Path(arguments.alexnet).resolve())


def start(*words):
    return subprocess.Popen(
        [program, *words], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def command(run, threads, *more):
    return [
        "train", "--data", "data", "--preset", "demo", "--epochs", "2", "--run", run,
        "--checkpoint-every", "20", "--loader-threads", str(threads), *more,
    ]


def fault(what):
    sys.exit(f"{what}; {kills} kills, everything is in {folder}")


kills = 0
subprocess.run(
    [program, "prepare-data", "--source", "demo", "--output", "data"],
    cwd=folder, check=True, stdout=subprocess.DEVNULL,
)
began = time.time()
subprocess.run([program, *command("whole", 1)], cwd=folder, check=True, stdout=subprocess.DEVNULL)
whole = time.time() - began
want, want_steps = (folder / "whole/final.safetensors").read_bytes(), logged_steps(folder / "whole")
want_events = event_steps(folder / "whole")
runs = 0
while kills < arguments.kills:
    run, resume, limit = "killed", [], whole / 4
    shutil.rmtree(folder / run, ignore_errors=True)
    while True:
        process = start(*command(run, moments.choice([1, 2, 3]), *resume))
        try:
            process.wait(timeout=moments.uniform(0.02, limit))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
            limit *= 1.1  # the final evaluation has to come to its end some time
            resume = ["--resume"] if (folder / run / "run.json").exists() else []
            continue
        if process.returncode != 0:
            fault(f"exit {process.returncode}: {process.stderr.read().decode()}")
        break
    runs += 1
    if (folder / run / "final.safetensors").read_bytes() != want:
        fault("the weights are others")
    if logged_steps(folder / run) != want_steps:
        fault("the log is another")
    if event_steps(folder / run) != want_events:
        fault("TensorBoard's curve is another")
    left = [path.name for path in (folder / run).rglob("*.partial")]
    if left:
        fault(f"leftovers: {left}")
print(
    f"{kills} kills of {runs} runs: the same weights, one log of {len(want_steps)} steps, one curve"
)
shutil.rmtree(folder)
