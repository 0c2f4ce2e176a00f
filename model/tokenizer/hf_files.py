"""The JSON files beside a Hugging Face tokenizer: read, checked, and asked for the tokens that they name.

Which files and keys there are: tokenization_utils_base.py of transformers.
"""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from model.errors import FormatError

_LARGEST = 1 << 28  # bytes of one file; the largest known is of 33 million


@dataclass(frozen=True, slots=True)
class Added:
    """A token that is found in a text before anything else.

    Attributes:
        id: its id.
        content: how it is spelled.
        special: it is a sign to the program, which no text of a file or a person may spell.
    """

    id: int
    content: str
    special: bool


class TokenizerFolder:
    """The files of a folder that say something of its tokenizer; each is read when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @cached_property
    def tokenizer(self) -> Mapping[str, Any] | None:
        """tokenizer.json; None where there is none."""
        return read_json(self.folder / "tokenizer.json")

    @cached_property
    def settings(self) -> Mapping[str, Any]:
        """tokenizer_config.json, and special_tokens_map.json where that says more."""
        return {**self._optional("special_tokens_map.json"), **self._optional("tokenizer_config.json")}

    @cached_property
    def generation(self) -> Mapping[str, Any]:
        """generation_config.json."""
        return self._optional("generation_config.json")

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """config.json."""
        return self._optional("config.json")

    def added(self) -> Iterator[Added]:
        """The added tokens that any of the files names; the same one may come more than once."""
        for entry in _list(self.tokenizer or {}, "added_tokens", "tokenizer.json"):
            yield _added(entry, entry.get("id") if isinstance(entry, Mapping) else None, "tokenizer.json")
        described = self.settings.get("added_tokens_decoder") or {}
        if not isinstance(described, Mapping):
            raise FormatError("added_tokens_decoder in tokenizer_config.json is no object")
        for id, entry in described.items():
            yield _added(entry, int(id) if id.isascii() and id.isdecimal() else id, "tokenizer_config.json")
        if self.tokenizer is None and not described:
            special = {self.named(name) for name in ("bos", "eos", "unk", "pad")}
            for content, id in self._optional("added_tokens.json").items():
                yield _added({"content": content, "special": content in special}, id, "added_tokens.json")

    def named(self, name: str) -> str | None:
        """The spelling of the token that the settings name, e.g. ``bos``; None where they name none."""
        token = self.settings.get(f"{name}_token")
        if isinstance(token, Mapping):
            token = token.get("content")
        if token is not None and not isinstance(token, str):
            raise FormatError(f"{name}_token in tokenizer_config.json is {token!r}, not a text")
        return token

    def ids(self, name: str) -> list[int]:
        """All ids that the configurations give for e.g. ``eos``, of which there may be several."""
        key = f"{name}_token_id"
        text = self.config.get("text_config")
        found: list[int] = []
        for source in (self.generation, self.config, text if isinstance(text, Mapping) else {}):
            value = source.get(key)
            for id in value if isinstance(value, list) else [] if value is None else [value]:
                if type(id) is not int:
                    raise FormatError(f"{key} is {value!r}, which is no token")
                if id not in found:
                    found.append(id)
        return found

    def suppressed(self) -> list[int]:
        """The ids that may never be generated."""
        ids = self.generation.get("suppress_tokens") or []
        if not isinstance(ids, list):
            raise FormatError(f"suppress_tokens in generation_config.json is {ids!r}, not a list of tokens")
        return ids

    def _optional(self, name: str) -> Mapping[str, Any]:
        return read_json(self.folder / name) or {}


def read_json(path: Path, largest: int = _LARGEST) -> Mapping[str, Any] | None:
    """The object that a file of `largest` bytes at most holds; None where there is no such file.

    Raises:
        FormatError: the file is too large, or holds no JSON object.
        OSError: it cannot be read.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not stat.S_ISREG(found.st_mode):
        raise FormatError(f"{path.name} is no regular file")
    size = found.st_size
    if size > largest:
        raise FormatError(f"{path.name} is of {size:,} bytes: that is no description of a model")
    try:
        value = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path.name} is damaged ({error}); download it again") from None
    if not isinstance(value, dict):
        raise FormatError(f"{path.name} holds no JSON object; download it again")
    return value


def _added(entry: Any, id: Any, file: str) -> Added:
    content = entry.get("content") if isinstance(entry, Mapping) else None
    if not isinstance(content, str) or not content or type(id) is not int or id < 0:
        raise FormatError(f"{file} has an added token that is none: {id!r}, {entry!r}")
    return Added(id, content, entry.get("special") is True)


def _list(mapping: Mapping[str, Any], key: str, file: str) -> list[Any]:
    value = mapping.get(key) or []
    if not isinstance(value, list):
        raise FormatError(f"{key} in {file} is no list")
    return value
