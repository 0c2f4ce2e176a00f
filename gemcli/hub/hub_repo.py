"""Any GGUF of a hub's repository, found through the hub's list of its files.

The list gives each file's size and SHA-256, and the commit it belongs to; the file is then pulled like one
of the catalogue, from that very commit.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import quote

from gemcli.errors import ModelUnavailableError, UsageError
from gemcli.hub import hub_source, web
from gemcli.hub.catalog import Entry
from gemcli.hub.hub_name import PREFIX, Spec, rank
from gemcli.hub.source import HubSource, SourceError

_QUANT = re.compile(
    r"(?<![A-Z0-9])(?:UD-)?"
    r"(?:I?Q[1-8]_(?:K(?:_(?:XXS|XS|S|M|L|XL))?|XXS|XS|S|M|NL|0|1)(?:_\d){0,3}"
    r"|TQ[12]_0|MXFP4|NVFP4|BF16|FP?16|FP?32)(?![A-Z0-9])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """A GGUF in a repository."""

    path: str
    size: int
    sha256: str
    quant: str


def look_up(spec: Spec) -> Entry:
    """Ask the hub for the file that `spec` means.

    Raises:
        UsageError: the repository holds no such GGUF, or several; the message lists what there is.
        ModelUnavailableError: the hub does not answer or refuses.
    """
    try:
        about = _about(spec.repo)
    except SourceError as error:
        raise ModelUnavailableError(f"cannot look up {spec}: {error.reason}", error.hint) from error
    files = _ggufs(about)
    chosen = choose(spec, files)
    repo = str(about.get("id", ""))
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo):  # otherwise the hub's own spelling of the name
        repo = spec.repo
    card = about.get("cardData")
    licence = _licence(card if isinstance(card, dict) else {})
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
        sources=(HubSource(repo, chosen.path, str(about.get("sha") or "main")),),
    )


def choose(spec: Spec, files: list[RemoteFile]) -> RemoteFile:
    """The file that `spec` means among a repository's GGUFs.

    Raises:
        UsageError: none or several fit, or the one that fits is split into several files.
    """
    listing = "It holds: " + "; ".join(f"{each.path} ({each.size / 1e9:.2f} GB)" for each in files) + "."
    if not files:
        raise UsageError(
            f"{spec.repo} holds no GGUF file",
            "Repositories with GGUF files usually have GGUF in their names.",
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
    found = []
    siblings = about.get("siblings")
    for each in siblings if isinstance(siblings, list) else []:
        path, lfs = str(each.get("rfilename", "")), each.get("lfs") or {}
        name = path.rpartition("/")[2].lower()
        if not name.endswith(".gguf") or "mmproj" in name or "imatrix" in name:
            continue
        sha256 = str(lfs.get("sha256") or lfs.get("oid") or "").removeprefix("sha256:").lower()
        size = lfs.get("size") or each.get("size")
        if re.fullmatch(r"[0-9a-f]{64}", sha256) and isinstance(size, int) and size > 0:
            found.append(RemoteFile(path, size, sha256, quant_of(path)))
    return sorted(found, key=lambda each: each.path)


def _licence(card: dict[str, object]) -> str:
    name = str(card.get("license_name") or card.get("license") or "")
    return name if name and name != "other" else "see the repository's page"


def _is_split(path: str) -> bool:
    return bool(re.search(r"-\d{5}-of-\d{5}\.gguf$", path, re.IGNORECASE))
