"""A conversation with the real engine: what was read stays, and changes no answer."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
import tiny

from gemcli.assistant import answer
from gemcli.chat.conversation import Conversation
from gemcli.events import Result
from gemcli.loading import Loaded
from gemcli.request import Request

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['content'] }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>{% endif %}"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny model with random weights: its answers hang on all that it reads."""
    config = replace(tiny.llama(), vocab=tiny.PARROT_VOCAB, context=2048)
    metadata = tiny.metadata_of(config) | tiny.byte_tokenizer() | {"tokenizer.chat_template": TEMPLATE}
    path = tmp_path_factory.mktemp("model") / "tiny.gguf"
    return tiny.write_gguf(path, metadata, tiny.tensors_of(config, tiny.random_params(config)))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "ab":
        (tmp_path / f"{name}.md").write_text(f"The launch code of {name} is 7431. " * 10)
    return tmp_path


def result(events):
    """The last event; what fails is raised."""
    with closing(events):
        return [event for event in events if isinstance(event, Result)][-1]


def asked(model, **changes):
    return Request("", stdin="never", model=str(model), max_tokens=12, keep=False, **changes)


def test_what_was_read_is_not_read_again(folder, model):
    conversation = Conversation(asked(model, files=("a.md",)))
    conversation.warm()
    first = result(conversation.ask("What is the code?")).data
    assert first["usage"]["cached_tokens"] == 0
    assert not conversation.pending
    read = first["usage"]["prompt_tokens"]
    second = result(conversation.ask("Why?")).data
    conversation.add(["b.md"])
    third = result(conversation.ask("And of the other?")).data
    assert second["usage"]["cached_tokens"] > read - 64
    assert third["usage"]["cached_tokens"] > second["usage"]["prompt_tokens"] - 64
    assert [each["source"] for each in third["plan"]["documents"]] == ["b.md"]
    for turn, said in enumerate((first, second, third)):
        files = (("a.md",), (), ("b.md",))[turn]
        question = conversation.turns[turn].question
        alone = replace(asked(model, files=files), question=question, earlier=conversation.turns[:turn])
        fresh = result(answer(alone, Loaded())).data
        assert fresh["usage"]["cached_tokens"] == 0
        assert fresh["answer"] == said["answer"]
        assert fresh["usage"]["prompt_tokens"] == said["usage"]["prompt_tokens"]


def test_an_answer_that_is_stopped_leaves_the_model_in_order(folder, model):
    conversation = Conversation(asked(model, files=("a.md",)))
    whole = result(conversation.ask("What is the code?")).data["answer"]
    events = conversation.again()
    for event in events:
        if type(event).__name__ == "Progress" and event.stage == "prefill":
            break
    events.throw(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        list(events)
    assert conversation.turns[0].answer == whole, "nothing came in its place"
    assert conversation.undo() == "What is the code?"
    assert conversation.pending.files == ("a.md",)
    assert result(conversation.ask("What is the code?")).data["answer"] == whole
