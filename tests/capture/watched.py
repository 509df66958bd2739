"""watched: commands of dscompress in a process that dies when it writes, starts a program or connects to another.

    python -m tests.capture.watched FOLDER        reads one JSON list of commands, a list of words each

The kernel kills it (SIGSYS, by a seccomp filter) at execve, at connect, and at any open for writing that could touch a
file that is there (without O_EXCL), whoever asks: Python, PyTorch's C++, code of a file. Python's audit hook lists the
files that were made; they must be gone, or the commands' outputs, at the end. Prints one JSON list of exit codes.
"""

import ctypes
import io
import json
import os
import platform
import struct
import sys

EXECVE, EXECVEAT, CONNECT, OPENAT, OPENAT2, OPEN, CREAT = range(7)
NUMBERS = {
    "x86_64": {59: EXECVE, 322: EXECVEAT, 42: CONNECT, 257: OPENAT, 437: OPENAT2, 2: OPEN, 85: CREAT},
    "aarch64": {221: EXECVE, 281: EXECVEAT, 203: CONNECT, 56: OPENAT, 437: OPENAT2},
}
SECCOMP = {"x86_64": 317, "aarch64": 277}
LOAD, JUMP_EQUAL, JUMP_SET, AND, RETURN = 0x20, 0x15, 0x45, 0x54, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
NUMBER, ARGUMENTS = 0, 16  # offsets in struct seccomp_data; each argument has 8 bytes, the low half first
PR_SET_NO_NEW_PRIVS, SET_MODE_FILTER, ALL_THREADS = 38, 1, 1
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def program(machine: str) -> bytes:
    """Classic BPF: the system call's number decides, for an open its flags as well."""
    steps = []
    for number, call in NUMBERS[machine].items():
        steps += [(LOAD, 0, 0, NUMBER)]
        if call in (OPENAT, OPEN):
            flags = ARGUMENTS + 8 * (2 if call == OPENAT else 1)
            steps += [(JUMP_EQUAL, 0, 4, number), (LOAD, 0, 0, flags), (JUMP_SET, 2, 0, os.O_EXCL),
                      (JUMP_SET, 0, 1, WRITES & ~os.O_EXCL), (RETURN, 0, 0, KILL)]  # fmt: skip
        else:
            steps += [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, KILL)]
    return b"".join(struct.pack("<HBBI", *step) for step in [*steps, (RETURN, 0, 0, ALLOW)])


def forbid() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    code = program(platform.machine())
    buffer = ctypes.create_string_buffer(code)
    filter_ = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")
    if libc.syscall(SECCOMP[platform.machine()], SET_MODE_FILTER, ALL_THREADS, filter_):
        raise OSError(ctypes.get_errno(), "seccomp")


def import_everything() -> None:
    """PyTorch's own imports look for libraries with ldconfig and try whether /tmp can be written."""
    import torch

    import dscompress

    dscompress.compile_model(torch.nn.Linear(2, 2), input_shape=(1, 2))
    torch.onnx.export(torch.jit.script(torch.nn.ReLU()), (torch.zeros(1),), io.BytesIO(), dynamo=False)


def main() -> None:
    from dscompress.cli import cli

    made: list[str] = []

    def remember(event, arguments):
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES:
            made.append(os.path.realpath(arguments[0]))

    os.chdir(sys.argv[1])
    commands, codes = json.load(sys.stdin), []
    outputs = {os.path.realpath(words[words.index("-o") + 1]) for words in commands if "-o" in words}
    import_everything()
    sys.addaudithook(remember)
    forbid()
    for words in commands:
        print(words, file=sys.stderr, flush=True)
        try:
            cli.main(args=words, prog_name="dscompress")
        except SystemExit as end:
            codes.append(end.code)
    print(json.dumps({"codes": codes, "left": [path for path in made if path not in outputs and os.path.exists(path)]}))


if __name__ == "__main__":
    main()
