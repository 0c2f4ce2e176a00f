"""The completion script for fish (3.0 and later)."""

from __future__ import annotations

from collections.abc import Iterator

from gemcli.completion.spec import DEFAULT, Command, Flag, Value

_HEAD = """\
# fish completion for gemcli; made by `gemcli completions fish`
#
# Save it:  gemcli completions fish > ~/.config/fish/completions/gemcli.fish

# The command that the line names so far; nothing before one is named.
function __gemcli_path
    set -l path
    set -l skip
    for word in (commandline -opc)[2..-1]
        if set -q skip[1]
            set -e skip
            continue
        end
        switch "$path:$word"
@PATHS@
            case @OWN@
            case @VALUED@
                set skip 1
                test -n "$path"; or set path @DEFAULT@
            case '*'
                test -n "$path"; or set path @DEFAULT@
        end
    end
    echo "$path"
end

# Names of this moment: models, templates, conversations.
function __gemcli_names
    gemcli __names $argv 2>/dev/null
end

function __gemcli_in
    test (__gemcli_path) = "$argv"
end

"""


def script(top: Command) -> str:
    """The script; see `gemcli.completion.bash.script`."""
    every = top.all()
    paths = "\n".join(
        f"            case {_quote(each.step)}\n                set path {_quote(each.line)}"
        for each in every
        if each.path
    )
    head = _HEAD.replace("@PATHS@", paths).replace("@DEFAULT@", DEFAULT)
    head = head.replace("@OWN@", " ".join(_quote(f":{name}") for name in top.own))
    head = head.replace("@VALUED@", " ".join(_quote(f"*:{name}") for name in top.valued()))
    return head + "\n".join(line for each in every for line in _lines(each)) + "\n"


def _lines(command: Command) -> Iterator[str]:
    start = f"complete -c gemcli -n '__gemcli_in \"{command.line}\"'"
    for below in command.commands:
        files = "" if command.arguments.kind == "file" else " -f"
        yield f"{start}{files} -a {below.path[-1]} -d {_quote(below.help)}"
    if not command.commands and command.arguments.kind != "file":
        yield f"{start} -f{_proposed(command.arguments)}"
    for flag in command.flags:
        yield f"{start}{_flag(flag)} -d {_quote(flag.help)}"


def _flag(flag: Flag) -> str:
    names = "".join(f" -l {name[2:]}" if name.startswith("--") else f" -s {name[1:]}" for name in flag.names)
    if flag.value.kind == "none":
        return names
    if flag.value.kind == "file":
        return f"{names} -r -F"
    takes = " -r -F" if flag.value.kind == "named" else " -x"
    return names + takes + _proposed(flag.value)


def _proposed(value: Value) -> str:
    """The words to propose, also those of this moment."""
    words = [*value.words, *([f"(__gemcli_names {value.lists})"] if value.lists else [])]
    return f" -a {_quote(' '.join(words))}" if words else ""


def _quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
