"""A transcription of several inputs: which of them can be heard, and where each transcript goes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from gemcli.bridge.cues import Form, Writer, to_json
from gemcli.bridge.sound import Heard, Sound
from gemcli.bridge.speech import Segment
from gemcli.errors import GemcliError, InputError, UsageError
from gemcli.events import Event, Token, Warning
from gemcli.ingest.collect import collect
from gemcli.ingest.wants import Wants
from gemcli.parts import Audio, Document
from gemcli.worker import Emit

_SILENT = "no speech was found in it"


class Task:
    """One run of the command: `rows` and `written` gather what it made."""

    def __init__(
        self,
        names: Sequence[str],
        stdin: Literal["auto", "never"],
        wants: Wants,
        form: Form,
        out: Path | None,
        keep_going: bool,
    ) -> None:
        self._names = names
        self._stdin: Literal["auto", "never"] = stdin
        self._wants = replace(wants, max_frames=1)  # nobody looks at them
        self._form: Form = form
        self._out = out
        self._keep_going = keep_going
        self.model = ""
        self.rows: list[dict[str, Any]] = []
        self.written: list[Path] = []

    def read(self, emit: Emit) -> list[Document]:
        """The inputs that hold sound.

        Raises:
            InputError: one cannot be read, or holds no sound.
            UsageError: there is none, or they do not suit the output.
        """

        def tell(event: Event) -> None:
            if not (isinstance(event, Warning) and _of_frames(event.message)):
                emit(event)

        read = collect(
            self._names, on_event=tell, stdin=self._stdin, wants=self._wants, keep_going=self._keep_going
        )
        if not read:
            raise UsageError("there is nothing to listen to", "Name files: gemcli transcribe talk.mp3")
        mute = [each.source for each in read if not sounds(each)]
        documents = [each for each in read if sounds(each)]
        if mute and (not documents or not self._keep_going):
            more = f" (and {len(mute) - 1} more)" if len(mute) > 1 else ""
            hint = "--keep-going leaves out what cannot be read" if documents else None
            raise InputError(f"{mute[0]} holds no sound{more}", hint)
        for name in mute:
            emit(Warning(f"{name} holds no sound; left out"))
        if len(documents) > 1 and self._form in ("srt", "vtt") and self._out is None:
            raise UsageError(
                f"the subtitles of {len(documents)} files cannot all go to stdout",
                "Name a folder for them: --out subtitles/",
            )
        if len(documents) > 1 and self._out is not None and self._out.is_file():
            raise UsageError(f"{self._out} is a file: {len(documents)} transcripts need a folder")
        if self._out is not None and any(_same(self._out, Path(each.source)) for each in documents):
            raise UsageError(f"{self._out} is what is listened to: it would be written over")
        return documents

    def run(self, documents: Sequence[Document], sound: Sound, emit: Emit) -> None:
        """Write every input down, one after the other."""
        self.model = sound.model
        single = len(documents) == 1
        taken: set[Path] = set()
        for place, document in enumerate(documents):
            if self._out is None:
                shown = self._form != "json"
                if shown and self._form == "txt" and not single:
                    emit(Token(("\n" if place else "") + f"==> {document.source} <==\n"))
                self._one(document, sound, emit, shown=shown)
                continue
            path = self._target(document, single, taken)
            _write(path, self._one(document, sound, emit, shown=False))
            self.written.append(path)

    def _one(self, document: Document, sound: Sound, emit: Emit, *, shown: bool) -> str:
        """The transcript of one input; where it is to be `shown`, `emit` gets it piece by piece instead."""
        writer = Writer(self._form)
        pieces: list[str] = []

        def put(text: str) -> None:
            if not shown:
                pieces.append(text)
            elif text:
                emit(Token(text))

        heard: list[Heard] = []
        put(writer.head())
        for part in sounds(document):
            said = sound.hear(part, document.source, lambda segment: put(writer.add(segment)))
            if said.problem:
                done = f" after {said.segments[-1].end:.0f} s" if said.segments else ""
                raise InputError(f"{document.source}: its sound cannot be read{done}: {said.problem}")
            heard.append(said)
        segments: list[Segment] = [each for said in heard for each in said.segments]
        warnings = [each for each in document.warnings if not _of_frames(each)]
        if not segments:
            warnings.append(_SILENT)
            emit(Warning(f"{document.source}: {_SILENT}"))
        row = {
            "source": document.source,
            "sha256": document.sha256,
            "seconds": round(sum(part.seconds for part in sounds(document)), 3),
            "language": next((said.language for said in heard if said.language), None),
            **to_json(segments),
            "warnings": warnings,
        }
        self.rows.append(row)
        if self._form == "json":
            return json.dumps({"schema_version": 1, "model": self.model, **row}, ensure_ascii=False, indent=1)
        return "".join(pieces)

    def _target(self, document: Document, single: bool, taken: set[Path]) -> Path:
        """Where the transcript of an input goes: the file that was named, or one in the folder."""
        assert self._out is not None
        if single and not self._out.is_dir() and not str(self._out).endswith(("/", "\\")):
            return self._out
        stem = Path(document.source).stem or "transcript"
        path = self._out / f"{stem}.{self._form}"
        number = 2
        while path in taken:
            path = self._out / f"{stem}-{number}.{self._form}"
            number += 1
        taken.add(path)
        return path


def sounds(document: Document) -> list[Audio]:
    return [part for part in document.parts if isinstance(part, Audio)]


def _same(one: Path, other: Path) -> bool:
    """Whether two paths lead to one file that is there."""
    try:
        return one.is_file() and one.samefile(other)
    except (OSError, ValueError):
        return False


def _of_frames(warning: str) -> bool:
    """Whether a warning is about frames, which nobody looks at here."""
    return "--max-frames" in warning


def _write(path: Path, text: str) -> None:
    """Write a whole file in one step; its folder is made where it is missing.

    A link is written through.  A device or a pipe takes the text as it is: a file in its place would take
    it away from everyone.
    """
    whole = text if text.endswith("\n") or not text else text + "\n"
    draft: Path | None = None
    try:
        if path.exists() and not path.is_file():
            path.write_text(whole, "utf-8")
            return
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f"{target.name}.{os.getpid()}.part")
        draft.write_text(whole, "utf-8")
        draft.replace(target)
    except OSError as error:
        if draft is not None:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
        raise GemcliError(f"cannot write {path}: {error.strerror or error}", "Check --out.") from error
