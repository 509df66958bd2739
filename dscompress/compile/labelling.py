"""What the user says about a model's input and output, as files or objects: the image recipe and the labels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from dscompress.compile.preprocessor_config import is_preprocessor_config, recipe_of
from dscompress.errors import CompileError
from dscompress.names import refuse_controls
from dsruntime.door import open_regular
from dsruntime.file import Image

if TYPE_CHECKING:
    from dscompress.capture.options import ImpliedInput

MOST_LABEL_BYTES = 16 << 20


def read_recipe(source) -> Image | None:
    """The name of a recipe, the path of a JSON file (a recipe, or Hugging Face's preprocessor_config), or an Image."""
    from dsruntime.image import RECIPES, check_recipe, from_fields, json_object

    if isinstance(source, Image):
        check_recipe(source, "preprocess")
    if source is None or isinstance(source, Image):
        return source

    text = os.fspath(source)
    if text in RECIPES:
        return RECIPES[text]
    if not Path(text).exists():
        names = ", ".join(sorted(RECIPES))
        raise CompileError(f"preprocess '{text}'", "no recipe and no file has this name", f"{names}, or a JSON file")
    fields = json_object(read_text(Path(text), "preprocess"), text)
    return recipe_of(fields, text) if is_preprocessor_config(fields) else from_fields(fields, text)


def implied_input(recipe: Image | None) -> ImpliedInput | None:
    """The input that a recipe makes, or None where there is none, or it leaves the sides to the image."""
    from dscompress.capture.options import ImpliedInput
    from dsruntime.image import COLORS, made_size

    made = None if recipe is None else made_size(recipe)
    if recipe is None or made is None:
        return None
    return ImpliedInput((1, COLORS[recipe.color], *made), "the image recipe")


def read_labels(source) -> tuple[str, ...]:
    """A list of labels, or the path of a text file with one a line; a last empty line does not count."""
    labels = labels_of(source)
    for label in labels:
        refuse_controls("labels", label)
    return labels


def labels_of(source) -> tuple[str, ...]:
    if source is None:
        return ()
    if not isinstance(source, (str, os.PathLike)):
        return tuple(str(label) for label in source)
    labels = read_text(Path(source), "labels").splitlines()
    while labels and not labels[-1].strip():
        labels.pop()
    if not labels:
        raise CompileError(f"labels {source}", "the file is empty", "one label a line")
    return tuple(label.strip() for label in labels)


def read_text(path: Path, what: str) -> str:
    where = f"{what} {path}"
    with open_regular(path, where, "a text file in UTF-8", MOST_LABEL_BYTES, CompileError) as file:
        try:
            return file.read(MOST_LABEL_BYTES + 1).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
        except OSError as error:
            raise CompileError(where, (error.strerror or str(error)).lower(), "a text file in UTF-8") from None
        except UnicodeDecodeError:
            raise CompileError(where, "it is not UTF-8 text", "a text file in UTF-8") from None
