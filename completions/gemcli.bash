# bash completion for gemcli; made by `gemcli completions bash`
#
# Load it in ~/.bashrc:  source <(gemcli completions bash)
# or save it:            gemcli completions bash > ~/.local/share/bash-completion/completions/gemcli

_gemcli() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} word path= skip= i
    local flags= words= commands=
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
            :ask) path=ask ;;
            :plan) path=plan ;;
            :transcribe) path=transcribe ;;
            :pull) path=pull ;;
            :models) path=models ;;
            models:list) path='models list' ;;
            models:show) path='models show' ;;
            models:rm) path='models rm' ;;
            :bench) path=bench ;;
            bench:speed) path='bench speed' ;;
            bench:answers) path='bench answers' ;;
            :doctor) path=doctor ;;
            :completions) path=completions ;;
            :--debug | :--help | :--version | :-h) ;;
            *:--attach | *:--context | *:--device | *:--end | *:--files-from | *:--folder | *:--format | *:--fps | *:--image-tokens | *:--kv-bits | *:--language | *:--max-frames | *:--max-tokens | *:--min-p | *:--model | *:--out | *:--output-format | *:--overflow | *:--pages | *:--pdf | *:--peer | *:--prompt-tokens | *:--runs | *:--seed | *:--start | *:--stop | *:--system | *:--temperature | *:--text | *:--tokens | *:--top-k | *:--top-p | *:-a | *:-f | *:-m | *:-o | *:-s) path=${path:-ask} skip=1 ;;
            *) path=${path:-ask} ;;
        esac
    done
    case "$path" in
        '')
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b" -- "$cur")); return ;;
                -s | --system) _gemcli_none; return ;;
                -a | --attach) return ;;
                --files-from) return ;;
                --pages) _gemcli_none; return ;;
                --pdf) COMPREPLY=($(compgen -W "auto text images" -- "$cur")); return ;;
                --start) _gemcli_none; return ;;
                --end) _gemcli_none; return ;;
                --fps) _gemcli_none; return ;;
                --max-frames) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json stream-json" -- "$cur")); return ;;
                --context) _gemcli_none; return ;;
                --overflow) COMPREPLY=($(compgen -W "auto error select map head tail" -- "$cur")); return ;;
                --image-tokens) _gemcli_none; return ;;
                --kv-bits) COMPREPLY=($(compgen -W "16" -- "$cur")); return ;;
                --max-tokens) _gemcli_none; return ;;
                --temperature) _gemcli_none; return ;;
                --top-k) _gemcli_none; return ;;
                --top-p) _gemcli_none; return ;;
                --min-p) _gemcli_none; return ;;
                --seed) _gemcli_none; return ;;
                --stop) _gemcli_none; return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
            esac
            flags='--version --debug -h --help -m --model -s --system -a --attach --files-from -0 --null --pages --pdf --start --end --fps --max-frames --no-audio --ocr --archive --keep-going --no-cache -o --output-format --json --raw -q --quiet -v --verbose -u --usage --context --overflow --image-tokens --kv-bits --max-tokens --temperature --top-k --top-p --min-p --seed --stop --think --device --offline'
            commands='ask plan transcribe pull models bench doctor completions'
            ;;
        ask)
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b" -- "$cur")); return ;;
                -s | --system) _gemcli_none; return ;;
                -a | --attach) return ;;
                --files-from) return ;;
                --pages) _gemcli_none; return ;;
                --pdf) COMPREPLY=($(compgen -W "auto text images" -- "$cur")); return ;;
                --start) _gemcli_none; return ;;
                --end) _gemcli_none; return ;;
                --fps) _gemcli_none; return ;;
                --max-frames) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json stream-json" -- "$cur")); return ;;
                --context) _gemcli_none; return ;;
                --overflow) COMPREPLY=($(compgen -W "auto error select map head tail" -- "$cur")); return ;;
                --image-tokens) _gemcli_none; return ;;
                --kv-bits) COMPREPLY=($(compgen -W "16" -- "$cur")); return ;;
                --max-tokens) _gemcli_none; return ;;
                --temperature) _gemcli_none; return ;;
                --top-k) _gemcli_none; return ;;
                --top-p) _gemcli_none; return ;;
                --min-p) _gemcli_none; return ;;
                --seed) _gemcli_none; return ;;
                --stop) _gemcli_none; return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
            esac
            flags='-m --model -s --system -a --attach --files-from -0 --null --pages --pdf --start --end --fps --max-frames --no-audio --ocr --archive --keep-going --no-cache -o --output-format --json --raw -q --quiet -v --verbose -u --usage --context --overflow --image-tokens --kv-bits --max-tokens --temperature --top-k --top-p --min-p --seed --stop --think --device --offline --debug -h --help'
            ;;
        plan)
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b" -- "$cur")); return ;;
                -s | --system) _gemcli_none; return ;;
                -a | --attach) return ;;
                --files-from) return ;;
                --pages) _gemcli_none; return ;;
                --pdf) COMPREPLY=($(compgen -W "auto text images" -- "$cur")); return ;;
                --start) _gemcli_none; return ;;
                --end) _gemcli_none; return ;;
                --fps) _gemcli_none; return ;;
                --max-frames) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
                --context) _gemcli_none; return ;;
                --overflow) COMPREPLY=($(compgen -W "auto error select map head tail" -- "$cur")); return ;;
                --image-tokens) _gemcli_none; return ;;
                --kv-bits) COMPREPLY=($(compgen -W "16" -- "$cur")); return ;;
                --max-tokens) _gemcli_none; return ;;
            esac
            flags='-m --model -s --system -a --attach --files-from -0 --null --pages --pdf --start --end --fps --max-frames --no-audio --ocr --archive --keep-going --no-cache -o --output-format --json -q --quiet -v --verbose --context --overflow --image-tokens --kv-bits --max-tokens --offline --debug -h --help'
            ;;
        transcribe)
            case "$prev" in
                -f | --format) COMPREPLY=($(compgen -W "txt srt vtt json" -- "$cur")); return ;;
                --out) return ;;
                -m | --model) COMPREPLY=($(compgen -W "whisper-base whisper-tiny.en" -- "$cur")); return ;;
                --language) _gemcli_none; return ;;
                --files-from) return ;;
                --start) _gemcli_none; return ;;
                --end) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-f --format --out -m --model --language --files-from -0 --null --start --end --keep-going --no-cache -o --output-format --json -q --quiet -v --verbose --offline --debug -h --help'
            ;;
        pull)
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-o --output-format --json -q --quiet -v --verbose --offline --debug -h --help'
            words='qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b whisper-base whisper-tiny.en'
            ;;
        models)
            case "$prev" in
            esac
            flags='-h --help'
            commands='list show rm'
            ;;
        'models list')
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-o --output-format --json --debug -h --help'
            _gemcli_none
            ;;
        'models show')
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='--verify -o --output-format --json -q --quiet -v --verbose --offline --debug -h --help'
            words='qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b whisper-base whisper-tiny.en'
            ;;
        'models rm')
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-y --yes -o --output-format --json --debug -h --help'
            words='qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b whisper-base whisper-tiny.en'
            ;;
        bench)
            case "$prev" in
            esac
            flags='-h --help'
            commands='speed answers'
            ;;
        'bench speed')
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b" -- "$cur")); return ;;
                --peer) COMPREPLY=($(compgen -W "llama.cpp transformers" -- "$cur")); return ;;
                --prompt-tokens) _gemcli_none; return ;;
                --tokens) _gemcli_none; return ;;
                --runs) _gemcli_none; return ;;
                --text) return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
            esac
            flags='-m --model --peer --prompt-tokens --tokens --runs --text -o --output-format --json -q --quiet -v --verbose --device --offline --debug -h --help'
            _gemcli_none
            ;;
        'bench answers')
            case "$prev" in
                --folder) _gemcli_none; return ;;
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b" -- "$cur")); return ;;
                -s | --system) _gemcli_none; return ;;
                --pages) _gemcli_none; return ;;
                --context) _gemcli_none; return ;;
                --overflow) COMPREPLY=($(compgen -W "auto error select map head tail" -- "$cur")); return ;;
                --max-tokens) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
            esac
            flags='--folder -m --model -s --system --pages --context --overflow --max-tokens --no-cache -o --output-format --json -q --quiet -v --verbose --device --offline --debug -h --help'
            ;;
        doctor)
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-o --output-format --json --debug -h --help'
            _gemcli_none
            ;;
        completions)
            case "$prev" in
            esac
            flags='-h --help'
            words='bash zsh fish'
            ;;
    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    elif [[ -n $commands$words ]]; then
        COMPREPLY=($(compgen -W "$commands $words" -- "$cur"))
    fi
}

# Any text: nothing to propose, not even files.
_gemcli_none() {
    compopt +o default +o bashdefault 2>/dev/null
}

complete -o bashdefault -o default -F _gemcli gemcli
