"""Where templates are: shipped ones beside this file, the person's own in the configuration folder.

One's own with the name of a shipped one takes its place.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gemcli.errors import GemcliError, UsageError
from gemcli.settings import config_dir, make_private
from gemcli.templates.template import Template, parse, to_json

if TYPE_CHECKING:
    import yaml

_SHIPPED = Path(__file__).parent / "shipped"
_SUFFIXES = (".yaml", ".yml")
_MOST_BYTES = 1_000_000
_TRUTH = re.compile("(?:true|True|TRUE|false|False|FALSE)$")
_WHOLE = re.compile("(?:[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+)$")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def own_folder() -> Path:
    """The folder of the person's own templates; it need not exist."""
    return config_dir() / "templates"


def names() -> dict[str, Path]:
    """The files of all templates by name, sorted."""
    found: dict[str, Path] = {}
    for folder in (_SHIPPED, own_folder()):
        try:
            files = sorted(folder.iterdir())
        except OSError:
            continue
        for path in files:
            if path.suffix in _SUFFIXES and _NAME.fullmatch(path.stem):
                found[path.stem] = path
    return dict(sorted(found.items()))


def is_own(path: Path) -> bool:
    """Whether a template's file is the person's own."""
    return path.parent != _SHIPPED


def find(word: str) -> Template:
    """The template of a name, or in a file.

    Raises:
        UsageError: there is none, or it is no template.
    """
    known = names()
    if word in known:
        return read(known[word], word)
    path = Path(word).expanduser()
    if path.is_file():
        return read(path, word)
    if os.sep in word or path.suffix in _SUFFIXES:
        raise UsageError(f"{word}: no such template file")
    raise unknown(word)


def unknown(word: str) -> UsageError:
    """What to say of a name that no template has."""
    import difflib

    close = difflib.get_close_matches(word, names(), n=1)
    return UsageError(
        f"there is no template {word!r}",
        f"Did you mean {close[0]!r}?" if close else "`gemcli templates list` shows them.",
    )


def read(path: Path, name: str) -> Template:
    """The template in a file.

    Raises:
        UsageError: it cannot be read, or is no template.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise UsageError(f"cannot read the template {path}: {error.strerror or error}") from error
    return from_yaml(data, name)


def from_yaml(data: bytes, name: str) -> Template:
    """The template in the text of a YAML document.

    Raises:
        UsageError: it is none; the message names the line.
    """
    import yaml

    if len(data) > _MOST_BYTES:
        raise UsageError(f"the template {name} is larger than {_MOST_BYTES:,} bytes")
    try:
        value = yaml.load(data.decode("utf-8-sig"), Loader=loader())  # one of the safe ones
    except UnicodeDecodeError as error:
        raise UsageError(f"the template {name} is not UTF-8 text (byte {error.start})") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}," if mark is not None else ""
        why = getattr(error, "problem", None) or str(error) or "it is nested too deeply"
        raise UsageError(f"the template {name}{line} is not valid YAML: {why}") from error
    return parse(value, name)


def loader() -> type[yaml.SafeLoader]:
    """YAML as version 1.2 has it, where ``no``, ``2026-01-31``, ``10:30`` and ``007`` are texts."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    older = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("bool", "int", "timestamp"))
    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in each if tag not in older]
        for first, each in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver(older[0], _TRUTH, list("tTfF"))
    Loader.add_implicit_resolver(older[1], _WHOLE, list("-+0123456789"))
    return Loader


def save(template: Template) -> Path:
    """Write one's own template, in the place of an older one of that name; returns its file.

    Raises:
        UsageError: its name cannot be one.
        GemcliError: the disk refuses.
    """
    check_name(template.name)
    path = own_folder() / f"{template.name}.yaml"
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    make_private(path.parent)
    try:
        try:
            draft.write_text(to_yaml(template), "utf-8")
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
        path.with_suffix(".yml").unlink(missing_ok=True)
    except OSError as error:
        raise GemcliError(f"cannot write the template {path}: {error.strerror or error}") from error
    return path


def to_yaml(template: Template) -> str:
    """A template as the text of its file: texts of several lines as blocks."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    value: dict[str, Any] = to_json(template)
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000)


def check_name(name: str) -> None:
    """Refuse what cannot be a template's name.

    Raises:
        UsageError: with what can.
    """
    if not _NAME.fullmatch(name) or name.endswith(_SUFFIXES):
        raise UsageError(
            f"{name!r} cannot be a template's name", "Letters, digits and . _ - may be in it, without .yaml."
        )


def remove(name: str) -> None:
    """Delete one's own template.

    Raises:
        UsageError: there is none of that name, or it is a shipped one.
        GemcliError: the disk refuses.
    """
    path = check_own(name)
    try:
        path.unlink()
    except OSError as error:
        raise GemcliError(f"cannot remove the template {path}: {error.strerror or error}") from error


def check_own(name: str) -> Path:
    """The file of one's own template.

    Raises:
        UsageError: there is none of that name, or it is a shipped one.
    """
    path = names().get(name)
    if path is None:
        raise unknown(name)
    if not is_own(path):
        raise UsageError(
            f"{name} came with gemcli and cannot be removed", f"Your own {name} would take its place."
        )
    return path
