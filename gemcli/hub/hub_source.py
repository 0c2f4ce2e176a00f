"""A file from a Hugging Face style hub: one GET that resumes, checked against the hash we already know.

A page of HTTP does here what is needed of `huggingface_hub`, whose dependencies are many; its variables
(``HF_ENDPOINT``, ``HF_TOKEN``, ``HF_HOME``, ``HF_HUB_CACHE``, ``HF_HUB_OFFLINE``) and its cache are honoured.
"""

from __future__ import annotations

import logging
import os
import re
import time
from pathlib import Path
from urllib.parse import quote, urlsplit

from gemcli.hub import web
from gemcli.hub.partial import CHUNK, Partial
from gemcli.hub.source import HubSource, SourceError

DEFAULT_ENDPOINT = "https://huggingface.co"

FIRST_CONTACT_S = 5.0
"""Seconds for a hub to answer at all, where another source stands ready."""

PATIENT_S = 30.0
"""The same where the hub is the only source, or has answered before."""

ATTEMPTS = 5
"""Attempts in a row without a single new byte, once a hub has answered, before it is given up."""

BACKOFF_S = 1.0

_YES = ("1", "TRUE", "YES", "ON")

log = logging.getLogger("gemcli.hub")

_silent: dict[str, str] = {}
_answered: set[str] = set()


def endpoint() -> str:
    """The hub's address without a final slash: ``HF_ENDPOINT`` or the default."""
    return (os.environ.get("HF_ENDPOINT") or DEFAULT_ENDPOINT).rstrip("/")


def is_offline() -> bool:
    """Whether the person's environment forbids the hub (``HF_HUB_OFFLINE``)."""
    return any(
        os.environ.get(name, "").upper() in _YES for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def get(path: str, *, headers: dict[str, str], alternatives: bool) -> web.Reply:
    """GET a path of the hub, as the person's token allows.

    Args:
        path: begins with a slash.
        headers: further headers.
        alternatives: whether another source stands ready, so that a silent hub is given up soon; one that
            was silent is not asked again in this process.

    Raises:
        SourceError: the hub does not answer, or the environment forbids it.
    """
    base = endpoint()
    if is_offline():
        raise SourceError("HF_HUB_OFFLINE forbids the hub", "Unset HF_HUB_OFFLINE.")
    if alternatives and base in _silent:
        raise SourceError(_silent[base])
    token = _token()
    within = FIRST_CONTACT_S if alternatives and base not in _answered else PATIENT_S
    try:
        reply = web.get(
            base + path, headers=headers, authorization=f"Bearer {token}" if token else None, within=within
        )
    except (*web.OFFLINE_ERRORS, ValueError) as error:
        reason = f"{base} does not answer: {web.why(error)}"
        if base not in _answered:
            _silent[base] = reason
        raise SourceError(reason, "Check the network, and HF_ENDPOINT if you set it.") from error
    _answered.add(base)
    _silent.pop(base, None)
    return reply


def refuse(reply: web.Reply, repo: str, file: str) -> SourceError:
    """What an error status of the hub means, in words."""
    code = reply.linked.get("X-Error-Code", "")
    page = f"{endpoint()}/{repo}"
    if code == "GatedRepo" or (reply.status == 403 and code != "RepoNotFound"):
        hint = f"Accept its terms at {page}, then set HF_TOKEN to a token of your account."
        return SourceError(f"{repo} is gated: its terms must be accepted first", hint)
    if reply.status == 401 or code == "RepoNotFound":
        hint = f"Check the name at {page}; for a private or gated one set HF_TOKEN."
        if _token():
            hint = f"Check the name at {page}, and whether your HF_TOKEN may read it."
        return SourceError(f"{repo} does not exist, is private or is gated (HTTP {reply.status})", hint)
    if reply.status == 404:
        return SourceError(f"{repo} has no {file or 'such revision'} (HTTP 404)", f"See {page}.")
    if reply.status == 429:
        return SourceError("the hub asks for fewer requests (HTTP 429)", "Try again later, or set HF_TOKEN.")
    return SourceError(f"the hub answered HTTP {reply.status} for {repo}", "Try again later.")


def fetch(source: HubSource, partial: Partial, *, alternatives: bool) -> None:
    """Bring the rest of the file into `partial`.

    A dropped or stalled connection goes on where it stopped; a hub that ignores ranges begins anew.

    Args:
        source: the file.
        partial: what is there already; complete afterwards.
        alternatives: whether another source stands ready.

    Raises:
        SourceError: the hub does not answer, refuses, or holds other bytes than the known file.
    """
    fruitless = 0
    while partial.offset < partial.size:
        before = partial.offset
        try:
            _attempt(source, partial, alternatives)
        except _DroppedError as dropped:
            fruitless = fruitless + 1 if partial.offset <= before else 0
            if fruitless >= (ATTEMPTS if not alternatives else 2):
                raise SourceError(str(dropped), "Try again: what has come is kept.") from dropped
            log.info("hub: %s; going on from byte %d", dropped, partial.offset)
            time.sleep(BACKOFF_S * 2 ** min(fruitless, 4))


def cached_blob(source: HubSource, sha256: str, size: int) -> Path | None:
    """The same file in the cache that other Hugging Face tools keep on this machine, or None.

    Only its name and size have been looked at.
    """
    cache = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    root = Path(cache).expanduser() if cache else _hf_home() / "hub"
    blob = root / f"models--{source.repo.replace('/', '--')}" / "blobs" / sha256
    try:
        return blob if blob.stat().st_size == size else None
    except OSError:
        return None


class _DroppedError(Exception):
    """The connection ended before the file did."""


def _attempt(source: HubSource, partial: Partial, alternatives: bool) -> None:
    path = f"/{source.repo}/resolve/{quote(source.revision, safe='')}/{quote(source.file)}"
    start = partial.offset
    headers = {"Range": f"bytes={start}-"} if start else {}
    try:
        reply = get(path, headers=headers, alternatives=alternatives)
    except SourceError as error:
        # Before the first byte the hub is judged as a whole; afterwards this is one more dropped connection.
        if start == 0 or endpoint() not in _answered:
            raise
        raise _DroppedError(error.reason) from error
    with reply:
        if reply.status in (429, 500, 502, 503, 504) and not alternatives:
            raise _DroppedError(refuse(reply, source.repo, source.file).reason)
        if reply.status == 416:
            partial.truncate(0)
            raise _DroppedError("the hub cannot go on from there; beginning anew")
        if reply.status not in (200, 206):
            raise refuse(reply, source.repo, source.file)
        _check_identity(reply, source, partial)
        if reply.status == 200 and start:
            partial.truncate(0)
        while partial.offset < partial.size:
            try:
                data = reply.read(min(CHUNK, partial.size - partial.offset))
            except web.OFFLINE_ERRORS as error:
                raise _DroppedError(web.why(error)) from error
            if not data:
                raise _DroppedError("the connection was dropped")
            partial.write(data)


def _check_identity(reply: web.Reply, source: HubSource, partial: Partial) -> None:
    """Refuse other bytes than the known file before they are downloaded, as far as headers tell."""
    etag = reply.linked.get("X-Linked-Etag", "").removeprefix("W/").strip('"').lower()
    if re.fullmatch(r"[0-9a-f]{64}", etag) and etag != partial.sha256:
        raise SourceError(f"{source.repo} now holds another {source.file} than the known one")
    if reply.status == 206:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", reply.headers.get("Content-Range", "").strip())
        if not found or int(found[1]) != partial.offset:
            partial.truncate(0)
            raise _DroppedError("the hub answered with another range than asked for")
        size = found[2]
    else:
        size = reply.headers.get("Content-Length", "*")
    if size.isdigit() and int(size) != partial.size:
        raise SourceError(f"{source.file} has {int(size):,} bytes there, the known file {partial.size:,}")


def _hf_home() -> Path:
    home = os.environ.get("HF_HOME")
    if home:
        return Path(home).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "huggingface"


def _token() -> str | None:
    """``HF_TOKEN``, or what `hf auth login` stored; the stored one never leaves this machine without TLS."""
    if token := os.environ.get("HF_TOKEN", "").strip():
        return token
    base = urlsplit(endpoint())
    if base.scheme != "https" and base.hostname not in ("127.0.0.1", "localhost", "::1"):
        return None
    if os.environ.get("HF_HUB_DISABLE_IMPLICIT_TOKEN", "").upper() in _YES:
        return None
    own = os.environ.get("HF_TOKEN_PATH")
    try:
        return (Path(own) if own else _hf_home() / "token").read_text("utf-8").strip() or None
    except (OSError, ValueError):
        return None
