"""What a shell offers, as click's scripts ask for it."""

import shutil

import pytest
import torch

from dscompress.cli import cli


@pytest.fixture
def offered(monkeypatch, capsys, tmp_path):
    """offered("run", "m") → the words for the last one."""
    monkeypatch.chdir(tmp_path)

    def ask(*words) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", " ".join(["dscompress", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        monkeypatch.setenv("_DSCOMPRESS_COMPLETE", "bash_complete")
        with pytest.raises(SystemExit):
            cli.main([], prog_name="dscompress")
        return capsys.readouterr().out.split()

    return ask


def test_commands_and_options(offered):
    assert offered("ex") == ["plain,export"]
    assert offered("run", "--ba") == ["plain,--batch", "plain,--backend"]
    assert offered("run", "--backend", "c") == ["plain,cpu", "plain,cuda"]


def test_models_are_dsf_files(offered, files, tmp_path):
    shutil.copy(files.dsf, tmp_path / "mine.dsf")
    (tmp_path / "mine.onnx").write_text("")
    (tmp_path / "folder").mkdir()
    shutil.copy(files.dsf, tmp_path / "folder" / "other.dsf")
    for command in ("run", "inspect", "check", "bench", "verify"):
        assert offered(command, "mi") == ["plain,mine.dsf"]
    assert offered("run", "folder/") == ["plain,folder/other.dsf"]
    assert offered("run", "fold") == ["file,fold"]


def test_recipes_and_data(offered):
    assert offered("export", "m.pt2", "--preprocess", "im") == ["plain,imagenet"]
    assert offered("train", "digits", "--recipe", "q-d") == ["plain,q-digits-scratch", "plain,q-digits-pretrained"]
    assert offered("train", "di") == ["plain,digits"]


def test_layers_are_those_of_the_file(offered, tmp_path):
    state = {
        "conv1.weight": torch.ones(2, 1, 3, 3),
        "conv1.bias": torch.ones(2),
        "fc.shift": torch.ones(2, 2),
        "fc.sign": torch.ones(2, 2),
    }
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "net.pt")
    (tmp_path / "text.pt").write_text("no checkpoint")
    assert offered("convert", "net.pt", "--layer-bits", "") == ["plain,conv1=", "plain,fc="]
    assert offered("train", "x", "--weights", "net.pt", "--layer-bits", "f") == ["plain,fc="]
    assert offered("convert", "net.pt", "--layer-bits", "fc=f") == ["plain,fc=float"]
    assert offered("convert", "text.pt", "--layer-bits", "") == []
