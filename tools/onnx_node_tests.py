"""onnx_node_tests: ONNX's own tests, which the onnx package ships, through export and the cpu backend.

python tools/onnx_node_tests.py                 all of them, and docs/onnx_node_tests.md
python tools/onnx_node_tests.py --only resize   those with this in their name, each printed; the page is left as it is

Exit code 1 where an answer is wrong or anything but a DsError was raised.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import re
import sys
import tempfile
import traceback
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper

import dscompress
import dsruntime

PAGE = Path(__file__).resolve().parents[1] / "docs" / "onnx_node_tests.md"
STORED = ("simple", "pytorch-converted", "pytorch-operator")  # beside the node tests, which the package generates
AS_GIVEN, CONSTANTS = "as given", "constants"
RTOL, ATOL = 1e-3, 1e-7  # of ONNX's own runner
RAISED = ("float16", "bfloat16", "float64")

MODULES = {"BatchNormalization": "batch_normalization"}  # in onnx.backend.test.case.node; others are as the operator

# Where ONNX's answer is not ours: ONNX Runtime must then give ours.
AS_ONNX_RUNTIME = {
    "test_resize_downsample_scales_linear_align_corners": "`align_corners` maps corners to corners by the whole length "
    "of the result, as the text of Resize has it, ONNX Runtime and PyTorch: 4.0 here. The test's 3.142857 takes "
    "4 * 0.6 = 2.4 entries for its length."
}

HEAD = """# ONNX's own tests

<!-- written by tools/onnx_node_tests.py -->

The `onnx` package ships a small model for every operator and form of it, with inputs and the right outputs (`node`),
and models that PyTorch's exporter once wrote. Each goes through `dscompress export` as it is and runs on the `cpu`
backend; the answer must have ONNX's shape and values, within its own tolerance (rtol 1e-3, atol 1e-7). float16,
bfloat16 and float64 come back as float32, as a note of the export says.

| column | meaning |
|---|---|
| as given | the model as it is: weights, axes and sizes are inputs too, and a file wants the latter to be constant |
| constants | the same model where all inputs but the first are constants, as exporters write them |
| right | the same answer |
| refused | an error that says what is in the way and what to do; nothing was written |
| wrong | another answer |
| crashed | any other exception |

"""


@dataclass(frozen=True)
class Case:
    kind: str
    name: str
    model: onnx.ModelProto
    data: list[tuple[list, list]]  # inputs and outputs, each an array, a TensorProto, or None for what is no tensor


@dataclass(frozen=True)
class Result:
    kind: str
    name: str
    form: str
    verdict: str  # right, refused, wrong, crashed
    text: str = ""
    reasons: frozenset[tuple[str, str]] = field(default_factory=frozenset)  # operator, or "", and why


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="run the tests with this in their name, and print each")
    only = parser.parse_args().only
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    results = []
    for case in all_cases():
        if only in case.name:
            found = run_case(case)
            results += found
            if only:
                print(*(f"{result.name}, {result.form}: {result.verdict} {result.text}" for result in found), sep="\n")
    bad = [result for result in results if result.verdict in ("wrong", "crashed")]
    for result in bad:
        print(f"{result.verdict}: {result.kind} {result.name}, {result.form}\n{result.text}")
    print(dict(Counter(result.verdict for result in results)))
    if not only:
        PAGE.write_text(page(results))
    return 1 if bad else 0


def all_cases() -> Iterator[Case]:
    from onnx.backend.test.case.node import collect_testcases

    for made in collect_testcases(None):
        yield Case("node", made.name, made.model, made.data_sets)
    for kind in STORED:
        yield from stored_cases(kind)


def cases_of(operators: Iterable[str]) -> Iterator[Case]:
    """The node tests of some operators, without those of functions written out. To import a module makes its tests."""
    import onnx.backend.test.case.node as nodes

    warnings.filterwarnings("ignore")
    operators = set(operators)
    for name in operators:
        importlib.import_module(f"{nodes.__name__}.{MODULES.get(name, name.lower())}")
    for made in nodes._NodeTestCases:
        if next(node.op_type for node in made.model.graph.node) in operators and "_expanded" not in made.name:
            yield Case("node", made.name, made.model, made.data_sets)


def stored_cases(kind: str) -> Iterator[Case]:
    from onnx.backend.test.loader import load_model_tests

    for found in sorted(load_model_tests(kind=kind), key=lambda found: found.name):
        folder = Path(found.model_dir)
        model = onnx.load(folder / "model.onnx")
        data = [
            (stored_tensors(part, "input", model.graph.input), stored_tensors(part, "output", model.graph.output))
            for part in sorted(folder.glob("test_data_set_*"))
        ]
        yield Case(kind, found.name, model, data)


def stored_tensors(folder: Path, name: str, values) -> list[onnx.TensorProto | None]:
    found: list[onnx.TensorProto | None] = []
    for i, value in enumerate(values):
        path = folder / f"{name}_{i}.pb"
        if path.exists():
            tensor = value.type.HasField("tensor_type")
            found.append(onnx.TensorProto.FromString(path.read_bytes()) if tensor else None)
    return found


def run_case(case: Case) -> list[Result]:
    results = [run_form(case, AS_GIVEN)]
    if (fixed := with_constants(case)) is not None:
        results.append(run_form(fixed, CONSTANTS))
    return results


def with_constants(case: Case) -> Case | None:
    """All inputs but the first as initializers; None where there is nothing to fix."""
    inputs = [array_of(entry) for entry in case.data[0][0]] if len(case.data) == 1 else []
    if len(inputs) < 2 or len(inputs) != len(case.model.graph.input) or any(array is None for array in inputs):
        return None
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.ir_version = max(model.ir_version, 4)  # before, every initializer is an input as well
    for value, array in zip(case.model.graph.input[1:], inputs[1:], strict=True):
        model.graph.initializer.append(numpy_helper.from_array(array, value.name))
    del model.graph.input[1:]
    return replace(case, model=model, data=[(case.data[0][0][:1], case.data[0][1])])


def array_of(entry: Any) -> np.ndarray | None:
    """None for a sequence, an optional, a map."""
    if isinstance(entry, onnx.TensorProto):
        return numpy_helper.to_array(entry)
    return np.asarray(entry) if isinstance(entry, (np.ndarray, np.generic)) else None


def run_form(case: Case, form: str) -> Result:
    try:
        wrong = wrong_answers(case.model, case.data)
    except dscompress.DsError as error:
        return Result(case.kind, case.name, form, "refused", str(error), reasons_of(error))
    except Exception:
        return Result(case.kind, case.name, form, "crashed", traceback.format_exc())
    if wrong and case.name in AS_ONNX_RUNTIME:
        answers = [(inputs, run_onnxruntime(case.model, inputs)) for inputs, _ in case.data]
        wrong = wrong_answers(case.model, answers)
    return Result(case.kind, case.name, form, "wrong" if wrong else "right", wrong)


def wrong_answers(model: onnx.ModelProto, data: list[tuple[list, list]]) -> str:
    """The first difference, or "". Raises what export and the session raise."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        exported = dscompress.compile_model(path).data
    with dsruntime.load(exported) as session:
        for inputs, outputs in data:
            arrays = zip(session.inputs, map(array_of, inputs), strict=False)
            found = session.run({value.name: in_file_dtype(array, value.dtype) for value, array in arrays})
            found = list(found.values()) if isinstance(found, dict) else [found]
            for array, expected in zip(found, map(array_of, outputs), strict=True):
                if text := difference(array, expected):
                    return text
    return ""


def in_file_dtype(array: np.ndarray, dtype: str) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.name in RAISED and dtype == "float32" else array


def difference(found: np.ndarray, expected: np.ndarray) -> str:
    raised = expected.dtype.name in RAISED and found.dtype == np.float32
    if found.shape != expected.shape or (found.dtype != expected.dtype and not raised):
        return f"{found.dtype} {found.shape}, not {expected.dtype} {expected.shape}"
    rtol = 2**-8 if expected.dtype.name == "bfloat16" else RTOL
    try:
        np.testing.assert_allclose(found, expected.astype(found.dtype), rtol=rtol, atol=ATOL)
    except AssertionError as error:
        return str(error)
    return ""


def run_onnxruntime(model: onnx.ModelProto, inputs: list) -> list[np.ndarray]:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, map(array_of, inputs), strict=True)))


def reasons_of(error: dscompress.DsError) -> frozenset[tuple[str, str]]:
    """Each with its operator, without names and numbers, so that the same ones can be counted."""
    lines = error.details or [f"{error.found}; {error.what_to_do}"]
    found = (re.fullmatch(r"node '.*?' \((\w+)\).*?: (.*)", line) or re.fullmatch(r"()(.*)", line) for line in lines)
    return frozenset((match[1], general(match[2])) for match in found if match)


def general(reason: str) -> str:
    """Why alone, or what to do too where that is short."""
    why = reason.split("; ", maxsplit=1)[0]
    why = re.sub(r"'[^']*'|\([-\d, ]*\)|\[[-\d, ]*\]", "…", why)
    return re.sub(r"(?<![a-z\d])\d+(?![-\w])", "…", why)


def page(results: list[Result]) -> str:
    return HEAD + summary(results) + otherwise() + operators(results) + reasons(results)


def summary(results: list[Result]) -> str:
    lines = ["| tests | models | form | right | refused | wrong | crashed |", "|---|--:|---|--:|--:|--:|--:|"]
    for kind in ("node", *STORED):
        for form in (AS_GIVEN, CONSTANTS):
            counts = Counter(result.verdict for result in results if (result.kind, result.form) == (kind, form))
            cells = [kind, f"{counts.total():,}", form]
            cells += [f"{counts[verdict]:,}" for verdict in ("right", "refused", "wrong", "crashed")]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n\n"


def otherwise() -> str:
    text = "".join(f"- `{name}`: {why}\n" for name, why in AS_ONNX_RUNTIME.items())
    return f"Where ONNX and ONNX Runtime differ, ONNX Runtime's answer is taken, and counts as right here:\n\n{text}\n"


MISSING = "the operator is not supported"


def operators(results: list[Result]) -> str:
    """Which operators are missing, each with the models that hold it."""
    needed: Counter[str] = Counter()
    alone: Counter[str] = Counter()
    for result in results:
        missing = {operator for operator, why in result.reasons if why == MISSING}
        needed.update(missing)
        if len(missing) == len(result.reasons) == 1:
            alone.update(missing)
    text = "## Operators that are missing\n\nOf the refusals above, by operator: the models that hold it, and those in "
    text += "which nothing else is in the way.\n\n| operator | models | nothing else |\n|---|--:|--:|\n"
    return text + "".join(f"| {name} | {count} | {alone[name]} |\n" for name, count in ranked(needed)) + "\n"


def reasons(results: list[Result]) -> str:
    """Every other reason; a model that is refused for several counts for each."""
    counts: Counter[str] = Counter()
    places: dict[str, Counter[str]] = {}
    for result in results:
        for why in {why for _, why in result.reasons if why != MISSING}:
            counts[why] += 1
            places.setdefault(why, Counter()).update(op for op, reason in result.reasons if reason == why and op)
    text = "## Other reasons\n\n| reason | operators | models |\n|---|---|--:|\n"
    for why, count in ranked(counts):
        names = ", ".join(name for name, _ in ranked(places[why]))
        text += f"| {why.replace('|', chr(92) + '|')} | {names} | {count} |\n"
    return text


def ranked(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


if __name__ == "__main__":
    sys.exit(main())
