#!/usr/bin/env bash
# Everything there is to see of this project on a machine with an NVIDIA GPU, in one go: tests, measurements, the
# peer, a short training. Results go to a folder; what fails is named, and the rest runs all the same.
#
#   cargo xtask cuda bundle                 # anywhere; gives target/cuda/bundle-80/alexnet
#   bench/gpu.sh ALEXNET [RESULTS]          # on the machine with the GPU; PYTHON=… for the peer
#
# MINUTES (default 8) is about how long the whole may take; DEVICE (default cuda:0) is the GPU; LOADERS (default half
# the cores) are the threads of the loader. To see that all of it runs, without figures that mean anything: PRESET, LARGE
# and SMALL (batches), STEPS, PEER_DEVICE, PEER_STEPS and PEER_WAYS.
set -uo pipefail

[ $# -ge 1 ] || { sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2; }
alexnet=$(realpath "$1")
results=${2:-gpu-results}
python=${PYTHON:-python3}
device=${DEVICE:-cuda:0}
preset=${PRESET:-original} large=${LARGE:-1024} small=${SMALL:-128} steps=${STEPS:-5}
loaders=${LOADERS:-$((($(nproc) + 1) / 2))}
peer=(--device "${PEER_DEVICE:-$device}" --steps "${PEER_STEPS:-30}" --warm "${PEER_WARM:-10}")
[ -z "${PEER_WAYS:-}" ] || read -ra ways <<<"$PEER_WAYS"
[ -z "${PEER_WAYS:-}" ] || peer+=(--ways "${ways[@]}")
here=$(cd "$(dirname "$0")" && pwd)
ends=$(($(date +%s) + 60 * ${MINUTES:-8}))
mkdir -p "$results" && results=$(realpath "$results")
failed=()

rm -f "$results"/*.txt # of a run before this one

# The CUDA libraries lie in PyTorch's packages where there is no toolkit; what the caller has set comes first.
packages=$("$python" -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null) || packages=
for folder in ${packages:+"$packages"/*/lib} /usr/local/cuda/lib64 /usr/local/nvidia/lib64; do
  [ -d "$folder" ] && export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
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

# `timeout` starts programs, not functions. The peers have no same-map norm.
bench=("$alexnet" bench --preset "$preset" --without norm2 --json --steps "$steps")
peer=("$python" "$here/peers/torch_alexnet.py" "${peer[@]}")
# The towers' two GPUs; one takes both towers where there is no other.
gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU')
split=$device,$device
[ "$gpus" -lt 2 ] || split=cuda:0,cuda:1

{ date -u; uname -srm; "$alexnet" --version; nvidia-smi; } >"$results/machine.txt" 2>&1
nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2>&1 | head -n 8

run selftest 120 "$alexnet" selftest --device "$device"
run selftest-deterministic 120 "$alexnet" selftest --device "$device" --deterministic
run bench-bf16 120 "${bench[@]}" --device "$device" --batch "$large" --precision bf16
run fed-bf16 120 "${bench[@]}" --device "$device" --batch "$large" --precision bf16 --step-only --loader-threads "$loaders"
run bench-tf32 120 "${bench[@]}" --device "$device" --batch "$small" --precision tf32
run split-bf16 60 "${bench[@]}" --device "$split" --batch "$large" --precision bf16 --step-only
run lrn-peer-bf16 60 "${peer[@]}" --lrn --batch "$large" --precision bf16
run peer-bf16 240 "${peer[@]}" --batch "$large" --precision bf16
run peer-tf32 240 "${peer[@]}" --batch "$small" --precision tf32
cd "$results" || exit 1 # the demo dataset is drawn where it is asked for
rm -rf demo-run
run demo-bf16 120 "$alexnet" train --device "$device" --precision bf16 --epochs 2 --run demo-run
if command -v compute-sanitizer >/dev/null; then
  run sanitizer 180 compute-sanitizer --error-exitcode 9 "$alexnet" selftest --device "$device" --precision bf16
else
  echo "== sanitizer: compute-sanitizer is not here"
fi

echo
"$python" "$here/gpu_summary.py" "$results" | tee "$results/summary.txt"
echo "results in $results"
if [ "${#failed[@]}" -gt 0 ]; then
  echo "failed: ${failed[*]}"
  exit 1
fi
