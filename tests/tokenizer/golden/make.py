"""Makes the goldens: ids that the reference implementations give for the samples.

    python tests/tokenizer/golden/make.py FOLDER

FOLDER holds the embedded models as NAME.gguf.  Needs transformers, torch, gguf, and llama-cpp-python
(for llama.cpp).  Writes, beside itself,

small-bpe.json, small-spm.json, small-spm-prefix.json: vocabularies trained here on the licence and the
    samples, small enough to commit, as the metadata of a GGUF file; with ids of llama.cpp for each
    pre-tokenizer, and of sentencepiece on the model that it trained itself (llama.cpp agrees).
real.json: ids of the real vocabularies, on which Hugging Face (transformers, loading the same GGUF)
    and llama.cpp agree but for what is named below.

How the references are asked, and where they disagree:
- Control tokens are not parsed from text: transformers with `split_special_tokens`, llama.cpp with
  `special=False`.
- SmolLM2: transformers 5.23 ignores the file's pre-tokenizer `smollm` and does not cut off digits; the
  model's own tokenizer.json does (Digits, then ByteLevel).  It is put back here; llama.cpp then agrees.
- SmolLM2 has no token for some bytes.  Both references leave them out.
- Gemma 3: transformers rebuilds the tokenizer as merges and cuts runs of more than 31 spaces into
  others than SentencePiece, with which the model was trained.  llama.cpp agrees with SentencePiece.
- Gemma 3: llama.cpp takes HTML's `</s>`, a user-defined token of this vocabulary, for the end of a
  sequence.  Hugging Face's are taken; SentencePiece agrees.
- Gemma 3: the GGUF calls the marks around an image user-defined, so llama.cpp parses them from any text.
  They are special tokens in the model's own tokenizer.json, as they are here again for Hugging Face.
- Gemma 3: U+2581 in a text is a space to both, though not to the same pieces.  It is encoded byte by
  byte here, so that it comes back; there is no golden for that sample.
- Qwen2.5's own tokenizer.json normalizes to NFC; neither transformers (from the GGUF) nor llama.cpp
  does.  Bytes are kept here, so that quotations can be found in the source.
"""

from __future__ import annotations

import io
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import gguf
import sentencepiece
from llama_cpp import Llama
from samples import SAMPLES
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoTokenizer

HERE = Path(__file__).parent
CORPUS = [*(HERE.parents[2] / "LICENSE").read_text().splitlines(keepends=True), *3 * list(SAMPLES.values())]
REAL = ("smollm2-135m", "qwen2.5-coder-0.5b", "gemma-3-270m")
PRE_TOKENIZERS = ("gpt-2", "smollm", "qwen2", "qwen35", "llama-bpe", "smaug-bpe", "tekken", "gpt-4o")
WORDS = r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


def llama_ids(path: Path, texts: dict[str, str]) -> dict[str, list[int]]:
    """Ids of llama.cpp."""
    model = Llama(str(path), vocab_only=True, verbose=False)
    return {name: model.tokenize(text.encode(), add_bos=False, special=False) for name, text in texts.items()}


def transformers_ids(path: Path, texts: dict[str, str]) -> dict[str, list[int]]:
    """Ids of Hugging Face."""
    tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    if path.stem.startswith("smollm"):
        words = tokenizer.backend_tokenizer.pre_tokenizer
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(True), words]
        )
    if path.stem.startswith("gemma"):
        media = {"additional_special_tokens": ["<start_of_image>", "<end_of_image>"]}
        tokenizer.add_special_tokens(media, replace_extra_special_tokens=False)
    return {
        name: tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        for name, text in texts.items()
    }


def write_gguf(path: Path, metadata: dict[str, Any]) -> None:
    """A file without tensors, of which llama.cpp takes the vocabulary."""
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_feed_forward_length(32)
    writer.add_block_count(1)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    for key, value in metadata.items():
        if isinstance(value, list):
            writer.add_array(key, value)
        elif isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        else:
            writer.add_string(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()


def train_bpe() -> dict[str, Any]:
    """A byte-level BPE vocabulary with control and user-defined tokens, and a word without merges."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(WORDS), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)]
    )
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    model = json.loads(tokenizer.to_str())["model"]
    tokens = sorted(model["vocab"], key=model["vocab"].get)
    kinds = [NORMAL] * len(tokens)
    for token, kind in (
        ("<|endoftext|>", CONTROL),
        ("<|im_start|>", CONTROL),
        ("<|im_end|>", CONTROL),
        ("<tool_call>", USER_DEFINED),
        ("</tool_call>", USER_DEFINED),
        ("ĠDonau", NORMAL),
        ("[PAD0]", UNUSED),
    ):
        tokens.append(token)
        kinds.append(kind)
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": "qwen2",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.merges": [" ".join(pair) for pair in model["merges"]],
        "tokenizer.ggml.bos_token_id": tokens.index("<|endoftext|>"),
        "tokenizer.ggml.eos_token_id": tokens.index("<|im_end|>"),
        "tokenizer.ggml.add_bos_token": False,
    }


def train_spm(prefix: bool) -> tuple[dict[str, Any], sentencepiece.SentencePieceProcessor]:
    """A SentencePiece vocabulary like Gemma's, or, with a space before the text, like Llama's."""
    trained = io.BytesIO()
    runs = ["\n" * count for count in range(1, 5)] + ["\t", "\t\t"] + ["▁" * count for count in range(2, 5)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text.replace("\0", "") for text in CORPUS),
        model_writer=trained,
        model_type="bpe",
        vocab_size=1000,
        character_coverage=0.98,
        byte_fallback=True,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        add_dummy_prefix=prefix,
        remove_extra_whitespaces=False,
        normalization_rule_name="identity",
        user_defined_symbols=[] if prefix else [*runs, "<table>", "</s>"],
        control_symbols=["<start_of_turn>", "<end_of_turn>"],
        minloglevel=2,
        **({} if prefix else {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3, "eos_piece": "<eos>"}),
    )
    library = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    tokens, scores, kinds = [], [], []
    for id in range(library.get_piece_size()):
        kind = (
            UNKNOWN if library.is_unknown(id)
            else CONTROL if library.is_control(id)
            else BYTE if library.is_byte(id)
            else USER_DEFINED if library.id_to_piece(id) in (*runs, "<table>", "</s>") and not prefix
            else NORMAL
        )  # fmt: skip
        piece = library.id_to_piece(id)
        tokens.append(piece.replace("▁", " ") if kind == USER_DEFINED else piece)
        scores.append(library.get_score(id) if kind != USER_DEFINED else -1000.0)
        kinds.append(kind)
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.scores": scores,
        "tokenizer.ggml.token_type": kinds,
        "tokenizer.ggml.bos_token_id": library.bos_id(),
        "tokenizer.ggml.eos_token_id": library.eos_id(),
        "tokenizer.ggml.unknown_token_id": library.unk_id(),
        "tokenizer.ggml.add_bos_token": True,
        "tokenizer.ggml.add_space_prefix": prefix,
    }, library


def report(what: str, first: dict[str, list[int]], second: dict[str, list[int]]) -> None:
    """Says where two references disagree."""
    print(f"{what}: {[name for name in first if first[name] != second[name]]}")


def layout(value: Any, indent: int) -> str:
    """JSON with a line for each list, so that a change can be read."""
    if not isinstance(value, dict):
        return json.dumps(value, separators=(",", ":"))
    pad = " " * (indent + 1)
    lines = [f"{pad}{json.dumps(key)}: {layout(item, indent + 1)}" for key, item in value.items()]
    return "{\n" + ",\n".join(lines) + "\n" + " " * indent + "}"


def save(name: str, value: Any) -> None:
    """Writes a golden."""
    (HERE / name).write_text(layout(value, 0) + "\n")


def main(folder: Path) -> None:
    """Makes all of them."""
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "small.gguf"
        metadata = train_bpe()
        ids = {}
        for pre in PRE_TOKENIZERS:
            write_gguf(path, {**metadata, "tokenizer.ggml.pre": pre})
            ids[pre] = llama_ids(path, SAMPLES)
        save("small-bpe.json", {"metadata": metadata, "ids": ids})
        spoken = {name: text for name, text in SAMPLES.items() if "▁" not in text}
        for name, prefix in (("small-spm.json", False), ("small-spm-prefix.json", True)):
            metadata, library = train_spm(prefix)
            own = {sample: library.encode(text) for sample, text in spoken.items()}
            write_gguf(path, metadata)
            report(f"{name}, sentencepiece and llama.cpp", own, llama_ids(path, spoken))
            save(name, {"metadata": metadata, "ids": own})
    real = {}
    for name in REAL:
        path = folder / f"{name}.gguf"
        samples = spoken if name.startswith("gemma") else SAMPLES
        hugging, llama = transformers_ids(path, samples), llama_ids(path, samples)
        report(f"{name}, transformers and llama.cpp", hugging, llama)
        real[name] = {
            sample: llama[sample] if name.startswith("gemma") and 32 * " " in text else hugging[sample]
            for sample, text in samples.items()
        }
    save("real.json", real)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
