"""dscompress inspect: the ledger sums to the file's length, in text and in JSON."""

import json

import onnx

from dscompress.cli import show
from dscompress.cli.inspect import print_ledger
from dsruntime.file import Image
from dsruntime.ledger import Row
from tests.support.dsf_files import build


def test_the_ledger_sums_to_the_file(call, files):
    data = json.loads(call("inspect", files.dsf, "--json").stdout)
    length = files.dsf.stat().st_size
    assert data["bytes"] == data["total_bytes"] == length == sum(row["bytes"] for row in data["ledger"])
    codecs = {row["name"]: row["codec"] for row in data["ledger"] if row["section"] == "weight"}
    assert codecs["second.weight"] == "shift" and codecs["last.weight"] == "raw"
    raw = next(row for row in data["ledger"] if row["name"] == "last.weight")
    assert raw["note"] and raw["bits_per_weight"] == 32


def test_gaps_between_planes_count_and_the_help_says_so(call, tmp_path):
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["": 18]>
        net (float[N, 2] x) => (float[N, 2] y) <float[2, 2] w = {1, 2, 4, 8}> { y = MatMul(x, w) }""")
    onnx.save(model, tmp_path / "tiny.onnx")
    assert call("export", tmp_path / "tiny.onnx", "-o", tmp_path / "tiny.dsf").exit_code == 0
    data = json.loads(call("inspect", tmp_path / "tiny.dsf", "--json").stdout)
    (row,) = [row for row in data["ledger"] if row["section"] == "weight"]
    assert row["codec"] == "shift" and row["bytes"] > 64 and row["bits_per_weight"] == 8 * row["bytes"] / 4
    assert "gaps between them count too" in " ".join(call("inspect", "--help").output.split())


def test_text_shows_the_total_and_the_recipe(call, files):
    result = call("inspect", files.dsf)
    assert result.exit_code == 0
    total = result.output.splitlines()[-1]
    assert total.startswith("total") and f"{files.dsf.stat().st_size:,}" in total
    assert "(N, 1, 8, 8)" in result.output and "gray image" in result.output and "10 labels: zero, one" in result.output
    assert "source.sha256" in result.output


def test_graph(call, files):
    assert "second_relu" in call("inspect", files.dsf, "--graph").output
    nodes = json.loads(call("inspect", files.dsf, "--graph", "--json").stdout)["nodes"]
    assert [node["op"] for node in nodes] == ["conv", "relu", "conv", "relu", "global_average_pool", "flatten", "gemm"]


def test_files_that_are_no_models(call, files, tmp_path):
    whole = files.dsf.read_bytes()
    (tmp_path / "short.dsf").write_bytes(whole[:-1])
    (tmp_path / "flipped.dsf").write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    (tmp_path / "empty.dsf").write_bytes(b"")
    for name in ("short.dsf", "flipped.dsf", "empty.dsf", "missing.dsf"):
        result = call("inspect", tmp_path / name)
        assert result.exit_code == 3, name
        assert name in result.stderr and result.stdout == ""


def rows_of(result) -> list[str]:
    """The first words of the ledger's rows."""
    lines = result.output.splitlines()
    begin = next(i for i, text in enumerate(lines) if text.startswith("part "))
    return [text.split("  ")[0] for text in lines[begin + 2 : -2]]


def test_the_largest_come_first_and_small_ones_share_a_row(call, files, monkeypatch):
    data = json.loads(call("inspect", files.dsf, "--json").stdout)
    whole = [row["name"] or row["section"] for row in sorted(data["ledger"], key=lambda row: -row["bytes"])]
    assert rows_of(call("inspect", files.dsf, "--top", 100)) == whole
    assert rows_of(call("inspect", files.dsf, "--top", 2)) == [*whole[:2], f"{len(whole) - 2} smaller parts"]
    assert rows_of(call("inspect", files.dsf, "--top", 0)) == [f"{len(whole)} smaller parts"]
    monkeypatch.setattr("dscompress.cli.inspect.SMALL", 0.1)
    large = [row for row in data["ledger"] if row["share"] >= 0.1]
    assert rows_of(call("inspect", files.dsf))[-1] == f"{len(whole) - len(large)} smaller parts"
    assert "  stays float  last.weight: " in call("inspect", files.dsf).output, "small, and named all the same"


def test_the_rows_fit_80_columns(call, files, monkeypatch):
    monkeypatch.setattr("dscompress.cli.show.room", lambda: 80)
    result = call("inspect", files.dsf, "--graph")
    assert max(map(len, result.output.splitlines())) <= 80


def test_a_file_that_calls_a_sigmoid_logits_is_shown_as_it_is_read(call, tmp_path):
    (tmp_path / "old.dsf").write_bytes(
        build(
            values=[{"name": "x", "shape": [-1, 2]}, {"name": "y", "shape": [-1, 2]}],
            nodes=[{"op": "sigmoid", "inputs": ["x"], "outputs": ["y"]}],
            inputs=["x"],
            outputs=[{"value": "y", "meaning": "logits", "labels": ["cat", "dog"]}],
        )
    )
    assert "y: float32 (N, 2) probabilities" in call("inspect", tmp_path / "old.dsf").output
    data = json.loads(call("inspect", tmp_path / "old.dsf", "--json").output)
    assert data["outputs"][0]["meaning"] == "probabilities"


def test_bars_compare_what_is_left_with_the_largest(monkeypatch, capsys):
    monkeypatch.setattr(show, "bar", lambda share: f"<{share:.2f}>")
    parts = [
        Row("weight", name, (bytes_,), "uint8", "raw", 8.0, None, bytes_, bytes_ / 10, "")
        for name, bytes_ in (("a", 3), ("b", 3), ("c", 2), ("d", 2))
    ]
    print_ledger(parts, 1)
    assert [line.split()[-2 if line.startswith("a") else -1] for line in capsys.readouterr().out.splitlines()[3:5]] == [
        "<0.43>",
        "<1.00>",
    ]


def test_json_has_the_whole_recipe(call, files):
    (entry,) = json.loads(call("inspect", files.dsf, "--json").stdout)["inputs"]
    assert set(entry["image"]) == set(Image._fields)
