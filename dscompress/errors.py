"""The errors of the compiler, beside the runtime's: sentences to someone who can act.

CompileError is for whoever has the source model. Like its siblings it says where, what was found, what was expected and
what to do.
"""

from dsruntime.errors import BackendError, DsError, ModelError

__all__ = ["BackendError", "CompileError", "DsError", "ModelError"]


class CompileError(DsError):
    """The source model, or what was asked of it, cannot become a .dsf file."""
