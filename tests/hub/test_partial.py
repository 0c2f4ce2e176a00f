"""Whatever happens between two openings, a partial file resumes from a true prefix or from nothing."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemcli.hub import partial
from gemcli.hub.partial import DigestError, Partial, gathered, journal_for, path_for
from gemcli.hub.source import SourceError

CONTENT = hashlib.shake_256(b"content").digest(5000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def opened(final: Path, **callbacks) -> Partial:
    return Partial(final, len(CONTENT), SHA256, **callbacks)


def test_the_whole_file_appears_only_at_the_end(tmp_path: Path) -> None:
    final = tmp_path / "model.gguf"
    with opened(final) as part:
        part.write(CONTENT[:3000])
        assert not final.exists()
        part.write(CONTENT[3000:])
        assert not final.exists()
        assert part.finish() == final
    assert final.read_bytes() == CONTENT
    assert [each.name for each in tmp_path.iterdir()] == ["model.gguf"]


def test_what_was_written_before_an_exception_is_kept(tmp_path: Path) -> None:
    final = tmp_path / "model.gguf"

    def interrupted() -> None:
        with opened(final) as part:
            part.write(CONTENT[:1234])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    seen = []
    with opened(final, on_verify=lambda done, total: seen.append((done, total))) as part:
        assert part.offset == 1234
        part.write(CONTENT[1234:])
        part.finish()
    assert final.read_bytes() == CONTENT
    assert seen == [(1234, 1234)]


@pytest.mark.parametrize("step", range(1, 12))
def test_an_interrupt_at_any_line_of_a_write_keeps_what_was_there(tmp_path: Path, step: int) -> None:
    final = tmp_path / "model.gguf"
    lines = 0

    def trace(frame, event, argument):
        nonlocal lines
        if frame.f_code is not Partial.write.__code__:
            return None
        if event == "line":
            lines += 1
            if lines == step:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    with opened(final) as part:
        part.write(CONTENT[:1000])
        sys.settrace(trace)
        try:
            part.write(CONTENT[1000:2000])
        except KeyboardInterrupt:
            interrupted = True
        else:
            interrupted = False
        finally:
            sys.settrace(before)
    assert interrupted == (lines == step)
    with opened(final) as part:
        assert part.offset in (1000, 2000)


def test_wrong_bytes_are_not_put_in_place_and_are_dropped(tmp_path: Path) -> None:
    final = tmp_path / "model.gguf"
    with opened(final) as part:
        part.write(bytes(len(CONTENT)))
        with pytest.raises(DigestError):
            part.finish()
        assert part.offset == 0
    assert not final.exists()
    assert gathered(final) == 0


def test_more_bytes_than_the_file_has_are_refused(tmp_path: Path) -> None:
    with opened(tmp_path / "model.gguf") as part:
        part.write(CONTENT)
        with pytest.raises(SourceError, match="more bytes"):
            part.write(b"x")
        assert part.offset == len(CONTENT)


@pytest.mark.parametrize("wrong", ["prefix", "journal", "other file", "shorter", "no journal"])
def test_a_prefix_that_is_not_what_the_journal_says_is_dropped(tmp_path: Path, wrong: str) -> None:
    final = tmp_path / "model.gguf"
    with opened(final) as part:
        part.write(CONTENT[:2000])
    if wrong == "prefix":
        path_for(final).write_bytes(b"?" + CONTENT[1:2000])
    elif wrong == "journal":
        journal_for(final).write_text('{"sha256": 1, "done": []')
    elif wrong == "other file":
        text = journal_for(final).read_text()
        journal_for(final).write_text(text.replace(SHA256, "0" * 64))
    elif wrong == "shorter":
        path_for(final).write_bytes(CONTENT[:1999])
    else:
        journal_for(final).unlink()
    with opened(final) as part:
        assert part.offset == 0
        part.write(CONTENT)
        part.finish()
    assert final.read_bytes() == CONTENT


def test_bytes_beyond_the_journal_are_not_trusted(tmp_path: Path) -> None:
    final = tmp_path / "model.gguf"
    with opened(final) as part:
        part.write(CONTENT[:2000])
    with path_for(final).open("ab") as file:
        file.write(b"what a power cut may leave")
    with opened(final) as part:
        assert part.offset == 2000
        part.write(CONTENT[2000:])
        part.finish()
    assert final.read_bytes() == CONTENT


def test_progress_counts_bytes_and_never_passes_the_size(tmp_path: Path) -> None:
    seen: list[int] = []
    with opened(tmp_path / "model.gguf", on_progress=seen.append) as part:
        part.write(CONTENT[:1000])
        part.counted = lambda offset: offset + 500
        part.progress()
        part.write(CONTENT[1000:2000])
        part.counted = lambda offset: 50_000
        part.progress()
    assert seen == [1000, 1500, 2500, 5000]


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(1, 2000)),
        st.tuples(st.just("truncate"), st.integers(0, 5000)),
        st.tuples(st.sampled_from(["close", "kill", "checkpoint"]), st.just(0)),
    ),
    max_size=20,
)


@settings(max_examples=60, deadline=None)
@given(steps=steps, checkpoint=st.sampled_from([1, 700, 1 << 20]))
def test_any_history_ends_in_the_file(steps: list[tuple[str, int]], checkpoint: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(partial, "CHECKPOINT", checkpoint)
        final = Path(folder) / "model.gguf"
        part = opened(final).__enter__()
        for kind, number in steps:
            if kind == "write":
                part.write(CONTENT[part.offset : part.offset + number])
            elif kind == "truncate":
                part.truncate(min(number, part.offset))
            elif kind == "checkpoint":
                part.checkpoint()
            else:
                before = part.offset
                if kind == "close":
                    part.__exit__(None, None, None)
                else:  # a kill leaves the file as the system has it, and the journal as it was last
                    part._file.close()
                part = opened(final).__enter__()
                assert (
                    part.offset == before if kind == "close" else before - checkpoint < part.offset <= before
                )
            assert path_for(final).read_bytes() == CONTENT[: part.offset]
        part.write(CONTENT[part.offset :])
        part.finish()
        part.__exit__(None, None, None)
        assert final.read_bytes() == CONTENT
