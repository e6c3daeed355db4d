#!/usr/bin/env bash
# What bench/gpu.sh leaves out, in at most 150 s on the same machine: tf32 at the batch of the paper, algorithms that
# give the same bits, a training to its error rate, every access to memory checked, and the CPU beside the GPU.
#
#   bench/gpu_more.sh BUNDLE RESULTS             # after bench/gpu.sh, with the same folder
#
# It adds to RESULTS/README.md. The variables are those of bench/gpu.sh, and CPU_STEPS (2), EPOCHS and DATA (the demo's).
set -uo pipefail
. "$(dirname "$0")/gpu_steps.sh"
begin gpu-more 150 "$0" "$@"

bench=("$alexnet" bench --preset "$preset" "${without[@]}" --json --step-only)
peer=("$python" "$here/peers/torch_alexnet.py" --device "$peer_device" --steps "$peer_steps" --batch "$small")
gpu=("${bench[@]}" --steps "$steps" --device "$device")
cpu=("${bench[@]}" --device cpu --batch "$small" --steps "${CPU_STEPS:-2}")
demo=("$alexnet" train --preset demo --device "$device" --precision bf16)
demo+=(${EPOCHS:+--epochs "$EPOCHS"} ${DATA:+--data "$DATA"})

step bench-tf32 12 "${gpu[@]}" --precision tf32 --batch "$small"
step peer-tf32 70 "${peer[@]}" --precision tf32 --ways channels-last compile
step deterministic-bf16 12 "${gpu[@]}" --precision bf16 --batch "$large" --deterministic
cd "$results" || exit 1 # the demo dataset is drawn where it is asked for
rm -rf demo-run
step demo 18 "${demo[@]}" --run demo-run
cd - >/dev/null || exit 1
step sanitizer 13 compute-sanitizer --error-exitcode 9 "$alexnet" selftest --device "$device" --precision bf16 --json
step cpu-threads-1 11 "${cpu[@]}" --threads 1
step cpu-threads-4 7 "${cpu[@]}" --threads 4
step cpu-threads-16 7 "${cpu[@]}" --threads 16
finish
