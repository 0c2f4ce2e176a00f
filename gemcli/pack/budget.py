"""How many tokens a model takes, how many are kept for the answer, and whether a prompt fits."""

from __future__ import annotations

from dataclasses import dataclass

from gemcli.errors import DoesNotFitError, UsageError

ANSWER = 2_048
"""Longest answer where ``--max-tokens`` says nothing; one that is cut there says so."""


@dataclass(frozen=True, slots=True)
class Budget:
    """The window of one request.

    Attributes:
        window: tokens of prompt and answer together.
        room: tokens of it that are kept for the answer.
        longest: tokens after which the answer is cut, if the prompt leaves so many.
    """

    window: int
    room: int
    longest: int

    def fits(self, prompt: int) -> bool:
        """Whether a prompt of so many tokens leaves room for the answer."""
        return prompt + self.room <= self.window

    def for_documents(self, overhead: int) -> int:
        """Tokens that documents may take beside the question, the instruction and the answer."""
        return max(0, self.window - self.room - overhead)

    def answer(self, prompt: int) -> int:
        """Tokens that the answer to a prompt of so many tokens may have."""
        return min(self.longest, self.window - prompt)

    def check(self, prompt: int, *, model: str, documents: dict[str, int]) -> None:
        """Refuse a prompt that does not fit.

        Args:
            prompt: its tokens.
            model: the model's name, for the message.
            documents: tokens of each document by its name, for the message.

        Raises:
            DoesNotFitError: with the numbers; nothing is ever cut to fit.
        """
        if self.fits(prompt):
            return
        largest = sorted(documents.items(), key=lambda item: -item[1])[:3]
        named = ", ".join(f"{name}: {tokens:,}" for name, tokens in largest)
        more = f" and {len(documents) - len(largest)} more" if len(documents) > len(largest) else ""
        raise DoesNotFitError(
            f"the prompt has {prompt:,} tokens{f' ({named}{more})' if named else ''}, but {model} reads "
            f"{self.window:,}, of which {self.room:,} are kept for the answer: "
            f"{prompt + self.room - self.window:,} too many",
            "Ask about less (--pages 1-20 of a PDF, fewer files), keep less for the answer (--max-tokens), "
            "or take a model with a larger window; `gemcli plan` shows what each file costs.",
        )


def budget(
    model_window: int,
    *,
    context: int | None = None,
    max_tokens: int | None = None,
    longest: int | None = None,
) -> Budget:
    """The budget of one request.

    Args:
        model_window: tokens that the model was made for.
        context: the person's limit on prompt and answer together; None for the model's window.
        max_tokens: the person's limit on the answer; None keeps an eighth of the window, at most 1,024.
        longest: tokens that can be made to fit when the context asks for them; None for the window alone.

    Raises:
        UsageError: the context is larger than can be, or leaves nothing beside the answer.
    """
    longest = max(model_window, longest or 0)
    if context is not None and context > longest:
        beyond = longest > model_window
        raise UsageError(
            f"a context of {context:,} tokens is more than "
            + (f"the {longest:,} that can be read" if beyond else f"the model's window of {model_window:,}"),
            f"Give --context {longest} or less"
            + ("." if beyond else ", or take a model with a larger window."),
        )
    window = context or model_window
    room = max_tokens if max_tokens is not None else min(1_024, window // 8)
    if room >= window:
        raise UsageError(
            f"an answer of {room:,} tokens leaves nothing of a context of {window:,} for the question",
            "Give a smaller --max-tokens or a larger --context.",
        )
    return Budget(window, room, max_tokens if max_tokens is not None else max(room, ANSWER))
