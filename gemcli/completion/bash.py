"""The completion script for bash (3.2 and later, with or without the bash-completion package)."""

from __future__ import annotations

from shlex import quote

from gemcli.completion.spec import DEFAULT, Command, Value

_HEAD = """\
# bash completion for gemcli; made by `gemcli completions bash`
#
# Load it in ~/.bashrc:  source <(gemcli completions bash)
# or save it:            gemcli completions bash > ~/.local/share/bash-completion/completions/gemcli

"""

_BODY = """\
_gemcli() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word path= skip= i
    local flags= words= commands= lists=
    COMPREPLY=()
    # bash takes the = of --flag=value for a word of its own.
    if [[ $cur == "=" ]]; then
        cur=
    elif [[ $prev == "=" ]]; then
        prev=${COMP_WORDS[COMP_CWORD-2]}
    fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ -n $skip ]]; then
            [[ $word == "=" ]] || skip=
            continue
        fi
        case "$path:$word" in
@PATHS@
            @OWN@) ;;
            *:@VALUED@) path=${path:-@DEFAULT@} skip=1 ;;
            *) path=${path:-@DEFAULT@} ;;
        esac
    done
    case "$path" in
@COMMANDS@
    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    elif [[ -n $commands$words$lists ]]; then
        [[ -z $lists ]] || words="$words $(_gemcli_names $lists)"
        COMPREPLY=($(compgen -W "$commands $words" -- "$cur"))
    fi
}

# Names of this moment: models, templates, conversations.
_gemcli_names() {
    gemcli __names "$1" 2>/dev/null | cut -f 1
}

# Any text: nothing to propose, not even files.
_gemcli_none() {
    compopt +o default +o bashdefault 2>/dev/null
}

complete -o bashdefault -o default -F _gemcli gemcli
"""


def script(top: Command) -> str:
    """The script that completes `top`, the program."""
    every = top.all()
    paths = [f"            {quote(each.step)}) path={quote(each.line)} ;;" for each in every if each.path]
    body = _BODY.replace("@PATHS@", "\n".join(paths))
    body = body.replace("*:@VALUED@", " | ".join(f"*:{name}" for name in top.valued()))
    body = body.replace("@OWN@", " | ".join(f":{name}" for name in top.own))
    body = body.replace("@DEFAULT@", DEFAULT)
    return _HEAD + body.replace("@COMMANDS@", "\n".join(_command(each) for each in every))


def _command(command: Command) -> str:
    """The case of one command: what its flags take, which flags it has, what its arguments are."""
    lines = [f"        {quote(command.line)})", '            case "$prev" in']
    for flag in command.flags:
        if flag.value.kind != "none":
            names = " | ".join(flag.names)
            lines.append(f"                {names}) {_propose(flag.value)}return ;;")
    lines.append("            esac")
    lines.append(
        f"            flags={quote(' '.join(name for flag in command.flags for name in flag.names))}"
    )
    if command.commands:
        lines.append(f"            commands={quote(' '.join(each.path[-1] for each in command.commands))}")
    words, lists = command.arguments.words, command.arguments.lists
    if words:
        lines.append(f"            words={quote(' '.join(words))}")
    if lists:
        lines.append(f"            lists={lists}")
    if command.arguments.kind == "none" and not command.commands:
        lines.append("            _gemcli_none")
    lines.append("            ;;")
    return "\n".join(lines)


def _propose(value: Value) -> str:
    """Commands that propose values of a flag; a file is left to bash itself."""
    if value.kind == "file":
        return ""
    words = [*value.words, *([f"$(_gemcli_names {value.lists})"] if value.lists else [])]
    return f'COMPREPLY=($(compgen -W "{" ".join(words)}" -- "$cur")); ' if words else "_gemcli_none; "
