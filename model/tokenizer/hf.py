"""A Hugging Face folder to a tokenizer: its files as the metadata that a GGUF file carries.

Three kinds are known: byte-level BPE (SmolLM2, Llama 3, Qwen2), character BPE (Gemma 4), and SentencePiece
(Gemma 1 to 3, RecurrentGemma), of which tokenizer.json is a rendering as merges.  There the pieces and their
order are taken and the merging is SentencePiece's, with which those models were trained.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model.errors import FormatError, UnsupportedModelError
from model.tokenizer.hf_files import TokenizerFolder
from model.tokenizer.hf_template import template_from_folder
from model.tokenizer.hf_words import family_name
from model.tokenizer.load import tokenizer_from_gguf
from model.tokenizer.shared import VocabularyTokenizer
from model.tokenizer.spm_proto import SpmModel, read_proto
from model.tokenizer.vocabulary import Kind

__all__ = ["template_from_folder", "tokenizer_from_folder"]

_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
_TAB = "<0x09>"
_SPACES = re.compile("\u2581{2,}")
_FEW = 1024  # ids without a token that any vocabulary may have; a larger one may have more

Metadata = dict[str, Any]


def tokenizer_from_folder(folder: Path, *, rows: int | None = None) -> VocabularyTokenizer:
    """Builds the tokenizer of a folder with tokenizer.json or tokenizer.model.

    Args:
        folder: of the checkpoint.
        rows: of the embedding; ids between the last token and the last row become unused tokens, as most
            checkpoints pad their embedding.

    Raises:
        UnsupportedModelError: a kind of tokenizer, or a way to cut words, that is not known here.
        FormatError: there is no tokenizer, it is damaged, or it is not the embedding's.
        OSError: a file cannot be read.
    """
    files = TokenizerFolder(folder)
    try:
        metadata = _metadata(files)
        _add_special(metadata, files)
        _pad(metadata, rows)
        return tokenizer_from_gguf(metadata)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(f"{folder}: {error}") from None
    except FormatError as error:
        raise FormatError(f"{folder}: {error}") from None


def _metadata(files: TokenizerFolder) -> Metadata:
    """What the folder's tokenizer is, without the tokens that have a meaning."""
    described, proto = files.tokenizer, files.folder / "tokenizer.model"
    if described is None:
        if not proto.is_file():
            raise FormatError("there is neither a tokenizer.json nor a tokenizer.model in it")
        return _of_proto(read_proto(proto.read_bytes()), files)
    model = described.get("model")
    if not isinstance(model, Mapping) or not isinstance(model.get("vocab"), Mapping | list):
        raise FormatError("tokenizer.json holds no model with a vocabulary; download it again")
    kind = model.get("type", "BPE")
    if kind != "BPE" or not isinstance(model["vocab"], Mapping):
        raise UnsupportedModelError(f"tokenizer.json is of the kind {kind!r} (known: 'BPE')")
    if not model.get("byte_fallback"):
        return _byte_level(described, model, files)
    if proto.is_file():
        pieces = read_proto(proto.read_bytes())
        if _is_rendered(pieces, files):
            return _of_proto(pieces, files)
    spaces = described.get("normalizer")
    if spaces != {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"}:
        raise UnsupportedModelError(f"the normalizer of tokenizer.json is not known here: {spaces!r}")
    # Only SentencePiece has user-defined runs of spaces, which come before its merges.
    if any(not each.special and _SPACES.fullmatch(each.content) for each in files.added()):
        return _of_ranks(model, files)
    return _characters(model, files)


def _is_rendered(model: SpmModel, files: TokenizerFolder) -> bool:
    """Whether tokenizer.json is a rendering of this tokenizer.model: they have the same control tokens."""
    return all(
        each.id >= len(model.pieces) or model.pieces[each.id] == each.content
        for each in files.added()
        if each.special
    )


def _byte_level(described: Mapping[str, Any], model: Mapping[str, Any], files: TokenizerFolder) -> Metadata:
    tokens, kinds = _tokens(model["vocab"], files)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": family_name(described, whole_words=model.get("ignore_merges") is True),
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": _merges(model),
        "tokenizer.ggml.add_bos_token": _adds_bos(files, default=False),
    }


def _characters(model: Mapping[str, Any], files: TokenizerFolder) -> Metadata:
    tokens, kinds = _tokens(model["vocab"], files, bytes_too=True)
    if mixed := next((each for each in tokens if "\n" in each and each.strip("\n")), None):
        raise UnsupportedModelError(f"the vocabulary joins line breaks with other text, in {mixed!r}")
    return {
        "tokenizer.ggml.model": "gemma4",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": _merges(model),
    }


def _of_ranks(model: Mapping[str, Any], files: TokenizerFolder) -> Metadata:
    """SentencePiece's pieces out of its rendering as merges: a piece scores by the first that makes it."""
    tokens, kinds = _tokens(model["vocab"], files, bytes_too=True)
    merges = _merges(model)
    ids = {token: id for id, token in enumerate(tokens)}
    scores = [-float(len(merges))] * len(tokens)
    for rank in reversed(range(len(merges))):
        left, _, right = merges[rank].partition(" ")
        id = ids.get(left + right)
        if id is None:
            raise FormatError(f"the merges of tokenizer.json make {left + right!r}, which is no token")
        scores[id] = -float(rank)
    special = {
        "tokenizer.ggml.bos_token_id": ids.get("<bos>"),
        "tokenizer.ggml.eos_token_id": ids.get("<eos>"),
    }
    return _sentencepiece(tokens, kinds, scores, files, prefix=False) | special


def _of_proto(model: SpmModel, files: TokenizerFolder) -> Metadata:
    vocab = dict(zip(model.pieces, range(len(model.pieces)), strict=True))
    if len(vocab) < len(model.pieces):
        raise FormatError("tokenizer.model has a piece twice")
    tokens, kinds = _tokens(vocab, files)
    for id, kind in enumerate(model.kinds):
        if kinds[id] == Kind.NORMAL or kind == Kind.CONTROL:
            kinds[id] = kind
    scores = [*model.scores, *[0.0] * (len(tokens) - len(model.scores))]
    return _sentencepiece(tokens, kinds, scores, files, prefix=model.space_prefix) | {
        f"tokenizer.ggml.{name}_token_id": id for name, id in model.special.items() if id >= 0
    }


def _sentencepiece(
    tokens: list[str], kinds: list[int], scores: list[float], files: TokenizerFolder, *, prefix: bool
) -> Metadata:
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.add_bos_token": _adds_bos(files, default=True),
        "tokenizer.ggml.add_space_prefix": prefix,
    }


def _tokens(
    vocab: Mapping[str, Any], files: TokenizerFolder, *, bytes_too: bool = False
) -> tuple[list[str], list[int]]:
    """The tokens by id, and their kinds; an id that nothing has is an unused token."""
    known = dict(vocab)
    kinds: dict[str, int] = {}
    for added in files.added():
        if known.setdefault(added.content, added.id) != added.id:
            raise FormatError(
                f"the token {added.content!r} has the ids {known[added.content]!r} and {added.id}"
            )
        kinds[added.content] = Kind.CONTROL if added.special else Kind.USER_DEFINED
    if bytes_too and "\t" in known and known.get(_TAB, known["\t"]) == known["\t"]:
        known[_TAB] = known.pop("\t")  # renderings of the first Gemmas give the byte's id to the character
    if not known:
        raise FormatError("the vocabulary is empty")
    if wrong := next((each for each in known.items() if type(each[1]) is not int or each[1] < 0), None):
        raise FormatError(f"the token {wrong[0]!r} has the id {wrong[1]!r}")
    size = max(known.values()) + 1
    if _too_many(size - len(known), len(known)):
        raise FormatError(f"there are {len(known):,} tokens, but their ids go up to {size - 1:,}")
    tokens = [f"[PAD{id}]" for id in range(size)]
    listed = [int(Kind.UNUSED)] * size
    for piece, id in known.items():
        if listed[id] != Kind.UNUSED:
            raise FormatError(f"the tokens {tokens[id]!r} and {piece!r} have the same id, {id}")
        tokens[id] = piece
        is_byte = bytes_too and _BYTE.fullmatch(piece)
        listed[id] = int(kinds.get(piece, Kind.BYTE if is_byte else Kind.NORMAL))
    return tokens, listed


def _merges(model: Mapping[str, Any]) -> list[str]:
    """The merges as ``left right``; tokenizer.json has them so, or as pairs."""
    merges = model.get("merges")
    if not isinstance(merges, list):
        raise FormatError("the merges of tokenizer.json are no list; download it again")
    try:
        return [each if isinstance(each, str) else " ".join(each) for each in merges]
    except TypeError:
        raise FormatError("the merges of tokenizer.json hold one that is no pair of tokens") from None


def _add_special(metadata: Metadata, files: TokenizerFolder) -> None:
    """The tokens with a meaning: by the names in the settings, else by the ids in the configurations."""
    tokens = metadata["tokenizer.ggml.tokens"]
    for name, key in (("bos", "bos"), ("eos", "eos"), ("unk", "unknown")):
        piece, ids = files.named(name), files.ids(name)
        if piece is not None:
            if piece not in tokens:
                raise FormatError(f"the {name} token {piece!r} is not in the vocabulary")
            metadata[f"tokenizer.ggml.{key}_token_id"] = tokens.index(piece)
        elif ids and f"{name}_token" not in files.settings:
            metadata[f"tokenizer.ggml.{key}_token_id"] = ids[0]
    metadata["tokenizer.ggml.eos_token_ids"] = files.ids("eos")
    metadata["tokenizer.ggml.suppress_tokens"] = files.suppressed()


def _adds_bos(files: TokenizerFolder, *, default: bool) -> bool:
    """Whether a prompt begins with the BOS token: as the settings say, or as the rendering does it."""
    said = files.settings.get("add_bos_token")
    if isinstance(said, bool):
        return said
    waiting: list[Any] = [(files.tokenizer or {}).get("post_processor")]
    while waiting:
        step = waiting.pop()
        if not isinstance(step, Mapping):
            continue
        if step.get("type") == "Sequence" and isinstance(step.get("processors"), list):
            waiting.extend(step["processors"])
        if step.get("type") == "TemplateProcessing" and isinstance(single := step.get("single"), list):
            first = single[0] if single else None
            return isinstance(first, Mapping) and "SpecialToken" in first
    return default


def _pad(metadata: Metadata, rows: int | None) -> None:
    """Unused tokens up to the embedding's last row."""
    tokens = metadata["tokenizer.ggml.tokens"]
    have = len(tokens)
    if rows is None or rows == have:
        return
    if rows < have or _too_many(rows - have, have):
        raise FormatError(
            f"there are {have:,} tokens, but the embedding has {rows:,} rows: "
            "the tokenizer is another model's"
        )
    tokens += [f"[PAD{id}]" for id in range(have, rows)]
    metadata["tokenizer.ggml.token_type"] += [int(Kind.UNUSED)] * (rows - have)
    if "tokenizer.ggml.scores" in metadata:
        metadata["tokenizer.ggml.scores"] += [0.0] * (rows - have)


def _too_many(missing: int, have: int) -> bool:
    return missing > max(_FEW, have // 16)
