"""The chat template of a Hugging Face folder.

Where it is looked for, in order: chat_template.jinja, tokenizer_config.json, chat_template.json (which older
multimodal checkpoints have).  Source: tokenization_utils_base.py and processing_utils.py of transformers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.errors import FormatError
from model.tokenizer.hf_files import TokenizerFolder, read_json
from model.tokenizer.template import LONGEST_SOURCE, ChatTemplate


def template_from_folder(folder: Path) -> ChatTemplate:
    """The folder's own template; one without a source where it has none, as base models.

    Raises:
        FormatError: what stands in its place is no template.
        OSError: a file cannot be read.
    """
    files = TokenizerFolder(folder)
    return ChatTemplate(_source(folder), bos=files.named("bos") or "", eos=files.named("eos") or "")


def _source(folder: Path) -> str | None:
    own = folder / "chat_template.jinja"
    if own.exists():
        if not own.is_file():
            raise FormatError(f"{own} is no regular file")
        if own.stat().st_size > 4 * LONGEST_SOURCE:
            raise FormatError(f"{own} is of {own.stat().st_size:,} bytes: that is no template")
        try:
            return own.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            raise FormatError(f"{own} is not UTF-8; download it again") from None
    for name in ("tokenizer_config.json", "chat_template.json"):
        found = (read_json(folder / name) or {}).get("chat_template")
        if found is not None:
            return _chosen(found, folder / name)
    return None


def _chosen(found: Any, path: Path) -> str:
    """The template itself, or of several with names the one called ``default``."""
    if isinstance(found, list):
        named = {
            each["name"]: each["template"]
            for each in found
            if isinstance(each, Mapping) and {"name", "template"} <= each.keys()
        }
        found = named.get("default")
    if not isinstance(found, str):
        raise FormatError(f"{path}: its chat_template is no text, and no list with one called 'default'")
    return found
