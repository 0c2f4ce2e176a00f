"""What is compared: a long real text, and prompts to continue, as token ids of each model."""

from __future__ import annotations

from pathlib import Path

from model.card import ModelCard

MODELS = ("smollm2-135m", "qwen2.5-coder-0.5b", "gemma-3-270m")

TOKENS = 768
"""Of the text: more than one chunk of a prefill, and more than Gemma's sliding window of 512."""

CONTINUED = 48
"""Tokens of a greedy continuation, where no stop token ends it earlier."""

LICENCE = (Path(__file__).parents[2] / "LICENSE").read_text("utf-8")

QUESTIONS = (
    "Write a Python function that returns the n-th Fibonacci number.",
    "List the planets of the solar system in order, with one fact about each.",
    "Erkläre in drei Sätzen, was eine Hashtabelle ist.",
    "What does this SQL do? SELECT city, COUNT(*) FROM users GROUP BY city HAVING COUNT(*) > 10;",
    f"{LICENCE[1500:4000]}\n\nSummarise this part of a licence in your own words.",
)
"""For models that were taught to chat."""

BEGINNINGS = (
    "Once upon a time, in a small village by the sea, there lived",
    'def fibonacci(n):\n    """Return the n-th Fibonacci number."""\n',
    "Der Rhein entspringt in den Schweizer Alpen und",
    "# A simple recipe for bread\n\n## Ingredients\n\n-",
    LICENCE[:3000],
)
"""For base models; the last one is longer than Gemma's sliding window."""


def text_ids(card: ModelCard) -> list[int]:
    """Ids [TOKENS] of the licence's beginning."""
    tokenizer = card.tokenizer
    start = [tokenizer.bos_id] if tokenizer.add_bos and tokenizer.bos_id is not None else []
    return [*start, *tokenizer.encode(LICENCE)][:TOKENS]


def prompts(card: ModelCard) -> list[list[int]]:
    """Ids of the five prompts, in the model's own chat format where it has one."""
    tokenizer = card.tokenizer
    if card.is_base:
        start = [tokenizer.bos_id] if tokenizer.add_bos and tokenizer.bos_id is not None else []
        return [[*start, *tokenizer.encode(text)] for text in BEGINNINGS]
    asked = [card.template.spans([{"role": "user", "content": text}]) for text in QUESTIONS]
    return [tokenizer.encode_spans(spans) for spans in asked]
