"""dscompress run: answers from a .dsf, for images or arrays."""

from __future__ import annotations

import os

import click

from dscompress.cli import UNFINISHED, WRONG_INPUT, Command, show
from dscompress.cli.options import Number, json_option, model_argument, quiet_option, run_options

IMAGES = (".png", ".jpg", ".jpeg", ".bmp")
BAR = 20  # characters


@click.command("run", cls=Command, short_help="Run a .dsf on images or arrays.")
@model_argument
@click.argument("inputs", nargs=-1, required=True, type=click.Path(), metavar="INPUT...")
@click.option(
    "--top",
    type=Number(int, 1),
    default=5,
    show_default=True,
    metavar="COUNT",
    help="How many predictions to show for each image, the most probable first.",
)
@click.option(
    "--batch",
    type=Number(int, 1),
    default=1,
    show_default=True,
    metavar="COUNT",
    help="How many images to run at once.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(),
    metavar="FILE.npy",
    help="Write what the model gives for the arrays; FILE.npz for several outputs.",
)
@run_options
@json_option
@quiet_option
@click.pass_context
def command(context, model, inputs, top, batch, output, backend, threads, memory, precision, limits, as_json):
    """Run MODEL on every INPUT: an image (PNG, JPEG, BMP), a folder of images, or a .npy array.

    Images become predictions: labels with probabilities, or with the network's own numbers where the file does not say
    that they are logits or probabilities. Those of a network that ends in a sigmoid are each for itself and need not
    add up to 100 %. An array is fed as it is; its outputs are summed up, or
    written with --output. A model with several inputs takes as many .npy files, in its order. An input that cannot be
    read is named and the others still run; the exit code is then 3.

    \b
    Example:
      dscompress run model.dsf photo.jpg
      dscompress run model.dsf photos/ --batch 8 --json
      dscompress run model.dsf x.npy --output y.npy
    """
    from dscompress.cli.arrays import is_array
    from dsruntime import DsError, Limits, Model

    if output and not str(output).endswith((".npy", ".npz")):
        raise click.UsageError(f"--output {output} is neither a .npy nor a .npz file.")
    opened = Model.open(model, limits=Limits(**limits))
    if backend in ("auto", "cpu"):
        prepare_meanwhile(opened, memory, precision)
    session = opened.session(backend, threads, memory=memory, precision=precision)
    results = Results(session, top, as_json)
    arrays: list = []
    images: list = []
    for path, listed in expand(inputs, results):
        try:
            (arrays if not listed and is_array(path) else images).append(path)
        except (DsError, OSError) as error:
            results.failed(path, error)
    if output and not arrays:
        raise click.UsageError("--output is for arrays, and there is no .npy file among the inputs.")
    run_arrays(session, arrays, output, results)
    run_images(session, images, batch, results)
    results.finish(context)


def prepare_meanwhile(model, memory: str, precision: str) -> None:
    """Packs the weights while this thread imports NumPy and Pillow and reads the first image."""
    import contextlib
    import threading

    from dsruntime import DsError

    def prepare() -> None:
        with contextlib.suppress(DsError):  # the run will say the same
            model.prepare(memory=memory, precision=precision)

    threading.Thread(target=prepare, name=UNFINISHED, daemon=True).start()


def expand(inputs, results):
    """(path, whether a folder listed it) of every input, folders replaced by their images."""
    for path in inputs:
        if not os.path.isdir(path):
            yield path, False
            continue
        entries = sorted(name for name in os.listdir(path) if not name.startswith("."))
        found = [name for name in entries if name.lower().endswith(IMAGES)]
        if not found:
            results.failed(path, "no image in this folder; expected .png, .jpg, .jpeg or .bmp files")
        elif len(found) < len(entries):
            show.note(f"{path}: left out what is no .png, .jpg, .jpeg or .bmp ({len(entries) - len(found)})")
        yield from ((os.path.join(path, name), True) for name in found)


def run_images(session, paths, batch: int, results) -> None:
    """Predictions for each image; one that cannot be read does not stop the others."""
    from dsruntime import ModelError

    fixed = session.inputs[0].shape[:1]
    if paths and fixed and isinstance(fixed[0], int) and fixed[0] != 1:
        raise ModelError(
            session.model.name,
            f"images for a model that runs batches of exactly {fixed[0]}",
            "a .npy array",
            "prepare the batch yourself, or export a source whose batch is dynamic",
        )
    batch = 1 if fixed and isinstance(fixed[0], int) else batch
    with many(paths) as advance, show.warnings_as_notes():
        for start in range(0, len(paths), batch):
            part = paths[start : start + batch]
            for path, predictions in predicted(session, part, results):
                results.predictions(path, predictions)
            advance(len(part))


def predicted(session, paths, results):
    """Each path with its predictions; one that fails is told and left out. Printing them is the caller's."""
    from dsruntime import DsError

    try:
        together = session.predict_all(paths, results.top)
    except (DsError, OSError):
        together = None
    if together is not None:
        yield from zip(paths, together, strict=True)
        return
    for path in paths:  # one by one, to find which
        try:
            found = session.predict(path, results.top)
        except (DsError, OSError) as error:
            results.failed(path, error)
        else:
            yield path, found


def many(paths):
    """A progress bar, if there is enough to do for one."""
    from contextlib import nullcontext

    return show.progress("Images", len(paths)) if len(paths) > 8 else nullcontext(lambda count=1: None)


def run_arrays(session, paths, output, results) -> None:
    """Each array is one run; a model with several inputs takes them all in one."""
    from dscompress.cli.arrays import load_array, save_arrays
    from dsruntime import DsError, ModelError

    count = len(session.inputs)
    if paths and len(paths) % count:
        names = ", ".join(info.name for info in session.inputs)
        raise ModelError(
            session.model.name,
            f"{len(paths)} .npy files for its {count} inputs ({names})",
            "one for each, in this order",
        )
    written: dict[str, list] = {info.name: [] for info in session.outputs}
    for start in range(0, len(paths), count):
        group = paths[start : start + count]
        where = ", ".join(group)
        try:
            given = session.run([load_array(path) for path in group])
        except (DsError, OSError) as error:
            results.failed(where, error)
            continue
        arrays = given if isinstance(given, dict) else {session.outputs[0].name: given}
        for name, array in arrays.items():
            written[name].append(array)
        results.arrays(where, arrays)
    if output and all(written.values()):
        import numpy as np

        save_arrays(
            output, {name: np.concatenate(parts) if len(parts) > 1 else parts[0] for name, parts in written.items()}
        )
        show.note(f"written to {output}")


class Results:
    """Prints each result as it comes, or keeps all for one JSON document."""

    def __init__(self, session, top: int, as_json: bool) -> None:
        self.session, self.top, self.as_json = session, top, as_json
        self.data: list[dict] = []
        self.failures: list[dict] = []

    def predictions(self, path, predictions) -> None:
        if self.as_json:
            self.data.append({"input": str(path), "predictions": [as_data(p) for p in predictions]})
            return
        show.title(str(path))
        print_predictions(predictions)

    def arrays(self, where, arrays) -> None:
        rows = {name: self.ranked(name, array) for name, array in arrays.items()}
        if self.as_json:
            outputs = [
                {
                    **summary(name, array),
                    **({"predictions": [[as_data(p) for p in row] for row in rows[name]]} if rows[name] else {}),
                }
                for name, array in arrays.items()
            ]
            self.data.append({"input": where, "outputs": outputs})
            return
        show.title(where)
        for name, array in arrays.items():
            show.line(f"  {text_of(summary(name, array))}")
            for i, row in enumerate(rows[name]):
                if len(rows[name]) > 1:
                    show.line(f"  row {i}")
                print_predictions(row)

    def ranked(self, name, array):
        """Predictions of each row, for an output that has labels."""
        from dsruntime import DsError
        from dsruntime.session import ranked

        info = next(info for info in self.session.outputs if info.name == name)
        if not info.labels or array.ndim != 2 or info.meaning == "embedding":
            return []
        try:
            return [ranked(row, info, self.top) for row in array]
        except DsError as error:  # scores that are not finite: the summary shows them
            show.warn(str(error))
            return []

    def failed(self, where, error) -> None:
        from dscompress.cli import explain
        from dsruntime.text import printable

        text, what_to_do = (error, "") if isinstance(error, str) else explain(error)[1:]
        shown = printable(str(where))
        text = text if text.startswith(shown) else f"{shown}: {text}"
        self.failures.append({"input": str(where), "error": f"{text}; {what_to_do}" if what_to_do else text})
        show.error(text, what_to_do)

    def finish(self, context) -> None:
        session = self.session
        if self.as_json:
            show.as_json(
                {
                    "model": str(session.model.path),
                    "name": session.model.name,
                    "backend": session.backend,
                    "threads": session.threads,
                    "results": self.data,
                    "failed": self.failures,
                }
            )
        if self.failures:
            if len(self.failures) > 1 or self.data:
                show.note("1 input failed" if len(self.failures) == 1 else f"{len(self.failures)} inputs failed")
            context.exit(WRONG_INPUT)


def as_data(prediction) -> dict:
    return {
        "label": prediction.label,
        "index": prediction.index,
        "probability": prediction.probability,
        "score": prediction.score,
    }


def print_predictions(predictions) -> None:
    from dsruntime.text import printable

    labels = [printable(p.label) for p in predictions]
    width = max(map(show.columns_of, labels))
    for p, label in zip(predictions, labels, strict=True):
        number = f"{p.score:.6g}" if p.probability is None else f"{p.probability:6.1%}  {show.bar(p.probability, BAR)}"
        show.line(f"  {show.padded(label, width)}  {number}".rstrip())


def summary(name: str, array) -> dict:
    """Shape, type and range; the range and mean of what is finite."""
    import numpy as np

    data = {"name": name, "shape": list(array.shape), "dtype": str(array.dtype), "nan": 0, "infinite": 0}
    if array.dtype.kind == "f":
        data["nan"], data["infinite"] = int(np.isnan(array).sum()), int(np.isinf(array).sum())
        array = array[np.isfinite(array)]
    if array.size:
        data |= {"min": array.min().item(), "max": array.max().item(), "mean": float(array.mean(dtype=np.float64))}
    return data


def text_of(data: dict) -> str:
    text = f"{data['name']}: {data['dtype']} {show.shape(data['shape'])}"
    if "min" in data:
        text += f", {data['min']:.6g} to {data['max']:.6g}, mean {data['mean']:.6g}"
    for key, word in (("nan", "NaN"), ("infinite", "infinite")):
        if data[key]:
            text += f", {data[key]} {word}"
    return text
