"""dscompress check: whether files are right, without running them."""

from __future__ import annotations

import click

from dscompress.cli import Command, complete, explain, show
from dscompress.cli.options import json_option, limit_option, must_be_readable


@click.command("check", cls=Command, short_help="Check that .dsf files are whole and right, without running them.")
@click.argument("files", nargs=-1, required=True, type=click.Path(), metavar="FILE...", shell_complete=complete.models)
@limit_option(("file_bytes",))
@json_option
@click.pass_context
def command(context, files, limits, as_json):
    """Prove of each FILE all that is proved before a .dsf runs: its checksum, structure, codes and shapes.

    A line a file says that it is right, with its size, operators and tensors of weights. A refusal goes to standard
    error, and the next file follows; the exit code is then the largest of theirs. What a run would need, memory and
    work, is for the run to refuse.

    \b
    Example:
      dscompress check model.dsf
      dscompress check models/*.dsf && echo "all of them are right"
      dscompress check models/*.dsf --json | jq ".files[].error"
    """
    from dsruntime import Limits, library

    library.library()  # where there is none, that is said once
    found = [examined(path, Limits(**limits), as_json) for path in files]
    if as_json:
        show.as_json({"files": found})
    context.exit(max(each["code"] for each in found))


def examined(path: str, limits, as_json: bool) -> dict:
    """One file's entry of the document; a refusal is said at once, and so is what is right but for JSON."""
    from dsruntime import DsError, check

    try:
        must_be_readable(path)
        summary = check(path, limits=limits)
    except (DsError, OSError) as error:
        code, text, what_to_do = explain(error)
        show.error(text, what_to_do)
        text = f"{text}; {what_to_do}" if what_to_do else text
        return {"path": path, "code": code, "bytes": None, "nodes": None, "weights": None, "error": text}
    if not as_json:
        parts = show.size(summary.bytes), counted(summary.nodes, "node"), counted(summary.weights, "weight")
        show.line(f"{path}: ok, {', '.join(parts)}")
    counts = {"bytes": summary.bytes, "nodes": summary.nodes, "weights": summary.weights}
    return {"path": path, "code": 0, **counts, "error": None}


def counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
