"""Sessions: what goes in is checked alike on every backend, what comes out is the caller's."""

import copy
import gc
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import dsruntime
from dsruntime import BackendError, Model, ModelError
from dsruntime.backends import availability
from dsruntime.session import probabilities_of
from tests.dsruntime.models import BIAS, IMAGE, classified, classifier, two_in_two_out
from tests.support.dsf_files import build

X = np.array([[[[1, 2, 3]]], [[[0.5, 0, -8]]]], np.float32)
on_every_backend = pytest.mark.parametrize("backend", ["reference", "cpu"])


@on_every_backend
def test_runs_any_batch(backend):
    session = dsruntime.load(classifier(), backend)
    assert session.backend == backend
    for batch in (1, 2, 7, 1):
        x = np.repeat(X, 4, axis=0)[:batch]
        np.testing.assert_array_equal(session.run(x), classified(x))


def test_weights_prepared_in_another_thread_give_the_same_answers():
    model = Model.open(classifier())
    with ThreadPoolExecutor(4) as pool:
        for prepared in [pool.submit(model.prepare) for _ in range(8)]:
            prepared.result()
        np.testing.assert_array_equal(model.session().run(X), classified(X))


def test_auto_is_cpu():
    assert dsruntime.load(classifier()).backend == "cpu"


@on_every_backend
def test_several_inputs_and_outputs(backend):
    session = dsruntime.load(two_in_two_out(), backend)
    a, b = np.ones((3, 2), np.float32), np.arange(12).reshape(6, 2)
    for given in ([a, b], (a, b), {"b": b, "a": a}):
        result = session.run(given)
        assert list(result) == ["doubled", "same"]
        np.testing.assert_array_equal(result["doubled"], a + a)
        np.testing.assert_array_equal(result["same"], b)
    assert [info.shape for info in session.inputs] == [("N", 2), ("2N", 2)]


@on_every_backend
def test_results_belong_to_the_caller(backend):
    session = dsruntime.load(two_in_two_out(), backend)
    a, b = np.ones((1, 2), np.float32), np.ones((2, 2), np.int64)
    first = session.run([a, b])
    first["same"][:] = 9
    session.run([a * 5, b * 5])
    assert first["doubled"].tolist() == [[2, 2]] and b.tolist() == [[1, 1], [1, 1]]


@on_every_backend
def test_takes_arrays_of_any_memory_order(backend):
    session = dsruntime.load(classifier(), backend)
    x = np.asfortranarray(np.repeat(X, 2, axis=0))[::2]
    np.testing.assert_array_equal(session.run(x), classified(x))


def refuses(session, x, *words):
    with pytest.raises(ModelError) as caught:
        session.run(x)
    for word in words:
        assert word in str(caught.value), str(caught.value)


@on_every_backend
def test_wrong_arrays_say_what_to_do(backend):
    session = dsruntime.load(classifier(), backend)
    refuses(session, X.astype(np.float64), "'x'", "float64", "x.astype('float32')")
    refuses(session, X.astype(">f4"), "'x'", "x.astype('float32')")
    refuses(session, X[0], "shape (1, 1, 3)", "float32 (N, 1, 1, 3)", "x[None]")
    refuses(session, np.stack([X, X]), "shape (2, 2, 1, 1, 3)", "4 dimensions")
    refuses(session, X[:1][None], "x[0]")
    refuses(session, X.transpose(0, 2, 3, 1), "shape (2, 1, 3, 1)", "x.transpose(0, 3, 1, 2)")
    refuses(session, X[..., :2], "shape (2, 1, 1, 2)", "(N, 1, 1, 3)")
    refuses(session, X[..., :0], "shape (2, 1, 1, 0)", "(N, 1, 1, 3)")
    refuses(session, X.tolist(), "arrays")
    refuses(session, "photo.jpg", "a str", "np.asarray(x, 'float32')")
    refuses(session, None, "NoneType")
    refuses(session, [X, X], "2 arrays", "1 ('x')")
    refuses(session, {"X": X}, "no array for 'x'", "'X', which is no input")
    refuses(session, np.array(["a"]), "dtype <U1")
    refuses(session, np.array([None]), "dtype object")


def test_arrays_with_masked_places_and_tensors_with_a_gradient_are_refused():
    class Tensor:
        def __array__(self, *_, **__):
            raise RuntimeError("requires grad")

    session = dsruntime.load(classifier())
    refuses(session, np.ma.masked_equal(X, 0), "a masked array", "x.filled(0)")
    refuses(session, Tensor(), "a Tensor that is no array (requires grad)", "x.detach()")


@on_every_backend
def test_inputs_must_agree_on_the_batch(backend):
    session = dsruntime.load(two_in_two_out(), backend)
    a, b = np.ones((3, 2), np.float32), np.ones((4, 2), np.int64)
    refuses(session, [a, b], "'b'", "N = 2", "N = 3 as in 'a'")
    refuses(session, [a, b[:3]], "'b'", "3 in dimension 0", "a multiple of 2")
    refuses(session, a, "one array", "2 ('a', 'b')")


@on_every_backend
def test_an_empty_batch_gives_empty_results(backend):
    """Of the right shape and dtype, as PyTorch and ONNX Runtime give them; the runs around it are as ever."""
    session = dsruntime.load(classifier(), backend)
    for x in (X, X[:0], X, X[:0]):
        result = session.run(x)
        assert result.shape == (len(x), *classified(X).shape[1:]) and result.dtype == np.float32
    result = dsruntime.load(two_in_two_out(), backend).run([np.ones((0, 2), np.float32), np.ones((0, 2), np.int64)])
    assert {name: (y.shape, str(y.dtype)) for name, y in result.items()} == {
        "doubled": ((0, 2), "float32"),
        "same": ((0, 2), "int64"),
    }
    refuses(
        dsruntime.load(two_in_two_out(), backend),
        [np.ones((0, 2), np.float32), np.ones((2, 2), np.int64)],
        "N = 0 as in 'a'",
    )


@on_every_backend
def test_an_empty_batch_is_refused_where_there_is_something_to_compute(backend):
    """The sum over a batch is there whatever the batch."""
    data = build(
        values=[{"name": "x", "shape": [-1, 3]}, {"name": "y", "shape": [3]}],
        nodes=[{"op": "reduce_sum", "inputs": ["x"], "outputs": ["y"], "attributes": {"axes": [0], "keepdims": 0}}],
        inputs=["x"],
        outputs=["y"],
    )
    session = dsruntime.load(data, backend)
    np.testing.assert_array_equal(session.run(np.ones((2, 3), np.float32)), [2, 2, 2])
    refuses(session, np.ones((0, 3), np.float32), "the batch is empty", "float32 (3,) whatever", "at least 1")


@on_every_backend
def test_after_an_empty_batch_there_are_no_values(backend):
    with Model.open(classifier()).session(backend, keep_values=True, profile=True) as session:
        session.run(X)
        assert session.values() and session.profile()
        session.run(X[:0])
        for look in (session.values, session.profile):
            with pytest.raises(ModelError, match="nothing has run yet"):
                look()


def test_a_fixed_batch_says_so():
    data = build(
        values=[{"name": "x", "shape": [1, 2]}, {"name": "y", "shape": [1, 2]}],
        nodes=[{"op": "relu", "inputs": ["x"], "outputs": ["y"]}],
        inputs=["x"],
        outputs=["y"],
    )
    refuses(dsruntime.load(data), np.ones((3, 2), np.float32), "batches of 1", "a source whose batch is dynamic")


@on_every_backend
def test_nan_and_infinity_are_computed_through(backend):
    session = dsruntime.load(classifier(), backend)
    x = X.copy()
    x[0, 0, 0, 0] = np.nan
    y = session.run(x)
    assert np.isnan(y[0]).all() and np.isfinite(y[1]).all()
    assert np.isinf(session.run(np.array([[[[np.inf, 0, 0]]]], np.float32))).all()


# predict


@on_every_backend
def test_predicts_with_labels_and_softmax(backend):
    session = dsruntime.load(classifier(), backend)
    picture = np.array([[255, 0, 0]], np.uint8)
    best, other = session.predict(picture)
    scores = classified(np.array([[1, 0, 0]], np.float32))[0]
    assert (best.label, best.index, other.label, other.index) == ("cat", 0, "dog", 1)
    assert (best.score, other.score) == (scores[0], scores[1])
    odds = np.exp(scores[0] - scores[1], dtype=np.float64)
    assert best.probability == pytest.approx(odds / (1 + odds))
    assert best.probability + other.probability == pytest.approx(1)
    assert session.predict(picture, top=1) == [best]


def test_probabilities_are_not_softened_again():
    data = classifier(meaning="probabilities", bias=np.array([-0.25, 0.5], np.float32))
    best, other = dsruntime.load(data).predict(np.array([[255, 0, 0]], np.uint8))
    assert (best.label, best.probability, best.score) == ("cat", 0.75, 0.75)
    assert (other.label, other.probability, other.score) == ("dog", 0.625, 0.625)


def test_what_is_beyond_0_and_1_is_no_probability():
    best = dsruntime.load(classifier(meaning="probabilities")).predict(np.array([[255, 0, 0]], np.uint8))[0]
    assert (best.score, best.probability) == (1.5, None)


@pytest.mark.parametrize(
    "scores, meaning, expected",
    [
        ([2.0], "logits", [1 / (1 + np.exp(-2.0))]),
        ([-800.0], "logits", [0.0]),
        ([800.0], "logits", [1.0]),
        ([0.0, np.log(3)], "logits", [0.25, 0.75]),
        ([1000.0, 0.0], "logits", [1.0, 0.0]),
        (np.log([0.1, 0.2, 0.7]), "logits", [0.1, 0.2, 0.7]),  # of a log_softmax
        ([0.9, 0.8, 0.0], "probabilities", [0.9, 0.8, 0.0]),
        ([1.0005], "probabilities", [1.0005]),  # rounded in 16 bits
        ([-0.5, 0.5], "probabilities", None),
        ([0.9, 0.1], "", None),
        ([0.9, 0.1], "embedding", None),
    ],
)
def test_probabilities_of_scores(scores, meaning, expected):
    found = probabilities_of(np.array(scores, np.float32), meaning)
    assert (found is None) == (expected is None)
    if expected is not None:
        np.testing.assert_allclose(found, expected, rtol=1e-6)


def ends_in(*ops, meaning="logits") -> bytes:
    """x [N, 1, 1, 3] -> ops -> y [N, 3] with labels; the last op makes y."""
    names = ["x", *(f"v{i}" for i in range(len(ops) - 1)), "y"]
    shapes = [[-1, 1, 1, 3] if op in ("", "sigmoid", "relu") else [-1, 3] for op in ("", *ops)]
    for i in range(1, len(ops) + 1):
        shapes[i] = [-1, 3] if "flatten" in ops[:i] else [-1, 1, 1, 3]
    return build(
        values=[{"name": name, "shape": shape} for name, shape in zip(names, shapes, strict=True)],
        nodes=[{"op": op, "inputs": [names[i]], "outputs": [names[i + 1]]} for i, op in enumerate(ops)],
        inputs=[{"value": "x", "layout": "NCHW", "image": IMAGE}],
        outputs=[{"value": "y", "meaning": meaning, "labels": ["a", "b", "c"]}],
    )


@pytest.mark.parametrize(
    "data, meaning",
    [
        (ends_in("flatten", "sigmoid"), "probabilities"),
        (ends_in("sigmoid", "flatten"), "probabilities"),
        (ends_in("sigmoid", "flatten", meaning=""), ""),
        (ends_in("flatten", "relu"), "logits"),
        (ends_in("sigmoid", "relu", "flatten"), "logits"),
    ],
)
def test_a_file_that_calls_a_sigmoid_logits_is_not_believed(data, meaning):
    """As files were written that had labels, whatever their network ends in."""
    model = Model.open(data)
    assert model.outputs[0].meaning == meaning
    probabilities = {p.label: p.probability for p in model.session().predict(np.array([[0, 51, 255]], np.uint8))}
    if meaning == "probabilities":
        own = 1 / (1 + np.exp([-0.0, -0.2, -1.0]))
        assert probabilities == pytest.approx(dict(zip("abc", own, strict=True)))


def test_scores_without_a_meaning_have_no_probability():
    best = dsruntime.load(classifier(meaning="", labels=())).predict(np.array([[255, 0, 0]], np.uint8))[0]
    assert (best.label, best.probability, best.score) == ("class 0", None, 1.5)


def test_equal_scores_keep_their_order():
    best = dsruntime.load(classifier(bias=np.array([0, 0], np.float32))).predict(np.zeros((1, 3), np.uint8))
    assert [p.index for p in best] == [0, 1]


def test_predicts_several_images_in_one_run():
    session = dsruntime.load(classifier())
    pictures = [np.array([[255, 0, 0]], np.uint8), np.array([[0, 255, 0]], np.uint8)]
    assert session.predict_all(pictures) == [session.predict(p) for p in pictures]
    assert session.predict_all([]) == []


@pytest.mark.parametrize(
    "data, words",
    [
        (classifier(image=None), ["does not say how an image", "--preprocess"]),
        (classifier(meaning="embedding"), ["embedding", "run()"]),
        (two_in_two_out(), ["2 inputs and 2 outputs"]),
    ],
)
def test_models_that_cannot_predict_say_why(data, words):
    with pytest.raises(ModelError) as caught:
        dsruntime.load(data).predict(np.zeros((1, 3), np.uint8))
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("top", [0, -1, True, 2.0, "5"])
def test_top_is_a_number_from_one(top):
    with pytest.raises(ModelError, match="top="):
        dsruntime.load(classifier()).predict(np.zeros((1, 3), np.uint8), top)


def test_scores_that_are_not_finite_are_no_prediction():
    data = classifier(bias=np.array([0, np.nan], np.float32))
    with pytest.raises(ModelError, match="nan as the score of class 1; expected finite scores"):
        dsruntime.load(data).predict(np.zeros((1, 3), np.uint8))


# values, profile, life


@on_every_backend
def test_keeps_every_value_but_the_weights(backend):
    session = Model.open(classifier()).session(backend, keep_values=True)
    session.run(X)
    values = session.values()
    assert set(values) == {"x", "flat", "y"}
    np.testing.assert_array_equal(values["flat"], X.reshape(2, 3))
    np.testing.assert_array_equal(values["y"], classified(X))


@on_every_backend
def test_profiles_every_step(backend):
    session = Model.open(classifier()).session(backend, profile=True)
    session.run(X)
    steps = session.profile()
    assert "gemm" in [step.node for step in steps] and "net.fc" in [step.module for step in steps]
    assert all(step.seconds >= 0 and step.kernel for step in steps)


def test_the_arena_holds_the_activations():
    session = dsruntime.load(classifier())
    session.run(X)
    assert session.arena_bytes() >= 0
    assert dsruntime.load(classifier(), "reference").arena_bytes() is None


@on_every_backend
def test_asking_for_what_was_not_kept(backend):
    session = dsruntime.load(classifier(), backend)
    session.run(X)
    for call, option in ((session.values, "keep_values=True"), (session.profile, "profile=True")):
        with pytest.raises(ModelError, match=option):
            call()
    session = Model.open(classifier()).session(backend, keep_values=True, profile=True)
    for call in (session.values, session.profile):
        with pytest.raises(ModelError, match="nothing has run yet"):
            call()


@on_every_backend
def test_a_closed_session_says_so(backend):
    with dsruntime.load(classifier(), backend) as session:
        session.run(X)
    session.close()
    refuses(session, X, "closed", "model.session()")


@on_every_backend
def test_sessions_outlive_the_model_s_name(backend):
    session = Model.open(classifier()).session(backend)
    gc.collect()
    np.testing.assert_array_equal(session.run(X), classified(X))


@pytest.mark.parametrize("threads", [0, -1, 1.5, "2", True])
def test_threads_is_a_number_from_one(threads):
    with pytest.raises(ModelError, match="threads="):
        dsruntime.load(classifier(), threads=threads)


def test_threads_are_counted():
    assert dsruntime.load(classifier(), threads=2).threads == 2
    assert dsruntime.load(classifier()).threads >= 1


# several threads


@on_every_backend
def test_one_session_from_several_threads(backend):
    session = dsruntime.load(classifier(), backend)
    at_once(lambda i: (session.run(X * i), classified(X * i)))


@on_every_backend
def test_many_sessions_over_one_model(backend):
    model = Model.open(classifier())
    at_once(lambda i: (model.session(backend, 1).run(X * i), classified(X * i)))


def at_once(call):
    barrier = threading.Barrier(8)

    def repeat(start):
        barrier.wait()
        return [call(start + i) for i in range(25)]

    with ThreadPoolExecutor(8) as pool:
        for results in pool.map(repeat, range(8)):
            for got, expected in results:
                np.testing.assert_array_equal(got, expected)


# backends


def test_an_unknown_backend_lists_those_there_are():
    with pytest.raises(BackendError, match="'gpu'; expected auto, cpu, reference, cuda"):
        dsruntime.load(classifier(), "gpu")


def test_cuda_is_refused_with_what_was_found():
    with pytest.raises(BackendError) as caught:
        dsruntime.load(classifier(), "cuda")
    for word in ("PyCUDA", "CUDA driver", "docs/cuda.md", "use backend cpu"):
        assert word in str(caught.value)


def test_every_backend_says_what_it_found():
    found = availability()
    assert {name: usable for name, (usable, _) in found.items()} == {"cpu": True, "reference": True, "cuda": False}
    assert "libdsf" in found["cpu"][1] and "no CUDA driver" in found["cuda"][1]


def test_the_bias_is_what_a_zero_gives():
    assert IMAGE["mean"] == [0.0]
    np.testing.assert_array_equal(dsruntime.load(classifier()).run(np.zeros_like(X))[0], BIAS)


@pytest.mark.parametrize("kind", ["session", "model"])
@pytest.mark.parametrize("copy_of", [pickle.dumps, copy.copy, copy.deepcopy])
def test_pickling_is_refused_with_what_to_pickle_instead(kind, copy_of):
    session = dsruntime.load(classifier())
    with pytest.raises(ModelError, match=rf"{kind}: it cannot be pickled or copied.*bytes\((session\.)?model\.bytes\)"):
        copy_of(session if kind == "session" else session.model)
    there = dsruntime.load(pickle.loads(pickle.dumps(bytes(session.model.bytes))))
    np.testing.assert_array_equal(there.run(X), session.run(X))
