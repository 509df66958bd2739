"""What a refusal must look like: a ModelError, one sentence, with where, what was found and what was expected."""

from __future__ import annotations

import pytest

from dsruntime import Model, ModelError, check


def refusal(source) -> str:
    """The message with which a file, or its bytes, is refused."""
    with pytest.raises(ModelError) as caught:
        Model.open(source)
    error = caught.value
    assert type(error) is ModelError
    assert error.where and error.found and error.expected, str(error)
    assert "\n" not in str(error) and "\0" not in str(error)
    with pytest.raises(ModelError) as checked:
        check(source)
    assert str(checked.value) == str(error)
    return str(error)


def is_refused(data) -> bool:
    """As refusal(), for hundreds of thousands of files."""
    try:
        Model.open(data)
    except ModelError as error:
        return bool(error.where and error.found)
    return False
