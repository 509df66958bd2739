"""dscompress export: options become the file, mistakes become sentences."""

import json

import onnx
import pytest

from dscompress.cli import show


def test_export_says_what_it_wrote(call, files, tmp_path):
    result = call(
        "export",
        files.onnx,
        "-o",
        tmp_path / "m.dsf",
        "--name",
        "tiny",
        "--metadata",
        "licence=CC0",
        "--metadata",
        "note=a=b",
    )
    assert result.exit_code == 0, result.stderr
    assert "tiny" in result.output and "2 as shift, 1 of conv and linear layers stayed float" in result.output
    assert "weight 'last.weight'" in result.stderr and "stayed float" in result.stderr
    data = json.loads(call("inspect", tmp_path / "m.dsf", "--json").stdout)
    assert data["name"] == "tiny" and data["metadata"]["licence"] == "CC0" and data["metadata"]["note"] == "a=b"


def test_where_every_weight_stayed_float_one_line_says_so(call, tmp_path):
    model = onnx.parser.parse_model("""<ir_version: 8, opset_import: ["": 18]>
        net (float[N, 3] x) => (float[N, 2] y) <float[3, 2] w = {1, 2, 3, 4, 5, 6}> { y = MatMul(x, w) }""")
    onnx.save(model, tmp_path / "float.onnx")
    result = call("export", tmp_path / "float.onnx", "-o", tmp_path / "m.dsf")
    assert "dscompress.nn.convert" in result.stderr and "magnitudes" not in result.stderr
    data = json.loads(call("export", tmp_path / "float.onnx", "-o", tmp_path / "m.dsf", "--json").stdout)
    assert "not one number times powers of two" in data["float_weights"][0]["reason"]


def test_json_and_quiet(call, files, tmp_path):
    output = tmp_path / "m.dsf"
    data = json.loads(call("export", files.onnx, "-o", output, "--json").stdout)
    assert data["bytes"] == output.stat().st_size == sum(row["bytes"] for row in data["ledger"])
    assert data["float_weights"][0]["name"] == "last.weight"
    result = call("-q", "export", files.onnx, "-o", output)
    assert (result.stdout, result.stderr) == ("", "")
    result = call("export", "-q", files.onnx, "-o", output)
    assert (result.stdout, result.stderr) == ("", "")


def test_the_default_output_lies_in_the_current_folder(call, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert call("export", files.onnx).exit_code == 0
    assert (tmp_path / "small.dsf").exists()


def test_require_shift_names_the_weight_and_writes_nothing(call, files, tmp_path):
    result = call("export", files.onnx, "-o", tmp_path / "m.dsf", "--require-shift")
    assert result.exit_code == 3
    assert "last.weight" in result.stderr
    assert not (tmp_path / "m.dsf").exists()


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (["--metadata", "novalue"], 2, "KEY=VALUE"),
        (["--metadata", "source.kind=x"], 2, "source."),
        (["--input-shape", "1,3,big"], 2, "1,3,224,224"),
        (["--model-args", "{oops"], 2, "JSON"),
        (["--model-args", "3"], 2, "neither a JSON object nor an array"),
        (["--preprocess", "imagenette"], 3, "imagenet"),
        (["--labels", "nowhere.txt"], 3, "nowhere.txt"),
    ],
)
def test_mistakes_are_sentences(call, files, tmp_path, arguments, code, says):
    result = call("export", files.onnx, "-o", tmp_path / "m.dsf", *arguments)
    assert result.exit_code == code
    assert says in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "m.dsf").exists()


def test_a_text_file_is_no_model(call, tmp_path):
    (tmp_path / "m.pt").write_text("hello")
    result = call("export", tmp_path / "m.pt")
    assert result.exit_code == 3
    assert "m.pt" in result.stderr


@pytest.mark.parametrize(
    "length, floats, says",
    [
        (50, 100, "50 B, 2.00 times smaller than its weights as floats (100 B)"),
        (1001, 1000, "1,001 B, as large as its weights as floats (1,000 B)"),
        (200, 100, "200 B, 2.00 times as large as its weights as floats (100 B)"),
        (200, 0, "200 B"),
    ],
)
def test_a_size_beside_the_weights(length, floats, says):
    assert show.size_beside(length, floats) == says
