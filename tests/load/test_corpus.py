"""The fuzzers' seeds load and run; files that fuzzing once found get a typed answer."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.load.agreement import check_agreement
from tests.load.damage import attempt

ROOT = Path(__file__).resolve().parents[2]
SEEDS = sorted((ROOT / "tools/fuzz/corpus").glob("*.dsf"))
FOUND = sorted((ROOT / "tests/load/found").glob("*.dsf"))


def test_there_is_a_seed_for_every_op():
    from dsruntime.backends.reference.ops import OPS

    assert {path.stem.rsplit("_", 1)[0] for path in SEEDS} >= set(OPS)


def test_seeds_load_and_run():
    outcomes = {path.stem: attempt(path.read_bytes()) for path in SEEDS}
    # an index of the run may rightly be out of range: the inputs are all ones
    assert {name for name, outcome in outcomes.items() if outcome != "ran"} <= {"gather_0", "gather_1"}


def test_backends_agree_on_every_seed():
    assert {check_agreement(path.read_bytes()) for path in SEEDS} == {"agreed"}


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_files_that_fuzzing_found(path):
    script = "import sys; from tests.load.damage import attempt; print(attempt(open(sys.argv[1], 'rb').read()))"
    done = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr[-2000:]


def test_a_campaign_counts_what_it_did(tmp_path):
    (tmp_path / "seed.dsf").write_bytes(SEEDS[0].read_bytes()[:64])
    command = [sys.executable, ROOT / "tools/campaign.py", "flips", tmp_path / "seed.dsf"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "512 flips, 0 accepted" in done.stdout, done.stdout + done.stderr
    command = [sys.executable, ROOT / "tools/campaign.py", "graphs", "--count", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "2 graphs, 0 findings" in done.stdout, done.stdout + done.stderr
