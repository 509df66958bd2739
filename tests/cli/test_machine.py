"""dscompress bench, ops and doctor: data for people and for programs."""

import json

import pytest


def test_bench(call, files):
    result = call("bench", files.dsf, "--runs", 3, "--warmup", 1, "--profile")
    assert result.exit_code == 0, result.stderr
    assert "median of 3" in result.output and "kernel" in result.output
    data = json.loads(call("bench", files.dsf, "--runs", 3, "--vs", "onnxruntime", files.onnx, "--json").stdout)
    assert data["ratio"] > 0 and data["latency"]["runs"] == 3 and data["peer"].startswith("onnxruntime")


def test_ops(call):
    data = json.loads(call("ops", "--json").stdout)
    rows = {row["op"]: row for row in data["ops"]}
    assert rows["conv"]["onnx"] == ["Conv"] and rows["conv"]["backends"] == ["cpu", "cuda", "reference"]
    assert rows["conv"]["attributes"]["group"] == 1
    assert "max_pool" in call("ops").output


def test_ops_needs_no_compiler(process, tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nfor name in ('onnx_ir', 'onnx', 'torch', 'onnxscript'): sys.modules[name] = None\n"
    )
    from tests.cli.conftest import ROOT

    done = process("ops", "--json", environment={"PYTHONPATH": f"{tmp_path}:{ROOT}:{ROOT}/runtime"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ops"][0] == {
        "op": "abs",
        "onnx": ["Abs"],
        "attributes": {},
        "backends": ["cpu", "cuda", "reference"],
    }


def test_doctor(call):
    result = call("doctor", "--json")
    data = json.loads(result.stdout)
    assert result.exit_code == 0 and data["backends"]["cpu"]["available"] and data["backends"]["reference"]["available"]
    assert data["libdsf"]["ops"] > 40 and data["extras"]["compiler"]["installed"]
    text = call("doctor").output
    assert "libdsf" in text and "numpy" in text
    assert set(data["cuda"]) == {"driver", "pycuda", "bindings", "kernels", "cache"}
    assert "kernel cache" in text and "PyCUDA" in text


def test_doctor_says_how_many_threads_a_session_takes(call, files, monkeypatch):
    from dscompress.cli import doctor
    from dsruntime import load

    data = json.loads(call("doctor", "--json").stdout)
    with load(files.dsf) as session:
        assert data["libdsf"]["threads"] == session.threads
    assert f"{session.threads} by default: " in call("doctor").output
    assert doctor.threads(4, 4) == "4 by default: one for each processor that this process may use"
    assert doctor.threads(2, 8) == (
        "2 by default: this process may use 8 processors, and the quota of its cgroup gives it the time of 2"
    )


@pytest.mark.parametrize(
    "torch, torchvision, says",
    [
        ("2.8.0+cpu", "0.23.0+cu130", "torchvision==0.23.0 --index-url https://download.pytorch.org/whl/cpu"),
        ("2.8.0+cpu", "0.23.0+cpu", None),
        ("2.8.0+cu130", None, None),
        ("2.8.0", "0.23.0", None),
    ],
)
def test_doctor_on_a_torchvision_of_another_build(call, monkeypatch, torch, torchvision, says):
    from dscompress.cli import doctor

    monkeypatch.setattr(doctor, "built_version", {"torch": torch, "torchvision": torchvision}.get)
    found = json.loads(call("doctor", "--json").stdout)["torchvision"]
    assert says in found if says else found is None
    assert ("--model torchvision... works" in " ".join(call("doctor").output.split())) is bool(says)


def test_doctor_without_libdsf_says_what_to_do(process):
    done = process("doctor", environment={"DSF_LIBRARY": "/nowhere/libdsf.so"})
    assert done.returncode == 4
    assert "/nowhere/libdsf.so" in done.stdout and "DSF_LIBRARY" in done.stdout
