"""Office's packages: parts in a zip that point at each other through relationships (ECMA-376, part 2).

What a relationship names outside of the package is never fetched.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from gemcli.errors import InputError
from gemcli.ingest.safe_xml import children, parse
from gemcli.ingest.zipped import BoundedZip

#: Bytes of one part of XML other than a document's body.
MAX_XML = 64 << 20


@dataclass(frozen=True, slots=True)
class Relation:
    """One relationship of a part.

    Attributes:
        kind: the last word of its type: ``image``, ``slideLayout``, ``hyperlink``.
        target: the part's name in the package, or the address where it is external.
        external: whether it is outside of the package.
    """

    kind: str
    target: str
    external: bool


class Package:
    """The parts of an open Office document."""

    def __init__(self, archive: BoundedZip, file: str) -> None:
        self.archive = archive
        self._file = file
        self._relations: dict[str, dict[str, Relation]] = {}
        self._layouts: dict[str, Element | None] = {}

    def what(self, part: str) -> str:
        """How a part is called in messages."""
        return f"{self._file}: {part}"

    def xml(self, part: str) -> Element:
        """A part's root element.

        Raises:
            InputError: it is missing or damaged.
        """
        return parse(self.archive.read(part, MAX_XML), self.what(part))

    def maybe(self, part: str | None) -> Element | None:
        """A part's root element, or None where it is missing or damaged: a document can do without."""
        if part is None or part not in self.archive:
            return None
        try:
            return self.xml(part)
        except InputError:
            return None

    def layout(self, part: str) -> Element | None:
        """As `maybe`, kept: for the few parts that many others refer to."""
        if part not in self._layouts:
            self._layouts[part] = self.maybe(part)
        return self._layouts[part]

    def relations(self, part: str) -> dict[str, Relation]:
        """A part's relationships by their ids; none where their list is missing or damaged."""
        if part not in self._relations:
            self._relations[part] = dict(self._read_relations(part))
        return self._relations[part]

    def related(self, part: str, kind: str) -> list[str]:
        """The parts that a part names as being of a kind."""
        return [
            relation.target
            for relation in self.relations(part).values()
            if relation.kind == kind and not relation.external
        ]

    def main(self, fallback: str) -> str:
        """The part that the package begins with, or `fallback` where it does not say."""
        found = [name for name in self.related("", "officeDocument") if name in self.archive]
        return found[0] if found else fallback

    def _read_relations(self, part: str) -> list[tuple[str, Relation]]:
        folder, name = posixpath.split(part)
        listed = posixpath.join(folder, "_rels", f"{name}.rels")
        if listed not in self.archive:
            return []
        found: list[tuple[str, Relation]] = []
        try:
            items = children(self.archive.chunks(listed, MAX_XML), "rel.Relationships", self.what(listed))
            for item in items:
                target = item.get("Target", "")
                external = item.get("TargetMode") == "External"
                if not external:
                    target = posixpath.normpath(posixpath.join("/", folder, unquote(target))).lstrip("/")
                kind = item.get("Type", "").rpartition("/")[2]
                found.append((item.get("Id", ""), Relation(kind, target, external)))
        except InputError:
            pass  # what is missing is told where it is looked for
        return found
