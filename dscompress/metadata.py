"""The keys of a file's metadata that an export writes itself; all others are the user's. Light: commands import it."""

RESERVED = "source."
KIND = "source.kind"  # what the source was: "onnx", "exported program", ...
SHA256 = "source.sha256"  # of the source, where it was a file; verify compares
