"""Networks are recognised by keys and shapes, compute what they should, and others are refused by what differs."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from dscompress import deepshift
from dscompress.deepshift.architectures import TABLES, recognise, shapes_of
from dscompress.errors import CompileError
from dscompress.models import cifar, imagenet, mnist
from tests.deepshift import originals


def on_meta(table: dict, name: str, classes: int = 10) -> torch.nn.Module:
    with torch.device("meta"):
        return table[name](classes)


def shift_keys(network: torch.nn.Module, method: str) -> list[str]:
    return list(originals.converted(network.to_empty(device="cpu"), method, 5))


def test_the_published_resnet18_has_these_keys():
    network = on_meta(cifar.MODELS, "resnet18")
    keys = shift_keys(network, "ps")
    assert len(keys) == 122 and len(shift_keys(network, "q")) == 104
    assert keys[:3] == ["conv1.shift", "conv1.sign", "bn1.weight"]
    assert keys[-3:] == ["linear.shift", "linear.sign", "linear.bias"] and "layer1.0.conv1.shift" in keys
    shapes = shapes_of(network.state_dict())
    assert shapes["conv1.weight"] == (64, 3, 3, 3) and shapes["linear.weight"] == (10, 512)
    assert sum(value.numel() for value in network.state_dict().values() if value.dim() > 1) == 10_992_320


@pytest.mark.parametrize("name, parameters", [
    ("resnet20", 269_722), ("resnet56", 853_018), ("resnet110", 1_727_962), ("mobilenetv2", 2_296_922),
    ("resnet50", 23_520_842), ("vgg16", 14_724_042), ("resnet20_shift", 272_484),
])  # fmt: skip
def test_sizes(name, parameters):
    network = on_meta(cifar.MODELS, name)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_a_shortcut_without_weights_by_hand():
    x = torch.arange(2 * 4 * 4, dtype=torch.float32).reshape(1, 2, 4, 4)
    y = cifar.Subsample(1)(x)
    assert y.shape == (1, 4, 2, 2)
    assert y[0, 0].eq(0).all() and y[0, 3].eq(0).all()
    assert y[0, 1].tolist() == [[0, 2], [8, 10]] and y[0, 2].tolist() == [[16, 18], [24, 26]]


def test_a_block_by_hand():
    block = originals.trained(cifar.Basic(16, 32, 2))
    x = torch.randn(2, 16, 8, 8)
    y = functional.relu(block.bn1(functional.conv2d(x, block.conv1.weight, stride=2, padding=1)))
    y = block.bn2(functional.conv2d(y, block.conv2.weight, padding=1))
    padded = torch.zeros(2, 32, 4, 4)
    padded[:, 8:24] = x[:, :, ::2, ::2]
    assert torch.allclose(block(x), functional.relu(y + padded))


@pytest.mark.parametrize("table, names, size", [
    (cifar, ["resnet20", "resnet18", "resnet50", "mobilenetv2", "vgg11", "resnet20_shift"], (3, 32, 32)),
    (mnist, list(mnist.MODELS), (1, 28, 28)),
    (imagenet, ["mobilenetv1", "mobilenetv2", "resnet18", "googlenet"], (3, 224, 224)),
])  # fmt: skip
def test_every_network_gives_a_score_for_each_class(table, names, size):
    for name in names:
        with torch.device("meta"):
            assert table.MODELS[name](7).eval()(torch.zeros(2, *size)).shape == (2, 7), name


@pytest.mark.parametrize("table, name", [
    ("cifar", "resnet32"), ("cifar", "mobilenetv2"), ("cifar", "vgg11"), ("mnist", "simple_linear"),
    ("mnist", "simple_conv"), ("imagenet", "mobilenetv1"), ("imagenet", "mobilenet_v2"),
])  # fmt: skip
def test_recognised_by_keys_alone(tmp_path, table, name):
    classes = 1000 if table == "imagenet" else 10
    network = originals.trained(on_meta(TABLES[table], name, classes).to_empty(device="cpu"))
    state = originals.converted(network, "ps", 4)
    found = deepshift.load(originals.save(tmp_path / "weights.pth", originals.with_prefix(state, "module.")))
    network = recognise(found)
    assert (network.table, network.name) == (table, name)
    assert network.dataset.classes == classes and found.arch is None


def test_older_files_lack_counters(tmp_path):
    state = originals.converted(originals.trained(cifar.MODELS["resnet20"](10)), "ps", 4)
    state = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    found = deepshift.load(originals.save(tmp_path / "weights.pth", state))
    assert deepshift.build(found)(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    deepshift.into_model(found)


def test_the_data_set_of_a_torchvision_network_is_in_the_path(tmp_path):
    network = on_meta(imagenet.MODELS, "squeezenet1_1", 10).to_empty(device="cpu")
    state = originals.converted(originals.trained(network), "ps", 4)
    path = tmp_path / "models/cifar10/squeezenet1_1/shift_ps_all_wb_4/checkpoint.pth.tar"
    assert recognise(deepshift.load(originals.save(path, state))).dataset.input_shape == (1, 3, 32, 32)
    assert recognise(deepshift.load(originals.save(tmp_path / "weights.pth", state))).dataset is None


def mismatched(tmp_path, state: dict, arch: str | None) -> str:
    content = originals.checkpoint(state, arch) if arch else state
    found = deepshift.load(originals.save(tmp_path / "models/cifar10/x/shift_ps_all_wb_5/checkpoint.pth.tar", content))
    with pytest.raises(CompileError) as caught:
        deepshift.build(found)
    return str(caught.value)


def test_another_architecture_is_one_sentence(tmp_path):
    state = originals.converted(originals.trained(cifar.MODELS["resnet20"](10)), "ps", 5)
    del state["layer1.0.bn1.weight"]
    state["layer1.0.bn7.weight"] = torch.ones(16)
    state["bn1.bias"] = torch.ones(17)
    sentence = mismatched(tmp_path, state, "resnet20")
    for part in (
        "its keys do not fit resnet20 (cifar): 1 missing (layer1.0.bn1.weight); 1 unexpected (layer1.0.bn7.weight); ",
        "1 of another shape (bn1.bias: (17,) in the file, (16,) in the network); it is a checkpoint of another network",
    ):
        assert part in sentence
    assert "calls its network 'squarenet', and no known one has its keys (conv1.weight, bn1.weight, bn1.bias, ...)" in (
        mismatched(tmp_path, state, "squarenet"))  # fmt: skip


def test_a_wrong_name_does_not_matter(tmp_path):
    state = originals.converted(originals.trained(cifar.MODELS["resnet20"](10)), "ps", 5)
    path = tmp_path / "models/cifar10/resnet56/shift_ps_all_wb_5/checkpoint.pth.tar"
    assert recognise(deepshift.load(originals.save(path, originals.checkpoint(state, "resnet56")))).name == "resnet20"


@pytest.mark.parametrize("said", ["True", "False"])
def test_googlenet_is_asked_whether_it_normalises_its_input(tmp_path, said):
    """torchvision's pretrained one does, one from scratch does not, and their keys are the same."""
    network = originals.trained(on_meta(imagenet.MODELS, "googlenet", 10).to_empty(device="cpu"))
    state = originals.converted(network, "ps", 4)
    path = originals.save(tmp_path / "x.pth", state)
    found = deepshift.load(path)
    for make in (deepshift.build, deepshift.into_model):
        with pytest.raises(CompileError, match="normalises its input .* --model torchvision.models:googlenet"):
            make(found)
    (tmp_path / "command_args.txt").write_text(f"pretrained: {said}\n")
    found = deepshift.load(path)
    assert deepshift.build(found).transform_input is deepshift.into_model(found).transform_input is (said == "True")


@pytest.mark.parametrize("parallel", [False, True], ids=["plain", "DataParallel"])
def test_a_whole_googlenet_says_whether_it_normalises_its_input(tmp_path, parallel):
    network = originals.trained(on_meta(imagenet.MODELS, "googlenet", 10).to_empty(device="cpu"))
    for transforms in (True, False):
        network.transform_input = transforms
        path = originals.save(tmp_path / "model.pth", nn.DataParallel(network) if parallel else network, legacy=False)
        assert deepshift.build(deepshift.load(path)).transform_input is transforms
