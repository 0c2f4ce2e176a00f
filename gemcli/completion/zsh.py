"""The completion script for zsh (5.0 and later)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gemcli.completion.spec import DEFAULT, Command, Flag, Value

_HEAD = """\
#compdef gemcli
# zsh completion for gemcli; made by `gemcli completions zsh`
#
# Save it in a folder of $fpath:  gemcli completions zsh > ~/.zfunc/_gemcli
# with, in ~/.zshrc:              fpath=(~/.zfunc $fpath); autoload -Uz compinit; compinit

# Names of this moment (models, templates, conversations), and others that are given.
_gemcli_names() {
    local list=$1
    local -a names=(${(f)"$(gemcli __names $list 2>/dev/null)"})
    names=("${(@)${(@)names//:/\\\\:}/$'\\t'/:}" "${@[2,-1]}")
    _describe -t names $list names
}

_gemcli_names_or_files() {
    _gemcli_names "$@"
    _files
}

"""

_TOP = """\
_gemcli() {
    local curcontext=$curcontext at=2
    while (( at < CURRENT )) && [[ $words[at] == (@OWN@) ]]; do
        (( at++ ))
    done
    if (( at == CURRENT )) && [[ $PREFIX != -* ]]; then
        local -a commands=(@COMMANDS@)
        _describe -t commands command commands
        _files
        return
    fi
    case $words[at] in
@CASES@
        *) _gemcli_@DEFAULT@ ;;
    esac
}

if [[ $funcstack[1] == _gemcli ]]; then
    _gemcli "$@"
else
    compdef _gemcli gemcli
fi
"""


def script(top: Command) -> str:
    """The script; see `gemcli.completion.bash.script`."""
    cases = [
        f"        {each.line}) shift $(( at - 1 )) words; (( CURRENT -= at - 1 )); {_name(each)} ;;"
        for each in top.commands
    ]
    end = _TOP.replace("@OWN@", "|".join(top.own)).replace("@DEFAULT@", DEFAULT)
    end = end.replace("@COMMANDS@", _described(top)).replace("@CASES@", "\n".join(cases))
    functions = [_function(each) for each in reversed(top.all()) if each.path]
    return "\n\n".join([_HEAD.rstrip(), *functions, end])


def _name(command: Command) -> str:
    return "_".join(("_gemcli", *command.path))


def _described(command: Command) -> str:
    """The commands below one, each with its description."""
    return " ".join(_quote(f"{each.path[-1]}:{_plain(each.help)}") for each in command.commands)


def _function(command: Command) -> str:
    """The function of one command."""
    specs = [spec for flag in command.flags for spec in _flag(flag)]
    if not command.commands:
        action = _action(command.arguments)
        specs += [f"'*:{_word(command.arguments)}:{action}'"] if action else []
        return "\n".join([f"{_name(command)}() {{", _arguments("_arguments -S -s", specs), "}"])
    below = [f"            {each.path[-1]}) {_name(each)} ;;" for each in command.commands]
    return "\n".join(
        [
            f"{_name(command)}() {{",
            "    local curcontext=$curcontext state line",
            "    local -A opt_args",
            f"    local -a commands=({_described(command)})",
            _arguments("_arguments -C -S -s", [*specs, "'1: :->command'", "'*:: :->rest'"]),
            "    case $state in",
            "        command) _describe -t commands command commands ;;",
            "        rest)",
            "            case $words[1] in",
            *(f"    {line}" for line in below),
            "            esac",
            "            ;;",
            "    esac",
            "}",
        ]
    )


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
    if value.lists:
        return value.lists.removesuffix("s")
    return {"file": "file", "words": "value"}.get(value.kind, "text")


def _action(value: Value) -> str:
    if value.lists:  # the space keeps zsh from putting its own arguments before ours
        function = "_gemcli_names_or_files" if value.kind == "named" else "_gemcli_names"
        return " ".join([f" {function}", value.lists, *value.words])
    if value.kind == "words":
        return f"({' '.join(value.words)})"
    return "_files" if value.kind == "file" else ""


def _plain(text: str) -> str:
    """Text whose brackets and colons mean nothing to a specification."""
    return re.sub(r"([\[\]:\\])", r"\\\1", text)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
