"""A repository of safetensors as one model of several files: its weights, and what describes them.

Of large files the hub lists the SHA-256; of small ones, which lie in git, the hash that git gave them.  The
small ones are fetched once to be checked against it, and have a SHA-256 from then on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from gemcli.errors import ModelUnavailableError, UsageError
from gemcli.hub import hub_source, web
from gemcli.hub.catalog import Companion
from gemcli.hub.source import HubSource, SourceError

LABEL = "safetensors"
"""What stands in a model's name where that of a GGUF has its quantization."""

CONFIG = "config.json"

BESIDE = (
    CONFIG, "generation_config.json", "model.safetensors.index.json",
    "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "vocab.json", "merges.txt", "chat_template.jinja", "chat_template.json",
    "processor_config.json", "preprocessor_config.json",
)  # fmt: skip
"""The files beside the weights that say what these are."""

_LARGEST_SMALL = 32 << 20  # bytes; the hub takes no larger file into git
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.safetensors$")
_WEIGHTS = re.compile(r"model(-\d{5}-of-\d{5})?\.safetensors")
_OTHER = re.compile(r"adapter|consolidated|optimizer", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as the hub lists it.

    Attributes:
        path: inside the repository.
        size: bytes.
        sha256: hex digest; "" of a file in git.
        blob: git's hash of it; "" where the hub does not say.
    """

    path: str
    size: int
    sha256: str
    blob: str


def listed(about: Mapping[str, object]) -> Iterator[Listed]:
    """The files that the hub lists of a repository, as far as their sizes are known."""
    siblings = about.get("siblings")
    for each in siblings if isinstance(siblings, list) else []:
        if not isinstance(each, dict):
            continue
        lfs = each.get("lfs")
        lfs = lfs if isinstance(lfs, dict) else {}
        sha256 = str(lfs.get("sha256") or lfs.get("oid") or "").removeprefix("sha256:").lower()
        size = lfs.get("size") or each.get("size")
        if isinstance(size, int) and size > 0:
            yield Listed(
                str(each.get("rfilename", "")),
                size,
                sha256 if re.fullmatch(r"[0-9a-f]{64}", sha256) else "",
                str(each.get("blobId") or ""),
            )


def weights(about: Mapping[str, object]) -> list[Listed]:
    """The files of a repository's weights in safetensors, in order; none where it is no such model.

    Raises:
        UsageError: some of the files that belong together are missing.
    """
    files = [each for each in listed(about) if "/" not in each.path]
    if CONFIG not in [each.path for each in files]:
        return []
    found = [each for each in files if each.path.endswith(".safetensors") and each.sha256]
    own = [each for each in found if _WEIGHTS.fullmatch(each.path)]
    chosen = sorted(own or (each for each in found if not _OTHER.search(each.path)), key=lambda e: e.path)
    shards = [match for each in chosen if (match := _SHARD.search(each.path))]
    if shards and len(shards) == len(chosen) and int(shards[0][2]) != len(shards):
        raise UsageError(
            f"the repository holds {len(shards)} of the {int(shards[0][2])} files that its weights are in",
            "Its upload may not be finished: try again later.",
        )
    whole = [each for each in chosen if not _SHARD.search(each.path)]
    return whole if shards and whole else chosen


def companions(
    about: Mapping[str, object], repo: str, revision: str, others: list[Listed]
) -> tuple[Companion, ...]:
    """What lies beside the first file of the weights: the `others`, and what describes them.

    Args:
        about: the hub's answer.
        repo: ``owner/name``.
        revision: the commit.
        others: the further files of the weights.

    Raises:
        ModelUnavailableError: a small file cannot be fetched, or is not the one that is listed.
    """
    beside = [each for each in listed(about) if each.path in BESIDE]
    return tuple(
        Companion(
            each.path,
            each.size,
            each.sha256 or _small_digest(each, repo, revision),
            (HubSource(repo, each.path, revision),),
        )
        for each in (*beside, *others)
    )


def _small_digest(file: Listed, repo: str, revision: str) -> str:
    """SHA-256 of a file in git, once its bytes are those that git knows.

    Raises:
        ModelUnavailableError: it cannot be fetched, or is another file.
    """
    try:
        data = _fetched(file, repo, revision)
    except SourceError as error:
        raise ModelUnavailableError(
            f"cannot look up {repo}: {file.path}: {error.reason}", error.hint
        ) from error
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    if len(data) != file.size or (file.blob and blob != file.blob):
        raise ModelUnavailableError(
            f"{repo} gave another {file.path} than the one that it lists", "Try again later."
        )
    if file.path.endswith(".json") and not _is_json(data):
        raise ModelUnavailableError(f"{file.path} of {repo} is no JSON: the repository is damaged", None)
    return hashlib.sha256(data).hexdigest()


def _fetched(file: Listed, repo: str, revision: str) -> bytes:
    if file.size > _LARGEST_SMALL:
        raise SourceError(f"it has {file.size:,} bytes and no SHA-256 is listed for it")
    path = f"/{repo}/resolve/{quote(revision, safe='')}/{quote(file.path)}"
    with hub_source.get(path, headers={}, alternatives=False) as reply:
        if reply.status != 200:
            raise hub_source.refuse(reply, repo, file.path)
        try:
            return reply.read()
        except web.OFFLINE_ERRORS as error:
            raise SourceError(web.why(error), "Try again.") from error


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data)
    except (ValueError, RecursionError):
        return False
    return True
