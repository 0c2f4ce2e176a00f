"""Any model of a hub's repository, found through the hub's list of its files.

The list gives each file's size and SHA-256, and the commit it belongs to; the file is then pulled like one
of the catalogue, from that very commit.  Beside a GGUF comes the mmproj file with the model's eyes and ears;
a repository without a GGUF may hold safetensors (`gemcli.hub.hub_folder`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from gemcli.errors import ModelUnavailableError, UsageError
from gemcli.hub import hub_folder, hub_source, web
from gemcli.hub.catalog import Companion, Entry
from gemcli.hub.hub_name import PREFIX, Spec, rank
from gemcli.hub.source import HubSource, SourceError

_QUANT = re.compile(
    r"(?<![A-Z0-9])(?:UD-)?"
    r"(?:I?Q[1-8]_(?:K(?:_(?:XXS|XS|S|M|L|XL))?|XXS|XS|S|M|NL|0|1)(?:_\d){0,3}"
    r"|TQ[12]_0|MXFP4|NVFP4|BF16|FP?16|FP?32)(?![A-Z0-9])",
    re.IGNORECASE,
)


_PROJECTORS = ("F16", "BF16", "Q8_0", "F32")
"""Types of an mmproj file, the one taken first first: it is small, and eyes are worth its bytes."""


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A GGUF in a repository."""

    path: str
    size: int
    sha256: str
    quant: str


def look_up(spec: Spec) -> Entry:
    """Ask the hub for the model that `spec` means: a GGUF, or safetensors where there is none.

    Raises:
        UsageError: the repository holds no such model, or several; the message lists what there is.
        ModelUnavailableError: the hub does not answer or refuses.
    """
    try:
        about = _about(spec.repo)
    except SourceError as error:
        raise ModelUnavailableError(f"cannot look up {spec}: {error.reason}", error.hint) from error
    files = _ggufs(about)
    repo = str(about.get("id", ""))
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):  # otherwise the hub's own spelling of the name
        repo = spec.repo
    revision = str(about.get("sha") or "main")
    card = about.get("cardData")
    licence = _licence(card if isinstance(card, dict) else {})
    if (spec.quant or "").lower() == hub_folder.LABEL or not (spec.quant or files):
        weights = hub_folder.weights(about)
        if weights:
            return Entry(
                name=f"{PREFIX}{repo}:{hub_folder.LABEL}",
                title=f"{repo.rpartition('/')[2]}, {hub_folder.LABEL}",
                file=weights[0].path,
                size=weights[0].size,
                sha256=weights[0].sha256,
                licence=licence,
                licence_url=f"{hub_source.endpoint()}/{repo}",
                sources=(HubSource(repo, weights[0].path, revision),),
                companions=hub_folder.companions(about, repo, revision, weights[1:]),
            )
    chosen = choose(spec, files)
    alike = [each for each in files if each.quant == chosen.quant]
    label = chosen.quant if chosen.quant and len(alike) == 1 else chosen.path.rpartition("/")[2]
    return Entry(
        name=f"{PREFIX}{repo}:{label}",
        title=f"{repo.rpartition('/')[2]}, {chosen.quant or label}",
        file=chosen.path.rpartition("/")[2],
        size=chosen.size,
        sha256=chosen.sha256,
        licence=licence,
        licence_url=f"{hub_source.endpoint()}/{repo}",
        sources=(HubSource(repo, chosen.path, revision),),
        companions=_projector(about, repo, revision, chosen),
    )


def choose(spec: Spec, files: list[RemoteFile]) -> RemoteFile:
    """The file that `spec` means among a repository's GGUFs.

    Raises:
        UsageError: none or several fit, or the one that fits is split into several files.
    """
    listing = "It holds: " + "; ".join(f"{each.path} ({each.size / 1e9:.2f} GB)" for each in files) + "."
    if not files:
        raise UsageError(
            f"{spec.repo} holds no GGUF file"
            + ("" if spec.quant else ", and no safetensors with a config.json"),
            "Repositories with GGUF files usually have GGUF in their names; safetensors are taken by "
            f"{PREFIX}{spec.repo}:{hub_folder.LABEL}.",
        )
    if spec.quant:
        wanted = spec.quant.lower()
        fit = [each for each in files if wanted in (each.path.lower(), each.path.rpartition("/")[2].lower())]
        fit = fit or [each for each in files if each.quant.lower() == wanted]
        missing = f"{spec.repo} holds no {spec.quant}"
    else:
        whole = [each for each in files if not _is_split(each.path)] or files
        best = min(rank(each.quant) for each in whole)
        fit = [each for each in whole if rank(each.quant) == best]
        missing = ""
    if not fit:
        raise UsageError(missing, listing)
    if any(_is_split(each.path) for each in fit):
        raise UsageError(
            f"{fit[0].path} is one of several parts; only models in a single GGUF file are read",
            f"Name another one as {PREFIX}{spec.repo}:QUANT. {listing}",
        )
    if len(fit) > 1:
        raise UsageError(
            f"{spec} could mean {len(fit)} files",
            f"Name one as {PREFIX}{spec.repo}:QUANT or {PREFIX}{spec.repo}:FILE. {listing}",
        )
    return fit[0]


def quant_of(path: str) -> str:
    """The quantization in a file's name, in capitals; empty where it names none."""
    found = _QUANT.findall(path.rpartition("/")[2].removesuffix(".gguf"))
    return found[-1].upper().replace("FP16", "F16").replace("FP32", "F32") if found else ""


def _about(repo: str) -> dict[str, object]:
    path = f"/api/models/{quote(repo)}?blobs=true"
    with hub_source.get(path, headers={"Accept": "application/json"}, alternatives=False) as reply:
        if reply.status != 200:
            raise hub_source.refuse(reply, repo, "")
        try:
            about = json.loads(reply.read())
        except (*web.OFFLINE_ERRORS, ValueError) as error:
            raise SourceError(f"{hub_source.endpoint()} gave an answer that is not understood") from error
    if not isinstance(about, dict):
        raise SourceError(f"{hub_source.endpoint()} gave an answer that is not understood")
    return about


def _ggufs(about: dict[str, object]) -> list[RemoteFile]:
    """The repository's model files; projectors and importance matrices are none."""
    found = [each for each in _files(about) if not re.search("mmproj|imatrix", _name(each), re.IGNORECASE)]
    return sorted(found, key=lambda each: each.path)


def _projector(
    about: dict[str, object], repo: str, revision: str, chosen: RemoteFile
) -> tuple[Companion, ...]:
    """The mmproj file for a GGUF, where the repository holds one: from the same folder if it can be."""
    found = [each for each in _files(about) if "mmproj" in _name(each).lower()]
    folder = chosen.path.rpartition("/")[0]
    near = [each for each in found if each.path.rpartition("/")[0] == folder] or found
    if not near:
        return ()

    def merit(each: RemoteFile) -> tuple[int, str]:
        known = _PROJECTORS.index(each.quant) if each.quant in _PROJECTORS else len(_PROJECTORS)
        return known, each.path

    best = min(near, key=merit)
    return (Companion(_name(best), best.size, best.sha256, (HubSource(repo, best.path, revision),)),)


def _files(about: dict[str, object]) -> list[RemoteFile]:
    """Every GGUF whose hash the hub lists."""
    return [
        RemoteFile(each.path, each.size, each.sha256, quant_of(each.path))
        for each in hub_folder.listed(about)
        if each.path.lower().endswith(".gguf") and each.sha256
    ]


def _name(file: RemoteFile) -> str:
    return file.path.rpartition("/")[2]


def _licence(card: dict[str, object]) -> str:
    name = str(card.get("license_name") or card.get("license") or "")
    return name if name and name != "other" else "see the repository's page"


def _is_split(path: str) -> bool:
    return bool(re.search(r"-\d{5}-of-\d{5}\.gguf$", path, re.IGNORECASE))
