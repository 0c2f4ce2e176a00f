"""A batch's records: what is said of one entry, and the key under which it is known to be done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gemcli.batch.entries import Entry
from gemcli.failure import Failure
from gemcli.request import Request

VERSION = 1
"""Of the way an answer is made; what was answered by another one is asked again."""

_NOT_THE_ANSWER = {
    "files", "sources", "shown", "stdin", "conversation", "notices", "log", "private", "keep_going", "keep",
    "device", "offline", "started",
}  # fmt: skip
"""What of a request changes nothing about an answer."""


def digest(entry: Entry) -> str | None:
    """SHA-256 of an entry's bytes, hex; None where they are not at hand: an address, or what is not there.

    Raises:
        InputError: it cannot be read.
    """
    source = entry.source
    if source is None or (source.data is None and source.path is None):
        return None
    return source.sha256()


def key(request: Request, entry: Entry, sha256: str | None, model: str) -> str:
    """What an entry's answer depends on, as a name: bytes, range, question, model, options."""
    source = entry.source
    options = {
        each.name: repr(getattr(request, each.name))
        for each in fields(request)
        if each.name not in _NOT_THE_ANSWER
    }
    depends = {
        "version": VERSION,
        "model": model,
        "options": options,
        "bytes": sha256 or entry.name,
        "range": repr((source.selection, source.clip)) if source else "",
    }
    return hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:32]


def answered(entry: Entry, key: str, sha256: str | None, result: Mapping[str, Any]) -> dict[str, Any]:
    """The record of an answer.

    Args:
        entry: what was asked about.
        key: from `key`.
        sha256: of its bytes; None takes that of the document that was read.
        result: the contract's answer object.
    """
    documents = result["plan"].get("documents") or [{}]
    return {
        "source": entry.name,
        "sha256": sha256 or documents[0].get("sha256"),
        "status": "ok",
        "answer": result["answer"],
        "data": result["data"],
        "error": None,
        "usage": result["usage"],
        "finish_reason": result["finish_reason"],
        "read": result["read"],
        "warnings": result["warnings"],
        "model": result["model"],
        "key": key,
    }


def failed(
    entry: Entry, key: str, sha256: str | None, why: Failure, result: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The record of a failure; what there is of an answer stays with it."""
    return {
        "source": entry.name,
        "sha256": sha256,
        "status": "error",
        "answer": result["answer"] or None if result else None,
        "data": None,
        "error": {"code": why.code, "message": why.message},
        "usage": result["usage"] if result else None,
        "finish_reason": result["finish_reason"] if result else None,
        "read": result["read"] if result else None,
        "warnings": result["warnings"] if result else [],
        "model": result["model"] if result else None,
        "key": key,
    }


def copied(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The record of one entry as that of another with the same bytes, by whose name an error begins."""
    made, error = {**record, "source": name}, record.get("error")
    if error and error["message"].startswith(record["source"]):
        made["error"] = {**error, "message": name + error["message"].removeprefix(record["source"])}
    return made
