"""Small vocabularies like those of released models, as Hugging Face's own libraries write them into folders.

They are trained here, on the licence and the tokenizers' samples, by the libraries that models come from.
"""

from __future__ import annotations

import io
import json
import runpy
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from sentencepiece import SentencePieceProcessor, SentencePieceTrainer
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

ROOT = Path(__file__).parents[1]
SPACE = "\u2581"
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
GEMMA4_MARKS = [
    "<|tool>", "<tool|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>", '<|"|>',
    "<|think|>", "<|channel>", "<channel|>", "<|turn>", "<turn|>", "<|image>", "<image|>", "<|audio>",
    "<audio|>", "<|image|>", "<|audio|>", "<|video|>",
]  # fmt: skip
GEMMA4_VISIBLE = {
    "<|channel>", "<channel|>", "<|tool_call>", "<tool_call|>", "<|tool_response>", "<tool_response|>",
    '<|"|>',
}  # fmt: skip
"""User-defined in GGUF files (convert_hf_to_gguf.py of llama.cpp), control tokens in tokenizer.json."""
GEMMA_NORMALIZER = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
GEMMA_CUTTER = {
    "type": "Split",
    "pattern": {"String": " "},
    "behavior": "MergedWithPrevious",
    "invert": False,
}


def samples() -> dict[str, str]:
    """Name → text."""
    return runpy.run_path(str(ROOT / "tests/tokenizer/golden/samples.py"))["SAMPLES"]


def corpus() -> list[str]:
    """What is trained on."""
    return [*(ROOT / "LICENSE").read_text().splitlines(keepends=True), *3 * list(samples().values())]


def write_folder(folder: Path, **files: Mapping[str, Any] | bytes | str | None) -> Path:
    """A folder with these files: `tokenizer_json={…}` is tokenizer.json; bytes and texts as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        stem, _, ending = name.rpartition("_")
        path = folder / f"{stem}.{ending}"
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return folder


def library(tokenizer_json: Mapping[str, Any]) -> Tokenizer:
    """The `tokenizers` library's own, which takes control tokens in a text for text, as we do."""
    made = Tokenizer.from_str(json.dumps(tokenizer_json))
    made.encode_special_tokens = True
    return made


def added(tokens: Iterable[tuple[int, str]], *, special: bool) -> list[dict[str, Any]]:
    """Entries of `added_tokens`."""
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return [{"id": id, "content": content, **plain, "special": special} for id, content in tokens]


def all_merges(pieces: Mapping[str, int], skip: Iterable[str]) -> list[list[str]]:
    """Every way to put a piece together from two, by its id: how a SentencePiece model is rendered."""
    skip = set(skip)
    merges = [
        (id, cut, piece[:cut], piece[cut:])
        for piece, id in pieces.items()
        if piece not in skip
        for cut in range(1, len(piece))
        if piece[:cut] in pieces and piece[cut:] in pieces and not skip & {piece[:cut], piece[cut:]}
    ]
    return [[left, right] for _, _, left, right in sorted(merges)]


@cache
def gemma4() -> dict[str, Any]:
    """tokenizer.json in the manner of Gemma 4: merges over characters, runs of line breaks and spaces."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", SPACE)
    trained.pre_tokenizer = pre_tokenizers.Split(Regex(f"{SPACE}?[^{SPACE}\n]+|{SPACE}+|\n+"), "isolated")
    trained.train_from_iterator(corpus(), trainers.BpeTrainer(vocab_size=1100, show_progress=False))
    vocab = trained.get_vocab()
    signs = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *GEMMA4_MARKS]
    words = [
        piece
        for piece in sorted(vocab, key=vocab.__getitem__)
        if piece.strip("\n") and piece.strip(SPACE) and piece not in (*signs, *BYTES)
    ]
    pieces = [
        *signs,
        *("\n" * count for count in range(1, 32)),
        *(SPACE * count for count in range(2, 32)),
        *BYTES,
        *(word for word in words if len(word) > 1),
        *(word for word in words if len(word) == 1 and word not in "€日\t"),
        SPACE,
    ]
    ids = {piece: id for id, piece in enumerate(pieces)}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added(((ids[sign], sign) for sign in signs), special=True),
        "normalizer": GEMMA_NORMALIZER,
        "pre_tokenizer": GEMMA_CUTTER,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": "<unk>",
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": ids,
            "merges": all_merges(ids, [*signs, *BYTES]),
        },
    }


def gemma4_metadata() -> dict[str, Any]:
    """The same as llama.cpp's converter writes it into a GGUF file."""
    described = gemma4()
    tokens = list(described["model"]["vocab"])
    special = {each["content"] for each in described["added_tokens"]}
    kinds = [
        4 if piece in GEMMA4_VISIBLE else 3 if piece in special else 6 if piece in BYTES else 1
        for piece in tokens
    ]
    return {
        "tokenizer.ggml.model": "gemma4",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": [-1000.0] * len(tokens),
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": [" ".join(pair) for pair in described["model"]["merges"]],
        "tokenizer.ggml.bos_token_id": tokens.index("<bos>"),
        "tokenizer.ggml.eos_token_id": tokens.index("<eos>"),
        "tokenizer.ggml.unknown_token_id": tokens.index("<unk>"),
        "tokenizer.ggml.padding_token_id": tokens.index("<pad>"),
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
    }


@cache
def sentencepiece() -> tuple[bytes, SentencePieceProcessor]:
    """tokenizer.model in the manner of Gemma 1 to 3, and the library's own tokenizer of it."""
    model = io.BytesIO()
    SentencePieceTrainer.train(  # pyright: ignore[reportAttributeAccessIssue]
        sentence_iterator=iter(text.replace("\0", "") for text in corpus()),
        model_writer=model,
        model_type="bpe",
        vocab_size=1000,
        character_coverage=0.98,
        byte_fallback=True,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        user_defined_symbols=[*_runs(), "<table>", "</s>"],
        control_symbols=["<start_of_turn>", "<end_of_turn>"],
        minloglevel=2,
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        eos_piece="<eos>",
        bos_piece="<bos>",
    )
    return model.getvalue(), SentencePieceProcessor(model_proto=model.getvalue())


def _runs() -> list[str]:
    return [*("\n" * count for count in range(1, 5)), "\t", *(SPACE * count for count in range(2, 5))]


def gemma3() -> dict[str, Any]:
    """tokenizer.json that renders that model, as the converter of transformers does, and one token more."""
    _, model = sentencepiece()
    pieces: dict[str, int] = {model.id_to_piece(id): id for id in range(model.get_piece_size())}
    marks = [piece for piece, id in pieces.items() if model.is_control(id) or model.is_unknown(id)]
    own = [*_runs(), "<table>", "</s>"]
    described = gemma4()
    return {
        **described,
        "added_tokens": [
            *added(((pieces[mark], mark) for mark in marks), special=True),
            *added(((pieces[piece], piece) for piece in own), special=False),
            *added([(len(pieces), "<image_soft_token>")], special=True),
        ],
        "model": {
            **described["model"],
            "vocab": pieces,
            "merges": all_merges(pieces, [*marks, *BYTES, *(piece for piece in own if piece not in _runs())]),
        },
    }


def words(
    metadata: Mapping[str, Any], cutter: Mapping[str, Any], *, whole_words: bool = False
) -> dict[str, Any]:
    """tokenizer.json of a byte-level vocabulary that is given as the metadata of a GGUF file."""
    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    named = list(enumerate(tokens))
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            *added(((id, token) for id, token in named if kinds[id] == 3), special=True),
            *added(((id, token) for id, token in named if kinds[id] == 4), special=False),
        ],
        "normalizer": None,
        "pre_tokenizer": cutter,
        "post_processor": None,
        "decoder": None,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": whole_words,
            "vocab": {token: id for id, token in named},
            "merges": metadata["tokenizer.ggml.merges"],
        },
    }


def byte_metadata() -> dict[str, Any]:
    """GGUF metadata of a byte-level vocabulary with a token for every byte, in the alphabet's order."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": [*alphabet, "\u0120\u0120"],
        "tokenizer.ggml.token_type": [1] * (len(alphabet) + 1),
        "tokenizer.ggml.merges": ["\u0120 \u0120"],
    }
