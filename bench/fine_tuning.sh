#!/bin/sh
# Fine-tuning against training from nothing, at equal steps.
#
# usage: [VARIABLE=…] bench/fine_tuning.sh IMAGES RESULTS CLASS…
#
# IMAGES has the folders train/CLASS and val/CLASS. The network is pre-trained on all classes but the
# named ones; then it learns these from FEW images each, once from nothing and once from the layers
# of the pre-trained network, with each of SEEDS. RESULTS gets datasets, runs and table.md.
set -eu

PROGRAM=${PROGRAM:-target/release/alexnet}
PRESET=${PRESET:-cifar}       # the network and its recipe
SIZE=${SIZE:-32}              # pixels of a stored image
MANY=${MANY:-5000}            # training images of each class of the pre-training
FEW=${FEW:-100}               # and of each new class
VAL=${VAL:-1000}              # validation images of each class
BATCH=${BATCH:-16}            # images in a step of a run on the new classes
SEEDS=${SEEDS:-1 2 3}

images=$1 results=$2
shift 2
new=" $* "
mkdir -p "$results"

for split in train val; do
  for class in $(ls "$images/$split"); do
    case $new in
      *" $class "*) to=new ;;
      *) to=old ;;
    esac
    mkdir -p "$results/images/$to/$split/$class"
    case "$split $to" in
      "train new") most=$FEW ;;
      "train old") most=$MANY ;;
      *) most=$VAL ;;
    esac
    for file in $(ls "$images/$split/$class" | sort | head -n "$most"); do
      cp "$images/$split/$class/$file" "$results/images/$to/$split/$class/"
    done
  done
done

for part in old new; do
  "$PROGRAM" prepare-data --input "$results/images/$part" --output "$results/$part" --size "$SIZE"
done
"$PROGRAM" train --data "$results/old" --preset "$PRESET" --run "$results/pre-trained" --seed 1

error() { grep -o '"top1_error": [0-9.]*' "$1/report.json" | head -n 1 | cut -d ' ' -f 2; }

{
  echo "| seed | from nothing | fine-tuned |"
  echo "|---|---|---|"
} > "$results/table.md"
for seed in $SEEDS; do
  more="--data $results/new --preset $PRESET --set batch=$BATCH --seed $seed"
  "$PROGRAM" train $more --run "$results/nothing-$seed"
  "$PROGRAM" train $more --run "$results/tuned-$seed" --init "$results/pre-trained"
  echo "| $seed | $(error "$results/nothing-$seed") | $(error "$results/tuned-$seed") |" \
    >> "$results/table.md"
done
cat "$results/table.md"
