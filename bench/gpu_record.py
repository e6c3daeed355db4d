"""Writes the record of what gpu.sh and gpu_more.sh left in a folder, RESULTS/README.md: `gpu_record.py RESULTS`.

Every figure has its bar beside it; what failed or is not there is named. Only Python's standard library is needed.
"""

import csv
import json
import pathlib
import sys

IMAGES = 90 * 1_281_167  # of a training as in the paper
METRICS = ["gpu__time_duration.sum", "dram__bytes.sum", "smsp__issue_active.avg.pct_of_peak_sustained_active"]
NOT_MEASURED = ["Not measured.", ""]


class Results:
    """The output of each step, and how each ended."""

    def __init__(self, folder):
        self.folder = folder
        self.steps = []  # [name, limit, seconds, end, command]
        self.commands = []
        for table in ["gpu.tsv", "gpu-more.tsv"]:
            for line in self.lines(table):
                if line.startswith("# "):
                    self.commands.append(line[2:])
                else:
                    self.steps.append(line.split("\t"))

    def lines(self, name):
        path = self.folder / name
        return path.read_text(errors="replace").splitlines() if path.exists() else []

    def rows(self, step):
        """The JSON objects among the lines of a step's output."""
        found = []
        for line in self.lines(f"{step}.txt"):
            if line.startswith("{"):
                try:
                    found.append(json.loads(line))
                except ValueError:
                    pass  # a line that was cut off with its program
        return found

    def figure(self, step, key="images_per_second"):
        """The last value of `key` in a step's output."""
        return next((row[key] for row in reversed(self.rows(step)) if row.get(key)), None)

    def peers(self, *steps):
        """The speeds of the peers that ran, the fastest first, with their names."""
        rows = [row for step in steps for row in self.rows(step) if "peer" in row]
        return sorted(((row["images_per_second"], row["peer"]) for row in rows), reverse=True)

    def environment(self, what):
        lines = self.lines("environment.txt")
        return next((line.split(": ", 1)[1].strip() for line in lines if line.startswith(what + ": ")), "") or "unknown"


def number(value, form="{:.4g}"):
    return "not measured" if value is None else form.format(value)


def ratio(a, b):
    return a / b if a and b else None


def table(heads, rows):
    """A Markdown table; `|` within a cell would end it."""
    cells = [[str(cell).replace("|", "/") for cell in row] for row in [heads, ["---"] * len(heads), *rows]]
    return ["| " + " | ".join(row) + " |" for row in cells] + [""]


def bar(what, value, least, form, said="", kind="bar", most=False):
    """A row: `value` must be at least `least`, or at most; a goal need not be met."""
    verdict = "not measured"
    if value is not None:
        met = value <= least if most else value >= least
        verdict = "met" if met else "**missed**" if kind == "bar" else "not met"
    return [what, number(value, form), f"{kind} {'≤' if most else '≥'} {form.format(least)}", verdict, said]


def against(mine, theirs, unit="images/s"):
    speed, name = theirs[0] if theirs else (None, "PyTorch")
    return f"{number(mine)} {unit}; {name}: {number(speed)}"


def selftests(results):
    rows = []
    for step in [s for s in results.steps if s[0].startswith("selftest")]:
        found = results.rows(step[0])
        missed = [row for row in found if not row["passed"]]
        good = not missed and step[3] == "ok" and found
        said = f"{len(found)} comparisons" if step[3] == "ok" else f"{len(found)} comparisons, then: {step[3]}"
        rows.append([step[0], f"{len(missed)} miss", "bar 0 miss", "met" if good else "**missed**", said])
    return rows


def bars(results):
    figure, rows = results.figure, selftests(results)
    for precision, steps in [("bf16", ["peer-bf16", "peer-autotune-bf16"]), ("tf32", ["peer-tf32"])]:
        mine, theirs = figure(f"bench-{precision}"), results.peers(*steps)
        batch = figure(f"bench-{precision}", "batch") or "?"
        what = f"step without norm2, batch {batch}, {precision}, of PyTorch's best"
        best = ratio(mine, theirs[0][0] if theirs else None)
        rows.append(bar(what, best, 1.3, "{:.2f} ×", against(mine, theirs)))
        rows.append(bar(what, best, 2.0, "{:.2f} ×", kind="goal"))
    mine = figure("bench-bf16")
    rows.append(bar("images/s of that step in bf16", mine, 64_000, "{:.0f}", kind="goal"))
    batch = figure("bench-bf16", "batch")
    rows.append(bar("its milliseconds", batch and mine and 1e3 * batch / mine, 17, "{:.2f}", kind="goal", most=True))
    whole = figure("original-bf16")
    rows.append(["images/s of the real `original`, with norm2", number(whole, "{:.0f}"), "", "", ""])
    share = ratio(figure("bench-bf16", "lrn_gbps"), figure("bench-bf16", "copy_peak_gbps"))
    said = f"{number(figure('bench-bf16', 'lrn_gbps'))} GB/s of {number(figure('bench-bf16', 'copy_peak_gbps'))}"
    rows.append(bar("LRN, forward and backward, of the bandwidth of copies", share, 0.8, "{:.0%}", said))
    fed, alone = figure("fed-bf16", "fed_images_per_second"), figure("fed-bf16")
    said = f"{number(fed)} of {number(alone)} images/s, {figure('fed-bf16', 'loader_threads') or '?'} loader threads"
    rows.append(bar("the step with the loader, of the step alone", ratio(fed, alone), 0.9, "{:.0%}", said))
    rows.append(bar("90 epochs of ImageNet at that rate", fed and IMAGES / fed / 3600, 3.0, "{:.1f} h", most=True))
    rows.append(split(results))
    slow = ratio(figure("deterministic-bf16"), mine)
    rows.append(["the deterministic step, of the fastest", number(slow, "{:.0%}"), "", "", ""])
    ends = [row for row in map(event, results.lines("demo-run/log.jsonl")) if row.get("event") == "end"]
    views = ends[-1]["validation"] if ends else []
    error, seconds = (views[0]["top1_error"], ends[-1]["seconds"]) if views else (None, None)
    said = f"{number(seconds)} s"
    rows.append(bar("error of a training on the demo dataset, centre view", error, 6.0, "{:.2f} %", said, most=True))
    summary = [line for line in results.lines("sanitizer.txt") if "ERROR SUMMARY:" in line]
    errors = int(summary[-1].split("SUMMARY:")[1].split()[0]) if summary else None
    rows.append(bar("errors that compute-sanitizer finds", errors, 0, "{:.0f}", most=True))
    return rows


def split(results):
    devices = results.figure("split-bf16", "device") or "two towers"
    share = ratio(results.figure("split-bf16"), results.figure("bench-bf16"))
    return [f"split over {devices}, of the whole on one GPU", number(share, "{:.2f} ×"), "", "", ""]


def event(line):
    try:
        return json.loads(line)
    except ValueError:
        return {}


def stages(results):
    """The times of the layers, and what they were part of."""
    rows = results.rows("bench-bf16")
    lines = []
    for bench in rows[-1:]:
        layers, sums = bench.get("layers", []), [0.0, 0.0, 0.0]
        cells = []
        for layer in layers:
            times = [layer[key] for key in ["forward_ms", "backward_ms", "update_ms"]]
            sums = [a + b for a, b in zip(sums, times)]
            rates = [f"{layer[key]:.0f} {layer['unit']}" for key in ["forward_rate", "backward_rate"]]
            cells.append([layer["name"], *(f"{t:.3f}" for t in times), *rates])
        cells.append(["all", *(f"{t:.3f}" for t in sums), "", ""])
        lines += table(["layer", "forward ms", "backward ms", "update ms", "forward", "backward"], cells)
        gemm, copy = bench.get("gemm_peak_gflops", 0), bench.get("copy_peak_gbps", 0)
        memory = (bench.get("peak_memory_bytes") or 0) / 1e9
        machine = f"The machine: {gemm:.0f} GFLOP/s (matmul), {copy:.0f} GB/s (copy)."
        lines += [f"{machine} Peak memory: {memory:.2f} GB.", ""]
        phases = ", ".join(f"{p['name']} {p['seconds']:.1f}" for p in bench.get("phases", []))
        lines += [f"Seconds of the measurement: {phases}.", ""]
    return lines or NOT_MEASURED


def choices(listed):
    """How each pass of a convolution runs, and the fastest of each other way that was tried."""
    def said(way):
        time = way.get("milliseconds")
        return f"{way['name']}: " + ("refused" if time is None else f"{time:.3f} ms")

    rows = [[c["operation"], said(c["chosen"]), "; ".join(map(said, c["others"]))] for c in listed or []]
    return table(["pass", "chosen", "not chosen"], rows) if rows else NOT_MEASURED


def conv_ways(results):
    ways = {}
    for row in results.rows("conv-ways"):
        way = ways.setdefault((row["layer"], row["way"]), {})
        way[row.get("pass", "")] = row.get("error") or f"{row['milliseconds']:.3f} ({row['useful_tflops']:.0f})"
        if row.get("kernels"):
            way["kernel"] = row["kernels"][0][:60]
    rows = []
    for key, way in ways.items():
        passes = [way.get(name, way.get("", "")) for name in ["forward", "filter", "data"]]
        rows.append([*key, *passes, way.get("kernel", "")])
    heads = ["layer", "way", "forward ms (TFLOP/s)", "filter", "data", "slowest kernel of the last pass"]
    return table(heads, rows) if rows else NOT_MEASURED


def ncu(results):
    """Our own kernels in one step, by the time that they take together."""
    lines = results.lines("ncu.txt")
    start = next((i for i, line in enumerate(lines) if line.startswith('"ID"')), None)
    if start is None:
        return NOT_MEASURED
    kernels = {}
    for row in csv.DictReader(lines[start:]):
        if not row["ID"]:
            continue  # the row of the units
        try:
            values = [float(row[name].replace(",", "")) for name in METRICS]
        except (KeyError, TypeError, ValueError, AttributeError):
            continue
        kernels.setdefault(row["Kernel Name"].split("(")[0], []).append(values)

    def total(calls, metric):
        return sum(call[metric] for call in calls)

    rows = []
    for name, calls in sorted(kernels.items(), key=lambda item: -total(item[1], 0)):
        nanoseconds, moved = total(calls, 0), total(calls, 1)
        issue = sum(call[0] * call[2] for call in calls) / max(nanoseconds, 1)
        cells = [nanoseconds / 1e3, moved / 1e6, moved / max(nanoseconds, 1)]
        rows.append([name, len(calls), *(f"{cell:.1f}" for cell in cells), f"{issue:.0f} %"])
    return table(["kernel", "launches", "µs", "MB of DRAM", "GB/s", "issue active"], rows)


def failures(results):
    lines = []
    for name, _, _, end, _ in results.steps:
        rows = results.rows(name) if name.startswith("selftest") else []
        missed = [json.dumps(row) for row in rows if not row["passed"]]
        errors = [json.dumps(row) for row in results.rows(name) if row.get("error") and "passed" not in row]
        if end != "ok" or missed or errors:
            last = [line for line in results.lines(f"{name}.txt") if line.strip() and not line.startswith("{")]
            said = [line[:300] for line in [*missed[:20], *errors, *last[-5:]]]
            lines += [f"`{name}`: {end}", "", *(["```", *said, "```", ""] if said else [])]
    return lines or ["None.", ""]


def record(results):
    about = {what: results.environment(what) for what in ["date", "gpu", "driver", "commit", "machine", "program"]}
    if about["gpu"] == "unknown":
        about["gpu"] = results.figure("original-bf16", "model") or "unknown"
    peers = [[name, f"{speed:.4g}"] for speed, name in results.peers("peer-bf16", "peer-autotune-bf16", "peer-tf32")]
    cpu = [s[0] for s in results.steps if s[0].startswith("cpu-threads")]
    cpu = [[name.split("-")[-1], number(results.figure(name), "{:.1f}")] for name in cpu]
    steps = [[name, seconds, limit, end, f"`{command}`"] for name, limit, seconds, end, command in results.steps]
    limits = sum(int(step[1]) for step in results.steps)
    return [
        f"# What a GPU says: {about['gpu']}", "",
        "{date}, {gpu}, driver {driver}, commit {commit}, {program}; {machine}.".format(**about),
        "Each step's output is beside this file.", "", "```sh", *results.commands, "```", "",
        "## Figures and bars", "", *table(["what", "figure", "bar", "", ""], bars(results)),
        "## Stage times, bf16, without norm2", "", *stages(results),
        "## The peer", "", *(table(["who", "images/s"], peers) if peers else NOT_MEASURED),
        "## Choices of convolutions", "", *choices(results.figure("bench-bf16", "choices")),
        "## Convolutions in each arrangement", "", *conv_ways(results),
        "## Our kernels in one step", "", *ncu(results),
        "## The CPU of that machine", "", *(table(["threads", "images/s"], cpu) if cpu else NOT_MEASURED),
        "## Failures", "", *failures(results),
        "## Steps", "", *table(["step", "seconds", "limit", "end", "command"], steps),
        f"The limits come to {limits} s.",
    ]


def main():
    folder = pathlib.Path(sys.argv[1])
    (folder / "README.md").write_text("\n".join(record(Results(folder))) + "\n")


if __name__ == "__main__":
    main()
