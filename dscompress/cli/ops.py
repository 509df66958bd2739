"""dscompress ops: what can be stored, and what runs it."""

from __future__ import annotations

import click

from dscompress.cli import Command, extras, show
from dscompress.cli.options import json_option


@click.command("ops", cls=Command, short_help="List the operators: ONNX name, name in the file, backends.")
@json_option
def command(as_json):
    """List every operator with its attributes, the ONNX operators that become it and the backends that run it.

    An operator means what ONNX's operator page says. The ONNX column needs the compiler extra.

    \b
    Example:
      dscompress ops
      dscompress ops --json | jq -r '.ops[].op'
    """
    rows, export_only = list_ops()
    if as_json:
        show.as_json({"ops": rows, "removed_at_export": export_only})
        return
    show.table(("op", "ONNX", "attributes", "backends"),
               [(row["op"], ", ".join(row["onnx"] or ()), ", ".join(f"{k}={v}" if v is not None else k for k, v in
                 row["attributes"].items()), ", ".join(row["backends"])) for row in rows])
    for name, what in export_only.items():
        show.note(f"{name}: {what}")


def list_ops() -> tuple[list[dict], dict[str, str]]:
    """A row for each op of the file; ONNX operators that leave no op of their own."""
    from dsruntime.backends.cuda.lower import OPS as CUDA
    from dsruntime.backends.reference.ops import OPS

    cpu = ops_of_libdsf()
    sources = onnx_names()
    rows = []
    for op in sorted({*OPS, *cpu}):
        backends = [name for name, ops in (("cpu", cpu), ("cuda", CUDA), ("reference", OPS)) if op in ops]
        onnx = None if sources is None else sorted(name for name, target in sources.items() if target == op)
        rows.append({"op": op, "onnx": onnx, "attributes": attributes_of(OPS.get(op)), "backends": backends})
    left = {} if sources is None else {name: what for name, what in sources.items() if what not in OPS}
    return rows, left


def ops_of_libdsf() -> list[str]:
    from dsruntime import BackendError, library

    try:
        dsf = library.library()
    except BackendError as error:
        show.warn(str(error))
        return []
    return [dsf.dsf_op_name(i).decode() for i in range(dsf.dsf_op_count())]


def onnx_names() -> dict[str, str] | None:
    """ONNX operator: what stands in the file for it. None without the compiler extra."""
    if not extras.installed("onnx_ir"):
        return None
    from dscompress.lower import supported_ops

    return supported_ops()


def attributes_of(function) -> dict:
    """Names and defaults; None: required, or the default depends on the rank."""
    import inspect

    parameters = inspect.signature(function).parameters.values() if function else ()
    return {p.name: None if p.default is p.empty else p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
