#!/bin/sh
# Builds libdsf's tests in every way that matters and runs them: compilers, optimisation levels, clang's C++ library,
# sanitizers, instruction sets, and aarch64 under qemu. Prints a line a run and the figures; exit code 0 if all pass.
#
# usage: tools/matrix.sh [-k PATTERN]     only rows whose name matches, e.g. -k aarch64
#
# Needs clang, libc++-dev, libc++abi-dev, g++-aarch64-linux-gnu and qemu-user (Debian's names); rows whose tools are
# missing are said and skipped.
# The fuzzer's corpus and the golden files are run as models, besides the programs in tests/libdsf.
set -u
cd "$(dirname "$0")/.."
pattern=.
[ "${1:-}" = -k ] && pattern=$2
folder=build/matrix
passed=0 failed=0 skipped=0
programs="crc checked text prepared processors threads array gemv image_kernels panels"
models="tools/fuzz/corpus/*.dsf schema/golden/*.dsf"

# build NAME COMPILER C_COMPILER FLAGS SANITIZERS [CMAKE OPTION...]
build() {
    name=$1 cxx=$2 cc=$3 flags=$4 sanitizers=$5
    shift 5
    cmake -S runtime -B "$folder/$name" -DDSF_TESTS=ON -DCMAKE_BUILD_TYPE=None -DCMAKE_CXX_COMPILER="$cxx" \
        -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_FLAGS="$flags" -DDSF_SANITIZE="$sanitizers" "$@" >"$folder/$name.log" 2>&1 &&
        cmake --build "$folder/$name" -j "$(nproc)" >>"$folder/$name.log" 2>&1
}

report() {
    if [ "$2" = 0 ]; then
        passed=$((passed + 1)); echo "pass  $1"
    else
        failed=$((failed + 1)); echo "FAIL  $1 (see $folder/*.log)"
    fi
}

# row NAME RUNNER ISAS: runs what was built as NAME
row() {
    name=$1 runner=$2 isas=$3
    for program in $programs; do
        $runner "$folder/$name/tests/$program" >>"$folder/$name.log" 2>&1
        report "$name $program" $?
    done
    for isa in $isas; do
        # shellcheck disable=SC2086  # lists of words on purpose
        DSF_ISA=$isa $runner "$folder/$name/tests/run_model" $models >"$folder/$name.$isa.out" 2>>"$folder/$name.log"
        code=$?
        count=$(grep -c '^ok$' "$folder/$name.$isa.out")
        others=$(grep -vc '^ok$' "$folder/$name.$isa.out")
        [ "$code" = 0 ] && [ "$count" -gt 0 ] && [ "$others" = 0 ]
        report "$name DSF_ISA=$isa, $count models run" $?
    done
}

wanted() { echo "$1" | grep -q -- "$pattern"; }

missing() {
    for tool in "$@"; do
        command -v "$tool" >/dev/null || { skipped=$((skipped + 1)); echo "skip  $name: no $tool here"; return 0; }
    done
    return 1
}

# native NAME C++ C FLAGS SANITIZERS
native() {
    name=$1
    wanted "$name" || return 0
    missing "$2" && return 0
    build "$@"
    report "$name builds" $?
    row "$name" "" "$here"
}

mkdir -p "$folder"
sh -c 'command -v cmake >/dev/null' || { echo "cmake is missing"; exit 4; }
build host c++ cc -O0 "" || { echo "the build fails: $folder/host.log"; exit 1; }
here=$("$folder/host/tests/isas")
echo "instruction sets of this CPU: $here"

native gcc-O3 g++ gcc -O3 ""
native gcc-O0 g++ gcc -O0 ""
native clang-O3 clang++ clang -O3 ""
native clang-O0 clang++ clang -O0 ""
if echo '#include <vector>' | clang++ -stdlib=libc++ -fsyntax-only -x c++ - 2>/dev/null; then
    native clang-libcxx clang++ clang "-O2 -stdlib=libc++" ""
elif wanted clang-libcxx; then
    skipped=$((skipped + 1)); echo "skip  clang-libcxx: no clang with libc++ here"
fi
native gcc-sanitizers g++ gcc -O1 address,undefined
native clang-sanitizers clang++ clang -O1 address,undefined

for level in O3 O0; do
    name=aarch64-$level
    wanted "$name" || continue
    missing aarch64-linux-gnu-g++ qemu-aarch64 && continue
    build "$name" aarch64-linux-gnu-g++ aarch64-linux-gnu-gcc "-$level" "" -DCMAKE_SYSTEM_NAME=Linux \
        -DCMAKE_SYSTEM_PROCESSOR=aarch64
    report "$name builds" $?
    row "$name" "qemu-aarch64 -L /usr/aarch64-linux-gnu" "neon scalar"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" = 0 ]
