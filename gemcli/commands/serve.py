"""``gemcli serve``: the model behind an HTTP API, for programs that speak OpenAI's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from gemcli.commands import options
from gemcli.commands.flags import Flags, as_request, reporting
from gemcli.commands.session import begin
from gemcli.errors import GemcliError, UsageError

Listen = Annotated[
    str,
    typer.Option(
        "--listen", metavar="HOST", envvar="GEMCLI_LISTEN", help="The address to listen on; 0.0.0.0 for all."
    ),
]
Port = Annotated[
    int,
    typer.Option("--port", metavar="N", envvar="GEMCLI_PORT", min=0, max=65535, help="0: any that is free."),
]
Socket = Annotated[
    Path | None,
    typer.Option(
        "--socket",
        metavar="PATH",
        envvar="GEMCLI_SOCKET",
        help="Listen on a Unix socket of this user's instead.",
    ),
]
KeyFile = Annotated[
    Path | None,
    typer.Option(
        "--api-key-file",
        metavar="FILE",
        envvar="GEMCLI_API_KEY_FILE",
        help="Keys that clients must send, one a line.  [default: that in GEMCLI_API_KEY, if it is set]",
    ),
]
NoKey = Annotated[
    bool,
    typer.Option(
        "--no-key",
        envvar="GEMCLI_NO_KEY",
        help="Serve the network without a key: whoever reaches it may ask.",
    ),
]
Parallel = Annotated[
    int | None,
    typer.Option(
        "--parallel",
        metavar="N",
        envvar="GEMCLI_PARALLEL",
        min=1,
        max=256,
        help="Answers at once.  [default: as many as memory allows]",
    ),
]
Queue = Annotated[
    int,
    typer.Option(
        "--queue",
        metavar="N",
        envvar="GEMCLI_QUEUE",
        min=0,
        help="Requests that may wait; then it answers 429.",
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        metavar="SECONDS",
        envvar="GEMCLI_TIMEOUT",
        min=0.1,
        help="The longest that one answer takes.",
    ),
]
Grace = Annotated[
    float,
    typer.Option(
        "--grace",
        metavar="SECONDS",
        envvar="GEMCLI_GRACE",
        min=0,
        help="The time that running answers have to end when it is stopped.",
    ),
]
Patience = Annotated[
    float,
    typer.Option(
        "--patience",
        metavar="SECONDS",
        envvar="GEMCLI_PATIENCE",
        min=0.1,
        help="The time that a client has for the head of a request, and for each further piece of it.",
    ),
]
KeepAlive = Annotated[
    str | None,
    typer.Option(
        "--keep-alive",
        metavar="TIME",
        envvar="GEMCLI_KEEP_ALIVE",
        help="Serve this user's own `gemcli ask`, which finds it by itself, until nobody has asked for so "
        "long: 5m, 1h.",
    ),
]
MaxBody = Annotated[
    int,
    typer.Option("--max-body", metavar="MB", envvar="GEMCLI_MAX_BODY", min=1, help="The largest request."),
]
AnyModel = Annotated[
    bool,
    typer.Option(
        "--any-model", envvar="GEMCLI_ANY_MODEL", help="Let requests name any model that is installed."
    ),
]
AllowUrls = Annotated[
    bool,
    typer.Option(
        "--allow-urls", envvar="GEMCLI_ALLOW_URLS", help="Fetch images that requests name by http addresses."
    ),
]
AllowOrigin = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-origin",
        metavar="ORIGIN",
        help="Let pages of this origin ask, like https://chat.example.org. Repeatable.",
    ),
]


@reporting(
    "ocr", "no_cache", "quiet", "context", "overflow", "image_tokens", "max_tokens", "device", "offline"
)
def serve(
    ctx: typer.Context,
    flags: Flags,
    model: options.Model = None,
    listen: Listen = "127.0.0.1",
    port: Port = 8080,
    socket: Socket = None,
    keep_alive: KeepAlive = None,
    api_key_file: KeyFile = None,
    no_key: NoKey = False,
    parallel: Parallel = None,
    queue: Queue = 64,
    timeout: Timeout = 3600.0,
    grace: Grace = 30.0,
    patience: Patience = 20.0,
    max_body: MaxBody = 64,
    any_model: AnyModel = False,
    allow_urls: AllowUrls = False,
    allow_origin: AllowOrigin = None,
) -> None:
    """Serve the model to programs: OpenAI's API at http://127.0.0.1:8080/v1.

    Paths: /v1/chat/completions (text, images, sound and files; streaming), /v1/models, /health, /metrics.
    Files come inside of requests; a path that a client names is never opened.

    gemcli serve -m qwen2.5-coder-1.5b --port 8080
    """
    session = begin(ctx, flags)

    from dataclasses import replace

    from gemcli.client.daemon import socket_path
    from gemcli.settings import make_private
    from gemcli.ui import emit_json, open_ui, say, show_warning

    _check_installed()
    from gemcli.server.limits import Limits
    from gemcli.server.run import Server, Settings, read_keys

    asked = {**flags, "model": model, "max_tokens": None}  # how long an answer is, the request says
    base = as_request(asked, "", (), started=session.started, stdin_is_free=False)
    limits = replace(
        Limits(),
        queue=queue,
        max_tokens=flags["max_tokens"],
        body_bytes=max_body << 20,
        answer_s=timeout,
        grace_s=grace,
        header_s=patience,
        body_s=patience,
    )
    keep_alive_s = None if keep_alive is None else _seconds(keep_alive)
    if keep_alive_s is not None and socket is None and _is_usual(ctx):
        socket = make_private(socket_path().parent) / socket_path().name
    settings = Settings(
        base=base,
        limits=limits,
        host=listen,
        port=port,
        socket=socket,
        keys=read_keys(api_key_file),
        origins=tuple(allow_origin or ()),
        any_model=any_model,
        may_fetch=allow_urls,
        keep_alive_s=keep_alive_s,
        parallel=parallel,
        debug=flags["debug"],
    )
    if not settings.is_local and not settings.keys and not no_key:
        raise UsageError(
            f"listening on {listen} lets the whole network in, and there is no key",
            "Give --api-key-file FILE or set GEMCLI_API_KEY; --no-key serves without one.",
        )

    def started() -> None:
        if session.output == "json":
            ready = {"url": server.address, "model": server.model, "parallel": slots}
            emit_json({"schema_version": 1, **ready})
            session.printed = True
        if not flags["quiet"]:
            say(f"{server.model} is served at {server.address}, {slots} at a time; Ctrl-C ends it")

    if keep_alive_s is None:
        # It is the machine's server, and takes its memory at once; read when the array library starts.
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    with Server(settings) as server:
        with open_ui(quiet=flags["quiet"]) as ui:
            slots = server.load(ui)
        if not settings.is_local and not settings.keys:
            show_warning(f"whoever reaches {server.address} may ask: there is no key")
        server.run(slots, started=started, log=_unheard if flags["quiet"] else say, say=say)


def _is_usual(ctx: typer.Context) -> bool:
    """Whether nobody said where on the network to listen."""
    sources = [ctx.get_parameter_source(name) for name in ("listen", "port")]
    return all(source is None or source.name == "DEFAULT" for source in sources)


def _seconds(text: str) -> float:
    from gemcli.ingest.times import seconds

    try:
        found = seconds(text)
    except ValueError as error:
        raise UsageError(f"--keep-alive {text!r}: {error}", "Write it as in 5m, 1h or 90.") from None
    if not found > 0:
        raise UsageError(f"--keep-alive {text!r}: it would end at once", "Write it as in 5m, 1h or 90.")
    return found


def _unheard(_: str) -> None:
    """Nobody wants to know."""


def _check_installed() -> None:
    import importlib.util

    missing = [name for name in ("starlette", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        raise GemcliError(
            f"the server needs {' and '.join(missing)}", "Install it: pip install 'gemcli[serve]'"
        )
