import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.ingest.embedded import embedded_image
from gemcli.ingest.markup import render
from gemcli.ingest.markup_source import MAX_DEPTH, tame
from gemcli.parts import Image, Text


def shown(source, **options):
    return render(source, **options).text


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("<h2>A <i>b</i></h2>c", "## A b\n\nc\n"),
        ("<p>a\n  b&nbsp;c<p>d<br>e", "a b c\n\nd\ne\n"),
        ("<ul><li>a<ul><li>b</ul><li>c</ul>d", "- a\n  - b\n- c\n\nd\n"),
        ("<ol start=9><li>a<li>b</ol>", "9. a\n10. b\n"),
        ("<blockquote><p>a<p>b</blockquote>c", "> a\n>\n> b\n\nc\n"),
        ("<pre class='language-sh'>\n a\n  b</pre>", "```sh\n a\n  b\n```\n"),
        ("<pre>```\nx</pre>", "````\n```\nx\n````\n"),
        ("<dl><dt>T<dd>D</dl>", "T\n: D\n"),
        ("a <code>b</code> <kbd></kbd>c", "a `b` c\n"),
        ("<a href='https://x.org/p q'>t</a>", "[t](https://x.org/p%20q)\n"),
        ("<a href='https://x.org'>https://x.org</a>", "https://x.org\n"),
        ("<a href='#s'>t</a><a href='javascript:x()'>u</a>", "tu\n"),
        ("<h1>T<a href='#t'>¶</a></h1>", "# T\n"),
        ("<a href=/u><div>card</div></a>", "card\n\n</u>\n"),
        (
            "10<sup>6</sup> m<sup>2</sup> 1<sup>st</sup> H<sub>2</sub>O x<sub>i</sub>",
            "10^6 m^2 1st H2O x_i\n",
        ),
        ("word<sup>[1]</sup> e<sup>x+1</sup>", "word[1] e^(x+1)\n"),
        ("<math alttext='E=mc^2'><mi>E</mi></math>", "$E=mc^2$\n"),
        ("<del>old</del> <q>said</q>", "~~old~~ “said”\n"),
        ("<img src=a.png alt='a  cat'><img src=b.png>", "[image: a cat]\n"),
        (
            "a<script>b</script><style>c</style><template>d</template><p hidden>e<p style='display: none'>f",
            "a\n",
        ),
        ("<input type=checkbox checked>yes<input type=password value=p><input value=v>", "[x] yes v\n"),
        ("soft\u00adhyphen zero\u200bwidth", "softhyphen zerowidth\n"),
        ("<ruby>漢<rt>kan</rt></ruby>", "漢(kan)\n"),
        ("<svg><style>x</style><text>A</text><text>B</text></svg>", "A B\n"),
    ],
)
def test_elements(source, text):
    assert shown(source) == text


def test_tables():
    table = "<table><caption>C</caption><tr><th>a<th>b|c<tr><td rowspan=2>1<td>2<tr><td>3<br>4</table>"
    assert shown(table) == "C\n\n| a | b\\|c |\n| --- | --- |\n| 1 | 2 |\n| 1 | 3<br>4 |\n"
    wide = "<table><tr><td colspan=2>a<tr><td>b<td>c</table>"
    assert shown(wide) == "| a |  |\n| --- | --- |\n| b | c |\n"


def test_tables_that_only_lay_out_a_page_become_blocks():
    assert shown("<table><tr><td><h2>In</h2>text<td>right</table>") == "## In\n\ntext\n\nright\n"
    assert shown("<table><tr><td>one<tr><td>two</table>") == "one\n\ntwo\n"
    nested = "<table><tr><td>out<td><table><tr><td>a<td>b<tr><td>c<td>d</table></table>"
    assert shown(nested) == "out\n\n| a | b |\n| --- | --- |\n| c | d |\n"


def test_spans_cannot_fill_the_memory():
    cell = "<td colspan=1000 rowspan=65534>x"
    assert len(shown(f"<table>{('<tr>' + cell * 20) * 500}</table>")) < 3_000_000


def test_navigation_is_left_out_where_there_is_more():
    nav = "<nav><a href=/a>Home</a> <a href=/b>About us</a></nav>"
    page = render(f"{nav}<p>text")
    assert (page.text, page.navigation) == ("text\n", 1)
    alone = render(nav)
    assert (alone.text, alone.navigation) == ("[Home](/a) [About us](/b)\n", 0)
    assert render("<nav>No links, but words</nav><p>text").text == "No links, but words\n\ntext\n"
    assert "Home" in render(f"{nav}<p>text", keep_navigation=True).text


def test_repeated_content_is_kept():
    assert shown("<p>same</p>" * 3) == "same\n\nsame\n\nsame\n"


def test_pictures_stand_where_they_are():
    import io

    import PIL.Image

    stream = io.BytesIO()
    PIL.Image.new("RGB", (30, 30)).save(stream, "PNG")

    def find(src, alt):
        return embedded_image(stream.getvalue(), alt=alt) if src == "in.png" else None

    page = render("<h1>T</h1>a<img src=in.png alt=x>b<img src=out.png alt=y><h2>U</h2>c", picture=find)
    first, picture, second = page.parts()
    assert isinstance(picture, Image)
    assert isinstance(first, Text)
    assert isinstance(second, Text)
    assert first.text == "# T\n\na\n\n"
    assert picture.anchor.lines == (4, 4)
    assert picture.alt == "x"
    assert second.text.split() == ["b[image:", "y]", "##", "U", "c"]
    assert first.anchor.lines == (1, 4)
    assert second.anchor.lines == (5, 9)
    assert (first.heading, second.heading) == ("T", "T")
    assert [part.anchor.page for part in page.parts(7, ("Book",))] == [7, 7, 7]
    assert page.parts(7, ("Book",))[0].heading == "Book › T"  # type: ignore[union-attr]


def test_xhtml():
    source = "<?xml version='1.0'?><html><head><title/></head><body><a id='x'/><p>a<![CDATA[<b>]]></p>"
    assert shown(source, is_xml=True) == "a<b>\n"


@pytest.mark.parametrize(
    "bomb",
    [
        "<div>" * 100_000 + "deep" + "</div>" * 100_000,
        "".join(f"<font size={n}>" for n in range(50_000)) + "deep",
        "".join(f"<b id={n}><p>deep" for n in range(20_000)),
        "".join(f"<font a={n}><table><td></font></table>" for n in range(20_000)) + "deep",
        "<blockquote><ul><li>" * 30_000 + "deep",
        "<table><tr><td>" * 50_000 + "deep",
        "<svg><g>" * 50_000 + "deep",
        "<p " + " ".join(f"a{n}=1" for n in range(300_000)) + ">deep",
        "<!--" * 200_000 + "--><p>deep",
        "<script>" * 200_000 + "</script><p>deep",
        "<title>" * 100_000 + "</title><p>deep",
        "<a" * 500_000 + "><p>deep",
        "&#" * 500_000 + "<p>deep",
        "<p>deep" + "<br>" * 500_000,
        "deep" + "<sup>a" * 30_000,
    ],
    ids=lambda bomb: bomb[:12],
)
def test_bombs_end_soon(bomb):
    began = time.process_time()
    page = render(bomb)
    assert time.process_time() - began < 10
    assert "deep" in page.text
    assert len(page.text) < 3 * len(bomb) + 1000


def test_what_was_flattened_is_said():
    page = render("<div>" * 600 + "<script>no</script>a<p>b<b>c</b>" + "</div>" * 600)
    assert page.text == "a\n\nbc\n"
    assert page.warnings
    assert not tame("<div>" * (MAX_DEPTH - 1)).is_flat


def test_unclosed_paragraphs_and_items_are_no_depth():
    assert not tame("<ul>" + "<li>a<p>b" * 5_000).is_flat


def test_a_very_large_page_is_read_in_pieces(monkeypatch):
    monkeypatch.setattr("gemcli.ingest.markup_source.CHUNK_TAGS", 50)
    source = "".join(f"<h2>H{n}</h2><table><tr><td>a{n}<td>b</table><p>c{n}" for n in range(300))
    assert len(tame(source).chunks) > 5
    assert shown(source).split() == shown("".join(tame(source).chunks)).split()
    assert [line for line in shown(source).split("\n") if line.startswith("## ")] == [
        f"## H{n}" for n in range(300)
    ]


SOUP = """
<p> </p> <div> </div> <table> <tr> <td\trowspan=3> </td> </table> <ul> <ol> <li> </ul> <pre> </pre> <h1> </h1>
<a\thref=x> </a> <nav> </nav> <blockquote> </blockquote> <sup> </sup> <dl> <dd> text <br> <select> <option>
<svg> <math> <textarea> </textarea> <img\tsrc=x\talt=y> <hr> </body> <code>
""".replace("\n", " ").split(" ")


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from(SOUP), max_size=60))
def test_any_soup_keeps_its_words(soup):
    source = " ".join(f"w{n}z {piece}" for n, piece in enumerate(soup))
    page = render(source, keep_navigation=True)
    words = page.text
    for n in range(len(soup)):
        assert f"w{n}z" in words
    assert "".join(part.text for part in page.parts() if isinstance(part, Text)) in (words, "")
