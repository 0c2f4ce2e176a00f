"""The package indexes that the person configured for pip or uv, for when neither can be asked."""

from __future__ import annotations

import configparser
import contextlib
import os
import re
import sys
import tomllib
from pathlib import Path


def indexes() -> list[str]:
    """The addresses of the configured package indexes, the main one first.

    They are taken from the variables and files that pip and uv read; none of them is built in.
    """
    pip = _pip_settings()
    uv = _uv_settings()
    environment = os.environ.get
    main = (
        environment("UV_DEFAULT_INDEX")
        or environment("UV_INDEX_URL")
        or environment("PIP_INDEX_URL")
        or uv.get("index-url")
        or pip.get("index-url")
        or ""
    )
    more = [
        environment("UV_INDEX", ""),
        environment("UV_EXTRA_INDEX_URL", ""),
        environment("PIP_EXTRA_INDEX_URL") or pip.get("extra-index-url", ""),
        uv.get("extra-index-url", ""),
    ]
    listed = [re.sub(r"^[\w-]+=(?=\w+:)", "", each) for each in [main, *" ".join(more).split()] if each]
    return [each.rstrip("/") for each in dict.fromkeys(listed)]


def _pip_settings() -> dict[str, str]:
    windows = os.name == "nt"
    files = [each / ("pip.ini" if windows else "pip.conf") for each in _folders("pip")]
    files.append(Path(sys.prefix) / ("pip.ini" if windows else "pip.conf"))
    if own := os.environ.get("PIP_CONFIG_FILE"):
        files = [] if own == os.devnull else [*files, Path(own)]
    found: dict[str, str] = {}
    for file in files:
        parser = configparser.RawConfigParser()
        with contextlib.suppress(configparser.Error, OSError, UnicodeDecodeError):
            parser.read(file, "utf-8")
        for section in ("global", "download"):
            if parser.has_section(section):
                found |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    return found


def _uv_settings() -> dict[str, str]:
    own = os.environ.get("UV_CONFIG_FILE")
    files = [Path(own)] if own else [each / "uv.toml" for each in _folders("uv")]
    found: dict[str, str] = {}
    extra: list[str] = []
    for file in files:
        try:
            data = tomllib.loads(file.read_text("utf-8"))
        except (OSError, ValueError):
            continue
        listed = [each for each in data.get("index", []) if "url" in each]
        mains = [data.get("index-url"), *(each["url"] for each in listed if each.get("default"))]
        if given := [str(each) for each in mains if each]:
            found["index-url"] = given[-1]
        extra += data.get("extra-index-url", [])
        extra += [each["url"] for each in listed if not each.get("default")]
    found["extra-index-url"] = " ".join(map(str, extra))
    return found


def _folders(tool: str) -> list[Path]:
    """Where a tool's configuration may lie, the strongest last."""
    import platformdirs

    folders = platformdirs.site_config_dir(tool, appauthor=False, multipath=True).split(os.pathsep)
    places = [Path(each) for each in folders]
    if os.name != "nt":
        places = [Path("/etc"), *places, Path.home() / f".{tool}", Path.home() / ".config" / tool]
    return [*places, platformdirs.user_config_path(tool, appauthor=False, roaming=True)]
