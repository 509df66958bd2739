"""bench: the numbers are there and fit together."""

import numpy as np
import pytest

from dscompress.bench import bench_model, latency, open_peer, random_feed
from dsruntime import Model, ModelError
from tests.support.small_model import write_files


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_files(tmp_path_factory.mktemp("small"))


def test_latency_is_an_order_statistic():
    found = latency([3.0, 1.0, 2.0])
    assert (found.median, found.least, found.runs) == (2.0, 1.0, 3)
    assert found.least <= found.p10 <= found.median <= found.p90


def test_a_bench_with_profile(files):
    found = bench_model(files.dsf, runs=5, warmup=1, batch=3, threads=1, profile=True)
    assert found.threads == 1 and found.latency.runs == 5
    assert 0 < found.latency.least <= found.latency.median
    assert found.load_seconds > 0 and found.session_seconds > 0 and found.peak_bytes > 1 << 20
    assert sum(op.share for op in found.ops) == pytest.approx(1)
    assert found.ops == sorted(found.ops, key=lambda op: -op.seconds)
    assert any(op.op.startswith("conv") for op in found.ops)
    assert found.ratio is None


def test_a_bench_against_onnx_runtime(files):
    found = bench_model(files.dsf, runs=5, warmup=1, onnx=files.onnx)
    assert found.peer.startswith("onnxruntime ")
    assert found.ratio == pytest.approx(found.latency.median / found.peer_latency.median)


def test_inputs_of_a_peer_are_known_by_name(tmp_path):
    import onnx

    x, y = (onnx.helper.make_tensor_value_info(name, 1, [1, size]) for name, size in (("x", 2), ("y", 3)))
    node = onnx.helper.make_node("Concat", ["x", "y"], ["z"], axis=1)
    z = onnx.helper.make_tensor_value_info("z", 1, [1, 5])
    graph = onnx.helper.make_graph([node], "g", [y, x], [z])
    onnx.save(
        onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9),
        tmp_path / "m.onnx",
    )
    feed = {"x": np.float32([[1, 2]]), "y": np.float32([[3, 4, 5]])}
    run, _ = open_peer(tmp_path / "m.onnx", 1, feed)
    assert run()[0].tolist() == [[1, 2, 3, 4, 5]]


def test_a_wrong_peer_is_refused(files, tmp_path):
    (tmp_path / "m.onnx").write_text("no model")
    with pytest.raises(ModelError, match="ONNX Runtime cannot load it"):
        bench_model(files.dsf, runs=1, onnx=tmp_path / "m.onnx")


def test_the_feed_follows_the_batch(files):
    feed = random_feed(Model.open(files.dsf), 4)
    assert feed["x"].shape == (4, 1, 8, 8) and feed["x"].dtype == "float32"
