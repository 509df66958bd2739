"""The errors of the compiler, beside the runtime's: sentences to someone who can act.

CompileError is for whoever has the source model, TrainingError for whoever has the data and the recipe. Like their
siblings they say where, what was found, what was expected and what to do.
"""

from dsruntime.errors import BackendError, DsError, ModelError

__all__ = ["BackendError", "CompileError", "DsError", "ModelError", "TrainingError"]


class CompileError(DsError):
    """The source model, or what was asked of it, cannot become a .dsf file."""


class TrainingError(DsError):
    """The data, the recipe or the course of a training is wrong."""
