"""dscompress ops: what can be stored, and what runs it."""

from __future__ import annotations

import click

from dscompress.cli import Command, show
from dscompress.cli.options import json_option


@click.command("ops", cls=Command, short_help="List the operators: ONNX name, name in the file, backends.")
@json_option
def command(as_json):
    """List every operator with its attributes, the ONNX operators that become it and the backends that run it.

    An operator means what ONNX's operator page says. The operators of ONNX that leave none of their own in the file
    come last, with what becomes of them. Attributes are shown where there is room for them.

    \b
    Example:
      dscompress ops
      dscompress ops --json | jq -r '.ops[].op'
    """
    rows, export_only = list_ops()
    if as_json:
        show.as_json({"ops": rows, "removed_at_export": export_only})
        return
    show.table(
        ("op", "ONNX", "backends", "attributes?"),
        [
            (
                row["op"],
                ", ".join(row["onnx"]),
                ", ".join(row["backends"]),
                ", ".join(f"{k}={v}" if v is not None else k for k, v in row["attributes"].items()),
            )
            for row in rows
        ],
    )
    show.line()
    show.fields(export_only.items())


def list_ops() -> tuple[list[dict], dict[str, str]]:
    """A row for each op of the file; ONNX operators that leave no op of their own."""
    from dscompress.onnx_names import SUPPORTED
    from dsruntime.backends.cuda.lower import OPS as CUDA
    from dsruntime.backends.reference.ops import OPS

    cpu = ops_of_libdsf()
    rows = []
    for op in sorted({*OPS, *cpu}):
        backends = [name for name, ops in (("cpu", cpu), ("cuda", CUDA), ("reference", OPS)) if op in ops]
        onnx = sorted(name for name, target in SUPPORTED.items() if target == op)
        rows.append({"op": op, "onnx": onnx, "attributes": attributes_of(OPS.get(op)), "backends": backends})
    return rows, {name: what for name, what in SUPPORTED.items() if what not in OPS}


def ops_of_libdsf() -> list[str]:
    from dsruntime import BackendError, library

    try:
        dsf = library.library()
    except BackendError as error:
        show.warn(str(error))
        return []
    return [dsf.dsf_op_name(i).decode() for i in range(dsf.dsf_op_count())]


def attributes_of(function) -> dict:
    """Names and defaults; None: required, or the default depends on the rank."""
    import inspect

    parameters = inspect.signature(function).parameters.values() if function else ()
    return {p.name: None if p.default is p.empty else p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
