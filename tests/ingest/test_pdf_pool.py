"""A worker that crashes, hangs or says nonsense costs the page it was at, and nothing is left running."""

import pytest

from gemcli.ingest import pdf_pool, pdf_process
from gemcli.ingest.pdf_pool import PdfPages, UnopenedError

BROKEN = (
    "import sys; sys.path[:] = sys.argv[1:]; import os, time; import gemcli.ingest.pdf_worker as worker; "
    "good = worker._page; worker._page = lambda document, index: {what}; worker.main()"
)


@pytest.fixture
def broken(monkeypatch, source, pdf):
    """Read the pages of a PDF with a worker in which reading page `index` is that expression."""

    def run(what, count):
        monkeypatch.setattr(pdf_process, "_PROGRAM", BROKEN.replace("{what}", what))
        path = pdf("a.pdf", *([f"page {number}"] for number in range(1, count + 1)))
        seen = []
        with PdfPages(source(path)) as pages:
            pages.start()
            pages.open()
            assert pages.pages == count
            wanted = range(1, count + 1)
            found = pages.read(wanted, lambda done, total: seen.append((done, total)))
            processes = [worker.process._process for worker in pages._workers]
        assert all(process.poll() is not None for process in processes)
        assert set(found) == set(wanted)
        assert seen[-1] == (count, count)
        return found

    return run


def test_all_is_well(broken):
    found = broken("good(document, index)", 200)
    assert [found[number]["text"] for number in (1, 100, 200)] == ["page 1", "page 100", "page 200"]


def test_a_crash_costs_its_page(broken):
    found = broken("os.abort() if index in (0, 40, 41, 99) else good(document, index)", 100)
    assert {number for number, page in found.items() if page.get("damaged")} == {1, 41, 42, 100}
    assert found[99]["text"] == "page 99"


def test_what_only_a_long_life_breaks_is_read_again(broken):
    old = "vars(worker).setdefault('lived', []).append(1) or len(worker.lived) > 15"
    found = broken(f"os.abort() if {old} else good(document, index)", 30)
    assert found[21]["text"] == "page 21"
    assert not any(page.get("damaged") for page in found.values())


def test_a_page_that_hangs_is_given_up(broken, monkeypatch):
    monkeypatch.setattr(pdf_pool, "PAGE_S", 1.0)
    found = broken("time.sleep(60) if index == 2 else good(document, index)", 6)
    assert [number for number, page in found.items() if page.get("late")] == [3]
    assert found[4]["text"] == "page 4"


def test_a_file_of_nothing_but_crashes_ends(broken, monkeypatch):
    monkeypatch.setattr(pdf_pool, "RESTARTS", 3)
    found = broken("os.abort()", 150)
    assert all(page.get("damaged") for page in found.values())


def test_slow_pages_use_up_an_allowance(broken, monkeypatch):
    monkeypatch.setattr(pdf_pool, "QUICK_S", 0.3)
    monkeypatch.setattr(pdf_pool, "ALLOWANCE_S", 1.0)
    found = broken("(time.sleep(0.7), good(document, index))[1]", 5)
    assert "text" in found[1]
    assert found[5].get("late")


def test_a_worker_that_does_not_open(monkeypatch, source, pdf):
    monkeypatch.setattr(pdf_process, "_PROGRAM", "import os; os.abort()")
    with PdfPages(source(pdf("a.pdf", ["x"]))) as pages:
        pages.start()
        with pytest.raises(UnopenedError, match="damaged"):
            pages.open()
