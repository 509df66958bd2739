"""camera: names what is in one picture after the other, as a program behind a camera would.

usage: camera.py MODEL.dsf FOLDER     the pictures of FOLDER, in the order of their names

The model is loaded and made ready once; a frame that cannot be read is told and left out. Exit code 0, or 3 if the
model, the folder or a frame was wrong, 4 if this machine cannot run it.
"""

import sys
import time
from pathlib import Path

import dsruntime


def frames(folder: Path):
    """A camera's next picture; here, the next file."""
    yield from sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg", ".bmp"))


def watch(model: dsruntime.Model, folder: Path) -> int:
    """How many frames could not be read."""
    failed = 0
    model.prepare()  # now rather than while the first frame waits
    with model.session(threads=1) as session:
        for frame in frames(folder):
            start = time.perf_counter()
            try:
                best = session.predict(frame, top=1)[0]
            except dsruntime.ModelError as error:  # this picture, not the program
                print(f"{frame.name}: {error.found}", file=sys.stderr)
                failed += 1
                continue
            number = best.score if best.probability is None else best.probability
            print(f"{frame.name}: {best.label} {number:.6g}, {1000 * (time.perf_counter() - start):.1f} ms")
    return failed


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: camera.py MODEL.dsf FOLDER", file=sys.stderr)
        return 2
    limits = dsruntime.Limits(file_bytes=1 << 30, multiply_adds=1 << 36)  # a camera has no minutes for a frame
    try:
        return 3 if watch(dsruntime.Model.open(sys.argv[1], limits=limits), Path(sys.argv[2])) else 0
    except dsruntime.ModelError as error:
        print(f"camera: {error}", file=sys.stderr)  # where, what was found, what was expected, what to do
        return 3
    except dsruntime.BackendError as error:
        print(f"camera: {error}", file=sys.stderr)
        return 4
    except OSError as error:
        print(f"camera: {error.filename}: {error.strerror}; expected a folder of pictures", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
