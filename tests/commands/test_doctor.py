"""``gemcli doctor`` tells what is there, and what to do about what is amiss."""

from __future__ import annotations

import os
import sys

import pytest

from gemcli import checkup


def test_the_report(cli):
    cli.home.mkdir()
    (cli.home / "config.toml").write_text('model = "smollm2-135m"\n')
    found = cli.real("doctor", "--json", env={"GEMCLI_TOP_K": "7", "JAX_PLATFORMS": "cpu"}).json()
    assert found["schema_version"] == 1
    assert found["arrays"]["backend"] == "cpu"
    assert found["arrays"]["devices"][0]["id"] == 0
    assert 0 < found["arrays"]["import_s"] < found["arrays"]["start_s"]
    assert found["libraries"]["jax"]
    assert found["cpu"]["cores"] >= 1
    assert found["models"]["default"] == "smollm2-135m"
    assert "config.toml" in found["models"]["why"]
    assert found["models"]["senses"] == ["text"]
    assert found["models"]["installed"] == []
    assert found["folders"]["cache"]["path"] == str(cli.home / "cache")
    assert found["folders"]["cache"]["free_bytes"] > 0
    assert found["settings"]["keys"] == {"model": "smollm2-135m"}
    assert found["settings"]["variables"]["GEMCLI_TOP_K"] == "7"


def test_the_variable_is_the_default(cli):
    found = cli.real("doctor", "--json", env={"GEMCLI_MODEL": "gemma-3-270m", "JAX_PLATFORMS": "cpu"}).json()
    assert (found["models"]["default"], found["models"]["why"]) == (
        "gemma-3-270m",
        "set by the variable GEMCLI_MODEL",
    )


def test_the_report_for_people(cli):
    done = cli.real("doctor", env={"JAX_PLATFORMS": "cpu"})
    assert done.code == 0
    assert "default model  qwen2.5-coder-" in done.out
    assert "devices        cpu 0: cpu" in done.out
    assert str(cli.home / "models") in done.out
    assert f"settings       {cli.home / 'config.toml'}\n" in done.out
    assert "\x1b" not in done.out
    assert not cli.home.exists(), "looking changes nothing"


def test_arrays_that_do_not_start_are_a_finding(tmp_path):
    assert "error" in checkup.probe_arrays(str(tmp_path / "no-python"))
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'ImportError: libcuda' >&2\nexit 3\n")
    broken.chmod(0o755)
    assert checkup.probe_arrays(str(broken)) == {"error": "ImportError: libcuda"}


def test_a_probe_that_hangs_is_given_up(tmp_path, monkeypatch):
    hanging = tmp_path / "python"
    hanging.write_text("#!/bin/sh\nexec sleep 60\n")
    hanging.chmod(0o755)
    monkeypatch.setattr(checkup, "PROBE_TIMEOUT_S", 0.2)
    assert "did not start" in checkup.probe_arrays(str(hanging))["error"]


@pytest.mark.parametrize(
    ("said", "version"),
    [
        ("NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar 5 2024\n", "550.54.15"),
        ("NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86  Release\n", "570.86"),
        ("", None),
    ],
)
def test_the_driver_of_a_gpu(tmp_path, said, version):
    place = tmp_path / "proc" / "driver" / "nvidia"
    place.mkdir(parents=True)
    (place / "version").write_text(said)
    assert checkup.nvidia_driver(tmp_path) == version
    assert checkup.nvidia_driver(tmp_path / "elsewhere") is None


def test_a_gpu_without_its_plugin_is_one_line_with_the_command(monkeypatch):
    monkeypatch.setattr(checkup, "nvidia_driver", lambda: "570.86")
    (problem,) = checkup.array_problems({"backend": "cpu"})
    assert "570.86" in problem["message"]
    assert problem["hint"] == "Install the CUDA plugin: pip install 'gemcli[gpu]'"
    assert checkup.array_problems({"backend": "gpu"}) == []


def test_used_bytes_are_counted_once_and_without_following_links(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 1000)
    (tmp_path / "below").mkdir()
    (tmp_path / "below" / "b").write_bytes(b"x" * 500)
    (tmp_path / "below" / "loop").symlink_to(tmp_path)
    assert 1500 <= checkup.used_bytes(tmp_path) < 1700
    assert checkup.used_bytes(tmp_path / "missing") == 0


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_the_processor():
    found = checkup.cpu()
    assert found["name"]
    assert found["cores"] == len(os.sched_getaffinity(0))
    assert set(found["features"]) <= set(checkup.FEATURES)
