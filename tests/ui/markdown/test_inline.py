"""Emphasis, code and links become styles; nothing that was written is hidden."""

import pytest

from gemcli.ui.markdown.inline import close_marks, to_text


def styles(source: str) -> list[tuple[str, str]]:
    text = to_text(source)
    return [(text.plain[span.start : span.end], str(span.style)) for span in text.spans if span.style]


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("**a** *b* ~~c~~ `d`", "a b c d"),
        ("line one\nline two", "line one\nline two"),
        ("cell<br>next<BR/>last", "cell\nnext\nlast"),
        ("<b>tags</b> stay", "<b>tags</b> stay"),
        ("[text](http://x.y)", "text (http://x.y)"),
        ('[text](http://x.y "title")', 'text (http://x.y "title")'),
        ("[http://x.y](http://x.y)", "http://x.y"),
        ("[](http://x.y)", "http://x.y"),
        ("<http://x.y> <me@x.y>", "http://x.y me@x.y"),
        ("![alt](pic.png) ![](p.png)", "[alt] (pic.png) [image] (p.png)"),
        ("[see][1] and [2]", "[see][1] and [2]"),
        (r"\(a_1 * b\) and \[x\] and $$y_1 * z_1$$", r"\(a_1 * b\) and \[x\] and $$y_1 * z_1$$"),
        (r"\* escaped \\", r"* escaped " + "\\"),
        ("&amp; &copy; &nosuch;", "& © &nosuch;"),
        ("**unclosed `code", "**unclosed `code"),
        ("a\tb `c\td`", "a   b c    d"),
        ("snake_case_name 2*3*4", "snake_case_name 234"),
    ],
)
def test_plain_text(source, plain):
    assert to_text(source).plain == plain


def test_styles():
    assert styles("**a *b*** `c`") == [("a ", "bold"), ("b", "bold italic"), ("c", "cyan")]
    assert styles("[t](http://u)") == [("t", "underline"), (" (http://u)", "dim")]


@pytest.mark.parametrize(
    ("source", "closed"),
    [
        ("plain", "plain"),
        ("a **bold", "a **bold**"),
        ("a **bold ", "a **bold**"),
        ("a **bold*", "a **bold**"),
        ("a **", "a **"),
        ("a `code", "a `code`"),
        ("a ``co`de", "a ``co`de``"),
        ("a `code` b", "a `code` b"),
        ("`**` text", "`**` text"),
        ("**done** `x`", "**done** `x`"),
    ],
)
def test_open_marks_are_closed_for_the_eye(source, closed):
    assert close_marks(source) == closed
