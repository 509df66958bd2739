"""How commands print: tables that fit, and nothing that a terminal would obey."""

import json

import click
import pytest

from dscompress.cli import show

HOSTILE = "w\x1b[2J\x9b1m\u202e\r\nsame: m\u2028\udcff"
SHOWN = r"w\x1b[2J\x9b1m\u202e\r\nsame: m\u2028\udcff"
COLUMNS = ("part", "codec", "bytes>", "share>", "shape?", "entropy>?")
ROWS = [
    ("layer4.0.downsample.0.weight", "shift", "1,474,560", "20.0%", "(512, 512, 3, 3)", "3.54"),
    ("b", "raw", "4", "0.0%", "(1)", ""),
]


@pytest.fixture
def context():
    with click.Context(click.Command("inspect")) as context:
        yield context


def printed(capsys, monkeypatch, columns, **settings) -> list[str]:
    monkeypatch.setattr(show, "room", lambda: columns)
    show.table(COLUMNS, ROWS, **settings)
    return capsys.readouterr().out.splitlines()


def test_a_table_is_whole_where_there_is_no_terminal(capsys, monkeypatch):
    assert printed(capsys, monkeypatch, None, total=("total", "", "5", "100%", "", "")) == [
        "part                          codec      bytes  share  shape             entropy",
        "----------------------------  -----  ---------  -----  ----------------  -------",
        "layer4.0.downsample.0.weight  shift  1,474,560  20.0%  (512, 512, 3, 3)     3.54",
        "b                             raw            4   0.0%  (1)",
        "----------------------------  -----  ---------  -----  ----------------  -------",
        "total                                        5   100%",
    ]


@pytest.mark.parametrize(
    "columns, heads",
    [
        (81, ["part", "codec", "bytes", "share", "shape", "entropy"]),
        (79, ["part", "codec", "bytes", "share", "shape"]),
        (60, ["part", "codec", "bytes", "share"]),
        (40, ["part", "codec", "bytes", "share"]),
    ],
)
def test_a_table_fits_its_terminal(capsys, monkeypatch, columns, heads):
    lines = printed(capsys, monkeypatch, columns)
    assert lines[0].split() == heads
    assert max(map(len, lines)) <= columns
    assert all("1,474,560" in text and "20.0%" in text for text in lines[2:3])


def test_a_name_loses_its_middle_and_a_sentence_goes_on_below(capsys, monkeypatch):
    monkeypatch.setattr(show, "room", lambda: 36)
    show.table(("name", "detail"), [("layer4.0.downsample.0.weight", "libdsf is not installed here")])
    assert capsys.readouterr().out.splitlines()[2:] == [
        "layer4.0…0.weight  libdsf is not",
        "                   installed here",
    ]


def test_wide_letters_are_counted_as_a_terminal_shows_them(capsys, monkeypatch):
    monkeypatch.setattr(show, "room", lambda: None)
    show.table(("label", "share>"), [("犬", "1%"), ("dog", "2%")])
    assert capsys.readouterr().out.splitlines()[2:] == ["犬        1%", "dog       2%"]
    assert show.columns_of("e\u0301") == 1


def test_whatever_is_printed_is_made_printable(capsys, context):
    show.line(HOSTILE)
    show.title(HOSTILE)
    show.line(HOSTILE, lead="same: ", fg="green")
    show.fields([(HOSTILE, HOSTILE), ("input", [HOSTILE, HOSTILE])])
    show.table(("part", "note"), [(HOSTILE, HOSTILE)])
    show.note(HOSTILE)
    show.warn(HOSTILE)
    streams = capsys.readouterr()
    for text in (*streams.out.split("\n"), *streams.err.split("\n")):
        assert text.isprintable(), text
    assert streams.out.count(SHOWN) == 9 and streams.err.count(SHOWN) == 2


def test_json_escapes_by_itself_and_gives_the_text_back(capsys):
    show.as_json({HOSTILE: ["\x7f\x9b\u202e", "Größe 犬"]})
    text = capsys.readouterr().out
    assert all(part.isprintable() for part in text.split("\n")) and "Größe 犬" in text
    assert json.loads(text) == {HOSTILE: ["\x7f\x9b\u202e", "Größe 犬"]}


def test_names_on_the_command_line(call, files, tmp_path):
    path = tmp_path / "m\x1b[2J\u202e.dsf"
    for arguments in (
        ["inspect", path],
        ["check", path],
        ["run", "--backend", HOSTILE, files.dsf, "x"],
        [HOSTILE],
        ["run", "-\x9b"],
        ["run", files.dsf, path],
        ["export", path],
        ["export", files.onnx, "--labels", path],
    ):
        result = call(*arguments)
        assert result.exit_code in (2, 3)
        assert all(part.isprintable() for part in result.stderr.split("\n")), result.stderr
    path.write_bytes(files.dsf.read_bytes())
    for command in ("inspect", "check"):
        assert r"m\x1b[2J\u202e.dsf" in call(command, path).stdout.splitlines()[0]


@pytest.mark.parametrize("term, terminal, drawn", [("xterm", True, "██"), ("dumb", True, ""), ("xterm", False, "")])
def test_bars_are_for_terminals_that_know_more_than_letters(monkeypatch, term, terminal, drawn):
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(show, "is_terminal", lambda stream: terminal)
    monkeypatch.setattr("sys.stdout", type("Stream", (), {"encoding": "utf-8"})())
    assert show.bar(0.5, 4) == drawn
    assert show.color() is (False if term == "dumb" else None)


def test_progress_is_a_line_now_and_then_where_no_bar_can_be_drawn(capsys, monkeypatch, context):
    now = [100.0]
    monkeypatch.setattr(show.time, "monotonic", lambda: now[0])
    with show.progress("Preparing", total=1) as advance:
        begun = {"count": 4, "label": "Training", "total": 12}
        for seconds, settings in ((3, begun), (5, {}), (3, {"label": "epoch\x1b"}), (9, {}), (30, {})):
            now[0] += seconds
            advance(**settings)
    with show.progress("Capturing") as advance:
        now[0] += 11
        advance()
    assert capsys.readouterr().err.splitlines() == [r"epoch\x1b: 6 of 12", r"epoch\x1b: 8 of 12", "Capturing"]
    show.set_quiet(True)
    with show.progress("Capturing") as advance:
        now[0] += 11
        advance()
    assert capsys.readouterr().err == ""


def test_the_examples():
    import doctest

    assert doctest.testmod(show).failed == 0


@pytest.mark.parametrize(
    "seconds, says", [(4.2e-6, "0.0042 ms"), (0.00123456, "1.235 ms"), (0.0123456, "12.35 ms"), (1.23456, "1234.6 ms")]
)
def test_milliseconds(seconds, says):
    assert show.milliseconds(seconds) == says


def test_a_path_in_a_field_stays_whole_to_be_copied(capsys, monkeypatch):
    monkeypatch.setattr(show, "room", lambda: 30)
    show.fields([("libdsf", "0.1.0, 55 ops, /a/very/long/path/to/the/libdsf.so")])
    assert capsys.readouterr().out.splitlines() == [
        "  libdsf  0.1.0, 55 ops,",
        "          /a/very/long/path/to/the/libdsf.so",
    ]


def test_a_verdict_goes_on_below_itself(capsys, monkeypatch):
    monkeypatch.setattr(show, "room", lambda: 40)
    show.line("the first layer out of its bound is 'conv'", lead="different: ", fg="red")
    assert capsys.readouterr().out.splitlines() == [
        "different: the first layer out of its",
        "           bound is 'conv'",
    ]


def test_nothing_prints_but_through_show():
    from pathlib import Path

    others = [path for path in Path(show.__file__).parent.glob("*.py") if path.name != "show.py"]
    ways = ("click.echo", "click.secho", " print(", "sys.stdout.write")
    assert [f"{path.name}: {way}" for path in others for way in ways if way in path.read_text()] == []


def test_messages_are_broken_between_words_and_remedies_are_whole(context, capsys, monkeypatch):
    monkeypatch.setattr(show, "room_of_stderr", lambda: 36)
    show.warn("every weight of conv and linear layers stayed float")
    show.error("model.pt: holds weights (3 tensors) but no model", "dscompress export model.pt --model net:Net")
    assert capsys.readouterr().err.splitlines() == [
        "warning: every weight of conv and",
        "  linear layers stayed float",
        "error: model.pt: holds weights (3",
        "  tensors) but no model",
        "  → dscompress export model.pt --model net:Net",
    ]
