"""dscompress: turns a trained power-of-two network into a small, checked .dsf file, and proves that it is the same model.

    import dscompress
    report = dscompress.compile_model("model.pt2", "model.dsf")

Importing this imports neither torch nor onnx; what needs them imports them when it is called.
"""

from dscompress.errors import BackendError, CompileError, DsError, ModelError

__version__ = "0.1.0"
__all__ = ["BackendError", "CompileError", "DsError", "ModelError", "compile_model", "convert", "errors", "nn"]


def __getattr__(name: str):
    match name:
        case "compile_model":
            from dscompress.compile import compile_model

            return compile_model
        case "convert":
            from dscompress.nn import convert

            return convert
        case "nn":
            import importlib

            return importlib.import_module("dscompress.nn")
    raise AttributeError(f"module 'dscompress' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
