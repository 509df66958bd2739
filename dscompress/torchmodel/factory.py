"""factory: --model package.module:factory with --model-args → an nn.Module, whose weights come from a state_dict.

The current directory is importable, as with `python -m`.
"""

import difflib
import importlib
import json
import os
import sys
from typing import Any

import torch

from dscompress.errors import CompileError
from dscompress.torchmodel.quiet import quiet
from dscompress.torchmodel.torchvision_models import with_torchvision

HOW = "--model package.module:factory (for example --model torchvision.models:resnet18)"


def build_wanted(model: str | None, model_args: Any, where: str) -> torch.nn.Module | None:
    """What --model builds, or None without it."""
    if model is not None:
        return build(model, model_args, where)
    if model_args is not None:
        found = "--model-args, and no --model that they are arguments of"
        raise CompileError(where, found, what_to_do=f"add {HOW}, or leave out --model-args")
    return None


def refuse_factory(model: str | None, model_args: Any, where: str, what: str) -> None:
    """Of a source that holds its network."""
    for option, value in (("--model", model), ("--model-args", model_args)):
        if value is not None:
            found = f"is {what}, which holds its network, and {option} is for weights without one"
            raise CompileError(where, found, what_to_do=f"leave out {option}")


def build(model: str, model_args: Any, where: str, factory: Any = None) -> torch.nn.Module:
    """factory: what `model` is the name of, if it is known already."""
    factory = factory or find(model, where)
    positional, keywords = arguments(model_args, where)
    try:
        with quiet():
            module = factory(*positional, **keywords)
    except Exception as error:
        raise CompileError(
            where, f"--model {model} failed: {type(error).__name__}: {error}", what_to_do="check --model-args"
        ) from error
    if not isinstance(module, torch.nn.Module):
        found = f"--model {model} returned {type(module).__name__}"
        raise CompileError(where, found, "an nn.Module", "name the model's class, or a function that builds it")
    return module


def find(model: str, where: str) -> Any:
    module_name, colon, attribute = model.partition(":")
    if not (module_name and colon and attribute):
        raise CompileError(where, f"--model {model!r} has no colon" if not colon else f"--model {model!r}", HOW)
    if module_name.endswith(".py") or "/" in module_name:
        dotted = module_name.removesuffix(".py").strip("./").replace("/", ".")
        raise CompileError(where, f"--model {model!r} names a file", "a module", f"write --model {dotted}:{attribute}")
    found = import_module(module_name, where)
    for name in attribute.split("."):
        if not hasattr(found, name):
            near = difflib.get_close_matches(name, dir(found), n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else "check the name"
            raise CompileError(where, f"--model {model}: {module_name} has no {name!r}", what_to_do=hint)
        found = getattr(found, name)
    if not callable(found):
        raise CompileError(where, f"--model {model} is a {type(found).__name__}", "a class or function")
    return found


def import_module(name: str, where: str) -> Any:
    make_current_directory_importable()
    try:
        with quiet():
            return with_torchvision(lambda: importlib.import_module(name))
    except Exception as error:
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        missing = bool(absent and name.startswith(absent))
        found = f"--model: no module {absent!r}" if missing else f"--model: import {name} failed: {error}"
        remedy = f"install it, or run from the folder that holds it (now {os.getcwd()})" if missing else ""
        raise CompileError(where, found, what_to_do=remedy) from error


def make_current_directory_importable() -> None:
    if os.getcwd() not in sys.path and "" not in sys.path:
        sys.path.insert(0, os.getcwd())


def arguments(model_args: Any, where: str) -> tuple[list, dict]:
    """(positional, keyword) arguments from a dict, a list, or either as JSON."""
    try:
        value = json.loads(model_args) if isinstance(model_args, str) else model_args
    except ValueError as error:
        raise CompileError(
            where, f"--model-args is no JSON ({error})", what_to_do="write --model-args '{\"num_classes\": 10}'"
        ) from None
    if value is None:
        return [], {}
    if isinstance(value, dict):
        return [], value
    if isinstance(value, list | tuple):
        return list(value), {}
    raise CompileError(where, f"--model-args is a {type(value).__name__}", "a JSON object or array")
