#!/usr/bin/env bash
# Everything there is to see of this project on a machine with an NVIDIA card, in one go: tests, measurements, the
# peer, a short training. Results go to a folder; what fails is named, and the rest runs all the same.
#
#   cargo xtask cuda bundle                 # anywhere; gives target/cuda/bundle-80/alexnet
#   bench/gpu.sh ALEXNET [RESULTS]          # on the machine with the card; PYTHON=… for the peer
#
# MINUTES (default 8) is about how long the whole may take; DEVICE (default cuda:0) is the card.
set -uo pipefail

[ $# -ge 1 ] || { sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2; }
alexnet=$(realpath "$1")
results=${2:-gpu-results}
python=${PYTHON:-python3}
device=${DEVICE:-cuda:0}
here=$(cd "$(dirname "$0")" && pwd)
ends=$(($(date +%s) + 60 * ${MINUTES:-8}))
mkdir -p "$results" && results=$(realpath "$results")
failed=()

# The CUDA libraries lie in PyTorch's packages where there is no toolkit.
packages=$("$python" -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null) || packages=
for folder in ${packages:+"$packages"/*/lib} /usr/local/cuda/lib64 /usr/local/nvidia/lib64; do
  [ -d "$folder" ] && export LD_LIBRARY_PATH="$folder${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
done
# Kernels are compiled by the driver at their first use; what it has compiled is kept here.
export CUDA_CACHE_PATH="$results/driver-cache" CUDA_CACHE_MAXSIZE=1073741824

# run NAME SECONDS COMMAND…: its output to NAME.txt, its last lines here.
run() {
  local name=$1 limit=$2 left code=0
  shift 2
  left=$((ends - $(date +%s)))
  if [ "$left" -le 10 ]; then
    echo "== $name: no time left"
    failed+=("$name")
    return
  fi
  [ "$limit" -lt "$left" ] || limit=$left
  echo "== $name: $*"
  timeout "$limit" "$@" >"$results/$name.txt" 2>&1 || code=$?
  tail -n 4 "$results/$name.txt" | cut -c -300
  if [ "$code" -ne 0 ]; then
    echo "   exit code $code"
    failed+=("$name")
  fi
}

bench() { "$alexnet" bench --device "$device" --without norm2 --json "$@"; }
peer() { (cd "$here/peers" && "$python" torch_alexnet.py --device "$device" "$@"); }
# `timeout` starts programs, not functions.
export -f bench peer
export alexnet device here python

{ date -u; uname -srm; "$alexnet" --version; nvidia-smi; } >"$results/machine.txt" 2>&1
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1 | head -n 8

run selftest 120 "$alexnet" selftest --device "$device"
run selftest-deterministic 120 "$alexnet" selftest --device "$device" --deterministic
run bench-bf16-1024 120 bash -c 'bench --batch 1024 --precision bf16 --steps 5'
run bench-tf32-128 120 bash -c 'bench --batch 128 --precision tf32 --steps 5'
run lrn-peer-bf16 60 bash -c 'peer --lrn --batch 1024 --precision bf16'
run peer-bf16-1024 240 bash -c 'peer --batch 1024 --precision bf16'
run peer-tf32-128 240 bash -c 'peer --batch 128 --precision tf32'
cd "$results" || exit 1 # the demo dataset is drawn where it is asked for
run demo-bf16 120 "$alexnet" train --device "$device" --precision bf16 --epochs 2 --run demo-run
if command -v compute-sanitizer >/dev/null; then
  run sanitizer 180 compute-sanitizer --error-exitcode 9 "$alexnet" selftest --device "$device" --precision bf16
else
  echo "== sanitizer: compute-sanitizer is not here"
fi

echo
echo "results in $results"
if [ "${#failed[@]}" -gt 0 ]; then
  echo "failed: ${failed[*]}"
  exit 1
fi
