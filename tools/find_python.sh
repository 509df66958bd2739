#!/bin/sh
# Prints the first Python of at least 3.11 on this machine, or says that there is none.
for python in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        command -v "$python"
        exit 0
    fi
done
echo "dscompress needs Python 3.11 or newer and found none: install one, or name it: make PYTHON=/path/to/python3" >&2
exit 4
