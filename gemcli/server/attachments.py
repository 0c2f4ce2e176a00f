"""Files inside a conversation: data URLs, recorded sound, whole files; their names are labels and no more.

Nothing that a client writes is ever opened as a path, and no address is fetched unless the person who started
the server allows it.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
from urllib.parse import unquote_to_bytes, urlsplit

from gemcli.ingest.source import Source, shown_url
from gemcli.server.faults import Fault, bad
from gemcli.server.fields import Fields

_DATA_URL = re.compile(r"data:(?P<type>[^;,]*)(?P<rest>[^,]*),", re.IGNORECASE)
_SUFFIXES = {"audio/wav": ".wav", "audio/x-wav": ".wav", "audio/mpeg": ".mp3", "image/jpeg": ".jpg"}
_LONGEST_NAME = 120


class Attachments:
    """Takes the files of one conversation, and gives each a name of its own.

    Args:
        may_fetch: whether http and https addresses are taken.
    """

    def __init__(self, *, may_fetch: bool = False) -> None:
        self._may_fetch = may_fetch
        self._names: set[str] = set()
        self._counts: dict[str, int] = {}

    def image(self, part: Fields) -> Source:
        """The source of an ``image_url`` part.

        Raises:
            Fault: it is malformed, or leads to where nothing is taken from.
        """
        if isinstance(part.data.get("image_url"), str):
            where, url = part.path("image_url"), part.needed_text("image_url")
        else:
            inner = _needed(part, "image_url")
            where, url = inner.path("url"), inner.needed_text("url")
        return self._from_url("image", url, where)

    def sound(self, part: Fields) -> Source:
        """The source of an ``input_audio`` part.

        Raises:
            Fault: it is malformed.
        """
        inner = _needed(part, "input_audio")
        kind = re.sub(r"[^a-z0-9]", "", (inner.text("format") or "wav").lower())[:8] or "wav"
        data = _decoded(inner.needed_text("data"), inner.path("data"))
        return self._source(self._numbered("audio", f".{kind}"), data, inner.path("data"))

    def file(self, part: Fields) -> Source:
        """The source of a ``file`` part.

        Raises:
            Fault: it is malformed, or names a file that was to be uploaded before.
        """
        inner = _needed(part, "file")
        if inner.has("file_id") and not inner.has("file_data"):
            where = inner.path("file_id")
            raise bad("files are not kept here: send the file itself as file_data", where, code="unsupported")
        name = inner.text("filename")
        data, where = inner.needed_text("file_data"), inner.path("file_data")
        if data[:5].lower() == "data:":
            return self._from_url("file", data, where, name)
        return self._source(self._named(name, "file", ""), _decoded(data, where), where)

    def _from_url(self, kind: str, url: str, where: str, name: str | None = None) -> Source:
        found = _DATA_URL.match(url)
        if found is not None:
            media_type, rest = found["type"].strip().lower(), found["rest"].lower()
            data = url[found.end() :]
            content = _decoded(data, where) if ";base64" in rest else unquote_to_bytes(data)
            suffix = _SUFFIXES.get(media_type) or mimetypes.guess_extension(media_type) or ""
            return self._source(self._named(name, kind, suffix), content, where)
        try:
            scheme = urlsplit(url).scheme.lower()
        except ValueError:
            scheme = ""
        if scheme not in ("http", "https"):
            raise bad("only data: URLs are taken here (data:image/png;base64,…)", where, code="unsupported")
        if not self._may_fetch:
            raise bad(
                "this server fetches nothing: send the bytes as a data: URL (--allow-urls allows it)",
                where,
                code="unsupported",
            )
        return Source(shown_url(url), None, url=url, trusted=False)

    def _source(self, name: str, data: bytes, where: str) -> Source:
        if not data:
            raise bad(f"{where} is empty", where)
        return Source(name, None, data=data)

    def _named(self, name: str | None, kind: str, suffix: str) -> str:
        """A name for people and the model: what stands behind the last slash, without controls."""
        label = re.split(r"[/\\]", name or "")[-1]
        label = "".join(each for each in label if each.isprintable()).strip()
        if label.strip(".") == "":
            return self._numbered(kind, suffix)
        stem, dot, end = label.rpartition(".")
        if len(label) > _LONGEST_NAME:
            label = f"{(stem or end)[: _LONGEST_NAME - 20]}{dot}{end[:16]}" if stem else label[:_LONGEST_NAME]
            stem, dot, end = label.rpartition(".")
        number = 1
        while label in self._names:
            number += 1
            label = f"{stem}-{number}{dot}{end}" if stem else f"{end}-{number}"
        self._names.add(label)
        return label

    def _numbered(self, kind: str, suffix: str) -> str:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        return self._named(f"{kind}-{self._counts[kind]}{suffix}", kind, suffix)


def _needed(part: Fields, name: str) -> Fields:
    found = part.object(name)
    if found is None:
        raise bad(f"{part.path(name)} is missing", part.path(name))
    return found


def _decoded(text: str, where: str) -> bytes:
    """Base64, also in its form for URLs and broken into lines; its padding may be missing.

    Raises:
        Fault: it is none.
    """
    plain = re.sub(r"\s+", "", text).translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise _no_base64(where) from None


def _no_base64(where: str) -> Fault:
    return bad(f"{where} is not base64", where, code="invalid_base64")
