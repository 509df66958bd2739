"""Errors are one sentence line, keep their parts, and survive a process border."""

import pickle

import pytest

from dsruntime.errors import BackendError, DsError, ModelError


def test_says_where_found_expected_and_what_to_do():
    error = ModelError("model.dsf", "2556 bytes", "2560 bytes", "export it again")
    assert str(error) == "model.dsf: 2556 bytes; expected 2560 bytes; export it again"
    parts = (error.where, error.found, error.expected, error.what_to_do)
    assert parts == ("model.dsf", "2556 bytes", "2560 bytes", "export it again")


@pytest.mark.parametrize(
    "parts, text",
    [
        (("cuda", "no kernel"), "cuda: no kernel"),
        (("cuda", "no kernel", "", "use cpu"), "cuda: no kernel; use cpu"),
        (("", "no kernel", "one"), "no kernel; expected one"),
    ],
)
def test_leaves_out_what_is_empty(parts, text):
    assert str(BackendError(*parts)) == text


def test_a_message_made_elsewhere_is_kept():
    assert str(ModelError("w", "f", "e", "d", message="as libdsf put it")) == "as libdsf put it"


@pytest.mark.parametrize("kind", [ModelError, BackendError, DsError])
def test_pickles(kind):
    error = pickle.loads(pickle.dumps(kind("w", "f", "e", "d")))
    assert type(error) is kind
    assert (error.where, str(error)) == ("w", "w: f; expected e; d")


def test_details_are_lines_of_their_own_and_survive_too():
    error = pickle.loads(pickle.dumps(ModelError("m", "2 nodes", "", "look", details=["a: b", "c\n\x1b[2Jsame: m"])))
    assert str(error) == "m: 2 nodes; look\n  a: b\n  c\\n\\x1b[2Jsame: m"
    assert error.details == ("a: b", "c\n\x1b[2Jsame: m")


@pytest.mark.parametrize("settings", [{}, {"message": "m\x1b[2J\u202e.dsf\n: f"}])
def test_what_str_gives_is_one_line_that_no_terminal_obeys(settings):
    error = ModelError("m\x1b[2J\u202e.dsf\n", "f", **settings)
    assert str(error).startswith(r"m\x1b[2J\u202e.dsf\n") and str(error).isprintable()
    assert error.where == "m\x1b[2J\u202e.dsf\n", "parts are as they came"
