"""``gemcli doctor``: what this machine has, what will be used and why, and what is amiss."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import typer

from gemcli.commands.flags import Flags, reporting
from gemcli.commands.session import begin


@reporting()
def doctor(
    ctx: typer.Context,
    flags: Flags,
) -> None:
    """Report devices, versions, memory, models and folders, and what to do about what is amiss."""
    session = begin(ctx, flags)

    from gemcli.checkup import checkup
    from gemcli.ui import emit_json, emit_text, show_warning

    found = checkup()
    if session.output == "json":
        emit_json(found)
        return
    rows = list(_rows(found))
    width = max(len(name) for name, _ in rows)
    emit_text("\n".join(f"{name:<{width}}  {value}".rstrip() for name, value in rows))
    for problem in found["problems"]:
        show_warning(f"{problem['message']}. {problem['hint']}")


def _rows(found: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The report as (label, text); an empty label goes on with the one before."""
    from gemcli.hub.size import size_text

    libraries = ", ".join(f"{name} {version or 'missing'}" for name, version in found["libraries"].items())
    yield "gemcli", f"{found['gemcli']}, Python {found['python']}, {found['system']}"
    yield "libraries", libraries
    arrays = found["arrays"]
    if "error" in arrays:
        yield "devices", f"none: {arrays['error']}"
    else:
        for number, device in enumerate(arrays["devices"]):
            room = device["memory_bytes"]
            yield (
                "" if number else "devices",
                f"{arrays['backend']} {device['id']}: {device['kind']}"
                + (f", {size_text(room)}" if room else ""),
            )
        yield (
            "",
            f"JAX starts in {arrays['start_s']:.2f} s, of which its import takes {arrays['import_s']:.2f} s",
        )
    kernels = found["kernels"]
    if "error" in kernels:
        yield "kernels", f"unknown: {kernels['error']}"
    else:
        for name, kernel in kernels.items():
            yield name, _computed_by(kernel)
    yield from _layers(found["layers"])
    cpu = found["cpu"]
    yield "processor", f"{cpu['name']}, {cpu['cores']} cores usable"
    yield "", " ".join(cpu["features"]) or "no instructions known that matter for speed"
    free, total = found["memory"]["available_bytes"], found["memory"]["total_bytes"]
    yield (
        "memory",
        (f"{size_text(free)} free" if free is not None else "unknown")
        + (f" of {size_text(total)}" if total else ""),
    )
    models = found["models"]
    yield "default model", f"{models['default']} ({models['why']}); takes {', '.join(models['senses'])}"
    for number, model in enumerate(models["installed"]):
        yield "" if number else "installed", f"{model['name']}: {size_text(model['bytes'])}, {model['state']}"
    if not models["installed"]:
        yield "installed", "none"
    for number, (name, folder) in enumerate(found["folders"].items()):
        yield (
            "" if number else "folders",
            f"{name}: {folder['path']} ({size_text(folder['used_bytes'])}"
            + (f", {size_text(folder['free_bytes'])} free)" if folder["free_bytes"] is not None else ")"),
        )
    settings = found["settings"]
    yield "settings", settings["file"]
    for name, value in [*settings["keys"].items(), *settings["variables"].items()]:
        yield "", f"{name} = {value}"


def _layers(layers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What computes the attention of each kind of layer of the default model."""
    if "error" in layers:
        yield "layers", f"unknown: {layers['error']}"
        return
    for number, kind in enumerate(layers["kinds"]):
        by = kind["chunks"]
        if kind["tokens"] != by:
            by = f"{by} for chunks, {kind['tokens']} for tokens"
        yield "" if number else "layers", f"{kind['count']} of {layers['model']}, {kind['layers']}: {by}"
    for why in layers["passed"]:
        yield "", why


def _computed_by(kernel: Mapping[str, Any]) -> str:
    if kernel["why"] is not None:
        return f"{kernel['by']}, no compiled kernel: {kernel['why']}"
    if kernel["tried"]:
        return f"{kernel['by']}, checked on this processor"
    return f"{kernel['by']}, which the first question compiles"
