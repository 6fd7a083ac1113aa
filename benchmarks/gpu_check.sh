#!/usr/bin/env bash
# What a machine with a GPU is for: its tests and its figures, in at most eight minutes.
#
#     benchmarks/gpu_check.sh [FOLDER]     # writes its figures into FOLDER, ./gpu-check by default
#
# PYTHON is the interpreter, DEVICE the device of torch's (cuda), SIZE that of the networks of
# flux_speed.py, and SLOWER a factor of the limits on time: DEVICE=cpu SIZE=small SLOWER=5 tries the
# script itself on a machine without a GPU.
set -uo pipefail
out=$(realpath -m "${1:-gpu-check}")
cd "$(dirname "$0")/.."
python=${PYTHON:-python3} device=${DEVICE:-cuda} size=${SIZE:-flux} slower=${SLOWER:-1}
mkdir -p "$out"
failed=0
part() { # seconds, file, command: a part that fails or takes too long leaves the others to run
    echo "== $2"
    timeout $(($1 * slower)) "${@:3}" 2>&1 | tee "$out/$2.txt" || { echo "== $2 FAILED"; failed=1; }
}
part 20 machine "$python" -c "import platform, torch; print(platform.python_version(), torch.__version__,
    torch.cuda.get_device_name() if torch.cuda.is_available() else 'no GPU')"
part 150 tests env POE_TEST_DEVICE="$device" "$python" -m pytest -o addopts="" -q -m gpu tests
largest=$([ "$device" = cpu ] && echo 1000 || echo 1000000)
part 110 figures "$python" benchmarks/gpu_figures.py --device "$device" --largest "$largest" \
    --out "$out/figures.json"
part 200 flux_speed "$python" benchmarks/flux_speed.py --device "$device" --size "$size" \
    --out "$out/flux_speed.json"
exit $failed
