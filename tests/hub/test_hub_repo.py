"""``hf:`` names: what they mean among a repository's files, asked or remembered."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemcli.errors import ModelUnavailableError, UsageError
from gemcli.hub import hub_name, store
from gemcli.hub.hub_name import Spec, find_local, parse
from gemcli.hub.hub_repo import RemoteFile, choose, look_up, quant_of
from gemcli.hub.pull import pull
from gemcli.hub.source import HubSource
from tests.hub.conftest import Events, Hub, content_of

REPO = "owner/Model-GGUF"


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("hf:owner/repo", Spec("owner/repo", None)),
        ("hf://owner/repo", Spec("owner/repo", None)),
        ("hf:Qwen/Qwen2.5-1.5B_x-GGUF:Q4_K_M", Spec("Qwen/Qwen2.5-1.5B_x-GGUF", "Q4_K_M")),
        ("hf:owner/repo:sub/file.gguf", Spec("owner/repo", "sub/file.gguf")),
    ],
)
def test_names_are_taken_apart(text: str, spec: Spec) -> None:
    assert parse(text) == spec


@pytest.mark.parametrize(
    "text",
    [
        "hf:",
        "hf:repo",
        "hf:a/b/c",
        "hf:owner/repo:",
        "hf:owner/repo:a:b",
        "hf:../etc",
        "hf:owner/..",
        "hf:a b/c",
    ],
)
def test_other_names_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not of the form"):
        parse(text)


@pytest.mark.parametrize(
    ("path", "quant"),
    [
        ("qwen2.5-coder-1.5b-instruct-q4_k_m.gguf", "Q4_K_M"),
        ("SmolLM2-135M-Instruct.Q4_1.gguf", "Q4_1"),
        ("gemma-4-E4B-it-UD-Q4_K_XL.gguf", "UD-Q4_K_XL"),
        ("model-IQ4_XS.gguf", "IQ4_XS"),
        ("model-IQ2_XXS.gguf", "IQ2_XXS"),
        ("model-Q6_K.gguf", "Q6_K"),
        ("model-Q4_0_4_4.gguf", "Q4_0_4_4"),
        ("model-fp16.gguf", "F16"),
        ("model-BF16.gguf", "BF16"),
        ("sub/Q8_0/model.gguf", ""),
        ("gemma-3-270m.gguf", ""),
        ("Q8_0-model-Q4_0.gguf", "Q4_0"),
    ],
)
def test_quantizations_are_read_from_names(path: str, quant: str) -> None:
    assert quant_of(path) == quant


def files(*paths: str) -> list[RemoteFile]:
    return [RemoteFile(path, 1000, "0" * 64, quant_of(path)) for path in paths]


@pytest.mark.parametrize(
    ("paths", "quant", "chosen"),
    [
        (["m-Q8_0.gguf", "m-Q4_K_M.gguf", "m-Q4_0.gguf"], None, "m-Q4_K_M.gguf"),
        (["m-Q8_0.gguf", "m-Q4_0.gguf", "m-F16.gguf"], None, "m-Q4_0.gguf"),
        (["m-IQ2_XS.gguf", "m-Q8_0.gguf"], None, "m-Q8_0.gguf"),
        (["only.gguf"], None, "only.gguf"),
        (["m-IQ2_XS.gguf"], None, "m-IQ2_XS.gguf"),
        (["m-Q8_0.gguf", "m-Q4_0.gguf"], "q8_0", "m-Q8_0.gguf"),
        (["m-Q4_K_M.gguf", "m-UD-Q4_K_XL.gguf"], "UD-Q4_K_XL", "m-UD-Q4_K_XL.gguf"),
        (["a-Q4_0.gguf", "b-Q4_0.gguf"], "b-q4_0.gguf", "b-Q4_0.gguf"),
        (["x/a-Q4_0.gguf", "y/a-Q4_0.gguf"], "y/a-Q4_0.gguf", "y/a-Q4_0.gguf"),
        (
            ["m-Q4_K_M-00001-of-00002.gguf", "m-Q4_K_M-00002-of-00002.gguf", "m-Q8_0.gguf"],
            None,
            "m-Q8_0.gguf",
        ),
    ],
)
def test_the_file_that_is_meant(paths: list[str], quant: str | None, chosen: str) -> None:
    assert choose(Spec(REPO, quant), files(*paths)).path == chosen


@pytest.mark.parametrize(
    ("paths", "quant", "message"),
    [
        ([], None, "holds no GGUF"),
        (["m-Q4_0.gguf"], "Q8_0", "holds no Q8_0"),
        (["m-Q4_K_M.gguf"], "Q4_K", "holds no Q4_K"),
        (["a-Q4_0.gguf", "b-Q4_0.gguf"], None, "could mean 2 files"),
        (["a-Q4_0.gguf", "b-Q4_0.gguf"], "Q4_0", "could mean 2 files"),
        (["a.gguf", "b.gguf"], None, "could mean 2 files"),
        (
            ["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf", "m-Q4_0.gguf"],
            "Q8_0",
            "one of several parts",
        ),
        (["m-Q8_0-00001-of-00002.gguf", "m-Q8_0-00002-of-00002.gguf"], None, "one of several parts"),
    ],
)
def test_what_cannot_be_chosen_lists_what_there_is(paths: list[str], quant: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        choose(Spec(REPO, quant), files(*paths))
    assert all(path in (caught.value.hint or "") for path in paths)


@given(st.lists(st.sampled_from(hub_name.PREFERENCE), unique=True, min_size=1))
def test_the_order_of_files_does_not_matter(quants: list[str]) -> None:
    best = min(quants, key=hub_name.PREFERENCE.index)
    assert choose(Spec(REPO, None), files(*(f"m-{each}.gguf" for each in quants))).quant == best


def listing(contents: dict[str, bytes], **more: object) -> dict[str, object]:
    siblings: list[dict[str, object]] = [{"rfilename": "README.md", "size": 10}]
    for name, content in contents.items():
        lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 130}
        siblings.append({"rfilename": name, "size": len(content), "lfs": lfs})
    return {"id": REPO, "sha": "c0ffee", "siblings": siblings, "cardData": {"license": "mit"}, **more}


@pytest.fixture
def repo(hub: Hub) -> dict[str, bytes]:
    contents = {"m-Q4_K_M.gguf": content_of(50_000), "m-Q8_0.gguf": content_of(90_000, seed=1)}
    contents["mmproj-m-Q8_0.gguf"] = b"a projector"
    hub.listings[REPO] = listing(contents)
    for name, content in contents.items():
        hub.files[f"{REPO}/{name}"] = content
    return contents


def test_a_repository_is_looked_up_and_pulled_from_its_commit(
    hub: Hub, repo: dict[str, bytes], events: Events
) -> None:
    entry = look_up(parse(f"hf:{REPO}"))
    assert entry.name == f"hf:{REPO}:Q4_K_M"
    assert entry.licence == "mit"
    assert entry.licence_url == f"{hub.url}/{REPO}"
    assert entry.sources == (HubSource(REPO, "m-Q4_K_M.gguf", "c0ffee"),)
    assert pull(entry, on_event=events).read_bytes() == repo["m-Q4_K_M.gguf"]
    assert any("/resolve/c0ffee/m-Q4_K_M.gguf" in each.path for each in hub.seen)


def test_what_was_pulled_is_found_without_the_hub(hub: Hub, repo: dict[str, bytes], events: Events) -> None:
    spec = parse(f"hf:{REPO}")
    assert find_local(spec) is None
    pull(look_up(parse(f"hf:{REPO}:Q8_0")), on_event=events)
    found = find_local(spec)
    assert found is not None
    assert found.name.endswith(":Q8_0")
    pull(look_up(spec), on_event=events)
    hub.seen.clear()
    for name, quant in (
        ("", "Q4_K_M"),
        (":q8_0", "Q8_0"),
        (":Q4_K_M", "Q4_K_M"),
        (":m-Q8_0.gguf", "Q8_0"),
        (":sub/m-Q8_0.gguf", "Q8_0"),
    ):
        found = find_local(parse(f"hf:{REPO.lower()}{name}"))
        assert found is not None
        assert found.name == f"hf:{REPO}:{quant}"
    assert find_local(parse(f"hf:{REPO}:F16")) is None
    assert find_local(parse("hf:owner/Model")) is None
    assert hub.seen == []
    entry = hub_name.entry_of(store.installed()[0])
    assert (entry.name, entry.licence) == (f"hf:{REPO}:Q4_K_M", "mit")


def test_other_spellings_of_the_hash_are_understood(hub: Hub) -> None:
    sha256 = "ab" * 32
    file = {"rfilename": "m.gguf", "lfs": {"oid": f"sha256:{sha256}", "size": 5}}
    hub.listings[REPO] = {"sha": "c0ffee", "siblings": [file]}
    entry = look_up(parse(f"hf:{REPO}"))
    assert (entry.sha256, entry.size, entry.name) == (sha256, 5, f"hf:{REPO}:m.gguf")
    assert entry.licence == "see the repository's page"


@pytest.mark.parametrize(
    "file", [{}, {"rfilename": "m.gguf"}, {"rfilename": "m.gguf", "lfs": {"sha256": "x"}}]
)
def test_files_without_a_hash_are_no_models(hub: Hub, file: dict[str, object]) -> None:
    hub.listings[REPO] = {"siblings": [file]}
    with pytest.raises(UsageError, match="holds no GGUF"):
        look_up(parse(f"hf:{REPO}"))


def test_a_repository_that_is_not_there(hub: Hub) -> None:
    hub.refuse[REPO] = (401, {"X-Error-Code": "RepoNotFound"})
    with pytest.raises(ModelUnavailableError, match="does not exist, is private or is gated") as caught:
        look_up(parse(f"hf:{REPO}"))
    assert "HF_TOKEN" in (caught.value.hint or "")


def test_an_answer_that_is_no_json(hub: Hub) -> None:
    hub.refuse[REPO] = (200, {})
    with pytest.raises(ModelUnavailableError, match="not understood"):
        look_up(parse(f"hf:{REPO}"))


def test_a_hub_that_is_not_there() -> None:
    with pytest.raises(ModelUnavailableError, match="does not answer") as caught:
        look_up(parse(f"hf:{REPO}"))
    assert caught.value.exit_code == 5
