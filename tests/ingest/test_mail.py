import io
import time
from email.message import EmailMessage

import PIL.Image
import pytest
from damaged import outcomes

from gemcli.errors import InputError, UsageError
from gemcli.ingest.mail import read
from gemcli.ingest.ranges import parse
from gemcli.ingest.source import EmptyError, Source
from gemcli.parts import Image, Text


def png():
    stream = io.BytesIO()
    PIL.Image.new("RGB", (30, 40), "blue").save(stream, "PNG")
    return stream.getvalue()


def letter(subject="Grüße", text="Hallo ß\nzwei\n"):
    message = EmailMessage()
    message["From"] = "Jürgen <j@example.org>"
    message["To"] = "a@example.org, b@example.org"
    message["Subject"] = subject
    message.set_content(text)
    return message


def full():
    message = letter()
    message.add_alternative("<p>other words</p>", subtype="html")
    message.add_attachment("a,b\n1,2\n", subtype="csv", filename="t.csv")
    message.add_attachment(png(), maintype="image", subtype="png", filename="p.png")
    message.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="x.pdf")
    message.add_attachment(letter("Inner", "inside\n"))
    return message.as_bytes()


def mail(data, **options):
    return read(Source("a.eml", None, "message/rfc822", data, **options), lambda done, total: None)


def text(document):
    return "".join(part.text for part in document.parts if isinstance(part, Text))


def test_a_mail_with_everything():
    document = mail(full())
    assert text(document) == (
        "From: Jürgen <j@example.org>\nTo: a@example.org, b@example.org\nSubject: Grüße\n"
        "Attachments: t.csv (a CSV table), p.png (a PNG image), x.pdf (a PDF), without a name (a mail)\n\n"
        "Hallo ß\nzwei\n\n--- attachment t.csv ---\n\na,b\n1,2\n\n"
        "[attachment x.pdf: a PDF, 8 bytes, not read]\n\n"
        "--- forwarded message ---\n\nFrom: Jürgen <j@example.org>\nTo: a@example.org, b@example.org\n"
        "Subject: Inner\n\ninside\n\n"
    )
    assert document.warnings == ("attachments not read, save and name them: x.pdf",)
    assert document.meta["title"] == "Grüße"
    assert document.meta["attachments"] == 4
    picture = next(part for part in document.parts if isinstance(part, Image))
    assert picture.pixels().size == (30, 40)
    headings = [part.heading for part in document.parts if isinstance(part, Text)]
    assert "Grüße › Attachment: t.csv" in headings
    assert headings[-1] == "Grüße › Inner"


def test_lines_are_counted_through():
    document = mail(full())
    parts = [part for part in document.parts if isinstance(part, Text)]
    lines = text(document).split("\n")
    for part in parts:
        first, last = part.anchor.lines or (0, 0)
        assert "\n".join(lines[first - 1 : last]) + "\n" == part.text
    assert document.meta["lines"] == len(lines) - 1


def test_html_alone_is_read_as_a_page():
    message = EmailMessage()
    message["Subject"] = "S"
    message.set_content("<h1>T</h1><table><tr><td>a<td>b</table>", subtype="html")
    document = mail(message.as_bytes())
    assert text(document).endswith("# T\n\n| a | b |\n| --- | --- |\n\n")
    assert document.parts[-1].heading == "S › T"  # type: ignore[union-attr]


def test_old_and_odd_encodings():
    raw = b"Subject: =?iso-8859-1?q?Gr=FC=DFe?=\nContent-Type: text/plain; charset=%s\n\nGr\xfc\xdfe\n"
    for name in (b"iso-8859-1", b"windows-1252", b"no-such-charset"):
        document = mail(raw % name)
        assert text(document).endswith("Grüße\n\n")
        assert "Subject: Grüße" in text(document)


def test_the_first_line_of_a_mailbox_is_no_header():
    assert text(mail(b"From a@b Thu Jan  1\nSubject: x\n\ny\n")) == "Subject: x\n\ny\n\n"


def test_mails_in_mails_end_somewhere():
    message = letter()
    for depth in range(12):
        outer = letter(f"level {depth}")
        outer.add_attachment(message)
        message = outer
    document = mail(message.as_bytes())
    assert "mails within more than 8 mails are not read" in document.warnings


@pytest.mark.parametrize(
    "bomb",
    [
        b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(20_000)),
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\nContent-Type: text/plain\n\nx\n" * 50_000,
        b"Content-Type: message/rfc822\n\n" * 5_000 + b"x",
        b"Subject: " + b"=?utf-8?q?a?= " * 20_000 + b"\n\nx",
        b"To: " + b"(" * 20_000 + b"\n\nx",
        b"Content-Type: text/plain; " + b"a*0*=x; " * 5_000 + b"\n\nx",
    ],
    ids=["nested", "many parts", "mails in mails", "encoded words", "comments", "parameters"],
)
def test_bombs_end_soon(bomb):
    began = time.process_time()
    try:
        mail(bomb)
        refused = None
    except InputError as error:
        refused = error
    assert time.process_time() - began < 10
    assert refused is None or refused.message.startswith("a.eml")


def test_nothing_to_read():
    with pytest.raises(EmptyError):
        mail(b" \n")
    with pytest.raises(UsageError, match="no range"):
        mail(full(), selection=parse("1", "line"))


def test_damage():
    words = (
        b"\n\n",
        b"Content-Type: multipart/mixed; boundary=x\n",
        b"=?utf-8?b?//8=?=",
        b"\n--",
        b"\0",
        b"charset=x;",
    )
    counts = outcomes(read, full(), "message/rfc822", words=words)
    assert counts["read"] > 150
