"""What the measurements of gpu.sh come to, one line a claim: `python gpu_summary.py RESULTS`.

Reads the files gpu.sh left in the folder RESULTS. What is not there, or failed, is "not measured".
"""

import json
import pathlib
import sys

IMAGES = 90 * 1_281_167  # of a training as in the paper


def text(folder, name):
    path = folder / f"{name}.txt"
    return path.read_text(errors="replace") if path.exists() else ""


def rows(folder, name):
    """The JSON objects among the lines of a measurement's output."""
    found = []
    for line in text(folder, name).splitlines():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                pass  # a line that was cut off with its program
    return found


def ours(folder, name, key="images_per_second"):
    values = [row[key] for row in rows(folder, name) if row.get(key)]
    return values[-1] if values else None


def best(folder, name, key="images_per_second"):
    """Of the ways of a peer the fastest, and which that is."""
    ways = [(row[key], row["peer"]) for row in rows(folder, name) if "peer" in row and row.get(key)]
    return max(ways, default=(None, None))


def ratio(a, b):
    return a / b if a and b else None


def number(value, form):
    return "not measured" if value is None else form.format(value)


def line(what, value, bar, form, said="", kind="bar"):
    """`bar` is the least that `value` must be; as a "stretch" it need not."""
    missed = "MISSED" if kind == "bar" else "not met"
    verdict = "" if value is None else "met" if value >= bar else missed
    bar = f"{kind} {form.format(bar)}"
    print(f"{what:<58} {number(value, form):>13}   {bar:<13} {verdict:<8} {said}".rstrip())


def against(mine, theirs, way, unit):
    return f"{number(mine, '{:.4g}')} {unit}; {way or 'PyTorch'}: {number(theirs, '{:.4g}')}"


def main():
    folder = pathlib.Path(sys.argv[1])
    for name in ["selftest", "selftest-deterministic"]:
        end = text(folder, name).strip().splitlines()[-1:] or ["not measured"]
        print(f"{name}: {end[0]}")
    if "ERROR SUMMARY:" in text(folder, "sanitizer"):
        print("sanitizer:", text(folder, "sanitizer").split("ERROR SUMMARY:")[-1].strip())
    else:
        print("sanitizer: not measured")

    for precision in ["bf16", "tf32"]:
        mine, (theirs, way) = ours(folder, f"bench-{precision}"), best(folder, f"peer-{precision}")
        batch = ours(folder, f"bench-{precision}", "batch") or "?"
        said = against(mine, theirs, way, "images/s")
        line(f"step, batch {batch}, {precision}, against PyTorch's best", ratio(mine, theirs), 1.3, "{:.2f} x", said)

    mine = ours(folder, "bench-bf16", "lrn_gbps")
    theirs, way = best(folder, "lrn-peer-bf16", "lrn_gbps")
    said = against(mine, theirs, way, "GB/s")
    line("LRN forward and backward, bf16, against PyTorch's best", ratio(mine, theirs), 10, "{:.1f} x", said)
    eager = [r["lrn_gbps"] for r in rows(folder, "lrn-peer-bf16") if r.get("peer", "").endswith(" eager lrn")]
    line("the same against PyTorch as it comes", ratio(mine, eager[0] if eager else None), 10, "{:.1f} x")
    copy = ours(folder, "bench-bf16", "copy_peak_gbps")
    line("the same, of the GPU's copies", ratio(mine, copy), 0.8, "{:.0%}", kind="stretch")

    fed, alone = ours(folder, "fed-bf16", "fed_images_per_second"), ours(folder, "fed-bf16")
    threads = ours(folder, "fed-bf16", "loader_threads") or "?"
    said = f"{number(fed, '{:.4g}')} images/s of {number(alone, '{:.4g}')}, {threads} loader threads"
    line("the step with the loader running, of the step alone", ratio(fed, alone), 0.9, "{:.0%}", said)
    hours = IMAGES / fed / 3600 if fed else None
    verdict = "" if hours is None else "met" if hours <= 3 else "MISSED"
    print(f"{'90 epochs of ImageNet at that rate':<58} {number(hours, '{:.1f} h'):>13}   {'bar 3.0 h':<13} {verdict}".rstrip())

    split, whole = ours(folder, "split-bf16"), ours(folder, "bench-bf16")
    devices = ours(folder, "split-bf16", "device") or "two towers"
    print(f"{'split over ' + devices + ', of the whole on one GPU':<58} {number(ratio(split, whole), '{:.2f} x'):>13}")


if __name__ == "__main__":
    main()
