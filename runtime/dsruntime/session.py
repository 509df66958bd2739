"""A session: one model on one backend. What goes in is checked here, for every backend alike.

Nothing is converted behind the caller's back: a wrong dtype, rank or dimension is a ModelError that says how to
convert. NaN and infinities in inputs are computed through: sums, products and functions follow IEEE 754; relu, clip,
max_pool and reduce_max pass NaN on; arg_max and top_k count it as the largest. predict() refuses scores that are not
finite, for a ranking of them means nothing.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn, Self, cast

import numpy as np

from dsruntime import backends
from dsruntime.backends.runner import DeviceRunner, Options, Runner, Step
from dsruntime.errors import BackendError, ModelError
from dsruntime.interrupt import interruptible

if TYPE_CHECKING:
    from dsruntime.file import Image
    from dsruntime.model import Model, TensorInfo

SLACK = 0.01  # by which arithmetic in 16 bits may carry a probability beyond 0 or 1

# Multiply-adds of a run that is worth a thread of its own, so that Ctrl-C can end it: a fast core takes 40 ms for them,
# a slow one a second; the thread costs 0.3 ms.
LONG = 2**32
MOST_BATCHES = 64  # whose work a session remembers
GIVE_AN_ARRAY = "give an array: to run() in Python, as an .npy file to `dscompress run`"


@dataclass(frozen=True)
class Prediction:
    """One class. score is the model's own number; probability is None where nobody knows one.

    Of a model whose output is logits, probability is the softmax of the scores, or the sigmoid of a single one. Of one
    whose output is probabilities it is the score: after a sigmoid, several classes may hold and they need not add up to
    1. An output of any other meaning has scores alone.
    """

    label: str
    index: int
    probability: float | None
    score: float


class Session:
    """May be called from several threads; calls then run one after another. For parallel runs open more sessions."""

    def __init__(
        self,
        model: Model,
        backend: str = "auto",
        threads: int | None = None,
        *,
        keep_values: bool = False,
        profile: bool = False,
        memory: str = "fast",
        precision: str = "float32",
    ) -> None:
        if threads is not None and (isinstance(threads, bool) or not isinstance(threads, int) or threads < 1):
            raise ModelError("session", f"threads={threads!r}", "a number from 1, or None for one per processor")
        self.model = model
        self.backend = backends.resolve(backend)
        self._lock = threading.Lock()  # of whoever runs or looks
        self._end_lock = threading.RLock()  # of whoever closes or cancels, a signal handler in between perhaps
        self._ran = False
        LIVING.add(self)
        self._work: dict[int, int] = {}  # multiply-adds by batch size
        self.options = Options(keep_values, profile, memory, precision)
        runner = backends.open_runner(self.backend, model, threads, self.options)
        self._runner: Runner | None = runner
        self._has_device = isinstance(runner, DeviceRunner)
        self.threads = runner.threads

    def __reduce__(self) -> NoReturn:
        raise ModelError(
            "session",
            "it cannot be pickled or copied: it is memory and threads of this process",
            "its model's path or bytes",
            "pickle session.model.path or bytes(session.model.bytes), and load that in each process",
        )

    @property
    def inputs(self) -> list[TensorInfo]:
        return list(self.model.inputs)

    @property
    def outputs(self) -> list[TensorInfo]:
        return list(self.model.outputs)

    @property
    def metadata(self) -> dict[str, str]:
        return dict(self.model.metadata)

    def run(self, x: Any, *, on_device: bool = False, stream: int | None = None) -> Any:
        """x: an array for a model with one input; else a list of arrays in order, or a dict by input name.

        Returns an array for a model with one output, else a dict by output name. Backend cuda also takes arrays that
        are on the GPU (__cuda_array_interface__ or DLPack: torch, CuPy), and with on_device leaves the results there.
        stream, the handle of a CUDA stream, makes that asynchronous: see docs/cuda.md.

        An empty batch (an array of shape (0, ...) where the model says "N") gives empty results.

        Ctrl-C ends it with KeyboardInterrupt, cancel() with Cancelled; on backend cuda what was given to the GPU is
        computed first.
        """
        given = by_order(x, self.model.inputs)
        with self._lock:
            runner = self._open()
            if self._has_device:
                given = cast("DeviceRunner", runner).borrowed(given, self.model.inputs)
        infos = [self._accepted(array, info) for array, info in zip(given, self.model.inputs, strict=True)]
        arrays = [checked(array, info) for array, info in zip(given, infos, strict=True)]
        batch = common_batch(arrays, infos)
        on_device = self._on_device(on_device, stream)
        shapes = empty_shapes(self.model) if batch == 0 else None

        def run() -> Any:
            with self._lock:
                runner = self._open()
                self._ran = False
                device = cast("DeviceRunner", runner) if on_device else None
                if shapes is not None:
                    return empty_results(self.model, shapes, device)
                results = device.run_on_device(arrays, batch, stream) if device else runner.run(arrays, batch)
                self._ran = True
                return results

        try:
            is_long = batch > 0 and self._multiply_adds(batch) >= LONG and runner.delays_signals
            results = interruptible(run, self.cancel) if is_long else run()
        except MemoryError:
            raise BackendError(
                "session", "no memory is left", "more free memory", "end other programs, or run smaller batches"
            ) from None
        names = [info.name for info in self.model.outputs]
        return results[0] if len(results) == 1 else dict(zip(names, results, strict=True))

    def cancel(self) -> None:
        """Ends the run in progress, in whatever thread it is; without one, does nothing.

        Backend cpu answers within a moment, reference after the node it is at, cuda before the step that it would give
        to the GPU next.
        """
        with self._end_lock:
            if self._runner is not None:
                self._runner.cancel()

    def _multiply_adds(self, batch: int) -> int:
        """What a run computes; refused if the model's limits do not allow it, whatever the backend."""
        if batch not in self._work:
            if len(self._work) >= MOST_BATCHES:
                self._work.clear()
            self._work[batch] = self.model.multiply_adds(batch)
        return self._work[batch]

    def _accepted(self, array: Any, info: TensorInfo) -> TensorInfo:
        """What an input may be; on the GPU pixels become a model's input, so uint8 images will do."""
        if self._has_device and info.image is not None and getattr(array, "dtype", None) == np.uint8:
            last = fits(array.shape, (*info.shape[:1], *info.shape[2:], info.shape[1]))
            shape = (*info.shape[:1], *info.shape[2:], info.shape[1]) if last else info.shape
            return replace(info, dtype="uint8", shape=shape)
        return info

    def _on_device(self, on_device: bool, stream: int | None) -> bool:
        if (on_device or stream is not None) and not self._has_device:
            raise ModelError(
                "run", f"on_device or a stream with backend {self.backend}", "backend cuda", "leave them out"
            )
        if stream is not None and not on_device:
            raise ModelError("run", "a stream without on_device", "results that stay on the GPU", "add on_device=True")
        if on_device and (self.options.keep_values or self.options.profile):
            raise ModelError(
                "run", "on_device in a session that keeps values or profiles", "an ordinary session", "open one for it"
            )
        return on_device

    def predict(self, image: Any, top: int = 5) -> list[Prediction]:
        """The best classes for an image: a path, a PIL image, or a uint8 array [height, width] or [..., 3 or 4]."""
        return self.predict_all([image], top)[0]

    def predict_all(self, images: Iterable[Any], top: int = 5) -> list[list[Prediction]]:
        """predict() for several images in one run."""
        from dsruntime.image import load_image

        info, scores = self._needs_for_predict(top)
        recipe = cast("Image", info.image)
        arrays = [load_image(image, recipe, info.shape) for image in images]
        if not arrays:
            return []
        rows = self.run(np.concatenate(arrays)).reshape(len(arrays), -1)
        return [ranked(row, scores, top) for row in rows]

    def values(self) -> dict[str, np.ndarray]:
        """Every input and every node's output of the last run, by name."""
        with self._lock:
            runner = self._open()
            self._refuse_unless(self.options.keep_values, "keep_values")
            return runner.values()

    def profile(self) -> list[Step]:
        """The steps of the last run, in order."""
        with self._lock:
            runner = self._open()
            self._refuse_unless(self.options.profile, "profile")
            return runner.profile()

    def arena_bytes(self) -> int | None:
        """Bytes of activation memory that the last run's plan took; None where the backend does not plan memory."""
        with self._lock:
            return self._open().arena_bytes()

    def close(self) -> None:
        """Gives the session's memory and threads back; the model stays."""
        with self._lock, self._end_lock:
            if self._runner is not None:
                self._runner.close()
                self._runner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> Runner:
        if id(self.model) in CAUGHT:
            raise ModelError(
                "session",
                "the process was forked while another thread ran this model",
                "a model at rest",
                "load the file again in this process",
            )
        if self._runner is None:
            raise ModelError("session", "it is closed", "an open session", "open another: model.session()")
        return self._runner

    def _refuse_unless(self, on: bool, option: str) -> None:
        if not on:
            raise ModelError("session", f"it was opened without {option}", f"model.session(..., {option}=True)")
        if not self._ran:
            raise ModelError("session", "nothing has run yet", "run() first")

    def _needs_for_predict(self, top: int) -> tuple[TensorInfo, TensorInfo]:
        where, inputs, outputs = self.model.path or self.model.name, self.model.inputs, self.model.outputs
        if isinstance(top, bool) or not isinstance(top, int) or top < 1:
            raise ModelError("predict", f"top={top!r}", "a number from 1")
        if len(inputs) != 1 or len(outputs) != 1:
            raise ModelError(
                where, f"{len(inputs)} inputs and {len(outputs)} outputs", "one of each to predict", GIVE_AN_ARRAY
            )
        if inputs[0].image is None:
            raise ModelError(
                where,
                "it does not say how an image becomes its input",
                "an image recipe",
                f"{GIVE_AN_ARRAY}; or export the model again with --preprocess",
            )
        kind = "an embedding" if outputs[0].meaning == "embedding" else outputs[0].text()
        if outputs[0].meaning == "embedding" or len(outputs[0].shape) < 2 or not isinstance(outputs[0].shape[-1], int):
            raise ModelError(where, f"output {outputs[0].name!r} is {kind}", "one score per class", GIVE_AN_ARRAY)
        if any(d != 1 for d in outputs[0].shape[1:-1]):
            raise ModelError(
                where,
                f"output {outputs[0].name!r} is {outputs[0].text()}",
                "one score per class, (N, C)",
                GIVE_AN_ARRAY,
            )
        return inputs[0], outputs[0]


def by_order(x: Any, inputs: Sequence[TensorInfo]) -> list[Any]:
    """The arrays given to run(), one per input."""
    names = [info.name for info in inputs]
    if isinstance(x, dict):
        missing, unknown = [n for n in names if n not in x], [n for n in x if n not in names]
        if missing or unknown:
            wrong = [f"no array for {n!r}" for n in missing]
            wrong += [f"an array for {n!r}, which is no input" for n in unknown]
            raise ModelError("run", ", ".join(wrong), f"the inputs {', '.join(map(repr, names))}")
        return [x[name] for name in names]
    given = list(x) if isinstance(x, (list, tuple)) else [x]
    if len(given) != len(names):
        found = f"{len(given)} arrays" if isinstance(x, (list, tuple)) else "one array"
        raise ModelError(
            "run",
            found,
            f"{len(names)} ({', '.join(map(repr, names))})",
            "give a list in this order, or a dict by name",
        )
    return given


def checked(array: Any, info: TensorInfo) -> np.ndarray:
    """The array, C-contiguous, if its dtype, rank and dimensions are the input's."""
    where = f"input {info.name!r}"
    borrowed = getattr(array, "is_borrowed", False)  # on a GPU: backends/cuda/interop.py
    if not isinstance(array, np.ndarray) and not borrowed:
        if not hasattr(array, "__array__"):
            raise ModelError(
                where, f"a {type(array).__name__}", f"an array, {info.text()}", f"np.asarray(x, {info.dtype!r})"
            )
        try:
            array = np.asarray(array)
        except (TypeError, RuntimeError) as error:  # torch's, of a tensor on a GPU or one that requires a gradient
            raise ModelError(
                where,
                f"a {type(array).__name__} that is no array ({error})",
                info.text(),
                "for a torch tensor x.detach().cpu().numpy()",
            ) from None
    if isinstance(array, np.ma.MaskedArray):
        raise ModelError(where, "a masked array", info.text(), "say what stands at masked places: x.filled(0)")
    if array.dtype != np.dtype(info.dtype):
        raise ModelError(where, f"dtype {array.dtype}", info.dtype, f"convert it: x.astype({info.dtype!r})")
    if array.ndim != len(info.shape):
        raise ModelError(where, f"shape {array.shape}", info.text(), rank_advice(array.shape, info.shape))
    if any(isinstance(want, int) and have != want for have, want in zip(array.shape, info.shape, strict=True)):
        raise ModelError(where, f"shape {array.shape}", info.text(), shape_advice(array.shape, info.shape))
    return array if borrowed or array.flags.c_contiguous else np.ascontiguousarray(array).reshape(array.shape)


def rank_advice(found: Sequence[int], expected: Sequence[int | str]) -> str:
    if len(found) + 1 == len(expected) and fits(found, expected[1:]):
        return "add a batch dimension: x[None]"
    if len(found) == len(expected) + 1 and found[0] == 1 and fits(found[1:], expected):
        return "drop the first dimension: x[0]"
    return f"give an array of {len(expected)} dimensions"


def shape_advice(found: Sequence[int], expected: Sequence[int | str]) -> str:
    if len(found) == 4 and fits((found[0], found[3], found[1], found[2]), expected):
        return "put the channels second: x.transpose(0, 3, 1, 2)"
    if isinstance(expected[0], int) and found[0] != expected[0] and fits(found[1:], expected[1:]):
        return f"this model runs batches of {expected[0]}; split the array, or export a source whose batch is dynamic"
    return "reshape or resample the array"


def fits(found: Sequence[int], expected: Sequence[int | str]) -> bool:
    return len(found) == len(expected) and all(
        isinstance(want, str) or have == want for have, want in zip(found, expected, strict=True)
    )


def common_batch(arrays: Sequence[Any], infos: Sequence[TensorInfo]) -> int:
    """N, which every "N" of every input must agree on; 1 for a model without one."""
    batch, first = None, ""
    for array, info in zip(arrays, infos, strict=True):
        for axis, (have, want) in enumerate(zip(array.shape, info.shape, strict=True)):
            if isinstance(want, int):
                continue
            times = int(want[:-1] or 1)
            where = f"input {info.name!r}"
            if have % times:
                raise ModelError(where, f"{have} in dimension {axis}", f"a multiple of {times}")
            if batch is not None and have // times != batch:
                raise ModelError(
                    where,
                    f"shape {array.shape}, so N = {have // times}",
                    f"N = {batch} as in {first!r}",
                    "give all inputs the same batch size",
                )
            batch, first = have // times, first or info.name
    return 1 if batch is None else batch


def empty_shapes(model: Model) -> list[tuple[int, ...]]:
    """The shapes of the outputs for an empty batch: without elements, or there is something to compute after all."""
    shapes = []
    for info in model.outputs:
        if all(isinstance(d, int) for d in info.shape):
            raise ModelError(
                f"output {info.name!r}",
                f"the batch is empty, and this output is {info.text()} whatever its size",
                "a batch of at least 1",
            )
        shapes.append(tuple(d if isinstance(d, int) else 0 for d in info.shape))
    return shapes


def empty_results(model: Model, shapes: Sequence[tuple[int, ...]], device: DeviceRunner | None) -> list[Any]:
    """Arrays without elements; device: the runner where they shall be."""
    pairs = [(shape, info.dtype) for shape, info in zip(shapes, model.outputs, strict=True)]
    return [device.empty(*pair) if device else np.empty(*pair) for pair in pairs]


def ranked(scores: np.ndarray, info: TensorInfo, top: int) -> list[Prediction]:
    """The best classes of one row of scores, the lower index first where scores are equal."""
    if not np.isfinite(scores).all():
        index = int(np.flatnonzero(~np.isfinite(scores))[0])
        raise ModelError(
            f"output {info.name!r}",
            f"{scores[index]} as the score of class {index}",
            "finite scores",
            "the model cannot judge this image; look for NaN in it with inspect and verify",
        )
    probabilities = probabilities_of(scores, info.meaning)
    return [
        Prediction(
            label=info.labels[i] if info.labels else f"class {i}",
            index=i,
            probability=None if probabilities is None else float(probabilities[i]),
            score=float(scores[i]),
        )
        for i in np.argsort(-scores, kind="stable")[:top].tolist()
    ]


def probabilities_of(scores: np.ndarray, meaning: str) -> np.ndarray | None:
    """Of the classes of one row, or None where its numbers are not known to say them."""
    if meaning == "logits":
        wide = scores.astype(np.float64)
        if len(wide) == 1:  # the odds of one class against its absence: a sigmoid, without overflow
            return np.exp(-np.logaddexp(0, -wide))
        powers = np.exp(wide - wide.max())
        return powers / powers.sum()
    if meaning == "probabilities" and scores.min() >= -SLACK and scores.max() <= 1 + SLACK:
        return scores
    return None


def look_after_a_fork() -> None:
    """In a child. A thread that ran is gone, and what it held is held for ever: locks of its session and its model."""
    for session in list(LIVING):
        session._end_lock = threading.RLock()
        if session._lock.locked():
            session._lock = threading.Lock()
            CAUGHT[id(session.model)] = session.model


LIVING: weakref.WeakSet[Session] = weakref.WeakSet()
CAUGHT: dict[int, Model] = {}
os.register_at_fork(after_in_child=look_after_a_fork)
