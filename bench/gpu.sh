#!/usr/bin/env bash
# What a machine with an NVIDIA GPU says of this project in at most 560 s, the most important first: whether it computes
# what it should, how fast, and how fast PyTorch is. Whatever fails is named, and the rest runs all the same.
#
#   cargo xtask cuda bundle                      # anywhere; gives target/cuda/bundle-80/alexnet
#   bench/gpu.sh BUNDLE RESULTS                  # on the machine with the GPU
#
# RESULTS/README.md is the record, to be kept as bench/records/DATE-GPU/README.md; each step's output lies beside it as
# it came. In the environment: DEVICE (cuda:0), PYTHON (python3) with PyTorch for the peer, LOADERS, the threads of the
# loader (half the cores), COMMIT, where this is no checkout. To see that all of it runs, without figures that mean
# anything: PRESET, WITHOUT (a layer, norm2), LARGE and SMALL (batches), STEPS, PEER_DEVICE and PEER_STEPS. LEAVE_OUT names steps
# that are not run, where there is less time.
set -uo pipefail
. "$(dirname "$0")/gpu_steps.sh"
begin gpu 560 "$0" "$@"
rm -f "$results"/gpu-more.tsv "$results"/*.txt # of a record before this one

# One GPU takes both towers where there is no other.
split=$device,$device
[ "$(nvidia-smi -L 2>/dev/null | grep -c '^GPU')" -lt 2 ] || split=cuda:0,cuda:1
bench=("$alexnet" bench --preset "$preset" --json --steps "$steps" --precision bf16 --batch "$large" --device)
# The peers have no same-map norm.
whole=("${bench[@]}" "$device") towers=("${bench[@]}" "$split" "${without[@]}")
bench=("${bench[@]}" "$device" "${without[@]}")
selftest=("$alexnet" selftest --device "$device" --json)
peer=("$python" "$here/peers/torch_alexnet.py" --device "$peer_device" --steps "$peer_steps" --batch "$large")
# cuDNN's search runs before the range that is profiled; under ncu it may choose otherwise. The names are those of the
# kernels in this program, and of none of the libraries.
ours='regex:^[a-z][a-z0-9_]*_(bf16|float)(_[a-z]?[0-9]+)*$'
metrics=gpu__time_duration.sum,dram__bytes.sum,smsp__issue_active.avg.pct_of_peak_sustained_active
ncu=(ncu --profile-from-start off --clock-control none --kernel-name "$ours" --metrics "$metrics")
ncu+=(--csv --page raw --print-units base)

step environment 5 "$here/gpu_environment.sh" "$alexnet"
step selftest-bf16 40 "${selftest[@]}" --precision bf16
step bench-bf16 30 "${bench[@]}"
step conv-ways 45 "$python" "$here/peers/conv_ways.py" --device "$peer_device" --batch "$large" --seconds 40
step original-bf16 15 "${whole[@]}" --step-only
step split-bf16 15 "${towers[@]}" --step-only
step ncu 30 "${ncu[@]}" "${bench[@]}" --profile
step peer-bf16 100 "${peer[@]}" --ways compile channels-last
step fed-bf16 35 "${bench[@]}" --step-only --loader-threads "$loaders"
step selftest-tf32 20 "${selftest[@]}" --precision tf32
step selftest-f32 15 "${selftest[@]}" --precision f32
step selftest-deterministic 20 "${selftest[@]}" --deterministic
step peer-autotune-bf16 190 "${peer[@]}" --ways compile-max-autotune
finish
