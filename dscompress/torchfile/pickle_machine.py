"""pickle_machine: runs a pickle's opcodes and makes inert values of them (inert.py). It imports and calls nothing.

Only the calls in REBUILD mean anything, and what they do is written here: containers and tensors. Every other class or
function becomes a Global, every call of one a Stub. Names of Python's own library that no checkpoint needs (os, posix,
subprocess, builtins.eval, ...) are refused by name: such a file is not what it seems.

Limits: the pickle's bytes and opcodes, the length of names and numbers. Nothing here recurses; a dict's keys are small
and shallow, so that neither hashing nor comparing them can be made slow or deep.
"""

from __future__ import annotations

import io
import pickletools
import sys
from collections.abc import Callable
from typing import Any

from dscompress.torchfile.inert import Global, Storage, Stub, Tensor, Unreadable, shown, tensor

MOST_BYTES = 32 << 20
MOST_OPCODES = 2_000_000
MOST_NAME = 300
MOST_INTEGER_BITS = 128

# Of Python's own library, what checkpoints name; "" stands for the whole module.
STANDARD_NAMES = {
    "builtins": "bool bytearray bytes complex dict float frozenset getattr int list object range set slice str tuple",
    "collections": "Counter OrderedDict defaultdict deque",
    "_codecs": "encode",
    "copyreg": "__newobj__ __newobj_ex__ _reconstructor",
    "functools": "partial",
    "argparse": "Namespace",
    "pathlib": "",
    "datetime": "",
    "decimal": "Decimal",
    "random": "Random",
    "__main__": "",
}
# What other versions of Python, 2 and 3.13, call a module.
OTHER_VERSIONS = {"__builtin__": "builtins", "copy_reg": "copyreg", "pathlib._local": "pathlib"}


class Machine:
    """run() gives the value of the pickle that begins `data`, and how many bytes it takes."""

    def __init__(self, data: bytes, persistent: Callable[[Any], Any]) -> None:
        self.data, self.persistent = data, persistent
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.names: dict[str, Global] = {}

    def run(self) -> tuple[Any, int]:
        reader, opcodes = io.BytesIO(self.data[:MOST_BYTES]), 0
        try:
            for opcode, argument, _ in pickletools.genops(reader):
                opcodes += 1
                if opcodes > MOST_OPCODES:
                    raise Unreadable(f"holds a pickle of more than {MOST_OPCODES:,} steps", damage=False)
                if opcode.name == "STOP":
                    return self.pop(), reader.tell()
                OPCODES.get(opcode.name, refuse(opcode.name))(self, argument)
        except ValueError as error:  # pickletools: an unknown opcode, or an argument that is cut short
            if len(self.data) >= MOST_BYTES:
                raise Unreadable(f"holds a pickle of more than {MOST_BYTES >> 20} MiB", damage=False) from None
            raise Unreadable(f"holds a damaged pickle ({shown(str(error))})") from None
        except IndexError:
            raise Unreadable("holds a damaged pickle (it takes from an empty stack)") from None
        raise Unreadable("holds a pickle without an end")

    def pop(self) -> Any:
        return self.stack.pop()

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items


def refuse(name: str) -> Callable:
    def refusal(machine: Machine, argument: Any) -> None:
        raise Unreadable(f"holds the pickle opcode {name}, which torch.save does not write", damage=False)

    return refusal


def push_constant(value: Any) -> Callable:
    return lambda machine, argument: machine.push(value)


def push_argument(machine: Machine, argument: Any) -> None:
    if type(argument) is int and argument.bit_length() > MOST_INTEGER_BITS:
        raise Unreadable(f"holds a number of {argument.bit_length():,} bits", damage=False)
    machine.push(argument)


def push_new(kind: type) -> Callable:
    return lambda machine, argument: machine.push(kind())


def nothing(machine: Machine, argument: Any) -> None:
    pass


def mark(machine: Machine, argument: Any) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def pop(machine: Machine, argument: Any) -> None:
    machine.pop_mark() if not machine.stack and machine.marks else machine.pop()


def pop_mark(machine: Machine, argument: Any) -> None:
    machine.pop_mark()


def duplicate(machine: Machine, argument: Any) -> None:
    machine.push(machine.stack[-1])


def get(machine: Machine, index: int) -> None:
    if index not in machine.memo:
        raise Unreadable(f"holds a damaged pickle (it asks for value {index}, which it never kept)")
    machine.push(machine.memo[index])


def put(machine: Machine, index: int) -> None:
    machine.memo[index] = machine.stack[-1]


def memoize(machine: Machine, argument: Any) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def tuple_of(count: int) -> Callable:
    def make(machine: Machine, argument: Any) -> None:
        if len(machine.stack) < count:
            raise IndexError
        items = tuple(machine.stack[-count:])
        del machine.stack[-count:]
        machine.push(items)

    return make


def tuple_to_mark(machine: Machine, argument: Any) -> None:
    items = machine.pop_mark()
    machine.push(tuple(items))


def list_to_mark(machine: Machine, argument: Any) -> None:
    items = machine.pop_mark()
    machine.push(items)


def append(machine: Machine, argument: Any) -> None:
    item = machine.pop()
    extend(machine.stack[-1], [item])


def appends(machine: Machine, argument: Any) -> None:
    items = machine.pop_mark()
    extend(machine.stack[-1], items)


def extend(target: Any, items: list[Any]) -> None:
    """A list grows. What was appended to an object that was not made is of no use here."""
    if isinstance(target, list):
        target.extend(items)
    elif not isinstance(target, Stub):
        raise Unreadable("holds a damaged pickle (it appends to what is no list)")


def set_item(machine: Machine, argument: Any) -> None:
    value, key = machine.pop(), machine.pop()
    update(machine.stack[-1], [key, value])


def set_items(machine: Machine, argument: Any) -> None:
    items = machine.pop_mark()
    update(machine.stack[-1], items)


def update(target: Any, items: list[Any]) -> None:
    if len(items) % 2:
        raise Unreadable("holds a damaged pickle (a dict has a key without a value)")
    if isinstance(target, dict):
        for key, value in zip(items[0::2], items[1::2], strict=True):
            target[checked_key(key)] = value
    elif not isinstance(target, Stub):
        raise Unreadable("holds a damaged pickle (it sets an item of what is no dict)")


def checked_key(key: Any) -> Any:
    """Records count as different keys each; tuples may hold only what could be a key of its own."""
    if isinstance(key, tuple) and len(key) <= 8 and all(is_small(part) for part in key):
        return key
    if is_small(key) or isinstance(key, (Global, Stub, Storage, Tensor)):
        return key
    raise Unreadable("holds a dict with a key that is neither text, number nor name", damage=False)


def is_small(value: Any) -> bool:
    if type(value) is int:
        return value.bit_length() < 64
    return value is None or type(value) in (str, bytes, float, bool)


def global_of(machine: Machine, argument: str) -> None:
    machine.push(named(machine, *argument.split(" ", 1)))


def global_from_stack(machine: Machine, argument: Any) -> None:
    name, module = machine.pop(), machine.pop()
    if type(name) is not str or type(module) is not str:
        raise Unreadable("holds a damaged pickle (it names a class by what is no text)")
    machine.push(named(machine, module, name))


def named(machine: Machine, module: str, name: str) -> Global:
    if len(module) > MOST_NAME or len(name) > MOST_NAME:
        raise Unreadable(f"names something by more than {MOST_NAME} letters", damage=False)
    module = OTHER_VERSIONS.get(module, module)
    top = module.partition(".")[0]
    if top in STANDARD_NAMES:
        allowed = module == top and (not STANDARD_NAMES[top] or name in STANDARD_NAMES[top].split())
    else:
        allowed = top not in sys.stdlib_module_names
    if not allowed:
        raise Unreadable(
            f"names {shown(module)}.{shown(name)}, which no checkpoint needs and which was not run", damage=False
        )
    text = f"{module} {name}"
    return machine.names.setdefault(text, Global(text))


def reduce(machine: Machine, argument: Any) -> None:
    arguments, called = machine.pop(), machine.pop()
    machine.push(call(called, arguments))


def new_object(machine: Machine, argument: Any) -> None:
    reduce(machine, argument)


def new_object_with_keywords(machine: Machine, argument: Any) -> None:
    machine.pop()
    reduce(machine, argument)


def call(called: Any, arguments: Any) -> Any:
    if not isinstance(called, Global):
        raise Unreadable("calls what is no named class or function", damage=False)
    if not isinstance(arguments, tuple):
        raise Unreadable("holds a damaged pickle (it calls with what is no tuple)")
    rebuild = REBUILD.get(called.name)
    if rebuild is None:
        return Stub(called.name, arguments)
    try:
        return rebuild(*arguments)
    except TypeError:  # from the call itself: the wrong number of arguments
        raise Unreadable(f"calls {called.name.replace(' ', '.')} with other arguments than PyTorch does") from None


def build(machine: Machine, argument: Any) -> None:
    """An object's state is kept as data. A dict's attributes (an OrderedDict's _metadata) are of no use here."""
    state, target = machine.pop(), machine.stack[-1]
    if isinstance(target, Stub):
        target.state = state
    elif not isinstance(target, dict):
        raise Unreadable("sets the state of what is no object", damage=False)


def persistent_id(machine: Machine, argument: Any) -> None:
    machine.push(machine.persistent(machine.pop()))


def mapping(*arguments: Any) -> dict:
    """OrderedDict(), defaultdict(factory), Counter({...}). Nothing is copied: copies of copies would grow."""
    given = [argument for argument in arguments if not isinstance(argument, Global)]
    if not given:
        return {}
    if len(given) == 1 and isinstance(given[0], dict):
        return given[0]
    raise Unreadable("holds a dict as Python 2 wrote it, by pairs", damage=False)


def collection(items: Any = ()) -> Any:
    return items if isinstance(items, (list, tuple)) else ()


def rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> Tensor:
    return tensor(storage, offset, shape, strides)


def rebuild_parameter(data: Any, *_: Any) -> Tensor:
    if not isinstance(data, Tensor):
        raise Unreadable("holds a parameter that is no tensor")
    return data


REBUILD: dict[str, Callable[..., Any]] = {
    "collections OrderedDict": mapping,
    "collections defaultdict": mapping,
    "collections Counter": mapping,
    "builtins dict": mapping,
    "builtins set": collection,
    "builtins frozenset": collection,
    "builtins list": collection,
    "torch Size": collection,
    "torch._utils _rebuild_tensor": rebuild_tensor,
    "torch._utils _rebuild_tensor_v2": rebuild_tensor,
    "torch._utils _rebuild_parameter": rebuild_parameter,
    "torch._utils _rebuild_parameter_with_state": rebuild_parameter,
}

OPCODES: dict[str, Callable[[Machine, Any], None]] = {
    "PROTO": nothing,
    "FRAME": nothing,
    "NONE": push_constant(None),
    "NEWTRUE": push_constant(True),
    "NEWFALSE": push_constant(False),
    **dict.fromkeys(("BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT"), push_argument),
    **dict.fromkeys(("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "BINSTRING", "SHORT_BINSTRING"), push_argument),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"), push_argument),
    "MARK": mark,
    "POP": pop,
    "POP_MARK": pop_mark,
    "DUP": duplicate,
    **dict.fromkeys(("BINGET", "LONG_BINGET"), get),
    **dict.fromkeys(("BINPUT", "LONG_BINPUT"), put),
    "MEMOIZE": memoize,
    "EMPTY_TUPLE": push_constant(()),
    "TUPLE1": tuple_of(1),
    "TUPLE2": tuple_of(2),
    "TUPLE3": tuple_of(3),
    "TUPLE": tuple_to_mark,
    "EMPTY_LIST": push_new(list),
    "APPEND": append,
    "APPENDS": appends,
    "EMPTY_SET": push_new(list),
    "ADDITEMS": appends,
    "FROZENSET": list_to_mark,
    "EMPTY_DICT": push_new(dict),
    "SETITEM": set_item,
    "SETITEMS": set_items,
    "GLOBAL": global_of,
    "STACK_GLOBAL": global_from_stack,
    "REDUCE": reduce,
    "NEWOBJ": new_object,
    "NEWOBJ_EX": new_object_with_keywords,
    "BUILD": build,
    "BINPERSID": persistent_id,
}
