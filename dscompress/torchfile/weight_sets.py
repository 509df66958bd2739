"""weight_sets: which weights of a checkpoint are meant where it holds several, and what its keys begin with.

    {"state_dict": {...}, "state_dict_ema": {...}}                          raw weights and their average
    {"model": {...}, "ema": {"decay": 0.999, "module": {...}}}              the same, deeper: ema.module
    {"model": {...}, "ema": {"shadow_params": [...]}}                       an average without names
    {"state_dict": {"net.0.weight": ..., "criterion.weight": ...}}          a prefix, and what is of another module
    {"ema_model.0.weight": ..., "online_model.0.weight": ...}               two prefixes that fit

One set under one prefix that fits the network is taken. Where several would do, nobody guesses: the error lists them,
and --weights-key and --prefix say which.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from dscompress.errors import CompileError

KEYS = ("state_dict", "model_state_dict", "model", "net", "model_state", "weights", "params", "module")
TRAINING_STATE = re.compile(r"optim|^opt|sched|scaler|exp_avg|momentum|grad", re.IGNORECASE)  # keys of no network's
WRAPPERS = re.compile(
    r"(?:^|(?<=\.))(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.|(?<=features\.)module\."
)
COUNTER = "num_batches_tracked"  # files older than it lack it, and nothing in eval mode reads it
AVERAGED = re.compile(r"ema|averag|swa|shadow|polyak", re.IGNORECASE)
MOST_DEPTH, MOST_PARTS, LISTED = 5, 20_000, 8
ENOUGH = 0.4  # of the network's tensors: what has so many of their shapes and names is a set of its weights, if partial

Shapes = Mapping[str, tuple[int, ...]]

# What a layer is made of instead of `weight`: shift layers, pruning, weight norm.
PARTS = re.compile(r"(?:parametrizations\.)?(\w+?)(?:_orig|_mask|\.original[01]?)")
WEIGHT_PARTS = re.compile(r"shift|sign|weight_(?:g|v|sign|val|shift2?|t\d)")


@dataclass(frozen=True)
class Choice:
    key: str  # "state_dict", "ema.module"; "" is the file itself
    prefix: str = ""


def find_sets(root: Any, set_of: Callable[[Any], Any], parts_of: Callable[[Any], Mapping | None]) -> dict[str, Any]:
    """The sets of weights in what a file holds, by their keys joined with dots; those of KEYS come first.

    set_of: what a value is as a set, or None. parts_of: what is in it otherwise, or None.
    """
    found, waiting, count = {}, [("", root, 0)], 0
    while waiting and count < MOST_PARTS:
        path, value, depth = waiting.pop(0)
        count += 1
        weights = set_of(value)
        if weights is not None:
            found[path] = weights
            continue
        parts = (parts_of(value) or {}) if depth < MOST_DEPTH else {}
        for key in [key for key in KEYS if key in parts] + [key for key in parts if key not in KEYS]:
            if type(key) is str and not TRAINING_STATE.search(key):
                waiting.append((f"{path}.{key}" if path else key, parts[key], depth + 1))
    return found


def plain_key(key: str) -> str:
    """Without what torch.compile, FSDP, and DataParallel around the features alone put between."""
    return WRAPPERS.sub("", key)


def plain_name(key: str) -> str:
    """The parameter that a key belongs to: 0.weight for 0.weight_orig, 0.shift, 0.parametrizations.weight.original1."""
    layer, parametrised, part = plain_key(key).rpartition(".parametrizations.")
    if not parametrised:
        layer, _, part = plain_key(key).rpartition(".")
    match = PARTS.fullmatch(part)
    name = match[1] if match else "weight" if WEIGHT_PARTS.fullmatch(part) else part
    return f"{layer}.{name}" if layer else name


def choose(
    sets: Mapping[str, Shapes],
    own: Shapes | None,
    weights_key: str | None,
    prefix: str | None,
    where: str,
    tied: Mapping[str, str] | None = None,
) -> Choice:
    """own: the network's keys; None: not known. tied: its keys that are other ones' tensors, and those.

    Where nothing fits, the set and prefix that come closest, for a message about them. CompileError: it must be asked.
    """
    given = weights_key is not None
    if weights_key is not None:
        sets = {weights_key: one_of(sets, weights_key, where)}
    named = {key: shapes for key, shapes in sets.items() if not is_unnamed(shapes)}
    if given and not named:
        found = f"--weights-key {weights_key} is a list of tensors without names"
        raise CompileError(where, found, what_to_do="copy them into the model, and save its state_dict")
    if not named:
        raise CompileError(where, "holds tensors without names alone", "a state_dict", "save model.state_dict()")
    if own is None:
        chosen = Choice(next(iter(named)), "" if prefix is None else full_prefix(prefix, named.values(), where))
        own = {key.removeprefix("module."): shape for key, shape in named[chosen.key].items()}
    else:
        chosen = fitting(named, own, prefix, where, tied or {})
    rivals = [] if given else [key for key in sets if key != chosen.key and is_rival(sets[key], own)]
    if rivals:
        ask_for_set([chosen.key, *rivals], sets, where)
    return chosen


def refuse_choice(weights_key: str | None, prefix: str | None, where: str, what: str) -> None:
    """Of a source that holds a network, whose weights are its own."""
    for option, value in (("--weights-key", weights_key), ("--prefix", prefix)):
        if value is not None:
            found = f"is {what}, and {option} is for checkpoints that hold weights"
            raise CompileError(where, found, what_to_do=f"leave out {option}")


def one_of(sets: Mapping[str, Shapes], key: str, where: str) -> Shapes:
    if key not in sets:
        names = ", ".join(name or "no key, at its top" for name in list(sets)[:LISTED])
        raise CompileError(where, f"--weights-key {key}, where it holds no weights", f"one of: {names}")
    return sets[key]


def fitting(sets: Mapping[str, Shapes], own: Shapes, prefix: str | None, where: str, tied: Mapping) -> Choice:
    needed = [group_of(key, tied) for key in own if not key.endswith(COUNTER) and key not in tied]
    wanted = None if prefix is None else full_prefix(prefix, sets.values(), where)
    places = [
        Choice(key, found)
        for key, shapes in sets.items()
        for found in prefixes_of(shapes, needed)
        if wanted in (None, found)
    ]
    places = [place for place in places if agrees(sets[place.key], place.prefix, own)] or places
    if not places:
        best = max(sets, key=lambda key: closeness(sets[key], needed)[0])
        return Choice(best, closeness(sets[best], needed)[1] if wanted is None else wanted)
    keys = list(dict.fromkeys(place.key for place in places))
    if len(keys) > 1:
        ask_for_set(keys, sets, where)
    if len(places) > 1:
        ask_for_prefix([place.prefix for place in places], where)
    return places[0]


def group_of(key: str, tied: Mapping[str, str]) -> list[str]:
    """The names under any of which a file may have a tensor of the network."""
    return [plain_name(name) for name in (key, *(other for other, first in tied.items() if first == key))]


def prefixes_of(shapes: Shapes, needed: list[list[str]]) -> list[str]:
    """What the keys may begin with so that every needed name is among them."""
    names = {plain_name(key) for key in shapes}
    firsts = min(needed, key=len, default=[""])
    before = {name.removesuffix(first) for name in names for first in firsts if f".{name}".endswith(f".{first}")}
    fits = lambda prefix: all(any(prefix + name in names for name in group) for group in needed)  # noqa: E731
    return [prefix for prefix in sorted(before) if fits(prefix)]


def agrees(shapes: Shapes, prefix: str, own: Shapes) -> bool:
    """No key of this prefix has another shape than the network's."""
    plain = {plain_key(key): shape for key, shape in own.items()}
    found = {plain_key(key).removeprefix(prefix): shape for key, shape in shapes.items() if key.startswith(prefix)}
    return all(plain.get(key, shape) == shape for key, shape in found.items())


def closeness(shapes: Shapes, needed: list[list[str]]) -> tuple[int, str]:
    """How many needed names the best prefix finds, and that prefix; "" unless it finds most of them."""
    ends = {name for group in needed for name in group}
    names = {plain_name(key) for key in shapes}
    starts = Counter(name.removesuffix(end) for name in names for end in suffixes(name) if end in ends)
    starts[""] = starts[""]
    prefix = max(starts, key=lambda start: (starts[start], -len(start)))
    return (starts[prefix], prefix) if 2 * starts[prefix] > len(needed) else (starts[""], "")


def suffixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[index:]) for index in range(len(parts))]


def full_prefix(prefix: str, sets: Iterable[Iterable[str]], where: str) -> str:
    """With the dot that ends it; CompileError: no key begins so."""
    whole = plain_key(f"{prefix.rstrip('.')}.") if prefix else ""
    keys = [plain_key(key) for shapes in sets for key in shapes]
    if not any(key.startswith(whole) for key in keys):
        starts = list(dict.fromkeys(key.partition(".")[0] + "." for key in keys))[:LISTED]
        raise CompileError(where, f"--prefix {prefix}, with which no key begins", f"one of: {' '.join(starts)}")
    return whole


def is_unnamed(keys: Iterable[str]) -> bool:
    """A list of tensors, whose keys are their places."""
    return all(key.isdecimal() for key in keys)


def is_rival(shapes: Shapes, own: Shapes) -> bool:
    """Whether these may be the network's weights as well, all of them or many: names and shapes are, or all shapes."""
    wanted = {plain_name(key): shape for key, shape in own.items() if not key.endswith(COUNTER)}
    if is_unnamed(shapes):
        left = Counter(shapes.values()) - Counter(wanted.values())
        return not left and len(shapes) >= ENOUGH * len(wanted)
    found = {(end, shape) for key, shape in shapes.items() for end in suffixes(plain_name(key))}
    return len(found & wanted.items()) >= max(1, ENOUGH * len(wanted))


def ask_for_set(keys: list[str], sets: Mapping[str, Shapes], where: str) -> None:
    averaged = [key for key in keys if AVERAGED.search(key)]
    shown = [
        f"{key or 'its top'} ({len(sets[key])} tensors{', averaged by its name' * (key in averaged)}"
        f"{', without names' * is_unnamed(sets[key])})"
        for key in keys[:LISTED]
    ]
    found = f"holds {len(keys)} sets of weights for the network: {', '.join(shown)}"
    why = " (training mostly validates the average)" * bool(averaged)
    first, *others = [key for key in (averaged or keys) if key] + [key for key in keys if key not in averaged and key]
    also = f", or --weights-key {others[-1]}" if others else ""
    raise CompileError(where, found, "one, or a word which", f"say which: --weights-key {first}{why}{also}")


def ask_for_prefix(prefixes: list[str], where: str) -> None:
    shown = ", ".join(repr(prefix) for prefix in prefixes[:LISTED])
    averaged = next((prefix for prefix in prefixes if AVERAGED.search(prefix)), "")
    why = " (training mostly validates the average)" * bool(averaged)
    first = averaged or next(prefix for prefix in prefixes if prefix)
    also = next((f", or --prefix {prefix}" for prefix in prefixes if prefix and prefix != first), "")
    found = f"holds the network's weights {len(prefixes)} times, under keys that begin with {shown}"
    raise CompileError(where, found, "one, or a word which", f"say which: --prefix {first}{why}{also}")
