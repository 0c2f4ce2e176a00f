"""The completion script for zsh (5.0 and later)."""

from __future__ import annotations

from collections.abc import Sequence

from gemcli.completion.spec import DEFAULT, Command, Flag, Value

_HEAD = """\
#compdef gemcli
# zsh completion for gemcli; made by `gemcli completions zsh`
#
# Save it in a folder of $fpath:  gemcli completions zsh > ~/.zfunc/_gemcli
# with, in ~/.zshrc:              fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit

_gemcli_models() {
    local -a models=(@MODELS@)
    _alternative 'models:model:compadd -a models' 'files:model file:_files'
}

"""

_TAIL = """\
if [[ $funcstack[1] == _gemcli ]]; then
    _gemcli "$@"
else
    compdef _gemcli gemcli
fi
"""


def script(top: Command, models: Sequence[str]) -> str:
    """The script; see `gemcli.completion.bash.script`."""
    functions = [_function(each) for each in reversed(top.all())]
    return _HEAD.replace("@MODELS@", " ".join(models)) + "\n\n".join(functions) + "\n\n" + _TAIL


def _name(command: Command) -> str:
    return "_".join(("_gemcli", *command.path))


def _function(command: Command) -> str:
    """The function of one command."""
    specs = [spec for flag in command.flags for spec in _flag(flag)]
    lines = [f"{_name(command)}() {{"]
    if not command.commands:
        action = _action(command.arguments)
        specs += [f"'*:{_word(command.arguments)}:{action}'"] if action else []
        lines.append(_arguments("_arguments -S -s", specs))
        return "\n".join([*lines, "}"])
    specs += ["'1: :->command'", "'*:: :->rest'"]
    below = " ".join(_quote(f"{each.path[-1]}:{_plain(each.help)}") for each in command.commands)
    lines += [
        "    local curcontext=$curcontext state line ret=1",
        "    local -A opt_args",
        f"    local -a commands=({below})",
        _arguments("_arguments -C -S -s", specs) + " && ret=0",
        "    case $state in",
        "        command)",
        "            _describe -t commands command commands && ret=0",
        *(["            _files && ret=0"] if command.arguments.kind == "file" else []),
        "            ;;",
        "        rest)",
        "            case $words[1] in",
        *(f"                {each.path[-1]}) {_name(each)} && ret=0 ;;" for each in command.commands),
        *([f"                *) _gemcli_{DEFAULT} && ret=0 ;;"] if not command.path else []),
        "            esac",
        "            ;;",
        "    esac",
        "    return ret",
        "}",
    ]
    return "\n".join(lines)


def _arguments(call: str, specs: Sequence[str]) -> str:
    return " \\\n        ".join([f"    {call}", *specs])


def _flag(flag: Flag) -> list[str]:
    """The specification of a flag, one for each spelling."""
    others = "" if flag.repeats else f"({' '.join(flag.names)})"
    star = "*" if flag.repeats else ""
    value = "" if flag.value.kind == "none" else f":{_word(flag.value)}:{_action(flag.value)}"
    return [
        _quote(f"{others}{star}{name}{_joined(name, flag)}[{_plain(flag.help)}]{value}")
        for name in flag.names
    ]


def _joined(name: str, flag: Flag) -> str:
    """How a value may follow: ``--flag=value`` or apart, ``-fvalue`` or apart."""
    if flag.value.kind == "none":
        return ""
    return "=" if name.startswith("--") else "+"


def _word(value: Value) -> str:
    return {"file": "file", "model": "model", "words": "value"}.get(value.kind, "text")


def _action(value: Value) -> str:
    if value.kind == "words":
        return f"({' '.join(value.words)})"
    return {"file": "_files", "model": "_gemcli_models"}.get(value.kind, "")


def _plain(text: str) -> str:
    """Text without what a specification gives a meaning to."""
    for mark in "[]:\\":
        text = text.replace(mark, {"[": "(", "]": ")", ":": ",", "\\": "/"}[mark])
    return text


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
