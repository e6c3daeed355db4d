# What bench/gpu.sh and bench/gpu_more.sh share: their arguments, the libraries, steps with limits, the record.

# begin NAME SECONDS SCRIPT ARGUMENTS…: reads the arguments and prepares the folder of results. All steps together take
# at most SECONDS, and what they took goes to the file NAME.tsv there. PATIENCE in the environment multiplies all limits,
# where a GPU is emulated.
begin() {
  local script=$3
  case ${4:-} in
    -h | --help) sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$script"; exit 0 ;;
    '') sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$script" >&2; exit 2 ;;
  esac
  here=$(cd "$(dirname "$script")" && pwd)
  alexnet=$(realpath "$4") results=${5:-gpu-results} python=${PYTHON:-python3}
  device=${DEVICE:-cuda:0} preset=${PRESET:-original} large=${LARGE:-1024} small=${SMALL:-128} steps=${STEPS:-5}
  if [ -n "${WITHOUT-norm2}" ]; then without=(--without "${WITHOUT-norm2}"); else without=(); fi
  loaders=${LOADERS:-$((($(nproc) + 1) / 2))} peer_device=${PEER_DEVICE:-$device} peer_steps=${PEER_STEPS:-30}
  mkdir -p "$results" && results=$(realpath "$results")
  table=$results/$1.tsv patience=${PATIENCE:-1} ends=$(($(date +%s) + $2 * ${PATIENCE:-1})) failed=()
  shift 3
  printf '# bench/%s %s\n' "$(basename "$script")" "$*" >"$table"
  find_libraries
  # Kernels are compiled by the driver at their first use; what it has compiled is kept here.
  export CUDA_CACHE_PATH="$results/driver-cache" CUDA_CACHE_MAXSIZE=1073741824 PYTHONUNBUFFERED=1
}

# The CUDA libraries lie in PyTorch's packages where there is no toolkit; what the caller has set comes first.
find_libraries() {
  local packages folder
  packages=$("$python" -c 'import nvidia; print(list(nvidia.__path__)[0])' 2>/dev/null) || packages=
  for folder in ${packages:+"$packages"/*/lib} /usr/local/cuda/lib64 /usr/local/nvidia/lib64; do
    [ -d "$folder" ] && export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$folder"
  done
}

# note NAME LIMIT SECONDS END COMMAND…: a line of the table of steps.
note() {
  local name=$1 limit=$2 seconds=$3 end=$4
  shift 4
  printf '%s\t%s\t%s\t%s\t%s\n' "$name" "$limit" "$seconds" "$end" "$*" >>"$table"
  [ "$end" = ok ] || failed+=("$name")
}

# step NAME LIMIT COMMAND…: runs the command for at most LIMIT seconds, its output to NAME.txt as it comes, the last
# lines here. Whatever happens, the next step is run.
step() {
  local name=$1 limit=$2 most left began code=0
  shift 2
  if [[ " ${LEAVE_OUT:-} " == *" $name "* ]]; then
    echo "== $name: left out"
    return
  fi
  rm -f "$results/$name.txt"
  if ! command -v "$1" >/dev/null; then
    echo "== $name: $1 is not here"
    note "$name" "$limit" 0 "$1 is not here" "$@"
    return
  fi
  left=$((ends - $(date +%s) - 1)) most=$((limit * patience))
  [ "$most" -le "$left" ] || most=$left
  if [ "$most" -lt 1 ]; then
    echo "== $name: no time left"
    note "$name" "$limit" 0 "no time left" "$@"
    return
  fi
  echo "== $name: $*"
  began=$(date +%s.%N)
  # Started by `timeout` in a group of its own, the command ends with all that it has started.
  timeout --kill-after=1 "$most" "$@" >"$results/$name.txt" 2>&1 || code=$?
  tail -n 3 "$results/$name.txt" | cut -c -200
  case $code in
    0) code=ok ;;
    124 | 137) code="stopped after $most s" ;;
    *) code="exit code $code" ;;
  esac
  [ "$code" = ok ] || echo "   $code"
  note "$name" "$limit" "$(echo "$began" "$(date +%s.%N)" | awk '{ printf "%.1f", $2 - $1 }')" "$code" "$@"
}

# Writes the record of all steps whose results are in the folder, of this script and of the other one.
finish() {
  echo
  python3 "$here/gpu_record.py" "$results" && echo "the record is $results/README.md"
  if [ "${#failed[@]}" -gt 0 ]; then
    echo "failed: ${failed[*]}"
    exit 1
  fi
}
