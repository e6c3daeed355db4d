"""What the logs of a run's folder hold, for the scripts that compare runs."""
import json
import struct


def events(run):
    """The events of the log, in their order; half a line at its end is none."""
    lines = (run / "log.jsonl").read_text().split("\n")
    return [json.loads(line) for line in lines[:-1]]


def logged_steps(run):
    """Epoch, step and loss of each step in the log."""
    return [(e["epoch"], e["step"], e["loss"]) for e in events(run) if e["event"] == "step"]


def varint(bytes, at):
    value, shift = 0, 0
    while True:
        byte = bytes[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def event_steps(run):
    """The steps of the scalar `loss` in TensorBoard's event file."""
    (path,) = (run / "tensorboard").glob("*tfevents*")
    bytes, at, steps = path.read_bytes(), 0, []
    while at < len(bytes):
        (length,) = struct.unpack_from("<Q", bytes, at)
        event = bytes[at + 12 : at + 12 + length]
        at += 12 + length + 4
        step, place, is_loss = 0, 0, False
        while place < len(event):
            key, place = varint(event, place)
            if key & 7 == 0:
                value, place = varint(event, place)
                step = value if key >> 3 == 2 else step
            elif key & 7 == 1:
                place += 8
            elif key & 7 == 5:
                place += 4
            else:
                size, place = varint(event, place)
                is_loss |= key >> 3 == 5 and b"\n\x04loss" in event[place : place + size]
                place += size
        steps += [step] if is_loss else []
    return steps
