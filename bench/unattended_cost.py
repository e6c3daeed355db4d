"""What checkpoints and norms cost a training of `original`, in steps that take longer than others.

    python3 bench/unattended_cost.py [--steps 320] [--alexnet target/release/alexnet]

Trains on black images of 256 px with a checkpoint every 100 steps and norms every 70. Each step's
time is from its line in the log to the next one's, with all that comes between. What a checkpoint
costs is by how much its step and the three after it, in which it is being written, take longer
than the median of the steps around; the same for norms, with their step alone. Nothing else should
run on the machine. The bounds: each at most 1 % of 100 steps, and no step over 1.5 medians.
"""
import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

parser = argparse.ArgumentParser()
parser.add_argument("--steps", type=int, default=320)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--alexnet", default="target/release/alexnet")
arguments = parser.parse_args()
program = str(pathlib.Path(arguments.alexnet).resolve())
stand_in = pathlib.Path(__file__).with_name("stand_in.py")
CHECKPOINTS, NORMS, AROUND = 100, 70, 15

with tempfile.TemporaryDirectory() as folder:
    images = str(arguments.steps * arguments.batch)
    make = [sys.executable, stand_in, "data", "--train", images, "--val", "128"]
    subprocess.run(make, cwd=folder, check=True)
    train = [
        program, "train", "--data", "data", "--preset", "original", "--epochs", "1",
        "--set", f"batch={arguments.batch}", "--run", "run",
        "--checkpoint-every", str(CHECKPOINTS), "--norms-every", str(NORMS),
    ]
    subprocess.run(train, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    log = pathlib.Path(folder, "run", "log.jsonl").read_text().splitlines()

events = [json.loads(line) for line in log]
steps = [event for event in events if event["event"] == "step"]
times = [event["time"] for event in steps]
took = [None] + [after - before for before, after in zip(times, times[1:])]  # of each step
saved = [step for step in range(CHECKPOINTS, len(steps) - 4, CHECKPOINTS)]
measured = [step for step in range(NORMS - 1, len(steps), NORMS)]
special = {step + more for step in saved for more in range(4)} | set(measured)


def ordinary(step):
    """The median of the steps around that are neither saved nor measured."""
    near = range(max(1, step - AROUND), min(len(took), step + AROUND))
    return statistics.median(took[other] for other in near if other not in special)


def cost(first, count):
    """By how many of the ordinary steps these take longer."""
    return sum(took[step] / ordinary(step) - 1 for step in range(first, first + count))


# A step's line is written when it is done; norms follow it, and so count for the next step.
checkpoints = [cost(step, 4) for step in saved]
norms = [cost(step, 2) for step in measured if step + 1 < len(steps)]
longest = {
    "saved": max(took[step] / ordinary(step) for step in special if step < len(took)),
    "others": max(t / ordinary(s) for s, t in enumerate(took) if t and s not in special),
}
written = [event for event in events if event["event"] == "checkpoint"]
after = [[round(took[s] / ordinary(s), 2) for s in range(step - 1, step + 7)] for step in saved]
found = {
    "steps": len(steps),
    "median_step_seconds": statistics.median(took[1:]),
    "checkpoint_bytes": max(event["bytes"] for event in written),
    "checkpoint_waited_seconds": [round(event["waited"], 3) for event in written],
    "checkpoint_written_in_seconds": [round(event["seconds"], 2) for event in written],
    "steps_from_the_one_before_in_medians": after,
    "checkpoint_percent_of_100_steps": [round(each, 2) for each in checkpoints],
    "norms_percent_of_100_steps": [round(each, 2) for each in norms],
    "longest_step_in_medians": {name: round(ratio, 2) for name, ratio in longest.items()},
}
print(json.dumps(found, indent=1))
held = (
    statistics.mean(checkpoints) <= 1.0
    and statistics.mean(norms) <= 1.0
    and longest["saved"] <= 1.5
)
sys.exit(0 if held else 1)
