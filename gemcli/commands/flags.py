"""The flags that commands share: declared once, and those of asking made into a request."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gemcli.commands import options
from gemcli.errors import UsageError

if TYPE_CHECKING:
    from gemcli.request import Request

Flags = Mapping[str, Any]

SHARED: dict[str, tuple[Any, Any]] = {
    "model": (options.Model, None),
    "system": (options.System, None),
    "template": (options.Template, None),
    "param": (options.Param, None),
    "continue_": (options.Continue, False),
    "cid": (options.Cid, None),
    "example": (options.Example, None),
    "attach": (options.Attach, None),
    "files_from": (options.FilesFrom, None),
    "null": (options.Null, False),
    "pages": (options.Pages, None),
    "pdf": (options.Pdf, "auto"),
    "start": (options.Start, None),
    "end": (options.End, None),
    "fps": (options.Fps, None),
    "max_frames": (options.MaxFrames, None),
    "no_audio": (options.NoAudio, False),
    "ocr": (options.Ocr, False),
    "archive": (options.Archive, False),
    "keep_going": (options.KeepGoing, False),
    "no_cache": (options.NoCache, False),
    "no_log": (options.NoLog, False),
    "private": (options.Private, False),
    "output_format": (options.OutputFormat, "text"),
    "json": (options.Json, False),
    "raw": (options.Raw, False),
    "quiet": (options.Quiet, False),
    "verbose": (options.Verbose, 0),
    "usage": (options.Usage, False),
    "schema": (options.Schema, None),
    "cite": (options.Cite, False),
    "cite_strict": (options.CiteStrict, False),
    "context": (options.Context, None),
    "overflow": (options.Overflow, "auto"),
    "image_tokens": (options.ImageTokens, None),
    "kv_bits": (options.KvBits, "16"),
    "attention": (options.Attention, "auto"),
    "draft_model": (options.DraftModel, None),
    "no_speculate": (options.NoSpeculate, False),
    "max_tokens": (options.MaxTokens, None),
    "temperature": (options.Temperature, 0.0),
    "top_k": (options.TopK, 0),
    "top_p": (options.TopP, 1.0),
    "min_p": (options.MinP, 0.0),
    "seed": (options.Seed, 0),
    "stop": (options.Stop, None),
    "think": (options.Think, False),
    "device": (options.Device, "auto"),
    "host": (options.Host, None),
    "offline": (options.Offline, False),
    "debug": (options.Debug, False),
}
"""Annotation and default of each, in the order of the help."""

_REPORTED = ("output_format", "json", "debug")


def shared(*, without: Sequence[str] = ()) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the shared flags in the place of its parameter ``flags``, which gets their values.

    Args:
        without: those that make no sense for the command; their defaults are passed on.
    """
    return _taking({name: each for name, each in SHARED.items() if name not in without})


def reporting(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command that answers nothing the flags of a report, and of the shared ones those named.

    Its parameter ``flags`` gets their values, and the defaults of the others.
    """
    unknown = set(names) - set(SHARED)
    assert not unknown, f"no shared flags are called {unknown}"
    table = SHARED | {"output_format": (options.ReportFormat, "text")}
    return _taking({name: each for name, each in table.items() if name in (*_REPORTED, *names)})


def _taking(taken: Mapping[str, tuple[Any, Any]]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Put flags behind a command's own; one that it declares itself is none of ``flags``."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        own = [
            each
            for each in inspect.signature(command, eval_str=True).parameters.values()
            if each.name != "flags"
        ]
        defaults = {name: default for name, (_, default) in SHARED.items()}
        for each in own:
            defaults.pop(each.name, None)

        @functools.wraps(command)
        def called(**given: Any) -> None:
            flags = {name: given.pop(name, default) for name, default in defaults.items()}
            command(**given, flags=flags)

        added = [
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
            for name, (annotation, default) in taken.items()
        ]
        parameters = [*own, *added]
        called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        called.__annotations__ = {each.name: each.annotation for each in parameters}
        return called

    return decorate


def as_request(
    flags: Flags, question: str, files: Sequence[str], *, started: float, stdin_is_free: bool
) -> Request:
    """What is asked, by the shared flags.

    Args:
        flags: their values.
        question: what is asked.
        files: with those of `files_of`.
        started: when the command began, by `time.perf_counter`.
        stdin_is_free: stdin may still be a document where there are no files.

    Raises:
        UsageError: flags that make no sense.
        InputError: an example names no file.
    """
    from gemcli.ingest.arguments import split_example
    from gemcli.request import Request

    if "" in (flags["stop"] or ()):
        raise UsageError("--stop needs a text: an empty one would end every answer before it begins")
    schema = None
    if flags["schema"] is not None:
        from gemcli.structured.schema import read_schema

        schema = read_schema(flags["schema"])
        if flags["stop"]:
            raise UsageError("--stop would cut JSON in the middle: it does not go with --schema")
    system = flags["system"]
    return Request(
        question=as_text(question),
        files=tuple(files),
        examples=tuple(map(split_example, flags["example"] or ())),
        stdin="auto" if stdin_is_free and flags["files_from"] != "-" else "never",
        model=flags["model"],
        system=None if system is None else as_text(system),
        pages=flags["pages"],
        wants=options.as_wants(
            flags["pdf"],
            flags["start"],
            flags["end"],
            flags["fps"],
            flags["max_frames"],
            flags["no_audio"],
            flags["archive"],
            flags["offline"],
        ),
        ocr=flags["ocr"],
        keep_going=flags["keep_going"],
        keep=not (flags["no_cache"] or flags["private"]),
        private=flags["private"],
        schema=schema,
        cite="strict" if flags["cite_strict"] else "yes" if flags["cite"] else "no",
        context=flags["context"],
        overflow=flags["overflow"],
        image_tokens=flags["image_tokens"],
        max_tokens=flags["max_tokens"],
        temperature=flags["temperature"],
        top_k=flags["top_k"],
        top_p=flags["top_p"],
        min_p=flags["min_p"],
        seed=flags["seed"],
        stop=tuple(map(as_text, flags["stop"] or ())),
        kv_bits=int(flags["kv_bits"]),
        attention=flags["attention"],
        draft_model=flags["draft_model"],
        speculate=not flags["no_speculate"],
        think=flags["think"],
        device=flags["device"],
        offline=flags["offline"],
        host=flags["host"] or None,
        started=started,
    )


def files_of(flags: Flags, files: Sequence[str]) -> list[str]:
    """The files that are named as arguments, attached, and listed, in this order."""
    from gemcli.commands.follow import warn
    from gemcli.ingest.file_list import read_list

    listed = read_list(flags["files_from"], nul=flags["null"], on_event=warn) if flags["files_from"] else []
    return [*files, *(flags["attach"] or ()), *listed]


def as_text(argument: str) -> str:
    """An argument whose bytes are no text in the terminal's encoding, with a mark for each such byte."""
    return argument.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
