#!/bin/sh
# Fuzzes libdsf under AddressSanitizer and UndefinedBehaviorSanitizer. Needs clang++ with libFuzzer, cmake and ninja.
#
#   tools/fuzz/run.sh load|repaired|run [--seconds N | --runs N] [--build FOLDER]
#
#   load       raw bytes into the loader
#   repaired   the same with lengths and checksum repaired
#   run        repaired files are loaded and, where they are accepted, run
#
# What crashes lands in FOLDER/found/. Starts from tools/fuzz/corpus; what is learnt stays in FOLDER/corpus-TARGET.
set -eu

usage() { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }

root=$(cd "$(dirname "$0")/../.." && pwd)
build=$root/build/fuzz
bound=-max_total_time=60
[ $# -ge 1 ] || usage
target=$1
shift
while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case $1 in
        --seconds) bound=-max_total_time=$2 ;;
        --runs) bound=-runs=$2 ;;
        --build) mkdir -p "$2"; build=$(cd "$2" && pwd) ;;
        *) usage ;;
    esac
    shift 2
done
case $target in
    load) source=load.cpp flags= ;;
    repaired) source=load.cpp flags=-DREPAIR ;;
    run) source=run.cpp flags= ;;
    *) usage ;;
esac

sanitizers=address,undefined,float-cast-overflow
cmake -S "$root/runtime" -B "$build/libdsf" -G Ninja -DCMAKE_CXX_COMPILER="${CXX:-clang++}" \
    -DCMAKE_BUILD_TYPE=RelWithDebInfo -DDSF_SANITIZE="fuzzer-no-link,$sanitizers" > "$build.log" 2>&1 ||
    { cat "$build.log" >&2; exit 1; }
cmake --build "$build/libdsf" --target dsf --parallel 2
# shellcheck disable=SC2086
"${CXX:-clang++}" -std=c++17 -O1 -g -Wall -Wextra $flags "-fsanitize=fuzzer,$sanitizers" -fno-sanitize-recover=all \
    -I "$root/runtime/libdsf/include" "$root/tools/fuzz/$source" -L "$build/libdsf" -ldsf \
    "-Wl,-rpath,$build/libdsf" -o "$build/$target"
mkdir -p "$build/corpus-$target" "$build/found"
exec "$build/$target" "$bound" -max_len=16384 -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 -use_value_profile=1 \
    -artifact_prefix="$build/found/$target-" "$build/corpus-$target" "$root/tools/fuzz/corpus"
