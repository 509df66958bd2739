"""No module imports another that, by whatever way, imports it again: each can be read, tested and moved by itself.

Imports inside of functions count as well: they hide a circle from Python, not from the reader. So do the packages
around an imported module, whose __init__ runs before it; not those that the importer is in itself, which have run.
What is for type checkers alone does not count.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TREES = ("dscompress", "runtime/dsruntime", "tools", "tests/support")


def modules() -> dict[str, Path]:
    """Every module by its whole name."""
    found = {}
    for tree in TREES:
        base = ROOT / "runtime" if tree.startswith("runtime/") else ROOT
        for path in sorted((ROOT / tree).rglob("*.py")):
            parts = path.relative_to(base).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported(tree: ast.AST, name: str, is_package: bool) -> Iterator[str]:
    """The dotted names that the module's imports mention, those in functions included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for other in node.orelse:
                yield from imported(other, name, is_package)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = name.split(".")[: len(name.split(".")) + is_package - node.level] if node.level else []
            base = ".".join([*package, *filter(None, [node.module])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        else:
            yield from imported(node, name, is_package)


def edges(sources: dict[str, str], packages: set[str]) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {name: set() for name in sources}
    for name, source in sources.items():
        folders = ["", "tools.", name.rpartition(".")[0] + "."] if name.startswith("tools.") else [""]  # on their path
        for mention in imported(ast.parse(source), name, name in packages):
            for found in (f"{folder}{mention}" for folder in folders):
                target = found if found in sources else found.rpartition(".")[0]
                graph[name].update({target, *ran_before(target, name)} & sources.keys() - {name})
    return graph


def ran_before(target: str, name: str) -> set[str]:
    """The packages around the target, whose __init__ its import runs; those around the importer have run before it."""
    parts = target.split(".")
    around = {".".join(parts[:length]) for length in range(1, len(parts))}
    return {package for package in around if not f"{name}.".startswith(f"{package}.")}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """One circle of each knot of modules that reach each other: its shortest, written as a way back to its start."""
    reached = {name: reach(graph, name) for name in graph}
    knots = {frozenset(other for other in reached[name] if name in reached[other]) for name in graph}
    return sorted(min((way_back(graph, name) for name in sorted(knot)), key=len) for knot in knots if knot)


def reach(graph: dict[str, set[str]], start: str) -> set[str]:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        fresh = graph[waiting.pop()] - seen
        seen |= fresh
        waiting.extend(fresh)
    return seen


def way_back(graph: dict[str, set[str]], start: str) -> list[str]:
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:
        for target in sorted(graph[way[-1]]):
            if target == start:
                return [*way, start]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    raise ValueError(f"{start} is on no circle")


def test_no_module_is_on_a_circle():
    paths = modules()
    packages = {name for name, path in paths.items() if path.name == "__init__.py"}
    graph = edges({name: path.read_text() for name, path in paths.items()}, packages)
    found = circles(graph)
    assert not found, "\n" + "\n".join(" -> ".join(circle) for circle in found)


@pytest.mark.parametrize(
    "sources, circle",
    [
        ({"p.a": "import p.b", "p.b": "def f():\n    from p import a"}, ["p.a", "p.b", "p.a"]),
        ({"p.a": "from p.b import f", "p.b": "if TYPE_CHECKING:\n    from p.a import g"}, None),
        ({"p.a": "from .b import f", "p.b": "from .a import g"}, ["p.a", "p.b", "p.a"]),
        ({"p": "from p.a import f", "p.a": "from p.b import g", "p.b": ""}, None),
        ({"p": "from p.a import f", "p.a": "from p import version"}, ["p", "p.a", "p"]),
        ({"p": "from p.a import f", "p.a": "import q", "q": "from p.b import g", "p.b": ""}, ["p", "p.a", "q", "p"]),
        (
            {"p.r": "from p.r.a import f", "p.r.a": "import p.b", "p.b": "from p.r.c import g", "p.r.c": ""},
            ["p.b", "p.r", "p.r.a", "p.b"],
        ),
        ({"p.r": "from p.r.a import f", "p.r.a": "from p.r.c import g", "p.r.c": "import p.b", "p.b": ""}, None),
        ({"tools.a": "import b", "tools.b": "def f():\n    from a import g"}, ["tools.a", "tools.b", "tools.a"]),
    ],
)
def test_what_a_circle_is(sources, circle):
    sources = {"p": "", **sources}
    assert circles(edges(sources, {"p", "p.r"})) == ([circle] if circle else [])
