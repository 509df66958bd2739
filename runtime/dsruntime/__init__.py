"""dsruntime: loads, checks and runs .dsf models. load() is the way in; importing this touches no GPU."""

from dsruntime.errors import BackendError, DsError, ModelError

__all__ = ["BackendError", "DsError", "ModelError"]
