"""Pictures of `alexnet watch RUN` at three sizes of the terminal, as docs/watch.png.

pip install pyte, and chromium
python bench/watch_screens.py target/release/alexnet runs/demo docs/watch.png

The program runs in a terminal of its own, whose characters become a page that chromium paints.
"""

import fcntl
import html
import os
import pathlib
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time

import pyte

SIZES = [(60, 30), (80, 24), (140, 40)]
# What terminals make of the colours 1 to 8; pyte says 1 to 8 in other words.
COLORS = {
    "default": "#ddd", "cd0000": "#e66", "800000": "#e66", "008000": "#6c6", "00cd00": "#6c6",
    "808000": "#dc6", "cdcd00": "#dc6", "008080": "#4cc", "00cdcd": "#4cc",
}
STYLE = """body{margin:0;padding:12px;background:#444;display:grid;gap:12px;width:max-content}
pre{margin:0;padding:6px;background:#111;font:15px/17px 'DejaVu Sans Mono',monospace;width:max-content}
span{display:inline-block;width:9px;overflow:hidden}
pre.wide{grid-column:1/3}"""


def screen(program, run, columns, rows):
    """The characters of the terminal two seconds after the start."""
    process, terminal = pty.fork()
    if process == 0:
        os.environ.update(TERM="xterm", COLUMNS=str(columns), LINES=str(rows))
        time.sleep(0.3)  # until the terminal has its size
        os.execv(program, [program, "watch", run])
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    shown = pyte.Screen(columns, rows)
    stream, end = pyte.ByteStream(shown), time.time() + 2
    while time.time() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            stream.feed(os.read(terminal, 1 << 16))
    os.write(terminal, b"q")
    os.waitpid(process, 0)
    return shown


def page_of(shown):
    """The characters with their colours."""
    lines = []
    for row in range(shown.lines):
        line = ""
        for column in range(shown.columns):
            cell = shown.buffer[row][column]
            color = COLORS.get(cell.fg, "#888")
            weight = ";font-weight:bold" if cell.bold else ""
            line += f'<span style="color:{color}{weight}">{html.escape(cell.data)}</span>'
        lines.append(line)
    wide = ' class="wide"' if shown.columns > 100 else ""
    return f"<pre{wide}>" + "\n".join(lines) + "</pre>"


def main():
    program, run, output = sys.argv[1:]
    screens = [screen(os.path.abspath(program), run, *size) for size in SIZES]
    with tempfile.TemporaryDirectory() as folder:
        page = pathlib.Path(folder, "screens.html")
        body = "".join(map(page_of, screens))
        page.write_text(f"<meta charset=utf-8><style>{STYLE}</style>{body}", encoding="utf-8")
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        size = ["--window-size=1340,1290", f"--screenshot={os.path.abspath(output)}"]
        subprocess.run(["chromium", *options, *size, page.as_uri()], check=True)


main()
