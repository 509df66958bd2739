"""For all tests: PyTorch computes in one thread, and the longest files come first, so that the workers end together."""

import os

# Before PyTorch is imported. Two workers share two cores: a second thread of each would spin, waiting for the other's.
os.environ.setdefault("OMP_NUM_THREADS", "1")

LONG = ["docs/test_docs.py", "libdsf/test_programs.py", "cuda/test_sanitized.py", "ptq/test_convert.py",
        "deepshift/test_architectures.py", "training/test_resume.py", "deepshift/test_export.py",
        "packaging/test_wheels.py"]  # fmt: skip


def pytest_collection_modifyitems(items):
    """With --no-loadscope-reorder files are handed out in this order."""
    places = {name: place for place, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get("/".join(item.path.parts[-2:]), len(LONG)))
