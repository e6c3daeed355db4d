"""A picture of the page that TensorBoard makes of a run, as docs/tensorboard.png.

pip install tensorboard, and chromium
python bench/tensorboard_screen.py tensorboard runs docs/tensorboard.png

The first argument is TensorBoard's program, the second a folder of runs.
"""

import os
import subprocess
import sys
import time
import urllib.request

PORT = 16006
EMPTY = 90_000  # bytes of a picture without curves: the page is not always painted in time


def main():
    tensorboard, runs, output = sys.argv[1:]
    address = f"http://127.0.0.1:{PORT}/"
    options = ["--logdir", runs, "--host", "127.0.0.1", "--port", str(PORT)]
    server = subprocess.Popen([tensorboard, *options], stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                runs_found = urllib.request.urlopen(address + "data/runs").read()
                if runs_found.strip() != b"[]":
                    break
            except OSError:
                pass
            time.sleep(0.5)
        # The tags that are shown, so that curves and kernels fit one screen.
        tags = "^loss|^rate|^train/|top1|^kernels"
        # Curves as SVG, because a browser without a screen has no WebGL.
        page = f"{address}?forceSVG=true&tagFilter={urllib.request.quote(tags)}#timeseries"
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
        size = ["--window-size=1700,1040", f"--screenshot={os.path.abspath(output)}"]
        patience = ["--virtual-time-budget=60000", "--run-all-compositor-stages-before-draw"]
        for _ in range(9):
            subprocess.run(["chromium", *options, *size, *patience, page], check=True)
            if os.path.getsize(output) > EMPTY:
                return
        sys.exit("the page stayed empty")
    finally:
        server.terminate()
        server.wait()


main()
