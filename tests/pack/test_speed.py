"""Estimates come from what was measured here, and from nothing else."""

import json

import pytest

from gemcli.pack import speed


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("GEMCLI_HOME", str(tmp_path))
    return tmp_path


def run(model="m", **changes):
    values = {"start_s": 1.0, "prompt": 1000, "prefill_s": 2.0, "answer": 50, "decode_tokens_per_s": 25.0}
    speed.remember(model, **(values | changes))


def test_nothing_is_guessed():
    assert speed.recall("m") is None


def test_a_run_is_remembered():
    run()
    found = speed.recall("m")
    assert found == speed.Speed(1.0, 500.0, 25.0, 50.0)
    assert found.estimate(2000, 2048) == {"first_token_s": 5.0, "total_s": 7.0}
    assert found.estimate(2000, 25) == {"first_token_s": 5.0, "total_s": 6.0}
    assert speed.recall("other") is None


def test_newer_runs_count_most():
    run()
    run(prefill_s=1.0)
    run("other")
    found = speed.recall("m")
    assert found is not None
    assert found.prefill_tokens_per_s == 750


@pytest.mark.parametrize("changes", [{"prompt": 10}, {"prefill_s": 0.0}, {"decode_tokens_per_s": 0.0}])
def test_a_run_that_tells_nothing_is_left_out(changes):
    run(**changes)
    assert speed.recall("m") is None


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"m": 7}', '{"m": {"start_s": "x"}}', '{"m": {"start_s": 1}}']
)
def test_a_damaged_file_costs_only_the_estimate(home, text):
    (home / "cache").mkdir()
    (home / "cache" / "speed.json").write_text(text)
    assert speed.recall("m") is None
    run()
    assert speed.recall("m") is not None
    assert list((home / "cache").iterdir()) == [home / "cache" / "speed.json"]


def test_a_cache_that_cannot_be_written_is_no_failure(home):
    (home / "cache").write_text("a file in the way")
    run()
    assert speed.recall("m") is None


def test_the_file_is_plain_json(home):
    run()
    assert json.loads((home / "cache" / "speed.json").read_text())["m"]["prefill_tokens_per_s"] == 500


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        (900, None),
        (3000, "takes about 3 minutes on this machine"),
        (90_000, "--context 4096 only the passages"),
    ],
)
def test_a_long_wait_is_told_and_what_would_shorten_it(tokens, said):
    """A prompt that a window of 4,096 holds whole would be no shorter there."""
    from gemcli.pack.budget import Budget
    from gemcli.prepared import _warn_if_slow

    run(prefill_s=60.0)
    told = []
    _warn_if_slow("m", tokens, Budget(131_072, 512, 512), told.append)
    assert [each.message for each in told] == ([] if said is None else [told[0].message])
    assert said is None or said in told[0].message
    assert ("--context" in (said or "")) == any("--context" in each.message for each in told)
