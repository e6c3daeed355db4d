"""Runs a program of which chosen calls fail that change files under a folder (Linux on x86-64).

    calls, status, text = run(command, folder, fails)

Every create, mkdir, write, ftruncate, fsync, rename, link and unlink under `folder` is asked for
here first, from whichever thread and past whichever library: the kernel sends it to a seccomp
listener, and it waits for an answer. `fails(number)`, with the number of the call from 1, gives an
`errno`, or 0 where the call is left alone. `calls` is what was asked for, each with its error. Who
sleeps is woken at once, so that the pauses between attempts take no time.
"""
import collections
import ctypes
import errno
import fcntl
import mmap
import os
import select
import socket
import struct
import subprocess
import tempfile

Call = collections.namedtuple("Call", "number kind path error")

# Their numbers on x86-64, and which of their arguments says the file: a descriptor or a name.
CALLS = {
    1: ("write", "descriptor", 0), 18: ("write", "descriptor", 0), 20: ("write", "descriptor", 0),
    40: ("write", "descriptor", 0), 326: ("write", "descriptor", 2),
    74: ("fsync", "descriptor", 0), 75: ("fsync", "descriptor", 0),
    77: ("truncate", "descriptor", 0), 2: ("create", "name", 0), 257: ("create", "name", 1),
    82: ("rename", "name", 1), 264: ("rename", "name", 3), 316: ("rename", "name", 3),
    86: ("link", "name", 1), 265: ("link", "name", 3),
    87: ("unlink", "name", 0), 263: ("unlink", "name", 1),
    83: ("mkdir", "name", 0), 258: ("mkdir", "name", 1),
}
SLEEPS = {35, 230}
FLAGS = {2: 1, 257: 2}  # which argument of an open has its flags
NOTIFY, ALLOW = 0x7FC00000, 0x7FFF0000
RECEIVE, ANSWER = 0xC0502100, 0xC0182101
LOAD, EQUAL, ANY_BIT, RETURN = 0x20, 0x15, 0x45, 0x06
libc = ctypes.CDLL(None, use_errno=True)


def filter_program():
    """Asks the listener for each of the calls; for opens only where they may create a file."""
    steps = [(LOAD, 0, 0, 0)]
    for number in [*CALLS, *SLEEPS]:
        if number in FLAGS:
            flags = 16 + 8 * FLAGS[number]
            steps += [(EQUAL, 0, 4, number), (LOAD, 0, 0, flags), (ANY_BIT, 0, 1, os.O_CREAT)]
            steps += [(RETURN, 0, 0, NOTIFY), (RETURN, 0, 0, ALLOW)]
        else:
            steps += [(EQUAL, 0, 1, number), (RETURN, 0, 0, NOTIFY)]
    return [*steps, (RETURN, 0, 0, ALLOW)]


def install(channel):
    """In the child, before it becomes the program: sends the listener through the channel."""
    steps = filter_program()
    code = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *step) for step in steps))
    program = struct.pack("<H6xQ", len(steps), ctypes.addressof(code))
    libc.prctl(38, 1, 0, 0, 0)  # no new privileges, which a filter wants
    listener = libc.syscall(317, 1, 8, ctypes.create_string_buffer(program))
    if listener < 0:
        os._exit(97)
    socket.send_fds(channel, [b"l"], [listener])


def named_file(thread, kind, place, arguments):
    """The file that a call is about."""
    if kind == "descriptor":
        return os.readlink(f"/proc/{thread}/fd/{arguments[place]}")
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        memory.seek(arguments[place])
        return memory.read(4096).split(b"\0")[0].decode()


def write_half(thread, arguments):
    """What a disk does that fills up within a write: half of the bytes; gives their number."""
    descriptor, place, length = arguments[:3]
    process = next(
        int(line.split()[1]) for line in open(f"/proc/{thread}/status") if line[:5] == "Tgid:"
    )
    handle = os.pidfd_open(process)
    file = libc.syscall(438, handle, descriptor, 0)
    with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
        memory.seek(place)
        half = memory.read(length // 2)
    if fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT:
        # Past the cache go whole pages, from the start of one.
        half = half[: len(half) // mmap.PAGESIZE * mmap.PAGESIZE]
        pages = mmap.mmap(-1, len(half))
        pages.write(half)
        half = pages
    written = os.write(file, half)
    os.close(file)
    os.close(handle)
    return written


def run(command, folder, fails, seconds=120):
    """Runs `command` to its end; gives the calls, its exit status and what it printed."""
    ours, theirs = socket.socketpair()
    output, calls, was_full = tempfile.TemporaryFile(), [], False
    process = subprocess.Popen(
        command, stdout=output, stderr=output, close_fds=False, preexec_fn=lambda: install(theirs)
    )
    theirs.close()
    _, listeners, _, _ = socket.recv_fds(ours, 1, 1)
    ours.close()
    if not listeners:
        process.wait()
        raise OSError("this system gives no seccomp listener")
    (listener,) = listeners
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        events = poll.poll(1000 * seconds)
        if not events:
            process.kill()
            break
        if not events[0][1] & select.POLLIN:
            break
        asked = bytearray(80)
        try:
            fcntl.ioctl(listener, RECEIVE, asked)
            cookie, thread, _, number, _, _, *arguments = struct.unpack("<QIIiIQ6Q", asked)
            result, error = 0, 0
            if number in CALLS:
                kind, how, place = CALLS[number]
                path = named_file(thread, how, place, arguments)
            if number in CALLS and path.startswith(folder):
                error = fails(len(calls) + 1)
                if error == errno.ENOSPC and number == 1 and not was_full and fails(len(calls) + 2):
                    result, was_full = write_half(thread, arguments), True
                calls.append(Call(len(calls) + 1, kind, os.path.relpath(path, folder), error))
            is_made = number in CALLS and not error  # by the kernel, as if nobody had asked
            answer = struct.pack("<QqiI", cookie, result, 0 if result else -error, int(is_made))
            fcntl.ioctl(listener, ANSWER, answer)
        except (FileNotFoundError, ProcessLookupError):
            pass  # it has ended meanwhile
    os.close(listener)
    status = process.wait()
    output.seek(0)
    return calls, status, output.read().decode(errors="replace")
