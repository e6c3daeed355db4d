#!/usr/bin/env bash
# The date, the GPU, its driver, the commit and the program `gpu_environment.sh ALEXNET`, a line each, and what
# nvidia-smi shows.
here=$(cd "$(dirname "$0")" && pwd)
echo "date: $(date -u +%F)"
echo "gpu: $(nvidia-smi --query-gpu=name --format=csv,noheader | head -n 1)"
echo "driver: $(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1)"
echo "commit: ${COMMIT:-$(git -C "$here" rev-parse --short HEAD)}"
echo "machine: $(uname -srm), $(nproc) cores"
echo "program: $("$1" --version)"
nvidia-smi || echo "nvidia-smi is not here"
