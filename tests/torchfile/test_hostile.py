"""Files of an attacker who writes every byte: each is refused with a sentence, quickly, and nothing that it names runs.

An audit hook watches what Python does meanwhile: no import, no code object run, no process, no file but the one given.
"""

import os
import pickle
import resource
import struct
import sys
import time
import zipfile

import pytest
import torch

from dscompress import deepshift
from dscompress.errors import CompileError
from tests.deepshift import originals
from tests.torchfile import forge
from tests.torchfile.forge import (
    call,
    counts,
    legacy_bytes,
    mapping,
    named,
    number,
    storage,
    tensor,
    text,
    tuple_of,
    write,
    zip_bytes,
)
from tests.torchfile.forge import weights as weights_of

WATCHED = ("import", "exec", "compile", "os.", "subprocess", "socket", "ctypes", "shutil", "pickle", "marshal")
HARMLESS = ("os.listdir", "os.scandir")
events: list[str] = []
watching = False


def hook(event: str, arguments: tuple) -> None:
    if watching and event.startswith(WATCHED) and event not in HARMLESS:
        events.append(event)
    if watching and event == "open" and arguments[1] not in ("r", "rb"):
        events.append(f"open {arguments}")


sys.addaudithook(hook)


def load(path):
    """deepshift.load, watched; everything is loaded once before, so that what is imported lazily is imported."""
    global watching
    watching = True
    try:
        return deepshift.load(path)
    finally:
        watching = False


@pytest.fixture(autouse=True)
def nothing_happens(tmp_path):
    load(write(tmp_path, zip_bytes(weights_of()), "warm.pth"))
    load(write(tmp_path, legacy_bytes(weights_of()), "warm.pth"))
    events.clear()
    yield
    assert events == []


def refusal(tmp_path, data: bytes) -> str:
    path = write(tmp_path, data)
    started = time.process_time()
    with pytest.raises(CompileError) as caught:
        load(path)
    assert time.process_time() - started < 5
    sentence = str(caught.value)
    assert sentence.startswith(f"{path}: ") and sentence.isprintable() and len(sentence) < 1000
    return sentence


BOTH = pytest.mark.parametrize("contain", [zip_bytes, legacy_bytes], ids=["zip", "legacy"])


@BOTH
def test_hand_made_files_load(tmp_path, contain):
    found = load(write(tmp_path, contain(weights_of())))
    assert found.state["fc.weight"].tolist() == [[1.0, 1.0], [1.0, 1.0]]


CODE = [
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"), ("builtins", "eval"),
    ("builtins", "exec"), ("builtins", "__import__"), ("builtins", "open"), ("__builtin__", "eval"),
    ("os.path", "join"), ("io", "open"), ("importlib", "import_module"), ("pickle", "loads"), ("marshal", "loads"),
    ("types", "CodeType"),
    ("types", "FunctionType"), ("operator", "attrgetter"), ("runpy", "run_path"), ("ctypes", "CDLL"), ("sys", "exit"),
    ("shutil", "rmtree"), ("socket", "socket"), ("webbrowser", "open"), ("pty", "spawn"), ("code", "interact"),
    ("timeit", "timeit"), ("cProfile", "run"), ("asyncio", "run"), ("multiprocessing.util", "spawnv_passfds"),
    ("collections", "namedtuple"), ("functools", "reduce"), ("builtins.os", "system"), ("copyreg", "add_extension"),
]  # fmt: skip


@BOTH
@pytest.mark.parametrize("module, name", CODE)
def test_names_of_code_are_refused_by_name(tmp_path, contain, module, name):
    payload = call(named(module, name), text("touch marker"))
    sentence = refusal(tmp_path, contain(weights_of(optimizer=payload)))
    assert f"{module.replace('__builtin__', 'builtins')}.{name}, which no checkpoint needs" in sentence


@pytest.mark.parametrize("opcodes", [
    text("os") + text("system") + b"\x93" + tuple_of(text("id")) + b"R",  # STACK_GLOBAL
    b"(" + named("os", "system") + text("id") + b"o",  # OBJ
    b"(" + text("id") + b"ios\nsystem\n",  # INST
    named("os", "system") + tuple_of(text("id")) + b"\x81",  # NEWOBJ
    named("os", "system") + tuple_of(text("id")) + b"}\x92",  # NEWOBJ_EX
    text("os") + text("sys") + b"0" + text("system") + b"\x93",
    b"\x82\x01", b"\x83\x01\x00", b"\x84\x01\x00\x00\x00",  # EXT: the extension registry
    b"Pos.system\n",  # PERSID
    b"\x97", b"\x98",  # buffers out of band
    b"I1\n", b"L1L\n", b"F1\n", b"S'a'\n", b"Va\n", b"g0\n", b"p0\n",  # what only protocol 0 has
])  # fmt: skip
def test_other_ways_to_name_and_to_call(tmp_path, opcodes):
    refusal(tmp_path, zip_bytes(weights_of(optimizer=opcodes)))


SYSTEM = named("evil", "System")
STUBS = {
    "a foreign call": call(SYSTEM, text("id")),
    "a call in a call": call(SYSTEM, call(SYSTEM, call(SYSTEM))),
    "getattr": call(named("builtins", "getattr"), SYSTEM, text("__globals__")),
    "state": call(SYSTEM) + mapping(("__class__", SYSTEM), ("__reduce__", SYSTEM)) + b"b",
    "slots": call(SYSTEM) + tuple_of(b"N", mapping(("__dict__", b"N"), ("__class__", SYSTEM))) + b"b",
    "setstate": call(SYSTEM) + mapping(("__setstate__", SYSTEM)) + b"b" + text("id") + b"b",
    "append": call(SYSTEM) + text("id") + b"a" + b"(" + text("id") + b"e",
    "items": call(SYSTEM) + text("a") + text("b") + b"s" + b"(" + text("a") + text("b") + b"u",
    "torch.load": call(named("torch.serialization", "load"), text("/etc/passwd")),
    "torch.hub": call(named("torch.hub", "load"), text("evil/repo")),
    "numpy": call(named("numpy.core.multiarray", "_reconstruct"), named("numpy", "ndarray"), counts(0), b"C\x01b")
    + tuple_of(number(1), counts(1 << 40), b"N", b"\x89", b"C\x00") + b"b",
    "numpy.load": call(named("numpy", "load"), text("/etc/passwd")),
    "a name with dots": named("torch", "nn.functional.__loader__.load_module"),
    "itself": call(SYSTEM) + b"q\x07" + mapping(("self", b"h\x07")) + b"b",
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("payload", STUBS.values(), ids=STUBS.keys())
def test_foreign_objects_are_stubs_that_do_nothing(tmp_path, contain, payload):
    found = load(write(tmp_path, contain(weights_of(optimizer=payload))))
    assert found.state["fc.weight"].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_a_stub_is_nothing_that_can_be_called(tmp_path):
    called = call(SYSTEM) + tuple_of(text("id")) + b"R"
    assert "calls what is no named class or function" in refusal(tmp_path, zip_bytes(weights_of(optimizer=called)))
    for target in (SYSTEM, text("x"), tensor(storage()), number(1), b"]"):
        built = target + mapping(("__call__", SYSTEM)) + b"b"
        assert "sets the state of what is no object" in refusal(tmp_path, zip_bytes(weights_of(optimizer=built)))


def test_a_pickle_cannot_change_how_tensors_are_made(tmp_path):
    """BUILD on the function that makes tensors, or a method put into it."""
    rebuild = named("torch._utils", "_rebuild_tensor_v2")
    for opcodes in (rebuild + mapping(("__code__", SYSTEM)) + b"b", rebuild + text("a") + text("b") + b"s"):
        refusal(tmp_path, zip_bytes(weights_of(optimizer=opcodes)))


TENSORS = {
    "beyond the storage": (tensor(storage(), 0, counts(3, 2)), "which its storage of 4 elements does not hold"),
    "an offset beyond": (tensor(storage(), 1), "at offset 1"),
    "a huge offset": (tensor(storage(), 1 << 62), "no lists of counts"),
    "a negative offset": (tensor(storage(), -1), "no lists of counts"),
    "a negative stride": (tensor(storage(), 3, counts(2, 2), counts(2, -1)), "no lists of counts"),
    "a negative size": (tensor(storage(), 0, counts(-2, -2)), "no lists of counts"),
    "a huge size": (tensor(storage(), 0, counts(1 << 40, 1 << 40), counts(0, 0)), "does not hold"),
    "an overflow": (tensor(storage(), 0, counts(1 << 33, 1 << 33), counts(1 << 31, 1)), "does not hold"),
    "stride 0": (tensor(storage(), 0, counts(100, 2), counts(0, 1)), "does not hold"),
    "other ranks": (tensor(storage(), 0, counts(2, 2), counts(1)), "no lists of counts"),
    "too many dimensions": (tensor(storage(), 0, counts(*[1] * 9), counts(*[1] * 9)), "no lists of counts"),
    "a size of floats": (tensor(storage(), 0, tuple_of(b"G?\xf0" + bytes(6))), "no lists of counts"),
    "a size of bools": (tensor(storage(), 0, tuple_of(b"\x88", b"\x88")), "no lists of counts"),
    "a size that is a list": (tensor(storage(), 0, b"](" + number(2) + number(2) + b"e"), "no lists of counts"),
    "no storage": (tensor(text("0")), "without a storage"),
    "a wrong call": (call(named("torch._utils", "_rebuild_tensor_v2"), storage()), "with other arguments"),
    "a parameter of nothing": (call(named("torch._utils", "_rebuild_parameter"), b"N", b"\x88", b"}"), "no tensor"),
    "an unknown type": (tensor(storage(kind=named("torch", "QInt8Storage"))), "torch QInt8Storage"),
    "a type of another module": (tensor(storage(kind=named("evil", "FloatStorage"))), "evil FloatStorage"),
    "a type that is text": (tensor(storage(kind=text("torch FloatStorage"))), "no class"),
    "a storage of another size": (tensor(storage(elements=5)), "storage 0"),
    "a storage described twice": (tensor(storage(kind=named("torch", "IntStorage"))), "storage 0 in two ways"),
    "a storage that is not there": (tensor(storage("1")), "storage"),
    "a storage with a path": (tensor(storage("../data.pkl")), "storage"),
    "a storage of many elements": (tensor(storage(elements=1 << 45)), "storage"),
    "a negative storage": (tensor(storage(elements=-4)), "storage"),
    "a reference of another kind": (tensor(tuple_of(text("file"), text("/etc/passwd")) + b"Q"), "reference"),
    "a reference that is a number": (tensor(number(7) + b"Q"), "reference"),
    "a reference that is a list": (tensor(b"]" + b"Q"), "reference"),
}  # fmt: skip


@BOTH
@pytest.mark.parametrize("shift, part", TENSORS.values(), ids=TENSORS.keys())
def test_tensors_that_are_not_in_the_file(tmp_path, contain, shift, part):
    data = contain(weights_of(shift))
    assert part in refusal(tmp_path, data)


def test_views_of_one_storage_are_allowed_but_not_without_end(tmp_path):
    shared = storage(elements=4)
    two = state_of(("a.shift", tensor(shared)), ("a.sign", tensor(shared, 0, counts(2, 2), counts(1, 2))))
    assert load(write(tmp_path, zip_bytes(two))).state["a.weight"].shape == (2, 2)
    floats = bytes(4 * 250_000)
    view = b"q\x07"
    many = [("l0.weight", tensor(storage(elements=250_000), 0, counts(500, 500), counts(500, 1)) + view)]
    many += [(f"l{index}.weight", b"h\x07") for index in range(1, 1000)]
    sentence = refusal(tmp_path, zip_bytes(state_of(*many), {"0": floats}))
    assert "claims 1,000,000,000 bytes of weights in" in sentence


def state_of(*pairs: tuple[str, bytes]) -> bytes:
    return forge.START + mapping(*pairs) + forge.STOP


def test_transposed_and_shifted_views_are_read_as_pytorch_reads_them(tmp_path):
    base = torch.randn(6, 8)
    state = {"a.weight": base[1:5, 2:6].t(), "b.weight": base[::2, ::3], "c.weight": base.double()[3:], "d": base[0, 0]}
    for legacy in (False, True):
        found = load(originals.save(tmp_path / "x.pth", state, legacy))
        assert all(torch.equal(found.latent[key], value) for key, value in state.items())


NESTS = {"tuples": b"N" + b"\x85" * 100_000, "lists": b"]" * 100_000 + b"a" * 99_999,
         "dicts": b"}N" * 100_000 + b"N" + b"s" * 100_000,
         "stubs": SYSTEM + b"q\x01)R" + b"q\x020" + (b"h\x01)R" * 100_000) + b"b" * 99_999}  # fmt: skip


@pytest.mark.parametrize("opcodes", NESTS.values(), ids=NESTS.keys())
def test_depth(tmp_path, opcodes):
    """Hundreds of thousands of values inside one another: built, dropped, and never walked into."""
    load(write(tmp_path, zip_bytes(weights_of(optimizer=opcodes))))


def test_a_deep_key_is_refused_before_it_is_hashed(tmp_path):
    assert "a key that is neither" in refusal(tmp_path, zip_bytes(weights_of(optimizer=b"}" + NESTS["tuples"] + b"Ns")))


def test_bombs_of_references_stay_small(tmp_path):
    """Lists of ten references to a list of ten references ..., and the same with modules, whose paths multiply."""
    lists = b"]q\x00" + b"".join(
        b"0](" + bytes([ord("h"), level]) * 10 + b"e" + bytes([ord("q"), level + 1]) for level in range(30)
    )
    load(write(tmp_path, zip_bytes(weights_of(optimizer=lists))))
    module = named("torch.nn", "Module") + b")\x81"
    tree = module + mapping(("_modules", b"}")) + b"bq\x00"
    for level in range(30):
        children = mapping(*((f"c{index}", bytes([ord("h"), level])) for index in range(10)))
        tree += module + mapping(("_modules", children)) + b"b" + bytes([ord("q"), level + 1])
    sentence = refusal(tmp_path, zip_bytes(forge.START + tree + forge.STOP))
    assert "more modules than any network has" in sentence


def test_a_module_that_contains_itself(tmp_path):
    module = named("torch.nn", "Module") + b")\x81q\x07" + mapping(("_modules", mapping(("child", b"h\x07")))) + b"b"
    assert "more modules" in refusal(tmp_path, zip_bytes(forge.START + module + forge.STOP))


def test_too_many_steps_names_and_numbers(tmp_path):
    assert "more than 2,000,000 steps" in refusal(tmp_path, zip_bytes(weights_of(optimizer=b"N0" * 1_100_000)))
    assert "by more than 300 letters" in refusal(tmp_path, zip_bytes(weights_of(optimizer=named("a" * 400, "b"))))
    long = b"\x8b" + struct.pack("<i", 100_000) + b"\x01" * 100_000
    assert "a number of 799,993 bits" in refusal(tmp_path, zip_bytes(weights_of(optimizer=long)))
    huge = b"\x8d" + struct.pack("<Q", 1 << 60)  # BINUNICODE8
    assert "damaged pickle" in refusal(tmp_path, zip_bytes(weights_of(optimizer=huge)))
    frame = b"\x95" + struct.pack("<Q", 1 << 60)
    load(write(tmp_path, zip_bytes(weights_of(optimizer=frame + b"N"))))
    memo = b"N" + b"r" + struct.pack("<I", 0xFFFFFFFF)  # LONG_BINPUT far away
    load(write(tmp_path, zip_bytes(weights_of(optimizer=memo))))


def test_keys_that_collide_are_refused_or_cheap(tmp_path):
    prime = (1 << 61) - 1
    many = b"}(" + b"".join(number(prime * index) + b"N" for index in range(1, 50_000)) + b"u"
    assert "a key that is neither" in refusal(tmp_path, zip_bytes(weights_of(optimizer=many)))
    started = time.process_time()
    fine = b"}(" + b"".join(number(index << 45) + b"N" for index in range(1, 50_000)) + b"u"
    load(write(tmp_path, zip_bytes(weights_of(optimizer=fine))))
    assert time.process_time() - started < 5


@pytest.mark.parametrize("opcodes", [b"0" * 9, b"t", b"\x85", b"\x87", b"R", b"b", b"s", b"u", b"e", b"a", b"Q",
                                     b"h\x09", b"2", b"1", b"(" * 5, b"\xff", b"", b"\x93", b"\x92"])  # fmt: skip
def test_stacks_that_run_empty(tmp_path, opcodes):
    refusal(tmp_path, zip_bytes(forge.START + opcodes + forge.STOP))
    refusal(tmp_path, legacy_bytes(forge.START + opcodes + forge.STOP, {}))


def test_names_cannot_draw_on_the_terminal(tmp_path):
    for name in ("\x1b[2Jevil", "\u202eevil", "a\nb", "\ud800"):
        written = name.encode("utf-8", "surrogatepass")
        key = b"X" + struct.pack("<I", len(written)) + written
        state = forge.START + b"}(" + key + tensor(storage()) + b"u" + forge.STOP
        assert "a tensor called" in refusal(tmp_path, zip_bytes(state))
        top = forge.START + b"}(" + key + b"N" + b"u" + forge.STOP
        refusal(tmp_path, zip_bytes(top))


# -- containers ---------------------------------------------------------------------------------------------------


def test_every_truncation(tmp_path):
    for contain in (zip_bytes, legacy_bytes):
        whole = contain(weights_of())
        for length in range(0, len(whole), 3):
            refusal(tmp_path, whole[:length])


def test_appended_and_glued_bytes(tmp_path):
    for contain in (zip_bytes, legacy_bytes):
        refusal(tmp_path, contain(weights_of()) + b"\0")
        refusal(tmp_path, contain(weights_of()) + contain(weights_of()))


def test_a_second_pickle_behind_the_first(tmp_path):
    assert "goes on after its end" in refusal(tmp_path, zip_bytes(weights_of() + weights_of()))


def test_zip_tricks(tmp_path):
    good = zip_bytes(weights_of())
    with pytest.warns(UserWarning, match="Duplicate name"):
        twice = zip_bytes(weights_of(), more={"archive/data/0": forge.FLOATS * 4})
    assert "two members called" in refusal(tmp_path, twice)
    assert "compressed or encrypted" in refusal(tmp_path, zip_bytes(weights_of(), compression=zipfile.ZIP_DEFLATED))
    bomb = zip_bytes(weights_of(), {"0": bytes(50 << 20)}, compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 1 << 20 and "compressed" in refusal(tmp_path, bomb)
    assert "not all of it is in one folder" in refusal(tmp_path, zip_bytes(weights_of(), more={"other/x": b""}))
    assert "not all of it is in one folder" in refusal(tmp_path, zip_bytes(weights_of(), more={"../x": b""}))
    assert "has two names" in refusal(tmp_path, good.replace(b"archive/data/0", b"archive/data/1", 1))
    assert "big-endian" in refusal(tmp_path, zip_bytes(weights_of()).replace(b"little", b"big___").replace(
        struct.pack("<I", zip_crc(b"little")), struct.pack("<I", zip_crc(b"big___"))))  # fmt: skip
    assert "holds no data.pkl" in refusal(tmp_path, good.replace(b"data.pkl", b"date.pkl"))


def zip_crc(data: bytes) -> int:
    return zipfile.crc32(data)


def test_zip_members_that_overlap(tmp_path):
    """Two directory entries that share one local header, as in bombs whose files lie inside one another."""
    good = zip_bytes(weights_of(), {"0": forge.FLOATS * 4, "1": forge.FLOATS * 4})
    with zipfile.ZipFile(write(tmp_path, good, "x.zip")) as archive:
        first, second = archive.getinfo("archive/data/0"), archive.getinfo("archive/data/1")
    directory = good.rindex(b"PK\x01\x02", 0, good.index(b"archive/data/1", second.header_offset + 60))
    changed = bytearray(good)
    changed[directory + 42 : directory + 46] = struct.pack("<I", first.header_offset)
    refusal(tmp_path, bytes(changed))


def test_every_field_of_the_zip_headers(tmp_path):
    """Each byte of the directory and the end record, with values that break sizes: an error, or the same weights."""
    good = zip_bytes(weights_of())
    start = good.index(b"PK\x01\x02")
    for position in range(start, len(good)):
        for value in (0, 0x7F, 0xFF):
            changed = bytearray(good)
            changed[position] = value
            path = write(tmp_path, bytes(changed))
            try:
                found = load(path)
            except CompileError:
                continue
            assert found.state["fc.weight"].tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_flips_in_zip_contents_are_found(tmp_path):
    good = zip_bytes(weights_of())
    position = good.index(forge.FLOATS * 4)
    changed = bytearray(good)
    changed[position] ^= 1
    assert "the checksum of data/0 is wrong" in refusal(tmp_path, bytes(changed))


def test_legacy_tricks(tmp_path):
    pickled = weights_of()
    big = pickle.dumps({"little_endian": False, "protocol_version": 1001}, 2)
    assert "big-endian" in refusal(tmp_path, legacy_bytes(pickled, system=big))
    assert "big-endian" in refusal(tmp_path, legacy_bytes(pickled, system=pickle.dumps([], 2)))
    evil = forge.START + call(named("os", "system"), text("id")) + forge.STOP
    assert "os.system" in refusal(tmp_path, legacy_bytes(pickled, system=evil))
    assert "os.system" in refusal(tmp_path, forge.MAGIC + evil)
    assert "goes on for 1 bytes" in refusal(tmp_path, legacy_bytes(pickled, end=b"\0"))
    assert "other storages than it uses" in refusal(tmp_path, legacy_bytes(pickled, keys=[]))
    assert "other storages than it uses" in refusal(tmp_path, legacy_bytes(pickled, keys=["0", "1"]))
    assert "list of storages is none" in refusal(tmp_path, legacy_bytes(pickled, keys=["0", "0"]))
    assert "list of storages is none" in refusal(tmp_path, legacy_bytes(pickled, keys=[0]))
    assert "4 elements, and holds 5" in refusal(tmp_path, legacy_bytes(pickled, {"0": forge.FLOATS * 5}))
    assert "it is truncated" in refusal(tmp_path, legacy_bytes(pickled)[:-1])
    view = storage(view=tuple_of(text("0"), number(0), number(4)))
    assert "before 0.4" in refusal(tmp_path, legacy_bytes(weights_of(tensor(view))))
    assert "no torch.save file" in refusal(tmp_path, forge.MAGIC.replace(b"\x19.", b"\x18.") + forge.PROTOCOL)


def test_other_files(tmp_path):
    short = (b"", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), b"\x80\x02.", b"hello")
    for data in (*short, os.urandom(5000), bytes(99_999)):
        refusal(tmp_path, data)
    with pytest.raises(CompileError, match="cannot be read"):
        load(tmp_path / "nothing.pth")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(CompileError, match="is no file"):
            load(path)


def test_a_large_claim_costs_no_memory(tmp_path):
    """A sparse file of 40 GB whose storage says that it is all weights."""
    elements = 10 << 30
    pickled = weights_of(tensor(storage(elements=elements), 0, counts(elements), counts(1)))
    head = legacy_bytes(pickled.replace(storage(elements=4), storage(elements=elements)), {"0": b""})[:-8]
    path = write(tmp_path, head + struct.pack("<q", elements))
    os.truncate(path, path.stat().st_size + 4 * elements)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CompileError, match="claims 42,949,673,000 bytes|bytes of weights in"):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
    path.unlink()
