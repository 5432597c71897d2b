#!/usr/bin/env bash
# Everything that needs a CUDA device, in one go: bash tests/gpu/run_all.sh [folder for results]
# Needs: pip install -e ".[cuda12,test]" (or cuda13); compute-sanitizer of the CUDA toolkit is used where it is found.
set -uo pipefail
cd "$(dirname "$0")/../.."
out=${1:-bench/results/gpu}
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
step doctor python -m gpunn doctor
step pytest python -m pytest -q tests/gpu
step verify python -m gpunn verify --device cuda
sanitizer=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2> /dev/null | head -n 1)
if [ -n "$sanitizer" ]; then
    for tool in memcheck racecheck; do
        step "$tool" "$sanitizer" --tool "$tool" --error-exitcode 9 python tests/gpu/one_of_each.py
    done
else
    echo "== no compute-sanitizer: memcheck and racecheck left out"
fi
step speed python tests/gpu/speed.py
step lenet5 python -m gpunn train lenet5 --device cuda --out "$out/lenet5"
[ -d bench ] && python -c "import importlib.util as u, sys; sys.exit(u.find_spec('bench.__main__') is None)" && step bench python -m bench
exit $failed
