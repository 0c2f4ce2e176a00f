"""What a template, and a conversation that goes on, set beforehand for a command that asks.

A flag wins over the template, that over the conversation, that over the variable and the configuration file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand

from gemcli.errors import UsageError

if TYPE_CHECKING:
    from gemcli.history.resume import Resumed
    from gemcli.request import Request
    from gemcli.templates.template import Template

_KEY = "gemcli.preset"
NO_OPTIONS = ("template", "param", "continue", "cid", "help", "model", "system", "schema")
"""Flags that are no ``options`` of a template: they make no sense there, or have a key of their own."""


@dataclass(slots=True)
class Preset:
    """What was set beforehand.

    Attributes:
        template: the template, if there is one.
        values: what its blanks are filled with.
        resumed: the conversation that goes on, if one does.
        notices: what the person should know once the answer is under way.
    """

    template: Template | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    resumed: Resumed | None = None
    notices: list[str] = field(default_factory=list)

    @property
    def asks(self) -> bool:
        """Whether no question need be on the command line."""
        return self.template is not None and self.template.asks

    def split(self, words: Sequence[str]) -> tuple[str | None, list[str]]:
        """The question and the files among the words; see `gemcli.ingest.arguments.split_question`."""
        from gemcli.commands.words import split_plan
        from gemcli.ingest.arguments import split_question

        return split_plan(words) if self.asks else split_question(words)

    def question(self, question: str | None) -> str:
        """What is asked, given the question of the command line or of stdin."""
        text = question if self.template is None else self.template.question(self.values, question)
        assert text is not None, "whoever does not ask here was asked for a question"
        return text

    def upon(self, request: Request, flags: Mapping[str, Any]) -> Request:
        """The request as a turn of the conversation, new or going on, kept in the history if that may be."""
        resumed = self.resumed
        return replace(
            request,
            conversation=resumed.id if resumed else None,
            earlier=resumed.turns if resumed else (),
            notices=tuple(self.notices),
            log=not (flags["no_log"] or flags["private"]),
        )


class Presettable(TyperCommand):
    """A command whose flags ``--template``, ``--continue`` and ``--cid`` set others."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse, then let what was chosen set whatever the command line does not."""
        rest = super().parse_args(ctx, args)
        if not ctx.resilient_parsing:
            ctx.meta[_KEY] = _preset(ctx)
        return rest


def preset_of(ctx: typer.Context) -> Preset:
    """What was set beforehand for the command that runs."""
    return ctx.meta.get(_KEY) or Preset()


def check_options(template: Template, command: Any) -> None:
    """Refuse options that are no flags of a command.

    Raises:
        UsageError: it names all of them.
    """
    known = _flags(command)
    unknown = [name for name in template.options if name not in known or name in NO_OPTIONS]
    if unknown:
        names = ", ".join(repr(name) for name in unknown)
        raise UsageError(
            f"the template {template.name} sets {names} among its options, which no flag of "
            f"`gemcli {command.name}` is called",
            f"`gemcli {command.name} --help` shows the flags.",
        )


def check_values(template: Template, command: Any) -> None:
    """Refuse options whose values their flags do not take.

    Raises:
        UsageError: it names the first.
    """
    context = command.context_class(command, info_name=command.name)
    _set(context, template.options, f"the template {template.name}")


def _preset(ctx: typer.Context) -> Preset:
    found = Preset()
    word, pairs = ctx.params.get("template"), ctx.params.get("param") or []
    if word:
        from gemcli.templates.store import find

        template = found.template = find(word)
        values = found.values = _pairs(pairs)
        template.check(values)
        check_options(template, ctx.command)
        settings: dict[str, Any] = {"model": template.model} | dict(template.options)
        for name in ("system", "schema"):
            text = getattr(template, name)
            settings[name] = None if text is None else template.filled(text, values).strip()
        _set(ctx, settings, f"the template {template.name}")
    elif pairs:
        raise UsageError("-p fills a blank of a template, and there is no template", "Add -t NAME.")
    cid = ctx.params.get("cid")
    if cid or ctx.params.get("continue_"):
        from gemcli.history.resume import resume

        resumed = found.resumed = resume(cid or None, found.notices.append)
        found.notices += resumed.notices
        settings = {"model": resumed.model, "system": resumed.system}
        settings |= {name.replace("_", "-"): value for name, value in resumed.options.items()}
        _set(ctx, settings, f"the conversation {resumed.id}")
    return found


def _pairs(pairs: Sequence[str]) -> dict[str, str]:
    """``key=value`` words as a mapping.

    Raises:
        UsageError: one has no equals sign.
    """
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"-p {pair!r} is no name=value", "For example: -p language=German")
        found[name.strip()] = value
    return found


def _set(ctx: typer.Context, settings: Mapping[str, Any], origin: str) -> None:
    """Give flags values that the command line does not, in the place of variables and the configuration.

    Raises:
        UsageError: a value is wrong, or the command has no such flag.
    """
    flags = _flags(ctx.command)
    for name, value in settings.items():
        if value is None:
            continue
        param = flags.get(name)
        if param is None:
            raise UsageError(f"{origin} sets {name!r}, which `gemcli {ctx.command.name}` does not take")
        source = ctx.get_parameter_source(param.name)
        if source is not None and source.name == "COMMANDLINE":
            continue
        if param.multiple and not isinstance(value, list):
            value = [value]
        try:
            param.handle_parse_result(ctx, {param.name: value}, [])
        except typer.BadParameter as error:
            raise UsageError(f"{origin}: {error.format_message().rstrip('.')}") from error


def _flags(command: Any) -> dict[str, Any]:
    """The parameters of a command by their long names."""
    return {flag[2:]: param for param in command.params for flag in param.opts if flag.startswith("--")}
