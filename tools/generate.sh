#!/bin/sh
# Writes the generated Python of the schema: runtime/dsruntime/dsf_generated.py, or the file given as $1.
# Needs flatc (Debian: flatbuffers-compiler). The result is checked in; tests/dsruntime/test_generated.py compares.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
file=${1:-$root/runtime/dsruntime/dsf_generated.py}
command -v flatc >/dev/null || { echo "flatc not found: apt-get install flatbuffers-compiler" >&2; exit 4; }
folder=$(mktemp -d)  # flatc also writes an empty __init__.py beside its result
trap 'rm -rf "$folder"' EXIT
flatc --python --gen-onefile --gen-object-api -o "$folder" "$root/schema/dsf.fbs"
cp "$folder/dsf_generated.py" "$file"
