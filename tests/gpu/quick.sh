#!/usr/bin/env bash
# What a card can tell, in parts: bash tests/gpu/quick.sh [PART[=SECONDS]]...
# Parts, in the order in which they matter: checks steps tune roofs kernels training model; none named: all of them.
# tests/gpu/README.md says what each writes, how long it takes and where its results go.
# A command has a limit and ends by Ctrl-C's signal, at which a suite of bench keeps its rows. What was found lies at
# any time in $RESULTS (gpu-results): PART.txt with the output of every command and a table at its end, a JSON file a
# suite; and where $OUT names a folder, there as PART.txt and PART.tgz too, two files a part.
# PRINT=1 prints the commands in place of running them. $PYTHON names the interpreter, $GPUNN_DATA the data (gpu-data).
# PATIENCE=20 lets each command take 20 times its limit: where another machine than a card's rehearses it.
set -uo pipefail
cd "$(dirname "$0")/../.."
results=${RESULTS:-gpu-results}
python=${PYTHON:-python3}
print=${PRINT:-}
patience=${PATIENCE:-1}
networks=lenet5,alexnet_lite,resnet20,resnet18,resnet50
declare -A usual=([checks]=190 [steps]=170 [tune]=55 [roofs]=55 [kernels]=170 [training]=110 [model]=10)
order="checks steps tune roofs kernels training model"
export PYTHONPATH=$PWD GPUNN_DATA=${GPUNN_DATA:-$PWD/gpu-data}
[ -n "$print" ] || mkdir -p "$results"
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed=0

ask() { timeout 60 "$python" -c "$1" 2> /dev/null; }
card=h200
mixed=tf32,bf16
if [ -z "$print" ]; then
    card=$(ask "from gpunn import cuda; print('-'.join(cuda.get_device_name().lower().replace('nvidia', '').split()))")
    architecture=$(ask "from gpunn import cuda; print(*cuda.get_device_capability(), sep='')")
    ask "import ml_dtypes" || mixed=tf32,fp16  # whose numbers bf16 needs
fi
card=${card:-none}
architecture=${architecture:-90}

left() { [ -n "$print" ] && echo 600 || echo $((seconds - (SECONDS - started))); }

# run NAME LIMIT COMMAND...: the command, cut off after LIMIT seconds or at the part's end; `note` reads how it ended.
# What is in the background does not heed Ctrl-C's signal, and is ended five seconds later.
run() {
    local name=$1 limit=$(($2 * patience)) from=$SECONDS
    shift 2
    if [ -n "$print" ]; then
        printf '%s\n' "$name:$(printf ' %q' "$@")"  # in one write: those in the background print side by side
        return
    fi
    [ "$limit" -le "$(left)" ] || limit=$(left)
    if [ "$limit" -lt 5 ]; then
        echo "left out" > "$logs/$name.end"
        return
    fi
    timeout -s INT -k 5 "$limit" "$@" > "$logs/$name.log" 2>&1 < /dev/null
    echo "$? $limit $((SECONDS - from))" > "$logs/$name.end"
}

# note NAME: a command's output and row, as soon as it has ended.
note() {
    [ -z "$print" ] || return 0
    local status limit spent word=ok
    read -r status limit spent < "$logs/$1.end"
    if [ "$status" = left ]; then
        row "$1" "left out" 0 "no time left"
        return
    fi
    case $status in 0) ;; 124 | 137) word="cut off at $limit s" ;; *) word="FAILED ($status)" ;; esac
    [ "$status" = 0 ] || failed=1
    { echo "==== $1: $word, $spent s"; cat "$logs/$1.log"; } >> "$results/$part.txt"
    row "$1" "$word" "$spent" "$(grep -v '^ *$' "$logs/$1.log" | tail -n 1 | cut -c 1-90 | tr '|' ' ')"
}

# row NAME RESULT SECONDS LINE: a line of the part's table; and what there is so far goes to $OUT.
row() {
    [ -z "$print" ] || return 0
    table+=("$1|$2|$3|$4")
    keep
}

keep() {
    [ -n "${OUT:-}" ] || return 0
    { cat "$results/$part.txt"; printf '%s\n' "${table[@]}" | column -t -s '|'; } > "$logs/kept.txt"
    tar -czf "$logs/kept.tgz" -C "$results" . && cp "$logs/kept.tgz" "$OUT/$part.tgz" && cp "$logs/kept.txt" "$OUT/$part.txt"
}

try() { run "$@"; note "$1"; }

# bench NAME LIMIT SUITE OPTIONS...: a suite's rows, to NAME-cuda-CARD.json.
bench() {
    local name=$1 limit=$2 suite=$3
    shift 3
    try "$name" "$limit" "$python" -m bench "$suite" "$@" --device cuda --json "$results/$name-cuda-$card.json"
}

checks() {
    local name all="doctor pytest nccl" sanitizer tool dtype
    run doctor 60 "$python" -m gpunn doctor &
    run nccl 30 "$python" -c "from gpunn.backend import require_nccl; print(require_nccl())" &
    # pytest-benchmark, where it is installed, switches workers off and says so in a warning.
    run pytest 600 "$python" -m pytest -q --numprocesses 6 -p no:benchmark -p no:cacheprovider tests/gpu tests/ops/test_devices.py &
    for dtype in float32 float64 float16 bfloat16 tf32; do
        all+=" verify-$dtype"
        run "verify-$dtype" 600 "$python" -m gpunn verify --device cuda --dtype "$dtype" &
    done
    sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2> /dev/null | head -n 1)
    [ -z "$print" ] || sanitizer=compute-sanitizer
    for tool in ${sanitizer:+memcheck racecheck synccheck initcheck}; do
        all+=" $tool"
        run "$tool" 600 "$sanitizer" --tool "$tool" --error-exitcode 9 "$python" tests/gpu/one_of_each.py cuda raw &
    done
    wait
    for name in $all; do note "$name"; done
    [ -n "$sanitizer" ] || row "memcheck, racecheck, synccheck, initcheck" "left out" 0 "no compute-sanitizer"
}

steps() {
    bench step $(($(left) * 2 / 3)) step --cases $networks --precision "$mixed" --against torch,graph --budget 0.5
    bench step-fp32 40 step --cases lenet5,alexnet_lite,resnet20 --against torch,graph,tf32 --budget 0.5
    bench step-fp16 30 step --cases resnet18,resnet50 --precision fp16 --against torch --budget 0.5
    # torch.compile takes half a minute a network.
    bench step-compiled 600 step --cases resnet50,resnet18 --precision "$mixed" --against torch,compiled --budget 0.5
}

tune() {
    local precision=${mixed#*,} name
    for name in "resnet50 --batch 64" "resnet20 --batch 128" "resnet18 --batch 64"; do
        try "tune-${name%% *}" 20 "$python" -m gpunn tune $name --precision "$precision" --device cuda
    done
    try tune-tf32 20 "$python" -m gpunn tune resnet50 --batch 64 --precision tf32 --device cuda
    try tune-small 15 "$python" -m gpunn tune lenet5 alexnet_lite --precision tf32 --device cuda
    try export 10 "$python" -m gpunn tune --device cuda --export "$results/sm_$architecture.json"
    bench step-tuned 30 step --cases resnet50,resnet20 --precision "$mixed" --against none --budget 0.5
}

roofs() {
    local ncu
    bench kernels 40 kernels --cases resnet50,resnet20 --precision "$mixed" --repeats 10 --budget 0.02
    ncu=$(command -v ncu || ls /usr/local/cuda*/bin/ncu /opt/nvidia/nsight-compute/*/ncu 2> /dev/null | head -n 1)
    [ -z "$print" ] || ncu=ncu
    if [ -z "$ncu" ]; then
        row ncu "left out" 0 "no ncu"
        return
    fi
    local section sections=""
    for section in SpeedOfLight MemoryWorkloadAnalysis MemoryWorkloadAnalysis_Tables Occupancy WarpStateStats; do
        sections+=" --section $section"
    done
    try ncu 60 "$ncu" $sections --profile-from-start off "$python" -m bench profile \
        "$results/kernels-cuda-$card.json"
}

kernels() {
    local few="--budget 0.05 --repeats 10"
    bench conv2d 45 conv2d --cases resnet50 --batch 64 --precision "$mixed,fp32" --against torch $few
    bench pool2d 20 pool2d --cases resnet50,alexnet,lenet,vgg --batch 256 --against torch $few
    bench batchnorm 20 batchnorm --against torch,cupy $few
    bench elementwise 20 elementwise --against torch,cupy $few
    bench gemm 20 gemm --precision "$mixed,fp32" --against torch $few
    bench optim 15 optim --against torch $few
    bench launch 15 launch --against torch $few
    bench recurrent 20 recurrent --pass lstm_forward,lstm_train,gru_train,rnn_train --cases 64x100x512 --against torch \
        $few
    bench conv3d 15 conv3d --cases "unet3d 32 to 64" --precision fp32,tf32 --against torch $few
    bench conv1d 15 conv1d --cases "wave 64 to 128" --precision fp32,tf32 --against torch $few
    bench memory 40 memory
    bench pool2d-compiled 20 pool2d --cases resnet50 --batch 256 --against torch,compiled $few
    bench elementwise-compiled 30 elementwise --against torch,compiled $few
    bench batchnorm-compiled 30 batchnorm --against torch,compiled $few
}

training() {
    bench accuracy-lenet5 40 accuracy lenet5 --epochs 5 --seeds 0 --within 1
    bench accuracy-resnet20 50 accuracy resnet20 --data cifar10 --epochs 5 --seeds 0 --within 3
    bench accuracy-resnet18 50 accuracy resnet18 --data cifar10 --epochs 3 --seeds 0 --within 5
    try mnist 20 "$python" examples/mnist_seconds.py --device cuda --seeds 3
    [ -n "$print" ] || rm -rf "$results/launched"
    try launch-train 40 "$python" -m gpunn launch -n 1 --device cuda train resnet20 --data cifar10 --epochs 1 \
        --out "$results/launched"
}

model() {
    try model 20 "$python" -m bench model "$results/conv2d-cuda-$card.json" "$results/kernels-cuda-$card.json"
}

[ $# -gt 0 ] || set -- $order
for word in "$@"; do
    part=${word%%=*}
    case " $order " in *" $part "*) ;; *) echo "quick.sh: there is no part $part; choose from $order" >&2; exit 2 ;; esac
    seconds=${usual[$part]}
    [ "$word" = "$part" ] || seconds=${word#*=}
    started=$SECONDS
    table=("command|result|seconds|last line")
    [ -n "$print" ] || : > "$results/$part.txt"
    $part
    [ -n "$print" ] && continue
    { echo; printf '%s\n' "${table[@]}" | column -t -s '|'; } | tee -a "$results/$part.txt"
    keep
done
exit $failed
