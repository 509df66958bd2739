"""dscompress: a trained power-of-two network becomes a small, checked .dsf file, proved to be the same model.

    import dscompress
    report = dscompress.compile_model("model.pt2", "model.dsf")

Importing this imports nothing, not even NumPy, so that the command line answers at once; what needs more imports it
when it is called.
"""

from dscompress.version import __version__ as __version__

__all__ = [
    "BackendError", "CompileError", "DsError", "ModelError", "TrainingError", "compile_model", "convert", "errors",
    "nn", "training",
]  # fmt: skip


class MissingRuntime(ImportError):
    """dsruntime is not installed, or of another release; str() says what to install."""


def check_runtime() -> None:
    """dscompress and dsruntime are two distributions of one release."""
    try:
        import dsruntime
    except ModuleNotFoundError as error:
        if error.name != "dsruntime":
            raise
        found = "not installed"
    else:
        found = getattr(dsruntime, "__version__", "not installed")  # a folder that an uninstall left is a package, too
    if found != __version__:
        raise MissingRuntime(
            f"dscompress {__version__} needs dsruntime {__version__}, which is {found} here: "
            f'pip install "dsruntime=={__version__}", or ./runtime in the checkout'
        )


def __getattr__(name: str):
    if name in __all__:
        check_runtime()
    match name:
        case "compile_model":
            from dscompress.compile.road import compile_model

            return compile_model
        case "convert":
            from dscompress.nn import convert

            return convert
        case "errors" | "nn" | "training":
            import importlib

            return importlib.import_module(f"dscompress.{name}")
        case "BackendError" | "CompileError" | "DsError" | "ModelError" | "TrainingError":
            from dscompress import errors

            return getattr(errors, name)
    raise AttributeError(f"module 'dscompress' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
