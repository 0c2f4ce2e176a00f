# bash completion for gemcli; made by `gemcli completions bash`
#
# Load it in ~/.bashrc:  source <(gemcli completions bash)
# or save it:            gemcli completions bash > ~/.local/share/bash-completion/completions/gemcli

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
            :ask) path=ask ;;
            :chat) path=chat ;;
            :plan) path=plan ;;
            :batch) path=batch ;;
            :transcribe) path=transcribe ;;
            :serve) path=serve ;;
            :pull) path=pull ;;
            :models) path=models ;;
            models:list) path='models list' ;;
            models:show) path='models show' ;;
            models:rm) path='models rm' ;;
            :cache) path=cache ;;
            cache:list) path='cache list' ;;
            cache:show) path='cache show' ;;
            cache:prune) path='cache prune' ;;
            cache:rm) path='cache rm' ;;
            :history) path=history ;;
            history:list) path='history list' ;;
            history:show) path='history show' ;;
            history:search) path='history search' ;;
            history:rm) path='history rm' ;;
            :templates) path=templates ;;
            templates:list) path='templates list' ;;
            templates:show) path='templates show' ;;
            templates:save) path='templates save' ;;
            templates:rm) path='templates rm' ;;
            :bench) path=bench ;;
            bench:speed) path='bench speed' ;;
            bench:answers) path='bench answers' ;;
            bench:needle) path='bench needle' ;;
            bench:nll) path='bench nll' ;;
            :doctor) path=doctor ;;
            :completions) path=completions ;;
            :--debug | :--help | :--version | :-h) ;;
            *:--allow-origin | *:--api-key-file | *:--attach | *:--attention | *:--cid | *:--clients | *:--clip | *:--context | *:--default | *:--depths | *:--description | *:--device | *:--draft-model | *:--end | *:--example | *:--files-from | *:--folder | *:--format | *:--fps | *:--grace | *:--host | *:--image-tokens | *:--jobs | *:--keep-alive | *:--kind | *:--kv-bits | *:--language | *:--lengths | *:--listen | *:--max-body | *:--max-frames | *:--max-tokens | *:--min-p | *:--model | *:--number | *:--older-than | *:--option | *:--out | *:--output-format | *:--overflow | *:--pages | *:--parallel | *:--param | *:--patience | *:--pdf | *:--peer | *:--plot | *:--port | *:--prompt | *:--prompt-tokens | *:--queue | *:--ray | *:--resume | *:--runs | *:--schema | *:--seed | *:--socket | *:--start | *:--stop | *:--system | *:--temperature | *:--template | *:--text | *:--timeout | *:--tokens | *:--top-k | *:--top-p | *:--trials | *:--windows | *:-a | *:-f | *:-j | *:-m | *:-n | *:-o | *:-p | *:-s | *:-t) path=${path:-ask} skip=1 ;;
            *) path=${path:-ask} ;;
        esac
    done
    case "$path" in
        '')
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                -s | --system) _gemcli_none; return ;;
                -t | --template) COMPREPLY=($(compgen -W "$(_gemcli_names templates)" -- "$cur")); return ;;
                -p | --param) _gemcli_none; return ;;
                --cid) COMPREPLY=($(compgen -W "$(_gemcli_names conversations)" -- "$cur")); return ;;
                --example) return ;;
                -a | --attach) return ;;
                --files-from) return ;;
                --pages) _gemcli_none; return ;;
                --pdf) COMPREPLY=($(compgen -W "auto text images" -- "$cur")); return ;;
                --start) _gemcli_none; return ;;
                --end) _gemcli_none; return ;;
                --fps) _gemcli_none; return ;;
                --max-frames) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json stream-json" -- "$cur")); return ;;
                --schema) _gemcli_none; return ;;
                --context) _gemcli_none; return ;;
                --overflow) COMPREPLY=($(compgen -W "auto error select map head tail" -- "$cur")); return ;;
                --image-tokens) _gemcli_none; return ;;
                --kv-bits) COMPREPLY=($(compgen -W "16 8" -- "$cur")); return ;;
                --attention) COMPREPLY=($(compgen -W "auto dense extended sparse" -- "$cur")); return ;;
                --draft-model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                --max-tokens) _gemcli_none; return ;;
                --temperature) _gemcli_none; return ;;
                --top-k) _gemcli_none; return ;;
                --top-p) _gemcli_none; return ;;
                --min-p) _gemcli_none; return ;;
                --seed) _gemcli_none; return ;;
                --stop) _gemcli_none; return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
                --host) _gemcli_none; return ;;
            esac
            flags='--version --debug -h --help -m --model -s --system -t --template -p --param -c --continue --cid --example -a --attach --files-from -0 --null --pages --pdf --start --end --fps --max-frames --no-audio --ocr --archive --keep-going --no-cache --no-log --private -o --output-format --json --raw -q --quiet -v --verbose -u --usage --schema --cite --cite-strict --context --overflow --image-tokens --kv-bits --attention --draft-model --no-speculate --max-tokens --temperature --top-k --top-p --min-p --seed --stop --think --device --host --offline'
            commands='ask chat plan batch transcribe serve pull models cache history templates bench doctor completions'
            ;;
        ask)
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                -s | --system) _gemcli_none; return ;;
                -t | --template) COMPREPLY=($(compgen -W "$(_gemcli_names templates)" -- "$cur")); return ;;
                -p | --param) _gemcli_none; return ;;
                --cid) COMPREPLY=($(compgen -W "$(_gemcli_names conversations)" -- "$cur")); return ;;
                --example) return ;;
                -a | --attach) return ;;
                --files-from) return ;;
                --pages) _gemcli_none; return ;;
                --pdf) COMPREPLY=($(compgen -W "auto text images" -- "$cur")); return ;;
                --start) _gemcli_none; return ;;
                --end) _gemcli_none; return ;;
                --fps) _gemcli_none; return ;;
                --max-frames) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json stream-json" -- "$cur")); return ;;
                --schema) _gemcli_none; return ;;
                --context) _gemcli_none; return ;;
                --overflow) COMPREPLY=($(compgen -W "auto error select map head tail" -- "$cur")); return ;;
                --image-tokens) _gemcli_none; return ;;
                --kv-bits) COMPREPLY=($(compgen -W "16 8" -- "$cur")); return ;;
                --attention) COMPREPLY=($(compgen -W "auto dense extended sparse" -- "$cur")); return ;;
                --draft-model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                --max-tokens) _gemcli_none; return ;;
                --temperature) _gemcli_none; return ;;
                --top-k) _gemcli_none; return ;;
                --top-p) _gemcli_none; return ;;
                --min-p) _gemcli_none; return ;;
                --seed) _gemcli_none; return ;;
                --stop) _gemcli_none; return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
                --host) _gemcli_none; return ;;
            esac
            flags='-m --model -s --system -t --template -p --param -c --continue --cid --example -a --attach --files-from -0 --null --pages --pdf --start --end --fps --max-frames --no-audio --ocr --archive --keep-going --no-cache --no-log --private -o --output-format --json --raw -q --quiet -v --verbose -u --usage --schema --cite --cite-strict --context --overflow --image-tokens --kv-bits --attention --draft-model --no-speculate --max-tokens --temperature --top-k --top-p --min-p --seed --stop --think --device --host --offline --debug -h --help'
            ;;
        chat)
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                -s | --system) _gemcli_none; return ;;
                -t | --template) COMPREPLY=($(compgen -W "$(_gemcli_names templates)" -- "$cur")); return ;;
                -p | --param) _gemcli_none; return ;;
                --cid) COMPREPLY=($(compgen -W "$(_gemcli_names conversations)" -- "$cur")); return ;;
                --example) return ;;
                -a | --attach) return ;;
                --files-from) return ;;
                --pages) _gemcli_none; return ;;
                --pdf) COMPREPLY=($(compgen -W "auto text images" -- "$cur")); return ;;
                --start) _gemcli_none; return ;;
                --end) _gemcli_none; return ;;
                --fps) _gemcli_none; return ;;
                --max-frames) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json stream-json" -- "$cur")); return ;;
                --schema) _gemcli_none; return ;;
                --context) _gemcli_none; return ;;
                --overflow) COMPREPLY=($(compgen -W "auto error select map head tail" -- "$cur")); return ;;
                --image-tokens) _gemcli_none; return ;;
                --kv-bits) COMPREPLY=($(compgen -W "16 8" -- "$cur")); return ;;
                --attention) COMPREPLY=($(compgen -W "auto dense extended sparse" -- "$cur")); return ;;
                --draft-model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                --max-tokens) _gemcli_none; return ;;
                --temperature) _gemcli_none; return ;;
                --top-k) _gemcli_none; return ;;
                --top-p) _gemcli_none; return ;;
                --min-p) _gemcli_none; return ;;
                --seed) _gemcli_none; return ;;
                --stop) _gemcli_none; return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
                --host) _gemcli_none; return ;;
            esac
            flags='-m --model -s --system -t --template -p --param -c --continue --cid --example -a --attach --files-from -0 --null --pages --pdf --start --end --fps --max-frames --no-audio --ocr --archive --no-cache --no-log --private -o --output-format --json --raw -q --quiet -v --verbose -u --usage --schema --cite --cite-strict --context --overflow --image-tokens --kv-bits --attention --draft-model --no-speculate --max-tokens --temperature --top-k --top-p --min-p --seed --stop --think --device --host --offline --debug -h --help'
            ;;
        plan)
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
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
                --kv-bits) COMPREPLY=($(compgen -W "16 8" -- "$cur")); return ;;
                --attention) COMPREPLY=($(compgen -W "auto dense extended sparse" -- "$cur")); return ;;
                --max-tokens) _gemcli_none; return ;;
            esac
            flags='-m --model -s --system -a --attach --files-from -0 --null --pages --pdf --start --end --fps --max-frames --no-audio --ocr --archive --keep-going --no-cache -o --output-format --json -q --quiet -v --verbose --context --overflow --image-tokens --kv-bits --attention --max-tokens --offline --debug -h --help'
            ;;
        batch)
            case "$prev" in
                --out) return ;;
                -j | --jobs) _gemcli_none; return ;;
                --ray) _gemcli_none; return ;;
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                -s | --system) _gemcli_none; return ;;
                -t | --template) COMPREPLY=($(compgen -W "$(_gemcli_names templates)" -- "$cur")); return ;;
                -p | --param) _gemcli_none; return ;;
                --example) return ;;
                -a | --attach) return ;;
                --files-from) return ;;
                --pages) _gemcli_none; return ;;
                --pdf) COMPREPLY=($(compgen -W "auto text images" -- "$cur")); return ;;
                --start) _gemcli_none; return ;;
                --end) _gemcli_none; return ;;
                --fps) _gemcli_none; return ;;
                --max-frames) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json stream-json" -- "$cur")); return ;;
                --schema) _gemcli_none; return ;;
                --context) _gemcli_none; return ;;
                --overflow) COMPREPLY=($(compgen -W "auto error select map head tail" -- "$cur")); return ;;
                --image-tokens) _gemcli_none; return ;;
                --kv-bits) COMPREPLY=($(compgen -W "16 8" -- "$cur")); return ;;
                --attention) COMPREPLY=($(compgen -W "auto dense extended sparse" -- "$cur")); return ;;
                --draft-model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                --max-tokens) _gemcli_none; return ;;
                --temperature) _gemcli_none; return ;;
                --top-k) _gemcli_none; return ;;
                --top-p) _gemcli_none; return ;;
                --min-p) _gemcli_none; return ;;
                --seed) _gemcli_none; return ;;
                --stop) _gemcli_none; return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
                --host) _gemcli_none; return ;;
            esac
            flags='--out --lines -j --jobs --retry --ray -m --model -s --system -t --template -p --param --example -a --attach --files-from -0 --null --pages --pdf --start --end --fps --max-frames --no-audio --ocr --archive --no-cache --private -o --output-format --json -q --quiet -v --verbose --schema --cite --cite-strict --context --overflow --image-tokens --kv-bits --attention --draft-model --no-speculate --max-tokens --temperature --top-k --top-p --min-p --seed --stop --think --device --host --offline --debug -h --help'
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
        serve)
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                --listen) _gemcli_none; return ;;
                --port) _gemcli_none; return ;;
                --socket) _gemcli_none; return ;;
                --keep-alive) _gemcli_none; return ;;
                --api-key-file) return ;;
                --parallel) _gemcli_none; return ;;
                --queue) _gemcli_none; return ;;
                --timeout) _gemcli_none; return ;;
                --grace) _gemcli_none; return ;;
                --patience) _gemcli_none; return ;;
                --max-body) _gemcli_none; return ;;
                --allow-origin) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
                --context) _gemcli_none; return ;;
                --overflow) COMPREPLY=($(compgen -W "auto error select map head tail" -- "$cur")); return ;;
                --image-tokens) _gemcli_none; return ;;
                --max-tokens) _gemcli_none; return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
            esac
            flags='-m --model --listen --port --socket --keep-alive --api-key-file --no-key --parallel --queue --timeout --grace --patience --max-body --any-model --allow-urls --allow-origin --ocr --no-cache -o --output-format --json -q --quiet --context --overflow --image-tokens --max-tokens --device --offline --debug -h --help'
            _gemcli_none
            ;;
        pull)
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-o --output-format --json -q --quiet -v --verbose --offline --debug -h --help'
            words='qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b whisper-base whisper-tiny.en'
            lists=models
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
            lists=models
            ;;
        'models rm')
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-y --yes -o --output-format --json --debug -h --help'
            words='qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b whisper-base whisper-tiny.en'
            lists=models
            ;;
        cache)
            case "$prev" in
            esac
            flags='-h --help'
            commands='list show prune rm'
            ;;
        'cache list')
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-o --output-format --json --debug -h --help'
            _gemcli_none
            ;;
        'cache show')
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b whisper-base whisper-tiny.en $(_gemcli_names models)" -- "$cur")); return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-m --model -o --output-format --json --debug -h --help'
            ;;
        'cache prune')
            case "$prev" in
                --older-than) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='--older-than -o --output-format --json --debug -h --help'
            _gemcli_none
            ;;
        'cache rm')
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b whisper-base whisper-tiny.en $(_gemcli_names models)" -- "$cur")); return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-m --model --all -y --yes -o --output-format --json --debug -h --help'
            ;;
        history)
            case "$prev" in
            esac
            flags='-h --help'
            commands='list show search rm'
            ;;
        'history list')
            case "$prev" in
                -n | --number) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-n --number -o --output-format --json --debug -h --help'
            _gemcli_none
            ;;
        'history show')
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-o --output-format --json --debug -h --help'
            lists=conversations
            ;;
        'history search')
            case "$prev" in
                -n | --number) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-n --number -o --output-format --json --debug -h --help'
            ;;
        'history rm')
            case "$prev" in
                --older-than) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='--all --older-than -y --yes -o --output-format --json --debug -h --help'
            lists=conversations
            ;;
        templates)
            case "$prev" in
            esac
            flags='-h --help'
            commands='list show save rm'
            ;;
        'templates list')
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-o --output-format --json --debug -h --help'
            _gemcli_none
            ;;
        'templates show')
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-o --output-format --json --debug -h --help'
            lists=templates
            ;;
        'templates save')
            case "$prev" in
                --prompt) _gemcli_none; return ;;
                -s | --system) _gemcli_none; return ;;
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                --schema) _gemcli_none; return ;;
                --description) _gemcli_none; return ;;
                --option) _gemcli_none; return ;;
                --default) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='--prompt -s --system -m --model --schema --description --option --default -f --force -o --output-format --json --debug -h --help'
            ;;
        'templates rm')
            case "$prev" in
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
            esac
            flags='-y --yes -o --output-format --json --debug -h --help'
            lists=templates
            ;;
        bench)
            case "$prev" in
            esac
            flags='-h --help'
            commands='speed answers needle nll'
            ;;
        'bench speed')
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                --peer) COMPREPLY=($(compgen -W "llama.cpp transformers" -- "$cur")); return ;;
                --prompt-tokens) _gemcli_none; return ;;
                --tokens) _gemcli_none; return ;;
                --runs) _gemcli_none; return ;;
                --clients) _gemcli_none; return ;;
                --text) return ;;
                --draft-model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                --plot) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
                --attention) COMPREPLY=($(compgen -W "auto dense extended sparse" -- "$cur")); return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
            esac
            flags='-m --model --peer --prompt-tokens --tokens --runs --clients --text --speculate --draft-model --start --plot -o --output-format --json -q --quiet -v --verbose --attention --device --offline --debug -h --help'
            _gemcli_none
            ;;
        'bench answers')
            case "$prev" in
                --folder) _gemcli_none; return ;;
                --plot) _gemcli_none; return ;;
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                -s | --system) _gemcli_none; return ;;
                --pages) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
                --context) _gemcli_none; return ;;
                --overflow) COMPREPLY=($(compgen -W "auto error select map head tail" -- "$cur")); return ;;
                --max-tokens) _gemcli_none; return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
            esac
            flags='--folder --plot -m --model -s --system --pages --no-cache -o --output-format --json -q --quiet -v --verbose --context --overflow --max-tokens --device --offline --debug -h --help'
            ;;
        'bench needle')
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                --lengths) _gemcli_none; return ;;
                --depths) _gemcli_none; return ;;
                --trials) _gemcli_none; return ;;
                --kind) COMPREPLY=($(compgen -W "single multi-key multi-value image audio" -- "$cur")); return ;;
                --clip) _gemcli_none; return ;;
                --resume) return ;;
                --plot) _gemcli_none; return ;;
                --peer) COMPREPLY=($(compgen -W "llama.cpp" -- "$cur")); return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
                --kv-bits) COMPREPLY=($(compgen -W "16 8" -- "$cur")); return ;;
                --attention) COMPREPLY=($(compgen -W "auto dense extended sparse" -- "$cur")); return ;;
                --seed) _gemcli_none; return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
            esac
            flags='-m --model --lengths --depths --trials --kind --clip --resume --plot --peer --through-cache -o --output-format --json -q --quiet -v --verbose --kv-bits --attention --seed --device --offline --debug -h --help'
            ;;
        'bench nll')
            case "$prev" in
                -m | --model) COMPREPLY=($(compgen -W "qwen2.5-coder-1.5b qwen2.5-coder-0.5b smollm2-135m gemma-3-270m gemma-4-e2b gemma-4-e4b gemma-4-12b gemma-4-26b-a4b gemma-4-31b gemma-3-1b gemma-3-4b gemma-3-12b gemma-3-27b gemma-2-2b gemma-2-9b gemma-2-27b gemma-2b gemma-7b recurrentgemma-2b recurrentgemma-9b smollm2-360m smollm2-1.7b qwen2.5-0.5b qwen2.5-1.5b qwen2.5-7b $(_gemcli_names models)" -- "$cur")); return ;;
                --tokens) _gemcli_none; return ;;
                --windows) _gemcli_none; return ;;
                --peer) COMPREPLY=($(compgen -W "llama.cpp transformers" -- "$cur")); return ;;
                --plot) _gemcli_none; return ;;
                -o | --output-format) COMPREPLY=($(compgen -W "text json" -- "$cur")); return ;;
                --kv-bits) COMPREPLY=($(compgen -W "16 8" -- "$cur")); return ;;
                --attention) COMPREPLY=($(compgen -W "auto dense extended sparse" -- "$cur")); return ;;
                --device) COMPREPLY=($(compgen -W "auto cpu gpu tpu" -- "$cur")); return ;;
            esac
            flags='-m --model --tokens --windows --peer --plot -o --output-format --json -q --quiet -v --verbose --kv-bits --attention --device --offline --debug -h --help'
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
