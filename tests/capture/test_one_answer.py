"""One input has one answer: what draws, remembers or treats a batch of 1 otherwise is refused, not stored as if not."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import dsruntime
from dscompress import compile_model
from dscompress.errors import CompileError


class Calls(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Remembers(nn.Module):
    def __init__(self, change):
        super().__init__()
        self.change = change
        self.register_buffer("seen", torch.zeros(4))

    def forward(self, x):
        self.change(self)
        return x + self.seen


def add(module):
    module.seen += 1


def replace(module):
    module.seen = module.seen + 1


def through_a_view(module):
    module.seen[1:].mul_(2)


def test_random_numbers_are_refused_with_the_operator_and_the_line():
    for function, operator in (
        (lambda x: x * torch.bernoulli(torch.full((4,), 0.5)), "aten.bernoulli"),
        (lambda x: x + torch.rand(4), "aten.rand"),
        (lambda x: F.dropout(x, 0.5), "aten.dropout"),
        (F.gumbel_softmax, "aten.exponential_"),
    ):
        with pytest.raises(CompileError, match=f"{operator} draws random numbers, called in .*answer.py line"):
            compile_model(Calls(function).eval(), input_shape=(1, 4))


def test_what_draws_in_training_alone_is_exported():
    x = np.float32([[[1, -2, 3, 0.5]]])
    for function in (lambda x: F.dropout(x, 0.5, training=False), lambda x: F.alpha_dropout(x, 0.5, training=False)):
        data = compile_model(Calls(function).eval(), input_shape=(1, 1, 4)).data
        np.testing.assert_array_equal(dsruntime.load(data).run(x), x)


def test_batch_norm_over_the_batch_is_refused_where_it_has_running_statistics():
    net = Calls(lambda x: F.batch_norm(x, torch.zeros(3), torch.ones(3), training=True)).eval()
    with pytest.raises(CompileError, match="batch norm in training mode, called in"):
        compile_model(net, input_shape=(2, 3, 4, 4))
    program = torch.export.export(net, (torch.zeros(2, 3, 4, 4),)).run_decompositions()
    with pytest.raises(CompileError, match="batch norm in training mode"):
        compile_model(program)


def test_batch_norm_without_running_statistics_is_the_modules():
    torch.manual_seed(0)
    net, x = nn.BatchNorm2d(3, track_running_stats=False).eval(), torch.randn(5, 3, 4, 4)
    data = compile_model(net, input_shape=(1, 3, 4, 4)).data
    np.testing.assert_allclose(dsruntime.load(data).run(x.numpy()), net(x).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("change", [add, replace, through_a_view])
def test_a_buffer_that_a_run_changes_is_refused(change):
    with pytest.raises(CompileError, match="its buffer 'seen' changes when it runs"):
        compile_model(Remembers(change).eval(), input_shape=(1, 4))


def test_an_input_that_a_run_changes_is_computed_with():
    def function(x):
        x.add_(1)
        return x * 2

    data = compile_model(Calls(function).eval(), input_shape=(1, 4)).data
    np.testing.assert_array_equal(dsruntime.load(data).run(np.float32([[1, 2, 3, 4]])), [[4, 6, 8, 10]])


def test_a_branch_for_a_batch_of_one_is_refused_and_exported_for_that_batch():
    net = Calls(lambda x: x * 2 if x.shape[0] == 1 else x * 3).eval()
    with pytest.raises(CompileError, match="a batch of 1 gives other numbers than PyTorch captured"):
        compile_model(net, input_shape=(1, 4))
    data = compile_model(net, input_shape=(1, 4), dynamic_batch=False).data
    np.testing.assert_array_equal(dsruntime.load(data).run(np.ones((1, 4), np.float32)), np.full((1, 4), 2))


def test_a_squeeze_that_takes_a_batch_of_one_along_is_noted():
    report = compile_model(Calls(lambda x: x.mean((2, 3), keepdim=True).squeeze()).eval(), input_shape=(1, 4, 3, 3))
    assert any("of a batch of 1 the model itself gives (4,);" in note for note in report.notes)
    assert dsruntime.load(report.data).run(np.ones((1, 4, 3, 3), np.float32)).shape == (1, 4)


def test_a_batch_that_a_program_fixed_and_python_may_have_computed_with_is_noted():
    program = torch.export.export(Calls(lambda x: x / x.shape[0]).eval(), (torch.zeros(2, 4),))
    report = compile_model(program)
    assert any("captured with a batch of 2, which is taken as free" in note for note in report.notes)
    assert not compile_model(program, dynamic_batch=False).notes
