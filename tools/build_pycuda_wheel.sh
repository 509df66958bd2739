#!/usr/bin/env bash
# build_pycuda_wheel.sh: a PyCUDA wheel for one Python, on a machine with CUDA's headers but without a GPU or a driver.
#
#   tools/build_pycuda_wheel.sh [PYTHON [FOLDER]]      default: .venv/bin/python, dist/
#   CUDA_ROOT=/opt/cuda PYCUDA_VERSION=2026.1          default: /usr/local/cuda, and the version below
#
# PyCUDA is published as source only. Its extension wants libcuda.so.1, which belongs to the driver, so two stand-ins
# are made here and neither goes into the wheel:
#
#   to link    an empty library with the driver's soname. --no-as-needed keeps the extension's claim to it: without that
#              the linker sees that nothing of the empty library is used, drops the claim, and the wheel imports nowhere
#   to check   a library with exactly the functions that the extension left open, every one of which says "no device"
#
# The wheel runs with any driver that is at least as new as the headers (readelf shows nothing of it: cuda.h decides).
set -euo pipefail

python=${1:-.venv/bin/python}
folder=${2:-dist}
root=${CUDA_ROOT:-/usr/local/cuda}
version=${PYCUDA_VERSION:-2026.1}

fail() { echo "build_pycuda_wheel: $*" >&2; exit 1; }
[ -f "$root/include/cuda.h" ] || fail "no $root/include/cuda.h; install the CUDA toolkit's headers, or set CUDA_ROOT"
for program in g++ readelf nm; do command -v $program >/dev/null || fail "no $program; install g++ and binutils"; done
command -v "$python" >/dev/null || fail "no Python '$python'; give one as the first argument"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$folder" "$work"/{link,check,source,wheel}

"$python" -m venv "$work/venv"
build=$work/venv/bin/python
export PIP_DISABLE_PIP_VERSION_CHECK=1
echo "source of PyCUDA $version"
"$build" -m pip install -q numpy setuptools wheel
"$build" -m pip download -q --no-deps --no-build-isolation --no-binary pycuda -d "$work" "pycuda==$version"
tar -xzf "$work"/pycuda-*.tar.gz -C "$work/source" --strip-components 1

echo "compiling, some minutes"
g++ -shared -fPIC -Wl,-soname,libcuda.so.1 -x c++ /dev/null -o "$work/link/libcuda.so"
(
    cd "$work/source"
    "$build" configure.py --cuda-root="$root" --cudadrv-lib-dir="$work/link" --no-cuda-enable-curand
    # LDFLAGS come before -lcuda on the linker's line, which is where --no-as-needed has to stand
    LDFLAGS="${LDFLAGS:-} -Wl,--no-as-needed" "$build" -m pip wheel --no-deps --no-build-isolation -w "$work/wheel" .
) >"$work/log" 2>&1 || { tail -30 "$work/log" >&2; fail "the build failed; the end of its log is above"; }

echo "checking"
wheel=$(echo "$work"/wheel/pycuda-*.whl)
"$build" -m pip install -q "$wheel"
extension=$(find "$work/venv" -name '_driver*.so')
readelf -d "$extension" | grep -q 'NEEDED.*libcuda\.so\.1' || fail "the extension does not claim libcuda.so.1"
nm -D --undefined-only "$extension" | grep -oE '\bcu[A-Z][A-Za-z0-9_]*' | sort -u >"$work/functions"
{
    echo 'extern "C" int cuGetErrorString(int, const char** text) { *text = "no CUDA device"; return 0; }'
    grep -v '^cuGetErrorString$' "$work/functions" | sed 's/.*/extern "C" int &() { return 100; }/'  # ..._NO_DEVICE
} >"$work/stub.cpp"
g++ -shared -fPIC -Wl,-soname,libcuda.so.1 "$work/stub.cpp" -o "$work/check/libcuda.so.1"
LD_BIND_NOW=1 LD_LIBRARY_PATH=$work/check "$build" -c '
import pycuda.driver as cuda
try:
    cuda.init()
except cuda.Error as error:
    print("imports, and says:", error)' || fail "the wheel does not import"

cp "$wheel" "$folder/"
echo "$folder/$(basename "$wheel"): $(wc -l <"$work/functions") functions of the driver"
