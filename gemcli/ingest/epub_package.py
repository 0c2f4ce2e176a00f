"""What an e-book says of itself: its package file, its table of contents, what of it is encrypted.

These are small XML files, often not quite valid; they are read as tolerantly as pages are.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from gemcli.ingest.decode import UndecodableError
from gemcli.ingest.html import decode_html
from gemcli.ingest.markup_source import tame

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_NCX = "application/x-dtbncx+xml"
_FONT_METHODS = ("http://www.idpf.org/2008/embedding", "http://ns.adobe.com/pdf/enc#RC")


@dataclass(slots=True)
class Package:
    """A package file (OPF).

    Attributes:
        spine: members in the order of reading.
        contents: members that may hold the table of contents, the best first.
        meta: title, author and language, where it says them.
    """

    spine: list[str] = field(default_factory=list)
    contents: list[str] = field(default_factory=list)
    meta: dict[str, object] = field(default_factory=dict)


def root_file(container: bytes | None) -> str:
    """The member that ``META-INF/container.xml`` names as the package file, or ""."""
    for node in _nodes(container):
        if _tag(node) == "rootfile":
            return _path("", node.attributes.get("full-path"))
    return ""


def package(data: bytes | None, place: str) -> Package:
    """Read a package file; `place` is its own name, which the names in it are relative to."""
    made = Package()
    folder = posixpath.dirname(place)
    files: dict[str, str] = {}
    kinds: dict[str, str] = {}
    order: list[str] = []
    navigation: list[str] = []
    toc = ""
    for node in _nodes(data):
        tag, attributes = _tag(node), node.attributes
        if tag == "item":
            key, name = attributes.get("id") or "", _path(folder, attributes.get("href"))
            files[key], kinds[key] = name, (attributes.get("media-type") or "").lower()
            if "nav" in (attributes.get("properties") or "").split():
                navigation.append(name)
        elif tag == "itemref":
            order.append(attributes.get("idref") or "")
        elif tag == "spine":
            toc = attributes.get("toc") or ""
        elif tag in ("title", "creator", "language"):
            made.meta.setdefault({"creator": "author"}.get(tag, tag), _said(node))
    made.meta = {key: value for key, value in made.meta.items() if value}
    made.spine = list(dict.fromkeys(files[key] for key in order if files.get(key)))
    ncx = [files[key] for key in files if key == toc or kinds[key] == _NCX]
    made.contents = [name for name in dict.fromkeys(navigation + ncx) if name]
    return made


def chapters(data: bytes | None, place: str) -> dict[str, tuple[str, ...]]:
    """The titles that each page stands under by a table of contents, an EPUB 3 list or an EPUB 2 NCX.

    Of several entries for one page the first counts.
    """
    folder = posixpath.dirname(place)
    found: dict[str, tuple[str, ...]] = {}
    path: list[tuple[int, str]] = []
    label = ""
    inside = None
    for node, depth in _walk(data):
        tag = _tag(node)
        if tag == "nav":
            kind = f"{node.attributes.get('epub:type') or ''} {node.attributes.get('role') or ''}"
            inside = depth if "toc" in kind else -1
        if tag == "navlabel":
            label = _said(node)
            continue
        if tag == "a" and inside != -1:
            title, target = _said(node), node.attributes.get("href")
        elif tag == "content":
            title, target = label, node.attributes.get("src")
        else:
            continue
        while path and path[-1][0] >= depth:
            path.pop()
        path.append((depth, title))
        name = _path(folder, target)
        if title and name:
            found.setdefault(name, tuple(each for _, each in path if each))
    return found


def encrypted(data: bytes | None) -> set[str]:
    """Members that are encrypted; fonts that are only disguised are not counted."""
    found: set[str] = set()
    method = ""
    for node in _nodes(data):
        tag = _tag(node)
        if tag == "encryptionmethod":
            method = node.attributes.get("algorithm") or ""
        elif tag == "cipherreference" and method not in _FONT_METHODS:
            found.add(_path("", node.attributes.get("uri")))
    return found


def _nodes(data: bytes | None) -> Iterator[Any]:
    for node, _ in _walk(data):
        yield node


def _walk(data: bytes | None) -> Iterator[tuple[LexborNode, int]]:
    """The elements of a file with their depth; none where it is no text."""
    from selectolax.lexbor import LexborHTMLParser

    if data is None:
        return
    try:
        text = decode_html(data).text
    except UndecodableError:
        return
    for chunk in tame(text, is_xml=True).chunks:
        parser = LexborHTMLParser(chunk)  # kept: its nodes live as long as it does
        node = parser.root
        depth = 0
        while node is not None:
            if node.tag and node.tag[0] not in "-!":
                yield node, depth
            if node.first_child is not None:
                node, depth = node.first_child, depth + 1
                continue
            while node is not None and node.next is None and depth:
                node, depth = node.parent, depth - 1
            node = node.next if node is not None and depth else None


def _tag(node: LexborNode) -> str:
    """The name of an element without its prefix."""
    return (node.tag or "").rpartition(":")[2]


def _said(node: LexborNode) -> str:
    return " ".join(node.text(deep=True).split())[:300]


def _path(folder: str, href: str | None) -> str:
    """The member that an address in the book means, or "" for what is outside of it."""
    try:
        parts = urlsplit(href or "")
    except ValueError:
        return ""
    if parts.scheme or parts.netloc or not parts.path:
        return ""
    name = posixpath.normpath(posixpath.join(folder, unquote(parts.path))).lstrip("/")
    return "" if name.startswith("..") else name
