#!/usr/bin/env bash
# Checks the full-scale command of every claim on stand-ins of the paper's datasets, without training.
#
#     bench/dry_runs.sh DIR
#
# DIR gets the stand-ins (sparse files: 300 GB to see, some 100 MB on the disk) and a checkpoint of
# `fall-2011` after one step, which the claim on pre-training begins with. ALEXNET is the program.
set -euo pipefail
dir=${1:?DIR}
alexnet=${ALEXNET:-target/release/alexnet}
here=$(dirname "$0")

stand_in() { # name, then the options of stand_in.py
    [ -f "$dir/$1/manifest.json" ] || python3 "$here/stand_in.py" "$dir/$1" "${@:2}"
}
stand_in imagenet --test 150000
stand_in cifar --size 32 --classes 10 --train 50000 --val 10000
stand_in fall-2011 --classes 21843 --train 128 --val 128
[ -d "$dir/pre-trained" ] ||
    "$alexnet" train --data "$dir/fall-2011" --preset fall-2011 --epochs 1 --run "$dir/pre-trained"

failed=0
for file in "$here"/../alexnet-cli/claims/*.toml; do
    claim=$(basename "$file" .toml)
    [ "$claim" != measured ] || continue
    data=imagenet
    ! grep -q 'data = "CIFAR-10"' "$file" || data=cifar
    options=()
    [ "$claim" != pre-training ] || options=(--pretrained "$dir/pre-trained")
    command=(reproduce "$claim" --scale full --data "$dir/$data" "${options[@]}" --dry-run)
    echo "== alexnet ${command[*]}"
    "$alexnet" "${command[@]}" || { echo "failed"; failed=1; }
done
exit $failed
