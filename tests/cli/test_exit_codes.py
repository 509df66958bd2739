"""The same mistake has the same exit code in every command.

2 for the words of the command line, whatever the files are, 3 for what was found in a file or asked of it, 4 for what
this machine cannot.
"""

import errno
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

EXPORT = "export {onnx} -o {new}/m.dsf"
CONVERT = "convert {pt2} --inputs {array} -o {new}/net.pt2"
TRAIN = "train {pictures} -o {new}/run --workers 0"
VERIFY = "verify {dsf} {onnx}"
READS_A_MODEL = ("inspect {0}", "check {0}", "bench {0}", "run {0} {image}", "verify {0} {onnx}")
READS_A_SOURCE = (
    "export {0} -o {{new}}/m.dsf",
    "verify {{dsf}} {0}",
    "convert {0} --inputs {{array}}",
    "train {{pictures}} -o {{new}}/run --workers 0 --weights {0}",
)
READS_AN_ARRAY = (
    "run {{dsf}} {0}",
    VERIFY.replace("{", "{{").replace("}", "}}") + " --inputs {0}",
    "convert {{pt2}} --inputs {0} -o {{new}}/net.pt2",
)
BUILDS_A_NETWORK = (
    "export {{state}} -o {{new}}/m.dsf --input-shape 1,1,8,8 {0}",
    "verify {{dsf}} {{state}} --input-shape 1,1,8,8 {0}",
    "convert {{state}} --inputs {{array}} --input-shape 1,1,8,8 {0}",
    "train {{pictures}} -o {{new}}/run --workers 0 {0}",
)
HOLDS_A_NETWORK = (
    "export {{onnx}} -o {{new}}/m.dsf {0}",
    "export {{pt2}} -o {{new}}/m.dsf {0}",
    "verify {{dsf}} {{onnx}} {0}",
    "verify {{dsf}} {{pt2}} {0}",
    "convert {{pt2}} --inputs {{array}} {0}",
)
RUNS_A_MODEL = ("run {{dsf}} {{array}} {0}", "bench {{dsf}} --runs 1 {0}", "verify {{dsf}} {{onnx}} {0}")
TAKES_IMAGES = (
    "export {{onnx}} -o {{new}}/m.dsf {0}",
    "convert {{pt2}} --inputs {{array}} -o {{new}}/net.pt2 {0}",
    "train {{pictures}} -o {{new}}/run --workers 0 {0}",
)
WRITES_A_FILE = ("export {{onnx}} -o {0}", "convert {{pt2}} --inputs {{array}} -o {0}", "run {{dsf}} {{array}} -o {0}")


def of_each(code, says, commands, *values):
    return [(command.format(*values), code, says) for command in commands]


MODELS = [
    *(
        (command.replace("{0}", path), 3, says)
        for command in READS_A_MODEL
        for path, says in (
            ("{gone}", "no such file"),
            ("{folder}", "directory"),
            ("{text}", "is not a .dsf file"),
            ("{empty}", "empty"),
        )
    )
]
SOURCES = [
    row
    for path, says in (
        ("{gone}", "no such file"),
        ("{folder}", "is a folder"),
        ("{text}", "is a text file"),
        ("{empty}", "is empty"),
    )
    for row in of_each(3, says, READS_A_SOURCE, path)
]
ARRAYS = [
    *of_each(3, "no such", READS_AN_ARRAY, "{gone}.npy"),
    *of_each(3, "empty", READS_AN_ARRAY[:1], "{empty}"),
    *of_each(3, ".npy", READS_AN_ARRAY[1:], "{text}"),
    *of_each(3, "(2, 3, 3, 3)", READS_AN_ARRAY, "{wrong}"),
    *of_each(3, "float64; expected float32", READS_AN_ARRAY, "{double}"),
    ("convert {pt2} --inputs {half}", 3, "float16; expected float32"),
]
NETWORKS = [
    *of_each(2, "no JSON", BUILDS_A_NETWORK, "--model-args {{oops"),
    *of_each(2, "neither a JSON object nor an array", BUILDS_A_NETWORK, "--model-args 3"),
    *of_each(3, "no module 'nowhere'", BUILDS_A_NETWORK, "--model nowhere:net"),
    *of_each(3, "torch.nn has no 'Nope'", BUILDS_A_NETWORK, "--model torch.nn:Nope"),
    *of_each(2, "is no shape", BUILDS_A_NETWORK[:3], "--input-shape big"),
    *of_each(3, "no --model that they are arguments of", BUILDS_A_NETWORK[:3], "--model-args [4]"),
    *of_each(3, "holds its network, and --model is", HOLDS_A_NETWORK, "--model torch.nn:Flatten"),
    *of_each(3, "holds its network, and --model-args is", HOLDS_A_NETWORK, "--model-args [4]"),
    *of_each(3, "is a file of another kind", HOLDS_A_NETWORK, "--prefix net."),
    *of_each(3, "is a file of another kind", HOLDS_A_NETWORK, "--weights-key ema"),
    *of_each(2, "says which weights of --weights", BUILDS_A_NETWORK[3:], "--prefix net."),
    *of_each(2, "says which weights of --weights", BUILDS_A_NETWORK[3:], "--weights-key ema"),
]
RUNS = [
    *of_each(2, "is not one of", RUNS_A_MODEL, "--backend gpu"),
    *of_each(4, "cuda", RUNS_A_MODEL, "--backend cuda"),
    *of_each(2, "0 is not 1 or more", RUNS_A_MODEL, "--threads 0"),
    *of_each(
        2,
        "with a NAME of file_bytes, activation_bytes, plan_bytes, weight_bytes, multiply_adds",
        RUNS_A_MODEL,
        "--limit memory=2G",
    ),
    *of_each(2, "whole NUMBER from 1 to 2^64-1", RUNS_A_MODEL, "--limit plan_bytes=0"),
    *of_each(2, "whole NUMBER from 1 to 2^64-1", RUNS_A_MODEL, "--limit plan_bytes=1.5G"),
    *of_each(2, "whole NUMBER from 1 to 2^64-1", RUNS_A_MODEL, "--limit plan_bytes=16777216T"),
    *of_each(2, "plan_bytes is given twice", RUNS_A_MODEL, "--limit plan_bytes=1 --limit plan_bytes=2"),
    *of_each(3, "--limit multiply_adds=NUMBER", RUNS_A_MODEL, "--limit multiply_adds=1"),
    *of_each(
        3,
        "--limit file_bytes=NUMBER",
        (*RUNS_A_MODEL, "inspect {{dsf}} {0}", "check {{dsf}} {0}"),
        "--limit file_bytes=1K",
    ),
    ("inspect {dsf} --limit multiply_adds=1", 2, "it runs nothing"),
    ("check {dsf} --limit multiply_adds=1", 2, "it runs nothing"),
]
IMAGES = [
    *of_each(3, "no recipe and no file has this name", TAKES_IMAGES, "--preprocess imagenette"),
    *of_each(3, "no JSON", TAKES_IMAGES, "--preprocess {text}"),
    *of_each(3, "a folder; expected a text file", TAKES_IMAGES, "--preprocess {folder}"),
]
OUTPUTS = [*of_each(3, "cannot be written", WRITES_A_FILE, "{gone}/y.npy")]
OTHERS = [
    ("run {dsf} {gone}", 3, "no such file"),
    ("run {dsf} {text}", 3, "not an image"),
    ("run {dsf} {folder}", 3, "no image"),
    ("run {dsf} {array} -o {new}/y.txt", 2, ".npz"),
    ("run {dsf} {array} --top 0", 2, "0 is not 1 or more"),
    ("bench {dsf} --runs 1 --vs onnxruntime {gone}", 3, "no such file"),
    ("bench {dsf} --runs 1 --vs onnxruntime {folder}", 3, "is a directory"),
    ("bench {dsf} --runs 1 --vs onnxruntime {text}", 3, "ONNX Runtime cannot load it"),
    ("bench {dsf} --vs tensorrt {onnx}", 2, "onnxruntime"),
    ("bench {dsf} --batch x", 2, "'x' is no whole number"),
    (VERIFY + " --seed -1", 2, "-1 is not 0 or more"),
    (VERIFY + " --samples 0", 2, "0 is not 1 or more"),
    (EXPORT + " --labels {gone}", 3, "no such file"),
    (EXPORT + " --labels {folder}", 3, "a folder; expected a text file"),
    (EXPORT + " --labels {empty}", 3, "empty"),
    (EXPORT + " --labels {text}", 3, "1 label"),
    (EXPORT + " --metadata novalue", 2, "KEY=VALUE"),
    (EXPORT + " --metadata source.kind=x", 2, "source."),
    (EXPORT + " --bits 9", 2, "9 is not 2 to 8"),
    (EXPORT + " --bits 5", 3, "--bits is for DeepShift"),
    (EXPORT + " --activations int8", 2, "is not float, or deepshift:I.F"),
    (EXPORT + " --require-shift", 3, "last.weight"),
    (CONVERT + " --bits 6", 2, "6 is not 2 to 5"),
    (CONVERT + " --layer-bits 1=9", 2, "'1=9'"),
    (CONVERT + " --layer-bits x", 2, "LAYER=BITS"),
    (CONVERT + " --layer-bits nowhere=3", 3, "nowhere"),
    (CONVERT + " --target-bpw nan", 2, "nan is not above 0"),
    (CONVERT + " --target-bytes 0", 2, "0 is not 1 or more"),
    (CONVERT + " --samples 0", 2, "0 is not 1 or more"),
    (CONVERT + " --without x", 2, "is not one of"),
    ("train {gone} -o {new}/run", 3, "no such folder"),
    ("train {text} -o {new}/run", 3, "is a file"),
    ("train {folder} -o {new}/run", 3, "sub-folders"),
    ("train {pictures} -o {text} --workers 0", 3, "is a file"),
    (TRAIN + " --bits 7", 2, "7 is not 2 to 5"),
    (TRAIN + " --bits 5 --method s3", 2, "2 to 4 bits"),
    (TRAIN + " --layer-bits 0=9", 2, "2 to 5 bits"),
    (TRAIN + " --layer-bits nowhere=3", 3, "nowhere"),
    (TRAIN + " --epochs 0", 2, "0 is not 1 to 100000"),
    (TRAIN + " --epochs 1.5", 2, "'1.5' is no whole number"),
    (TRAIN + " --rate nan", 2, "nan is not above 0"),
    (TRAIN + " --momentum 2", 2, "2 is not 0 to 0.9999"),
    (TRAIN + " --milestones 3,2", 2, "in order"),
    (TRAIN + " --recipe nope", 2, "no recipe is called 'nope'"),
    (TRAIN + " --held-out 1", 2, "1 is not above 0 and below 1"),
    (TRAIN + " --device nope", 2, "'nope' is no device"),
    (TRAIN + " --device cuda:99", 4, "cuda:99"),
    (TRAIN + " --sign-threshold 2", 2, "2 is not 0 and below 1"),
    (TRAIN + " --model nope", 3, "small_resnet"),
    (TRAIN + " --activations int8", 2, "is not float, or deepshift:I.F"),
    (TRAIN + " --fresh 0", 2, "goes with --weights"),
    (TRAIN + " --method float --bits 4", 2, "leave it out"),
    (TRAIN + " --teacher {gone} --distill 0.5", 3, "no such file"),
    ("train digits -o {new} --preprocess cifar", 2, "its own recipe"),
    *(
        (f"{command} --bogus", 2, "no such option")
        for command in ("train", "convert", "export", "run", "verify", "inspect", "check", "bench", "ops", "doctor")
    ),
    *(
        (command, 2, "missing")
        for command in (
            "train",
            "train digits",
            "convert {pt2}",
            "export",
            "run {dsf}",
            "verify {dsf}",
            "inspect",
            "check",
            "bench",
        )
    ),
    ("-q inspect {dsf}", 2, "inspect has no -q"),
    ("-q check {dsf}", 2, "check has no -q"),
    ("-q ops", 2, "ops has no -q"),
    ("-q doctor", 2, "doctor has no -q"),
]


@pytest.fixture(scope="module")
def given(files, tmp_path_factory):
    """Paths by the names that the table uses."""
    import torch
    from PIL import Image

    folder = tmp_path_factory.mktemp("given")
    for name in ("folder", "new", "pictures/a", "pictures/b"):
        (folder / name).mkdir(parents=True)
    (folder / "text").write_text("just text")
    (folder / "empty").write_bytes(b"")
    np.save(folder / "wrong.npy", np.zeros((2, 3, 3, 3), np.float32))
    np.save(folder / "double.npy", np.zeros((2, 1, 8, 8)))
    np.save(folder / "half.npy", np.zeros((2, 1, 8, 8), np.float16))
    for name in ("a", "b"):
        for i in range(4):
            Image.fromarray(np.full((8, 8), 40 * i, np.uint8)).save(folder / "pictures" / name / f"{i}.png")
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)).eval()
    torch.export.save(torch.export.export(net, (torch.zeros(1, 1, 8, 8),)), folder / "net.pt2")
    torch.save(net.state_dict(), folder / "state.pt")
    names = {name: folder / name for name in ("gone", "folder", "new", "pictures", "text", "empty")}
    return {
        **names,
        "wrong": folder / "wrong.npy",
        "double": folder / "double.npy",
        "half": folder / "half.npy",
        "pt2": folder / "net.pt2",
        "state": folder / "state.pt",
        "dsf": files.dsf,
        "onnx": files.onnx,
        "array": files.array,
        "image": files.image,
    }


@pytest.mark.parametrize(
    "command, code, says", [*MODELS, *SOURCES, *ARRAYS, *NETWORKS, *RUNS, *IMAGES, *OUTPUTS, *OTHERS]
)
def test_mistake(call, given, command, code, says):
    arguments = [part.replace("{{", "{") if "oops" in part else part.format(**given) for part in command.split()]
    result = call(*arguments)
    assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    assert result.stderr.startswith("error: ") and "\nerror: " not in result.stderr
    assert not list(given["new"].iterdir())


@pytest.mark.parametrize("command", [EXPORT, VERIFY, CONVERT, TRAIN, "bench {dsf} --vs onnxruntime {onnx}"])
def test_a_missing_extra(call, given, monkeypatch, command):
    monkeypatch.setattr("dscompress.cli.extras.installed", lambda module: False)
    result = call(*command.format(**given).split())
    assert result.exit_code == 4
    assert result.stderr.startswith("error: ") and 'pip install "dscompress[compiler]"' in result.stderr


@pytest.mark.parametrize("command", [EXPORT, "run {dsf} {array} -o {new}/y.npy", CONVERT, TRAIN])
def test_a_full_disk(call, given, monkeypatch, command):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("dscompress.atomic_file.os.fsync", full)
    result = call(*command.format(**given).split())
    assert result.exit_code == 4 and "cannot be written: no space left on device" in result.stderr, result.stderr
    shutil.rmtree(given["new"] / "run", ignore_errors=True)
    assert not list(given["new"].iterdir())


@pytest.fixture
def unreadable(files):
    """A file that nobody may read, in a folder that everybody may, seen by a user who is not root."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shutil.copy(files.dsf, folder / "m.dsf")
    (folder / "m.dsf").chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield folder / "m.dsf"
    finally:
        os.seteuid(user)
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    "command",
    [
        "inspect {0}",
        "check {0}",
        "bench {0}",
        "run {0} x.png",
        "verify {0} {0}",
        "export {0}",
        "convert {0} --inputs {0}",
    ],
)
def test_a_file_that_may_not_be_read(call, unreadable, command):
    result = call(*command.format(unreadable).split())
    assert result.exit_code == 3 and "permission denied" in result.stderr.lower(), result.stderr
