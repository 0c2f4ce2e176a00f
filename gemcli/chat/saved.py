"""A conversation as a file: Markdown to read, JSON to work with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gemcli.chat.conversation import Conversation
from gemcli.chat.said import Said


def save(conversation: Conversation, path: Path) -> None:
    """Write the conversation: JSON where the name ends so, else Markdown.

    Raises:
        OSError: it cannot be written, or the file is there already.
    """
    turns = [_turn(each) for each in conversation.asked]
    text = _json(conversation.id, turns) if path.suffix.lower() == ".json" else _markdown(turns)
    with path.open("x", encoding="utf-8", errors="replace") as file:
        try:
            file.write(text)
            file.flush()
        except OSError:
            path.unlink(missing_ok=True)
            raise


def _turn(said: Said) -> dict[str, Any]:
    return {
        "question": said.turn.question,
        "answer": said.turn.answer,
        "finish_reason": said.finish,
        "documents": [document.source for document in said.turn.documents],
    }


def _json(id: str, turns: Sequence[dict[str, Any]]) -> str:
    return json.dumps({"schema_version": 1, "id": id, "turns": turns}, ensure_ascii=False, indent=2) + "\n"


def _markdown(turns: Sequence[dict[str, Any]]) -> str:
    """Questions as quotations, each above its answer."""
    blocks: list[str] = []
    for turn in turns:
        blocks.append("\n".join(f"> {line}".rstrip() for line in turn["question"].splitlines()) or ">")
        if turn["documents"]:
            blocks.append("\n".join(f"- {name}" for name in turn["documents"]))
        blocks.append(turn["answer"].strip() or "(no answer)")
        if turn["finish_reason"] == "interrupt":
            blocks.append("(stopped here)")
    return "\n\n".join(blocks) + "\n"
