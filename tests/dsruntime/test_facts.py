"""A fact that stands in two languages is the same in both: caps, codes, words, exit codes, the fields of the schema."""

import re
from pathlib import Path

import pytest

from dscompress import cli
from dscompress.cli import export, options
from dscompress.compile import meaning, write
from dsruntime import caps, dsf_generated, image, library, planes
from dsruntime.backends.cuda.kernels import window

ROOT = Path(__file__).resolve().parents[2]
LIBDSF = ROOT / "runtime" / "libdsf"
SOURCE = LIBDSF / "src"
HEADER = (LIBDSF / "include" / "dsf.h").read_text()
SCHEMA = re.sub(r"//.*", "", (ROOT / "schema" / "dsf.fbs").read_text())


def read(path: str) -> str:
    return (SOURCE / path).read_text()


def header_caps() -> dict[str, int]:
    """The constants of base/caps.h by name; C++ literals are Python's but for casts and suffixes."""
    found = {"MAX_RANK": int(re.search(r"#define DSF_MAX_RANK (\d+)", HEADER)[1])}
    for name, value in re.findall(r"constexpr \w+ (\w+)\s*=\s*([^;]+);", read("base/caps.h")):
        plain = re.sub(r"u?int64_t\{(\d+)\}", r"\1", " ".join(value.split())).replace("INT32_MAX", "2**31 - 1")
        found[name] = eval(re.sub(r"(\d)u\b", r"\1", plain), {"__builtins__": {}})
    return found


def test_python_has_the_caps_of_the_header():
    header = header_caps()
    python = {name: value for name, value in vars(caps).items() if name.isupper()}
    assert {name: header[name] for name in python} == python and len(header) > 15
    # What Python does not check before libdsf does: options of a session, and what no operator comes near.
    libdsf_alone = {"DEFAULT_PLAN_BYTES", "DEFAULT_MULTIPLY_ADDS", "MAX_THREADS", "MAX_ATTRIBUTES", "MAX_PLANS"}
    assert set(header) - set(python) == libdsf_alone


def test_planes_of_codes_are_as_wide_in_python():
    """Where they lie is held by the exact bytes of tests/dsruntime/test_reference_codecs.py and by golden files."""
    text = read("codecs/planes.h")
    assert int(re.search(r"MAX_BITS = (\d+);", text)[1]) == planes.MAX_BITS
    for name in ("LOW_WIDTH", "HIGH_WIDTH"):
        listed = re.search(rf"constexpr int {name}\[MAX_BITS \+ 1\] = \{{(.*?)\}};", text)[1]
        widths = getattr(planes, name)
        assert tuple(map(int, listed.split(", "))) == widths and len(widths) == planes.MAX_BITS + 1
    assert [low + high for low, high in zip(planes.LOW_WIDTH, planes.HIGH_WIDTH, strict=True)][1:] == [*range(6)]


def enum_of_header(name: str, prefix: str) -> dict[str, int]:
    body = re.search(rf"typedef enum {name} \{{(.*?)\}}", HEADER, flags=re.S)[1]
    return {word.removeprefix(prefix).lower(): int(code) for word, code in re.findall(r"(DSF_\w+) = (\d+)", body)}


def enum_of_schema(name: str) -> dict[str, int]:
    body = re.search(rf"enum {name} : ubyte \{{(.*?)\}}", SCHEMA, flags=re.S)[1]
    return {word.lower(): int(code) for word, code in re.findall(r"(\w+) = (\d+)", body)}


def test_statuses_and_options_are_the_header_s():
    errors = {"ok": library.OK} | {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", kind.__name__).lower(): code for code, kind in library.ERRORS.items()
    }
    assert errors == enum_of_header("dsf_status", "DSF_")
    assert enum_of_header("dsf_memory", "DSF_MEMORY_") == library.MEMORIES
    assert enum_of_header("dsf_precision", "DSF_PRECISION_") == library.PRECISIONS


def test_element_types_are_one_list():
    codes = enum_of_schema("Dtype")
    assert codes == library.DTYPE_CODES
    assert codes | {"bfloat16": 8} == enum_of_header("dsf_dtype", "DSF_")
    named = re.findall(r'case Dtype::(\w+):\s+return "(\w+)";', read("base/tensor.cpp"))
    assert [name for _, name in named] == list(codes)
    words = re.search(r"enum class Dtype : uint8_t \{ (\w+) = 1, (.*?) \}", read("base/tensor.h"))
    assert [words[1], *words[2].split(", ")] == [word for word, _ in named]
    assert set(window.TYPES) == set(codes)


def test_kinds_of_attributes_are_one_list():
    codes = enum_of_schema("AttributeKind")
    assert {name.lower(): code for name, code in vars(dsf_generated.AttributeKind).items() if name[0] != "_"} == codes
    words = re.search(r"enum class Kind : uint8_t \{ (\w+) = 1, (.*?) \}", read("load/model.h"))
    assert [words[1], *words[2].split(", ")] == ["integer", "real", "text", "integers", "reals"]
    assert list(codes) == ["int", "float", "string", "ints", "floats"]


BYTES = {"ubyte": 1, "byte": 1, "bool": 1, "int": 4, "uint": 4, "float": 4, "long": 8, "ulong": 8}


def fields_of_schema() -> dict[str, list[tuple[str, str, int, str]]]:
    """Of each table the fields that lead to other bytes: name, form, bytes of a number, table."""
    tables = {}
    for table, body in re.findall(r"table (\w+) \{(.*?)\}", SCHEMA, flags=re.S):
        tables[table] = []
        for name, kind in re.findall(r"(\w+): ?(\[?\w+\]?)", body):
            inner = kind.strip("[]")
            several = kind.startswith("[")
            if inner == "string":
                form = ("strings" if several else "string", 0, "")
            elif several and inner in BYTES:
                form = ("scalars", BYTES[inner], "")
            elif inner in BYTES or inner in ("Dtype", "AttributeKind"):
                continue
            else:
                form = ("tables" if several else "table", 0, inner)
            tables[table].append((name, *form))
    return tables


def fields_of_libdsf() -> dict[str, list[tuple[str, str, int, str]]]:
    """The same as load/graph.cpp has it written out. Its kind "text" is a string that may have several lines."""
    text = read("load/graph.cpp")
    names = dict(re.findall(r'const TableFields (\w+) = \{"(\w+)"', text))
    tables = {}
    for constant, body in re.findall(r'const TableFields (\w+) = \{"\w+", \{(.*?)\n\}\};', text, flags=re.S):
        rows = re.findall(r"\{fb::(\w+)::VT_(\w+), FieldKind::(\w+), (\d), (?:nullptr|&(\w+))\}", body)
        assert {table for table, *_ in rows} == {names[constant]} and len(rows) == body.count("{fb::")
        tables[names[constant]] = [
            (field.lower().rstrip("_"), form.replace("text", "string"), int(size), names.get(child, ""))
            for _, field, form, size, child in rows
        ]
    return tables


def test_libdsf_walks_every_field_of_the_schema():
    assert len(fields_of_schema()) == 10
    assert fields_of_libdsf() == fields_of_schema()


def words(path: str, name: str) -> list[str]:
    """The words that libdsf takes for something: one_of(NAME, {...})."""
    (listed,) = re.findall(rf"one_of\({re.escape(name)}, \{{([^}}]*)\}}\)", read(path))
    return re.findall(r'"(\w*)"', listed)


RECIPE_WORDS = {"color": image.COLORS, "resize": image.RESIZES, "filter": image.FILTERS}


@pytest.mark.parametrize("field, known", RECIPE_WORDS.items())
def test_recipes_of_images_are_of_one_list_of_words(field, known):
    assert words("load/check.cpp", field) == list(known)
    line = re.search(rf"{field}: string \(required\);(.*)", (ROOT / "schema" / "dsf.fbs").read_text())[1]
    assert list(re.findall(r'"(\w+)"', line)) == list(known)


def test_meanings_are_libdsf_s_words():
    """The file has no word for scores."""
    known = words("load/check.cpp", "output.meaning")
    assert sorted(known) == sorted({*meaning.MEANINGS, ""} - {"scores"})
    assert export.MEANINGS == meaning.MEANINGS


def test_the_command_line_knows_the_types_of_inputs():
    from dscompress.capture import input_examples

    assert options.INPUT_DTYPES == tuple(input_examples.DTYPES)


def test_a_file_begins_as_libdsf_wants_it():
    listed = re.search(r"MAGIC\[8\] = \{(.*?)\}", read("load/frame.cpp"))[1]
    text = "".join(re.sub(r"0x(\w\w)", r"\\x\1", part.strip("'")) for part in listed.split(", "))
    assert text.encode().decode("unicode_escape").encode("latin-1") == write.MAGIC


def codes_of_page(path: str, pattern: str) -> list[int]:
    return [int(code) for code in re.findall(pattern, (ROOT / path).read_text(), flags=re.M)]


def test_exit_codes_are_documented():
    own = [cli.DIFFERENT, cli.WRONG_INPUT, cli.MACHINE_CANNOT, cli.CHANGED_BY_IMPORT, cli.INTERNAL]
    codes = sorted([0, 2, *own, cli.INTERRUPTED, cli.PIPE_CLOSED])  # 2: click's
    assert codes_of_page("docs/errors.md", r"^\| (\d+) \|") == codes
    assert codes_of_page("dscompress/cli/__init__.py", r"^    (\d+) +[^ ]") == codes
