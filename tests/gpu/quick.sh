#!/usr/bin/env bash
# What a card can tell in minutes: bash tests/gpu/quick.sh [seconds for all, 280]
# First side by side what needs no clock: doctor, the tests of tests/gpu on 8 processes, memcheck and racecheck. Then, on
# the quiet card, whole training steps, eager and captured, beside PyTorch's, eager and as a graph ($NETWORKS), and the
# suites of kernels ($SUITES, those that changed), ResNet-50's layers and steps of $MIXED in $PRECISIONS, and products on
# tensor cores against plain loops; with time left the same steps beside torch.compile.
# Each step has a limit of its own; what was found so far is kept at any time under $OUT (gpu-quick): quick.txt with
# every step's output and a table at its end, and a JSON file a suite, for bench/results/. $PYTHON names the interpreter.
set -uo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-280}
out=${OUT:-gpu-quick}
python=${PYTHON:-python3}
suites=${SUITES:-gemm conv2d}
precisions=${PRECISIONS:-bf16,tf32}
mixed=${MIXED:-resnet20,resnet18}
networks=${NETWORKS:-lenet5,lenet_20_50_500,alexnet_lite,resnet20}
export PYTHONPATH=$PWD
mkdir -p "$out"
logs=$(mktemp -d)
started=$SECONDS
table=("step|result|seconds|last line")
: > "$out/quick.txt"

left() { echo $((seconds - (SECONDS - started))); }

# run NAME LIMIT COMMAND...: the command, cut off after LIMIT seconds; its end goes to a file that `note` reads.
# By Ctrl-C's signal, at which a suite of bench keeps the rows that it has; what is in the background does not heed it.
run() {
    local name=$1 limit=$2 from=$SECONDS
    shift 2
    timeout -s INT -k 5 "$limit" "$@" > "$logs/$name.log" 2>&1
    echo "$? $limit $((SECONDS - from))" > "$logs/$name.end"
}

# note NAME: a step's output and row, as soon as it has ended.
note() {
    local status limit spent word=ok
    read -r status limit spent < "$logs/$1.end"
    case $status in 0) ;; 124 | 137) word="cut off at $limit s" ;; *) word="FAILED ($status)" ;; esac
    [ "$status" = 0 ] || failed=1
    table+=("$1|$word|$spent|$(grep -v '^ *$' "$logs/$1.log" | tail -n 1 | cut -c 1-90)")
    { echo "==== $1: $word, $spent s"; cat "$logs/$1.log"; } >> "$out/quick.txt"
}

finish() {
    { echo; printf '%s\n' "${table[@]}" | column -t -s '|'; } | tee -a "$out/quick.txt"
    rm -rf "$logs"
}
failed=0
trap finish EXIT

checks="doctor pytest"
run doctor 30 "$python" -m gpunn doctor &
# pytest-benchmark, where it is installed, switches workers off and says so in a warning.
run pytest $((seconds / 2)) "$python" -m pytest -q -n 8 -p no:benchmark -p no:cacheprovider tests/gpu tests/ops/test_devices.py &
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2> /dev/null | head -n 1)
if [ -n "$sanitizer" ]; then
    for tool in memcheck racecheck; do
        checks+=" $tool"
        run $tool $((seconds / 2)) "$sanitizer" --tool $tool --error-exitcode 9 "$python" tests/gpu/one_of_each.py cuda raw &
    done
else
    table+=("memcheck, racecheck|left out|0|no compute-sanitizer")
fi
wait
for name in $checks; do note "$name"; done
"$python" -c "from gpunn.backend import require_nccl as ask; ask()" 2> /dev/null ||
    table+=("tests/gpu/test_gpu_nccl.py|left out|0|no NCCL: pip install 'gpunn[nccl]'")

steps() {
    run "$1" "$2" "$python" -m bench step --device cuda --cases "$networks" --against "$3" --json "$out/$1-cuda.json"
    note "$1"
}
steps step $(($(left) > 20 ? $(left) / 2 : 10)) torch,graph,tf32
if [ -n "${GPUNN_DATA:-}" ]; then  # MNIST to 99 %, where the images are at hand
    run mnist 40 "$python" examples/mnist_seconds.py --device cuda
    note mnist
fi
if [ "$(left)" -ge 60 ]; then
    # Tensor cores: every product's variant against plain loops, then a third of what is left for ResNet-50's layers.
    run verify-products 40 "$python" -m gpunn verify --device cuda --only matmul
    note verify-products
    run precision $(($(left) / 3)) "$python" -m bench conv2d --device cuda --cases resnet50 --precision "$precisions" \
        --against torch --budget 0.05 --repeats 10 --json "$out/precision-cuda.json"
    note precision
    run step-precision $(($(left) / 3)) "$python" -m bench step --device cuda --cases "$mixed" \
        --precision "$precisions" --against torch --json "$out/step-precision-cuda.json"
    note step-precision
else
    table+=("precision|left out|0|no time left")
fi
for suite in $suites; do
    if [ "$(left)" -lt 15 ]; then
        table+=("$suite|left out|0|no time left")
        continue
    fi
    run "$suite" $(($(left) - 5)) "$python" -m bench "$suite" --device cuda --against torch --json "$out/$suite-cuda.json"
    note "$suite"
done
# torch.compile takes half a minute a network.
[ "$(left)" -lt 40 ] || steps step-compiled $(($(left) - 5)) torch,compiled,graph,tf32
exit $failed
