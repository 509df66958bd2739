"""Which extra a command needs, asked before anything heavy is imported."""

from __future__ import annotations

from importlib.util import find_spec

from dscompress.cli import MissingExtra

# extra: (module, what people call it)
EXTRAS = {
    "compiler": (
        ("torch", "PyTorch"),
        ("onnx", "ONNX"),
        ("onnx_ir", "onnx-ir"),
        ("onnxscript", "ONNX Script"),
        ("onnxruntime", "ONNX Runtime"),
    ),
    "train": (("matplotlib", "matplotlib"),),
}


def missing(extra: str) -> list[str]:
    return [name for module, name in EXTRAS[extra] if not installed(module)]


def installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ImportError, ValueError):  # blocked or half-imported
        return False


def require(command: str, extra: str, only: tuple[str, ...] = ()) -> None:
    """Refuses a command whose packages are missing: "export needs PyTorch: pip install ..."."""
    names = [name for name in missing(extra) if not only or name in only]
    if names:
        raise MissingExtra(f'{command} needs {join(names)}: pip install "dscompress[{extra}]"')


def join(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
