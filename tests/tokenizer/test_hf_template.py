"""A folder's chat template is found in any of the files that may hold it, and runs in the sandbox."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from vocabularies import write_folder

from model.errors import FormatError, TemplateError
from model.tokenizer import sandbox
from model.tokenizer.hf import template_from_folder

SOURCE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|turn>' + m.content + '<turn|>' }}{% endfor %}{{ eos_token }}"
)
OTHER = "{{ 'other' }}"
MESSAGES = [{"role": "user", "content": "<turn|>"}]
TOKENS = {"bos_token": "<bos>", "eos_token": {"content": "<eos>"}}


@pytest.mark.parametrize(
    "files",
    [
        {"chat_template_jinja": SOURCE, "tokenizer_config_json": TOKENS | {"chat_template": OTHER}},
        {"tokenizer_config_json": TOKENS | {"chat_template": SOURCE}},
        {
            "tokenizer_config_json": TOKENS
            | {"chat_template": [{"name": "x", "template": OTHER}, {"name": "default", "template": SOURCE}]},
            "chat_template_json": {"chat_template": OTHER},
        },
        {"tokenizer_config_json": TOKENS, "chat_template_json": {"chat_template": SOURCE}},
        {"special_tokens_map_json": TOKENS, "chat_template_jinja": SOURCE},
    ],
)
def test_a_template_is_found(files: dict[str, Any], tmp_path: Path) -> None:
    template = template_from_folder(write_folder(tmp_path, **files))
    assert template.source == SOURCE
    assert template.spans(MESSAGES) == [
        ("<bos><|turn>", True),
        ("<turn|>", False),
        ("<turn|><eos>", True),
    ]


@pytest.mark.parametrize("files", [{}, {"tokenizer_config_json": {"chat_template": None}}])
def test_a_folder_of_a_base_model_has_none(files: dict[str, Any], tmp_path: Path) -> None:
    template = template_from_folder(write_folder(tmp_path, **files))
    assert template.source is None
    assert template.spans(MESSAGES) == [("<turn|>", False)]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"tokenizer_config_json": {"chat_template": 3}}, "its chat_template is no text"),
        ({"tokenizer_config_json": {"chat_template": []}}, "no list with one called 'default'"),
        (
            {"tokenizer_config_json": {"chat_template": [{"name": "rag", "template": "x"}]}},
            "called 'default'",
        ),
        ({"tokenizer_config_json": {"chat_template": [3, {"name": "default"}]}}, "called 'default'"),
        ({"tokenizer_config_json": {"chat_template": {"default": "x"}}}, "its chat_template is no text"),
        ({"tokenizer_config_json": "{"}, "tokenizer_config.json is damaged"),
        ({"chat_template_json": "[]"}, "chat_template.json holds no JSON object"),
        ({"chat_template_jinja": b"\xff\xfe"}, "is not UTF-8"),
        ({"chat_template_jinja": b"x" * (5 << 20)}, "that is no template"),
    ],
)
def test_what_is_no_template_is_named(files: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(FormatError) as caught:
        template_from_folder(write_folder(tmp_path, **files))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
        "{% for a in range(99999) %}{{ 'x' * 9999 }}{% endfor %}",
        "{{ 'x' * 10 ** 10 }}",
        "{{ messages.__class__.__base__.__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('true') }}",
        "{{ bos_token.__class__ }}",
        "{{ ''.join.__self__.__class__ }}",
        "{% include '/etc/passwd' %}",
        "{% import 'os' as os %}",
        "{{ raise_exception.__globals__ }}",
        "x" * ((1 << 20) + 1),
    ],
    ids=lambda source: source[:40],
)
def test_a_hostile_template_of_a_folder_ends_in_an_error(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "_STEPS", 100_000)
    monkeypatch.setattr(sandbox, "_SECONDS", 1.0)
    template = template_from_folder(write_folder(tmp_path, chat_template_jinja=source))
    with pytest.raises(TemplateError, match=r"chat template cannot be used: \S"):
        template.spans(MESSAGES)
