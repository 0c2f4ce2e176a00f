"""A model that says what the test wrote down, in the place of the engine: no weights, no jax.

Run as a script, it is ``gemcli`` with that model:
``scripted.py '{"pieces": ["Hel", "lo"]}' ask "Who?"``.
"""

from __future__ import annotations

import json
import sys
import time
import types
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from model.config import ModelConfig
from model.errors import DeviceError

CONTROL = {"<|im_start|>": 256, "<|im_end|>": 257, "<|bos|>": 258}


class ByteTokenizer:
    """A token a byte, and three control tokens; `joined` pairs become one token, to cross borders."""

    vocab_size = 600
    bos_id = 258
    eos_id = 257
    eog_ids = frozenset({257})
    suppress_ids: frozenset[int] = frozenset()

    def __init__(self, *, add_bos: bool = False, joined: Sequence[bytes] = ()) -> None:
        self.add_bos = add_bos
        self.joined = {pair: 300 + index for index, pair in enumerate(joined)}
        self.encoded = 0

    def encode(self, text: str) -> list[int]:
        return self.encode_spans([(text, False)])

    def encode_spans(self, spans: Sequence[tuple[str, bool]]) -> list[int]:
        self.encoded += 1
        ids: list[int] = []
        for text, trusted in spans:
            at = 0
            while at < len(text):
                control = next((name for name in CONTROL if trusted and text.startswith(name, at)), None)
                if control:
                    ids.append(CONTROL[control])
                    at += len(control)
                else:
                    ids.extend(text[at].encode())
                    at += 1
        return self._join(ids)

    def _join(self, ids: list[int]) -> list[int]:
        joined: list[int] = []
        for each in ids:
            pair = bytes([joined[-1], each]) if joined and joined[-1] < 256 and each < 256 else b""
            if pair in self.joined:
                joined[-1] = self.joined[pair]
            else:
                joined.append(each)
        return joined

    @property
    def fingerprint(self) -> str:
        return repr(self.joined)

    def count_batch(self, texts: Sequence[str]) -> list[int]:
        return [len(self.encode(text)) for text in texts]

    def token_bytes(self, id: int) -> bytes:
        if id < 256:
            return bytes([id])
        return next((pair for pair, number in self.joined.items() if number == id), b"")

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        return b"".join(map(self.token_bytes, ids))

    def decode(self, ids: Iterable[int]) -> str:
        return self.decode_bytes(ids).decode("utf-8", "replace")

    def is_control(self, id: int) -> bool:
        return id in CONTROL.values()

    def id_of(self, piece: str) -> int | None:
        return CONTROL.get(piece)


class Template:
    """ChatML; `system` False refuses a system message, as some models' templates do."""

    source = ""

    def __init__(
        self, *, system: bool = True, plain: bool = False, can_think: bool = False, thinking: bool = False
    ) -> None:
        self.system = system
        self.plain = plain
        self.can_think = can_think
        self.thinking = thinking

    def with_thinking(self, thinking: bool) -> Template:
        return Template(system=self.system, plain=self.plain, can_think=self.can_think, thinking=thinking)

    def spans(
        self, messages: Sequence[Mapping[str, str]], *, add_generation_prompt: bool = True
    ) -> list[tuple[str, bool]]:
        if self.plain:
            return [("\n\n".join(message["content"] for message in messages), False)]
        spans: list[tuple[str, bool]] = [("/think\n", True)] if self.thinking else []
        for message in messages:
            if message["role"] == "system" and not self.system:
                from model.errors import TemplateError

                raise TemplateError("System role not supported")
            spans += [(f"<|im_start|>{message['role']}\n", True), (message["content"].strip(), False)]
            spans.append(("<|im_end|>\n", True))
        if add_generation_prompt:
            spans.append(("<|im_start|>assistant\n", True))
        return spans


@dataclass
class Script:
    """What the model does.

    Attributes:
        pieces: the answer's pieces; generating one more token each.
        echo: the answer is instead a number made from the whole prompt, so that no two are alike.
        thoughts: what is thought before it, likewise.
        finish_reason: how it ends when all are said.
        delay: seconds before each piece.
        window: its window.
        is_base: it only continues text.
        stall: the stage (``load``, ``prefill``) that takes `stall_s` seconds.
        fail: the stage that raises, and the name and text of the exception it raises.
    """

    pieces: list[str] = field(default_factory=lambda: ["Hello", " world."])
    echo: bool = False
    thoughts: list[str] = field(default_factory=list)
    finish_reason: str = "stop"
    delay: float = 0.0
    window: int = 8192
    is_base: bool = False
    stall: str = ""
    stall_s: float = 60.0
    fail: tuple[str, str, str] | None = None

    def stage(self, name: str) -> None:
        if self.stall == name:
            time.sleep(self.stall_s)
        if self.fail and self.fail[0] == name:
            known = {"MemoryError": MemoryError, "RuntimeError": RuntimeError, "DeviceError": DeviceError}
            raise known[self.fail[1]](self.fail[2])


class Sizes:
    """The room that a model takes: made up, and easy to reckon with."""

    weights_bytes = 1000
    parameters = 7

    def kv_bytes_per_token(self, bits: int = 16) -> int:
        return 10 * bits // 8

    def cache_bytes(self, prompt: int, longest: int, bits: int = 16) -> int:
        return self.kv_bytes_per_token(bits) * (prompt + longest)

    def memory_bytes(self, prompt: int, longest: int, bits: int = 16) -> int:
        return self.weights_bytes + self.cache_bytes(prompt, longest, bits)


class Card(Sizes):
    """A model's card, without a file."""

    architecture = "scripted"
    quantization = "none"
    vision = None
    audio = None
    encoders = None
    unread = None
    config = ModelConfig("scripted", width=1, vocab=1, context=1, layers=(), norm_eps=1e-6)
    senses: frozenset[str] = frozenset()

    def __init__(self, path: Path, script: Script) -> None:
        self.path = path
        self.script = script
        self.window = script.window
        self.config = replace(self.config, context=script.window)
        self.is_base = script.is_base
        self.tokenizer = ByteTokenizer()
        self.template = Template(plain=script.is_base, can_think=bool(script.thoughts))


class Generation(Iterator[str]):
    """The answer in the making."""

    def __init__(
        self,
        script: Script,
        ids: Sequence[int],
        limit: int,
        progress: Callable[[int, int], None] | None,
        on_thought: Callable[[str], None] | None,
    ) -> None:
        self.prompt_tokens = len(ids)
        self.cached_tokens = 0
        self.completion_tokens = 0
        self.drafted_tokens = self.accepted_tokens = 0
        self.finish_reason: str | None = None
        self.timings: dict[str, float] = {}
        self.closed = False
        self.thinking = False
        self._on_thought = on_thought
        pieces = [f"{zlib.crc32(repr(list(ids)).encode()):08x}"] if script.echo else script.pieces
        self._pieces = self._run(script, pieces, limit, progress)

    def __next__(self) -> str:
        return next(self._pieces)

    def close(self) -> None:
        self.closed = True
        self._pieces.close()

    def _run(
        self,
        script: Script,
        pieces: Sequence[str],
        limit: int,
        progress: Callable[[int, int], None] | None,
    ) -> Iterator[str]:
        half = self.prompt_tokens // 2
        if progress:
            progress(half, self.prompt_tokens)
        script.stage("prefill")
        if progress:
            progress(self.prompt_tokens, self.prompt_tokens)
        self.timings |= {"prefill_s": 0.5, "first_token_s": 0.5}
        for thought in script.thoughts[:limit]:
            time.sleep(script.delay)
            self.completion_tokens += 1
            self.thinking = True
            if self._on_thought:
                self._on_thought(thought)
        limit -= len(script.thoughts)
        self.thinking = limit < 0
        for piece in pieces[: max(limit, 0)]:
            time.sleep(script.delay)
            self.completion_tokens += 1
            self.timings["decode_tokens_per_s"] = 20.0
            yield piece
        script.stage("decode")
        self.finish_reason = script.finish_reason if limit >= len(pieces) else "length"


class Model:
    """Streams the script; `CALLS` holds what it was asked."""

    senses = None
    engine = types.SimpleNamespace(prefixes=None)

    def __init__(self, card: Card) -> None:
        self.card = card

    def stream(
        self,
        ids: Sequence[int],
        *,
        sampling: object,
        max_tokens: int | None,
        stop: Sequence[str],
        progress: Callable[[int, int], None] | None,
        on_thought: Callable[[str], None] | None = None,
        soft: Sequence[object] = (),
        reluctant: Mapping[int, float] | None = None,
        constraint: object = None,
        **others: object,
    ) -> Generation:
        made = Generation(self.card.script, ids, max_tokens or 100, progress, on_thought)
        CALLS.append(
            {
                "ids": list(ids),
                "sampling": sampling,
                "max_tokens": max_tokens,
                "stop": tuple(stop),
                "soft": tuple(soft),
                "constraint": constraint,
                "generation": made,
            }
        )
        return made


CALLS: list[dict[str, object]] = []
"""What every model was asked, in this process."""


def module(script: Script) -> types.ModuleType:
    """A stand-in for `model.load`."""
    made = types.ModuleType("model.load")

    def describe(path: Path) -> Card:
        script.stage("describe")
        return Card(path, script)

    def prepare(compiled: Path | None, device: str = "auto", *, keep: bool = True) -> None:
        script.stage("import")

    def load(card: Card, *, copies: Path | None, progress: object, **others: object) -> Model:
        script.stage("load")
        return Model(card)

    made.__dict__.update(describe=describe, prepare=prepare, load=load)
    return made


def batching_module() -> types.ModuleType:
    """A stand-in for `model.engine.batching`: the scripted model is asked by many threads as it is."""
    made = types.ModuleType("model.engine.batching")

    def batched(model: Model, *, slots: int | None = None, queue: int = 64) -> Model:
        return model

    made.__dict__["batched"] = batched
    return made


def sampling_module() -> types.ModuleType:
    """A stand-in for `model.sampling.sampler`, which imports jax."""

    @dataclass(frozen=True)
    class Sampling:
        temperature: float = 0.0
        top_k: int = 0
        top_p: float = 1.0
        min_p: float = 0.0
        seed: int = 0

    made = types.ModuleType("model.sampling.sampler")
    made.__dict__["Sampling"] = Sampling
    return made


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    wanted = json.loads(sys.argv.pop(1))
    sys.modules["model.load"] = module(Script(**wanted))
    sys.modules["model.sampling.sampler"] = sampling_module()
    sys.modules["model.engine.batching"] = batching_module()

    from gemcli.main import run

    run()
