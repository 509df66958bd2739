#!/bin/sh
# Writes what flatc makes of the schema: runtime/dsruntime/dsf_generated.py and runtime/libdsf/generated/dsf_generated.h,
# or both into the folder given as $1. They are checked in, so that only who changes the schema needs flatc;
# tests/dsruntime/test_generated.py compares.
#
# flatc must be 2.0.8, Debian 12's flatbuffers-compiler: what it writes compiles with its own headers and with all later
# ones, of which 25.12.19 was tried. Later ones write code that needs later headers. The assertion that both are of one
# version is left out.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
command -v flatc >/dev/null || { echo "flatc not found: apt-get install flatbuffers-compiler" >&2; exit 4; }
flatc --version | grep -q ' 2\.0\.8$' || { echo "$(flatc --version); expected 2.0.8, which Debian 12 has" >&2; exit 4; }
folder=$(mktemp -d)  # flatc also writes an empty __init__.py beside its result
trap 'rm -rf "$folder"' EXIT
flatc --python --gen-onefile --gen-object-api -o "$folder" "$root/schema/dsf.fbs"
flatc --cpp --scoped-enums -o "$folder" "$root/schema/dsf.fbs"
sed -i '/^\/\/ Ensure the included flatbuffers.h is the same version/,/^$/d' "$folder/dsf_generated.h"
cp "$folder/dsf_generated.py" "${1:-$root/runtime/dsruntime}"
cp "$folder/dsf_generated.h" "${1:-$root/runtime/libdsf/generated}"
