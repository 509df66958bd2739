"""Every command has help with an example; help answers without loading anything heavy."""

import json
import subprocess
import sys

import pytest

from dscompress.cli import COMMANDS

HEAVY = ["numpy", "rich", "torch", "onnx", "onnxruntime", "dsruntime", "flatbuffers", "PIL", "json"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_summary_and_an_example(call, name):
    result = call(name, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.output
    assert f"dscompress {name}" in result.output.split("Example:")[1]
    listed = next(line for line in call("--help").output.splitlines() if line.split()[:1] == [name])
    assert listed.split(maxsplit=1)[1].endswith(".")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["export", "--help"]])
def test_help_loads_nothing_heavy(process, arguments):
    code = f"""
import sys
from dscompress.cli import cli
try:
    cli.main({arguments!r})
except SystemExit:
    pass
import json
print(json.dumps(sorted(set({HEAVY[:-1]!r}) & set(sys.modules))), file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stderr) == []


def test_version(call):
    from dscompress import __version__

    assert call("--version").output == f"dscompress {__version__}\n"


def test_an_unknown_command_says_what_was_meant(call):
    result = call("inspekt")
    assert result.exit_code == 2
    assert "Did you mean 'inspect'?" in result.stderr
    assert call("frobnicate").exit_code == 2


def test_an_unknown_option_says_what_was_meant(call):
    result = call("run", "--bach", "2", "m.dsf", "x.npy")
    assert result.exit_code == 2
    assert "--batch" in result.stderr


def test_an_unknown_backend_lists_the_backends(call):
    result = call("run", "--backend", "gpu", "m.dsf", "x.npy")
    assert result.exit_code == 2
    assert "reference" in result.stderr and "cuda" in result.stderr


@pytest.mark.parametrize(
    "command, old, new",
    [
        ("train", "--bits-of", "--layer-bits"),
        ("train", "--skip", "--layer-bits LAYER=float"),
        ("train", "--activation", "--activations deepshift:I.F"),
        ("export", "--activation-bits", "--activations deepshift:I.F"),
        ("verify", "--activation-bits", "--activations deepshift:I.F"),
        ("convert", "--calibrate", "--inputs"),
    ],
)
def test_an_option_of_another_name_says_what_it_is_called_now(call, command, old, new):
    result = call(command, "x", old, "1")
    assert result.exit_code == 2
    assert f"there is no option {old} any more; it is {new} now" in result.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_help_fits_80_columns_and_each_option_explains_itself(call, name, monkeypatch):
    import importlib

    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, call(name, "--help").output.splitlines())) <= 80
    for option in importlib.import_module(f"dscompress.cli.{name}").command.params:
        text = getattr(option, "help", None)
        assert text is None or ((text[0].isupper() or text.startswith("low ")) and len(text.split()) > 2), option.name


def test_no_heading_has_more_options_than_a_screen(call):
    from dscompress.cli.train import command

    headings = [getattr(option, "section", "Options") for option in command.params]
    assert max(headings.count(heading) for heading in headings) < 15
    assert call("train", "--help").output.index("The network:") < call("train", "--help").output.index("The machine:")


def test_the_commands_tables_are_the_librarys():
    from dscompress import nn
    from dscompress.cli import train
    from dscompress.recipes import RANGES, Recipe

    assert {name: (method.BITS[0], method.BITS[-1]) for name, method in nn.methods.METHODS.items()} == train.BITS
    assert set(RANGES) <= set(train.RECIPE_FIELDS) == set(Recipe.__dataclass_fields__) - {"source"}
