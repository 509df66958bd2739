"""The errors of the compiler, beside the runtime's: sentences to someone who can act.

CompileError is for whoever has the source model, TrainingError for whoever has the data and the recipe. Like their
siblings they say where, what was found, what was expected and what to do.
"""

import errno

from dsruntime.errors import BackendError, DsError, ModelError

__all__ = ["BackendError", "CompileError", "DsError", "ModelError", "TrainingError"]


# What a system call says of the machine, not of the file that it was called for.
MACHINE_ERRNOS = (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EIO)


class CompileError(DsError):
    """The source model, or what was asked of it, cannot become a .dsf file."""


class TrainingError(DsError):
    """The data, the recipe or the course of a training is wrong."""
