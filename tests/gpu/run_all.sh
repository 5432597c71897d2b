#!/usr/bin/env bash
# Everything that needs a CUDA device, in one go: bash tests/gpu/run_all.sh [folder for results]
# Needs: pip install -e ".[cuda12,test]" (or cuda13); compute-sanitizer of the CUDA toolkit is used where it is found.
# $PYTHON names another interpreter. Results to keep: the JSON files, to be committed under bench/results/.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:-gpu-results}
python=${PYTHON:-python3}
export PYTHONPATH=$PWD
mkdir -p "$out"
failed=0

step() {
    local name=$1
    shift
    echo "== $name: $*"
    "$@" > "$out/$name.txt" 2>&1 || { failed=1; echo "   FAILED, see $out/$name.txt"; }
    tail -n 3 "$out/$name.txt"
}

step device nvidia-smi --query-gpu=name,driver_version,clocks.sm,clocks.mem,memory.total --format=csv
step doctor "$python" -m gpunn doctor
step pytest "$python" -m pytest -q -p no:benchmark -p no:cacheprovider tests/gpu tests/ops/test_devices.py
step verify "$python" -m gpunn verify --device cuda
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2> /dev/null | head -n 1)
if [ -n "$sanitizer" ]; then
    for tool in memcheck racecheck; do
        step "$tool" "$sanitizer" --tool "$tool" --error-exitcode 9 "$python" tests/gpu/one_of_each.py cuda raw
    done
else
    echo "== no compute-sanitizer: memcheck and racecheck left out"
fi
for suite in conv2d conv1d conv3d pool2d batchnorm elementwise gemm optim launch; do
    step "bench-$suite" "$python" -m bench "$suite" --device cuda --json "$out/$suite-cuda.json"
done
step bench-step "$python" -m bench step --device cuda --against torch,compiled,graph,tf32 --json "$out/step-cuda.json"
step mnist-seconds "$python" examples/mnist_seconds.py --device cuda
step bench-cifar "$python" -m bench accuracy resnet20 --recipe cifar_resnet --data cifar10 --device cuda --seeds 0 \
    --ours-alone --json "$out/cifar-resnet20-cuda.json"
# The whole schedule of the ResNet paper, beside PyTorch, takes longer than all the rest: FULL=1 asks for it.
for network in ${FULL:+resnet20 resnet18}; do
    step "accuracy-$network" "$python" -m bench accuracy "$network" --recipe he_cifar --device cuda --seeds 0 --within 1 \
        --json "$out/accuracy-$network-cuda.json"
done
step lenet5 "$python" -m gpunn train lenet5 --device cuda --out "$out/lenet5"
exit $failed
