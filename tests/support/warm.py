"""Commands that start warm: one process imports what they import, and forks for each of them.

    with warm.commands(folder) as path:          folder/dscompress and folder/python, for PATH
        subprocess.run(["dscompress", "export", ...], env={**os.environ, "PATH": path})

A cold start spends three of its four seconds on PyTorch and ONNX. Here only others' packages are imported beforehand:
dscompress and dsruntime are imported in the command's own process. `python` takes -c TEXT or a file.
"""

import contextlib
import json
import os
import runpy
import select
import socket
import subprocess
import sys
import traceback
import types
from collections.abc import Iterator
from pathlib import Path

IMPORTS = ["torch", "torch.export.pt2_archive", "torch.onnx", "onnx.reference", "onnx_ir", "onnxscript.rewriter",
           "onnxruntime", "PIL.Image", "matplotlib.figure", "sklearn.datasets", "rich.table"]  # fmt: skip
CLIENT = """#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    wanted = json.dumps([{name!r}, sys.argv[1:], os.getcwd(), dict(os.environ)]).encode()
    socket.send_fds(server, [b"%8d" % len(wanted)], [0, 1, 2])
    server.sendall(wanted)
    sys.exit(int(server.recv(8) or b"70"))
"""


@contextlib.contextmanager
def commands(folder: Path) -> Iterator[str]:
    """A PATH on which `dscompress` and `python` are the warm ones; they end with the block."""
    address = str(folder / "socket")
    for name in ("dscompress", "python"):
        (folder / name).write_text(CLIENT.format(python=sys.executable, address=address, name=name))
        (folder / name).chmod(0o755)
    server = subprocess.Popen([sys.executable, __file__, address], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert server.stdout.read(1), "the warm process did not start"
        yield f"{folder}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    finally:
        server.communicate()


def serve(address: str) -> None:
    """Until stdin is closed."""
    sys.path.pop(0)  # tests/support, whose names are not for commands
    for name in IMPORTS:
        __import__(name)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        os.write(1, b".")
        while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
            client, _ = listener.accept()
            if os.fork() == 0:
                listener.close()
                answer(client)
            client.close()
            with contextlib.suppress(ChildProcessError):
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
    with contextlib.suppress(ChildProcessError):
        while os.wait():
            pass


def answer(client: socket.socket) -> None:
    """Runs what the client wants in a child, and tells it the exit code."""
    length, files, *_ = socket.recv_fds(client, 8, 3)
    wanted = b""
    while len(wanted) < int(length):
        wanted += client.recv(1 << 16)
    child = os.fork()
    if child == 0:
        client.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os._exit(run(*json.loads(wanted)))
    for file in files:
        os.close(file)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    client.sendall(b"%d" % (code if code >= 0 else 128 - code))
    os._exit(0)


def run(name: str, arguments: list[str], folder: str, environment: dict[str, str]) -> int:
    """The exit code of a command that runs in this process as if Python had begun with it."""
    sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115 (for good)
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    code = 0
    try:
        if name == "dscompress":
            script = str(Path(sys.executable).parent / name)
            sys.argv = [script, *arguments]
            runpy.run_path(script, run_name="__main__")
        else:
            first, *rest = arguments
            code_of = rest.pop(0) if first == "-c" else Path(first).read_text()
            sys.argv, sys.modules["__main__"] = [first, *rest], types.ModuleType("__main__")
            sys.path.insert(0, "" if first == "-c" else str(Path(first).parent))
            exec(compile(code_of, "<string>" if first == "-c" else first, "exec"), sys.modules["__main__"].__dict__)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        code = 1
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    return code


if __name__ == "__main__":
    serve(sys.argv[1])
