"""The one place of the version: pyproject.toml reads it here, and every .dsf file says which one wrote it."""

__version__ = "0.1.0"
