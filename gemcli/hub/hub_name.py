"""``hf:OWNER/REPO[:QUANT]``: how such a name is read, and which pulled model it means.

Nothing here asks the hub: a model that was pulled once is found without it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from gemcli.errors import UsageError
from gemcli.hub.catalog import Entry
from gemcli.hub.recorded import Installed
from gemcli.hub.source import HubSource
from gemcli.hub.store import installed

PREFIX = "hf:"

PREFERENCE = (
    "Q4_K_M", "Q4_0", "Q8_0", "Q4_K_S", "Q4_1", "Q5_K_M", "Q5_K_S", "Q6_K", "Q5_0", "Q5_1",
    "BF16", "F16", "F32",
)  # fmt: skip
"""Quantizations that are read, the one taken first when none is asked for first."""


@dataclass(frozen=True, slots=True)
class Spec:
    """A parsed ``hf:`` name; `quant` is a quantization, a file's name, or None."""

    repo: str
    quant: str | None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repo}" + (f":{self.quant}" if self.quant else "")


def parse(text: str) -> Spec:
    """Take ``hf:OWNER/REPO[:QUANT]`` apart.

    Raises:
        UsageError: it is not of that form.
    """
    found = re.fullmatch(r"hf:(?://)?([\w.-]+/[\w.-]+)(?::([^:\s]+))?", text)
    if not found or ".." in found[1]:
        raise UsageError(
            f"{text!r} is not of the form hf:OWNER/REPO[:QUANT]",
            "For example hf:Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF:Q4_K_M",
        )
    return Spec(found[1], found[2])


def find_local(spec: Spec) -> Installed | None:
    """The pulled model that `spec` means, found without asking the hub."""
    mine = [each for each in installed() if each.name.lower().startswith(f"{PREFIX}{spec.repo}:".lower())]
    if spec.quant:
        wanted = spec.quant.lower().rpartition("/")[2]
        return next(
            (
                each
                for each in mine
                if wanted in (each.name.rpartition(":")[2].lower(), each.path.name.lower())
            ),
            None,
        )
    return min(mine, key=lambda each: rank(each.name.rpartition(":")[2]), default=None)


def entry_of(model: Installed) -> Entry:
    """A pulled hub model as an entry: what to verify, and where to fetch it again."""
    repo, _, _ = model.name.removeprefix(PREFIX).partition(":")
    return Entry(
        name=model.name,
        title=model.title,
        file=model.path.name,
        size=model.size,
        sha256=model.sha256,
        licence=model.licence,
        licence_url=model.licence_url,
        sources=(HubSource(repo, model.path.name),),
        companions=tuple(replace(each, sources=(HubSource(repo, each.file),)) for each in model.companions),
    )


def rank(quant: str) -> int:
    """The place of a quantization in `PREFERENCE`; those that are not in it come last."""
    return PREFERENCE.index(quant) if quant in PREFERENCE else len(PREFERENCE)
