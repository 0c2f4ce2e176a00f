"""``gemcli doctor`` tells what is there, and what to do about what is amiss."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest
import tiny

from gemcli import checkup, probe
from gemcli.commands import doctor
from gemcli.failure import failure
from gemcli.hub import devices
from gemcli.hub.devices import Device
from model.arch.released import released
from model.attention import choice
from model.attention.kinds import Choice, kinds
from model.errors import DeviceError
from model.nn import packed

PREALLOCATE = "XLA_PYTHON_CLIENT_PREALLOCATE"


@pytest.fixture(autouse=True)
def alone(cli):
    cli.alone = True


def test_the_report(cli):
    cli.home.mkdir()
    (cli.home / "config.toml").write_text('model = "smollm2-135m"\n')
    found = cli.real("doctor", "--json", env={"GEMCLI_TOP_K": "7", "JAX_PLATFORMS": "cpu"}).json()
    assert found["schema_version"] == 1
    assert found["arrays"]["backend"] == "cpu"
    assert found["arrays"]["devices"][0]["id"] == 0
    assert 0 < found["arrays"]["import_s"] < found["arrays"]["start_s"]
    assert found["libraries"]["jax"]
    assert set(found["kernels"]) == {"products", "attention"}
    for kernel in found["kernels"].values():
        assert kernel["by"] in ("compiled kernel", "array library")
        assert (kernel["by"] == "array library") == bool(kernel["why"])
        assert not kernel["tried"], "there is no folder yet to compile into"
    assert found["layers"]["model"] == "smollm2-135m"
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
    assert re.search(
        r"^products +(compiled kernel, which the first question|array library, no)", done.out, re.M
    )
    assert re.search(
        r"^attention +(compiled kernel, which the first question|array library, no)", done.out, re.M
    )
    assert not cli.home.exists(), "looking changes nothing"


def test_kernels_are_tried_where_the_next_question_would(cli):
    tiny.needs_kernel(packed.KERNEL)
    folder = cli.home / "cache" / "compiled"
    folder.mkdir(parents=True)
    done = cli.real("doctor", env={"JAX_PLATFORMS": "cpu"})
    assert re.search(r"^products +compiled kernel, checked on this processor$", done.out, re.M)
    assert re.search(r"^attention +compiled kernel, checked on this processor$", done.out, re.M)
    assert len(list(folder.glob("*.so"))) == 2, "for the next question"
    assert done.err == ""


def test_without_a_compiler_it_is_said_and_what_to_do(cli):
    tiny.needs_kernel(packed.KERNEL)
    (cli.home / "cache" / "compiled").mkdir(parents=True)
    env = {"JAX_PLATFORMS": "cpu", "PATH": str(cli.folder), "CC": ""}
    done = cli.real("doctor", env=env)
    assert re.search(r"^products +array library, no compiled kernel: there is no C compiler", done.out, re.M)
    assert re.search(r"^attention +array library, no compiled kernel: there is no C comp", done.out, re.M)
    assert done.err.count("warning") == 1
    assert "Install gcc or clang" in done.err
    found = cli.real("doctor", "--json", env=env).json()
    assert found["kernels"]["products"] == {
        "by": "array library",
        "tried": True,
        "why": "there is no C compiler (cc, gcc or clang)",
    }
    (problem,) = found["problems"]
    assert "no C compiler" in problem["message"]


def test_a_compiler_that_refuses_is_named(cli):
    tiny.needs_kernel(packed.KERNEL)
    (cli.home / "cache" / "compiled").mkdir(parents=True)
    done = cli.real("doctor", env={"JAX_PLATFORMS": "cpu", "CC": "false"})
    assert re.search(r"^products +array library, no compiled kernel: \S+/false refuses it", done.out, re.M)


def a_python(place: Path, script: str) -> str:
    """A program that stands for Python."""
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)
    return str(place)


def test_arrays_that_do_not_start_are_a_finding(tmp_path, monkeypatch):
    arrays, kernels, _ = checkup.probe(str(tmp_path / "no-python"))
    assert "cannot be run" in arrays["error"]
    assert arrays == kernels
    broken = a_python(tmp_path / "python", "echo 'ImportError: libcuda' >&2; exit 3")
    assert checkup.probe(broken) == ({"error": "ImportError: libcuda"},) * 3
    monkeypatch.setattr(checkup, "probe", lambda model: ({"error": "ImportError: libcuda"},) * 3)
    messages = [problem["message"] for problem in checkup.checkup()["problems"]]
    assert "JAX does not start: ImportError: libcuda" in messages
    assert not any("kernel" in message for message in messages), "they are not what is amiss"


def test_kernels_that_end_the_process_are_a_finding(tmp_path):
    """What was found before is not lost."""
    for ending, why in (
        ("kill -ILL $$", "ended by signal 4"),
        ("echo RuntimeError: no >&2; exit 1", "RuntimeError: no"),
        ("exit 2", "exit status 2"),
    ):
        python = a_python(tmp_path / "python", f"""echo '{{"backend": "cpu"}}'; {ending}""")
        arrays, kernels, _ = checkup.probe(python)
        assert (arrays, kernels) == ({"backend": "cpu"}, {"error": why})
        (problem,) = checkup.kernel_problems(kernels)
        assert why in problem["message"]
        assert "CC=false" in problem["hint"]


def test_a_probe_that_hangs_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(checkup, "PROBE_TIMEOUT_S", 0.2)
    arrays, kernels, _ = checkup.probe(a_python(tmp_path / "python", "exec sleep 60"))
    assert "no answer within 0.2 seconds" in arrays["error"]
    assert arrays == kernels
    late = a_python(tmp_path / "late", """echo '{"backend": "cpu"}'; exec sleep 60""")
    arrays, kernels, _ = checkup.probe(late)
    assert arrays == {"backend": "cpu"}
    assert "no answer" in kernels["error"]


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
    assert devices.nvidia_driver(tmp_path) == version
    assert devices.nvidia_driver(tmp_path / "elsewhere") is None


@pytest.mark.parametrize("driver", ["570.86", None])
def test_a_gpu_without_its_plugin_is_one_line_with_the_command(driver, monkeypatch):
    """The kernel's own word that there is a driver, or its tool."""
    monkeypatch.setattr(devices, "nvidia_driver", lambda: driver)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(devices, "_is_here", lambda module: False)
    (problem,) = checkup.array_problems({"backend": "cpu"})
    assert (driver or "/usr/bin/nvidia-smi") in problem["message"]
    assert problem["hint"] == "Install the CUDA plugin: pip install 'gemcli[gpu]'"
    assert checkup.array_problems({"backend": "gpu"}) == []
    why = failure(DeviceError("there is no gpu to compute on: a"))
    assert (why.code, why.hint) == (1, problem["hint"])
    assert failure(DeviceError("there is no tpu to compute on: a")).hint != problem["hint"]
    monkeypatch.setattr(devices, "_is_here", lambda module: True)
    (problem,) = checkup.array_problems({"backend": "cpu"})
    assert "is installed" in problem["hint"]
    assert "gemcli doctor" in (failure(DeviceError("there is no gpu to compute on: a")).hint or "")


def test_a_gpu_that_is_not_there_is_a_line(cli):
    cli.home.mkdir()
    code = "from model.load import prepare; prepare(None, 'gpu')"
    done = cli.python(
        f"import sys; from gemcli.failure import failure\ntry: {code}\n"
        "except Exception as e: why = failure(e); print(why.message); sys.exit(why.code)"
    )
    assert done.code == 1
    assert re.fullmatch(r"there is no gpu to compute on: .+\n", done.out)


@pytest.mark.parametrize(("said", "is_it"), [(None, "false"), ("true", "true")])
def test_memory_of_a_gpu_is_not_taken_before_it_is_needed(cli, said, is_it):
    code = "import os; os.environ.pop(NAME, None); SAID and os.environ.update({NAME: SAID})\n"
    code += "from model.load import prepare; prepare(None, 'cpu'); print(os.environ[NAME])"
    done = cli.python(f"NAME, SAID = {PREALLOCATE!r}, {said!r}\n{code}")
    assert done.out == f"{is_it}\n"


@pytest.mark.parametrize(("more", "said"), [([], "true"), (["--keep-alive", "5m", "--socket", "s"], "None")])
def test_a_server_takes_the_memory_at_once_but_not_beside_its_user(cli, more, said):
    code = f"""
import os, sys
import gemcli.server.run as run
os.environ.pop({PREALLOCATE!r}, None)
class Server:
    def __init__(self, settings):
        print(os.environ.get({PREALLOCATE!r}))
        raise SystemExit(0)
run.Server = Server
sys.argv = ["gemcli", "serve", *{more!r}]
from gemcli.main import run as main
main()
"""
    assert cli.python(code).out == f"{said}\n"


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("blocked", "blocked"),
        ("pallas", "blocked for chunks, pallas for tokens"),
    ],
)
def test_the_layers_of_the_default_model(chosen, expected, monkeypatch):
    """On a GPU each kind of layer has its own; on a processor all have what the kernel's state says."""
    layers = released("gemma-3-4b").config.layers
    asked = [(kind, chosen if kind.few else "blocked") for kind in kinds(layers)]
    monkeypatch.setattr(choice, "choose", lambda *given, **options: (Choice(tuple(asked)), ["why not"]))
    found = probe.layers("gemma-3-4b", "gpu", {})
    lines = [text for _, text in doctor._layers(found)]
    assert lines == [
        f"29 of gemma-3-4b, sliding 1024, head 256: {expected}",
        f"5 of gemma-3-4b, global, head 256: {expected}",
        "why not",
    ]
    on_cpu = probe.layers("gemma-3-4b", "cpu", {"attention": {"why": None}})
    assert {kind["chunks"] for kind in on_cpu["kinds"]} == {"compiled"}
    assert on_cpu["passed"] == []
    assert probe.layers("nobody/knows", "cpu", {"attention": {"why": "no"}})["kinds"] == []


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


def test_the_default_of_a_machine_with_an_accelerator(cli, monkeypatch):
    monkeypatch.setenv("GEMCLI_HOME", str(cli.home))
    monkeypatch.delenv("GEMCLI_MODEL", raising=False)
    monkeypatch.setattr(devices, "accelerators", lambda: (Device("gpu", "Card", 24_000_000_000),))
    found = checkup.models()
    assert found["default"] == "gemma-4-e4b"
    assert found["senses"] == ["text", "image", "video", "audio"]
    assert "leaves the GPU (Card, 24.00 GB) room for its 131,072 tokens" in found["why"]
    monkeypatch.setenv("GEMCLI_MODEL", "gemma-3-4b")
    assert checkup.models()["senses"] == ["text", "image"]
