#!/bin/sh
# Installs the Debian packages that a build needs and this machine lacks; says which, and does nothing if all are there.
# usage: tools/system_packages.sh PYTHON
set -eu
python=$1

missing=""
need() { missing="$missing $1"; }

command -v g++ >/dev/null || need g++
command -v cmake >/dev/null || need cmake
command -v make >/dev/null || need make
echo '#include <flatbuffers/flatbuffers.h>' | g++ -std=c++17 -fsyntax-only -x c++ - 2>/dev/null || need libflatbuffers-dev
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
fi

[ -n "$missing" ] || exit 0
command -v apt-get >/dev/null || { echo "Please install these (Debian's names), then try again:$missing" >&2; exit 4; }

echo "Installing system packages:$missing"
as_root=""
if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "Please run as root: apt-get install$missing" >&2; exit 4; }
    as_root=sudo
fi
# $missing and $as_root are lists of words on purpose.
$as_root apt-get update -q
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
