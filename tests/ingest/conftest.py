"""A writer of small PDFs, good and bad, and the events of a collection."""

import hashlib
from dataclasses import dataclass, field

import pytest

from gemcli.events import Note, Warning
from gemcli.ingest.collect import collect
from gemcli.ingest.source import Source

_PAD = bytes.fromhex("28BF4E5E4E758A4164004E56FFFA01082E2E00B6D0683E802F0CA9FE6453697A")
_FILE_ID = b"0123456789abcdef"


def rc4(key, data):
    """RC4, which PDF 1.4 encrypts with."""
    state = list(range(256))
    j = 0
    for i in range(256):
        j = (j + state[i] + key[i % len(key)]) % 256
        state[i], state[j] = state[j], state[i]
    i = j = 0
    out = bytearray()
    for byte in data:
        i = (i + 1) % 256
        j = (j + state[i]) % 256
        state[i], state[j] = state[j], state[i]
        out.append(byte ^ state[(state[i] + state[j]) % 256])
    return bytes(out)


def stream(data, entries=b""):
    return b"<</Length %d %s>>\nstream\n%s\nendstream" % (len(data), entries, data)


def text_content(*lines, x=50, y=700, size=12, step=14):
    """A content stream that shows lines below one another; a number among them is an extra step down."""
    shown = b"BT /F %d Tf %d %d Td\n" % (size, x, y)
    for line in lines:
        if isinstance(line, int):
            shown += b"0 -%d Td\n" % line
        else:
            raw = line if isinstance(line, bytes) else line.encode("cp1252")
            raw = raw.replace(b"\\", rb"\\").replace(b"(", rb"\(").replace(b")", rb"\)")
            shown += b"(%s) Tj 0 -%d Td\n" % (raw, step)
    return shown + b"ET"


PICTURE = b"q 600 0 0 800 0 0 cm /I Do Q"


@dataclass
class Pdf:
    """A PDF in the making: one content stream a page; `None` is a blank page.

    `extra` are further objects, from number 10 on; `page_extra` goes into every page's dictionary.
    """

    pages: list = field(default_factory=list)
    title: bytes = b""
    to_unicode: bytes = b""
    user: bytes = b""
    owner: bytes = b""
    page_extra: bytes = b""
    catalog_extra: bytes = b""
    extra: list = field(default_factory=list)
    linearized: int = 0

    def bytes(self):
        first = 10 + len(self.extra)
        kids = b" ".join(b"%d 0 R" % (first + 2 * index) for index in range(len(self.pages)))
        font = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica/Encoding/WinAnsiEncoding%s>>"
        objects = {
            1: b"<</Type/Catalog/Pages 2 0 R %s>>" % self.catalog_extra,
            2: b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, len(self.pages)),
            3: font % (b"/ToUnicode 4 0 R" if self.to_unicode else b""),
            4: stream(self.to_unicode),
            5: b"<</Title(%s)>>" % self.title,
            6: stream(
                b"\x80",
                b"/Type/XObject/Subtype/Image/Width 1/Height 1/ColorSpace/DeviceGray/BitsPerComponent 8",
            ),
            7: b"null",
            8: b"null",
            9: b"<</Linearized 1/L %d>>" % self.linearized if self.linearized else b"null",
        }
        objects.update(enumerate(self.extra, 10))
        for index, content in enumerate(self.pages):
            number = first + 2 * index
            contents = b"" if content is None else b"/Contents %d 0 R" % (number + 1)
            objects[number] = (
                b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]"
                b"/Resources<</Font<</F 3 0 R>>/XObject<</I 6 0 R>>>>%s %s>>" % (contents, self.page_extra)
            )
            objects[number + 1] = stream(content or b"")
        trailer = b"/Root 1 0 R/Info 5 0 R/ID[<%s><%s>]" % ((_FILE_ID.hex().encode(),) * 2)
        if self.user or self.owner:
            objects, encrypt = self._encrypted(objects)
            trailer += encrypt
        return self._assembled(objects, trailer)

    def _encrypted(self, objects):
        """The standard security handler, revision 2 (PDF 1.7, 7.6.3)."""
        permissions = -4 & 0xFFFFFFFF
        owner_key = hashlib.md5((self.owner or self.user + _PAD)[:32].ljust(32, _PAD[:1])).digest()[:5]
        owner_entry = rc4(owner_key, (self.user + _PAD)[:32])
        seed = (self.user + _PAD)[:32] + owner_entry + permissions.to_bytes(4, "little") + _FILE_ID
        key = hashlib.md5(seed).digest()[:5]
        encrypt = b"/Encrypt<</Filter/Standard/V 1/R 2/O<%s>/U<%s>/P %d>>" % (
            owner_entry.hex().encode(),
            rc4(key, _PAD).hex().encode(),
            permissions - (1 << 32),
        )
        sealed = {}
        for number, body in objects.items():
            head, mark, rest = body.partition(b"\nstream\n")
            if mark:
                object_key = hashlib.md5(key + number.to_bytes(3, "little") + b"\0\0").digest()[:10]
                body = head + mark + rc4(object_key, rest.removesuffix(b"\nendstream")) + b"\nendstream"
            sealed[number] = body
        return sealed, encrypt

    def _assembled(self, objects, trailer):
        out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
        if self.linearized:
            out += b"9 0 obj\n%s\nendobj\n" % objects.pop(9)
        offsets = {}
        for number in sorted(objects):
            offsets[number] = len(out)
            out += b"%d 0 obj\n%s\nendobj\n" % (number, objects[number])
        start = len(out)
        size = max(offsets) + 1
        out += b"xref\n0 %d\n0000000000 65535 f \n" % size
        for number in range(1, size):
            out += b"%010d 00000 n \n" % offsets.get(number, 0)
        out += b"trailer\n<</Size %d %s>>\nstartxref\n%d\n%%%%EOF\n" % (size, trailer, start)
        return bytes(out)


@pytest.fixture
def pdf(tmp_path):
    """Write a PDF: `pdf("a.pdf", page, page, …)`; a page is content, lines, or None for a blank one."""

    def write(name, *pages, **options):
        contents = [
            page if page is None or isinstance(page, bytes) else text_content(*page) for page in pages
        ]
        path = tmp_path / name
        path.write_bytes(Pdf(contents, **options).bytes())
        return path

    write.lines = text_content
    write.picture = PICTURE
    write.stream = stream
    return write


@pytest.fixture
def source():
    """A `Source` of a path or of bytes."""

    def make(where, media_type="text/plain", **options):
        if isinstance(where, bytes):
            return Source("stdin", None, media_type, where, **options)
        return Source(str(where), where, media_type, **options)

    return make


class Collected(list):
    """Documents, with what was said while they were read."""

    def __init__(self, documents, events):
        super().__init__(documents)
        self.events = events
        self.warnings = [event.message for event in events if isinstance(event, Note | Warning)]
        self.names = [document.source for document in documents]

    def text(self):
        return "".join(part.text for document in self for part in document.parts)


@pytest.fixture
def gather():
    """`collect` with its events; they are in `gather.events` also when it raises."""
    events = []

    def run(*files, **options):
        events.clear()
        return Collected(
            collect([str(file) for file in files], on_event=events.append, **options), list(events)
        )

    run.events = events
    return run
