"""dscompress doctor: what this machine can run, and what to do about the rest."""

from __future__ import annotations

import os
import platform
import re
import sys

import click

from dscompress.cli import MACHINE_CANNOT, Command, extras, show
from dscompress.cli.options import json_option

PACKAGES = (
    "dscompress",
    "dsruntime",
    "numpy",
    "flatbuffers",
    "pillow",
    "click",
    "rich",
    "torch",
    "onnx",
    "onnx-ir",
    "onnxscript",
    "onnxruntime",
    "pycuda",
    "cuda-bindings",
    "nvidia-cuda-nvrtc",
)

MOST_THREADS = 256  # of a session of libdsf


@click.command("doctor", cls=Command, short_help="Check what this machine can run, and what is missing.")
@json_option
@click.pass_context
def command(context, as_json):
    """Show Python, packages, libdsf and every backend: available, or why not and what to do.

    Exit code 0, or 4 if the cpu backend does not work: then no .dsf can be loaded.

    \b
    Example:
      dscompress doctor
    """
    data = examine()
    if as_json:
        show.as_json(data)
    else:
        print_findings(data)
    if not data["backends"]["cpu"]["available"]:
        context.exit(MACHINE_CANNOT)


def examine() -> dict:
    from dsruntime import backends

    return {
        "dscompress": package_version("dscompress") or own_version(),
        "python": platform.python_version(),
        "python_path": sys.executable,
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "processors": len(os.sched_getaffinity(0)),
        "libdsf": examine_libdsf(),
        "backends": {
            name: {"available": usable, "detail": detail} for name, (usable, detail) in backends.availability().items()
        },
        "cuda": examine_cuda(),
        "packages": {name: package_version(name) for name in PACKAGES},
        "torchvision": examine_torchvision(),
        "extras": {
            name: {
                "installed": not extras.missing(name),
                "missing": extras.missing(name),
                "command": f'pip install "dscompress[{name}]"',
            }
            for name in extras.EXTRAS
        },
    }


def examine_cuda() -> dict:
    from dsruntime.backends.cuda import state

    return state.examine()


def examine_libdsf() -> dict:
    from dsruntime import BackendError, library

    try:
        path, dsf = library.find(), library.library()
    except BackendError as error:
        return {"path": None, "error": str(error)}
    return {
        "path": path,
        "version": dsf.dsf_version().decode(),
        "interface": dsf.dsf_abi_version(),
        "instruction_set": dsf.dsf_isa().decode(),
        "ops": dsf.dsf_op_count(),
        "threads": dsf.dsf_processors(),
        "instruction_sets": library.instruction_sets(),
    }


def examine_torchvision() -> str | None:
    """What is wrong if torch and torchvision are of different builds. Their files say; importing them takes seconds."""
    torch, torchvision = built_version("torch"), built_version("torchvision")
    ours, theirs = (re.search(r"\+(cpu|cu\d+|rocm[\d.]+|xpu)$", version or "") for version in (torch, torchvision))
    if torchvision is None or ours is None or theirs is None or ours[1] == theirs[1]:
        return None
    return (
        f"{torchvision} was built for another torch than {torch}, and its import can fail; --model torchvision... "
        "works all the same; to repair it: pip install --force-reinstall --no-deps "
        f"torchvision=={torchvision.split('+')[0]} --index-url https://download.pytorch.org/whl/{ours[1]}"
    )


def built_version(name: str) -> str | None:
    """With the build that the package was made for, 2.8.0+cpu, which pip may not know; None where not installed."""
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        text = distribution(name).locate_file(f"{name}/version.py").read_text()
    except (PackageNotFoundError, OSError):
        return None
    found = re.search(r"^__version__ = ['\"](.+)['\"]", text, re.MULTILINE)
    return found and found[1]


def package_version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def own_version() -> str:
    from dscompress import __version__

    return __version__


def print_findings(data: dict) -> None:
    libdsf = data["libdsf"]
    show.fields(
        [
            ("dscompress", data["dscompress"]),
            ("Python", f"{data['python']}, {data['python_path']}"),
            ("machine", data["machine"]),
            *([("threads", threads(libdsf["threads"], data["processors"]))] if "threads" in libdsf else []),
            (
                "libdsf",
                libdsf.get("error")
                or f"{libdsf['version']}, interface {libdsf['interface']}, {libdsf['ops']} ops, "
                f"{libdsf['instruction_set']} kernels, {libdsf['path']}",
            ),
            ("packages", ", ".join(f"{name} {version}" for name, version in data["packages"].items() if version)),
            *([("torchvision", data["torchvision"])] if data["torchvision"] else []),
        ]
    )
    if "instruction_sets" in libdsf:
        show.line()
        rows: list[tuple] = [
            (
                row["name"],
                row["needs"],
                "yes" if row["available"] else "no",
                "yes" if row["bf16"] else "no",
                "chosen" if row["chosen"] else "",
            )
            for row in libdsf["instruction_sets"]
        ]
        show.table(("kernels for", "need", "this CPU", "bf16", ""), rows)
    show.line()
    rows = [(name, "yes" if found["available"] else "no", found["detail"]) for name, found in data["backends"].items()]
    show.table(("backend", "available", "detail"), rows)
    show.line()
    show.table(("cuda", "found", "what to do"), cuda_rows(data["cuda"]))
    show.line()
    rows = [
        (
            name,
            "yes" if found["installed"] else "no",
            "" if found["installed"] else f"missing {', '.join(found['missing'])}: {found['command']}",
        )
        for name, found in data["extras"].items()
    ]
    show.table(("extra", "installed", "what to do"), rows)


def threads(count: int, processors: int) -> str:
    """How many a session of the cpu backend takes by default, and why."""
    if count < processors < MOST_THREADS:
        return (
            f"{count} by default: this process may use {processors} processors, and the quota of its cgroup gives "
            f"it the time of {count}"
        )
    return f"{count} by default: one for each processor that this process may use"


def cuda_rows(found: dict) -> list[tuple[str, str, str]]:
    """driver, PyCUDA, cuda-bindings, kernels, cache: what there is of each, or what to do."""
    rows = [
        (title, found[part]["detail"], found[part]["missing"])
        for part, title in (
            ("driver", "driver"),
            ("pycuda", "PyCUDA"),
            ("bindings", "cuda-bindings"),
            ("kernels", "kernels"),
        )
    ]
    for device in found["driver"]["devices"]:
        rows.insert(1, ("GPU", f"{device['name']}, {device['architecture']}, {device['memory'] / 2**30:.1f} GiB", ""))
    cache = found["cache"]
    what = "" if cache["usable"] else "not this user's alone, so unused: chmod 700, or set DSCOMPRESS_CACHE"
    rows.append(("kernel cache", f"{cache['folder']}, {cache['entries']} files, {show.size(cache['bytes'])}", what))
    return rows
