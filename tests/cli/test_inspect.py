"""dscompress inspect: the ledger sums to the file's length, in text and in JSON."""

import json

import onnx


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
