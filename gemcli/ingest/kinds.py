"""Tables of the kinds of file: what their first bytes look like, what they are called, which text is which.

Signatures are those of the formats' own specifications; `sniff` reads these tables.
"""

from __future__ import annotations

BINARY = "application/octet-stream"
PDF = "application/pdf"
ZIP = "application/zip"
PLAIN = "text/plain"

#: (offset, bytes, media type); the first that fits counts.
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF-", PDF),
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"II+\x00", "image/tiff"),  # of more than 4 GB
    (0, b"MM\x00+", "image/tiff"),
    (0, b"\x00\x00\x01\x00", "image/vnd.microsoft.icon"),
    (0, b"8BPS", "image/vnd.adobe.photoshop"),
    (0, b"\xff\x0a", "image/jxl"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (0, b"\xff\x4f\xff\x51", "image/jp2"),
    (0, b"AT&TFORM", "image/vnd.djvu"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"MThd", "audio/midi"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"caff", "audio/x-caf"),
    (0, b"\x1aE\xdf\xa3", "video/x-matroska"),
    (0, b"FLV\x01", "video/x-flv"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"\x00\x00\x01\xb3", "video/mpeg"),
    (0, b"0&\xb2u\x8ef\xcf\x11\xa6\xd9\x00\xaa\x00b\xcel", "video/x-ms-asf"),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"PK\x07\x08", ZIP),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"BZh", "application/x-bzip2"),
    (0, b"\xfd7zXZ\x00", "application/x-xz"),
    (0, b"(\xb5/\xfd", "application/zstd"),
    (0, b"7z\xbc\xaf'\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (257, b"ustar", "application/x-tar"),
    (0, b"!<arch>\n", "application/x-archive"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"{\\rtf", "application/rtf"),
    (0, b"%!PS", "application/postscript"),
    (0, b"\xc5\xd0\xd3\xc6", "application/postscript"),
    (0, b"GGUF", "application/x-gguf"),
    (0, b"SQLite format 3\x00", "application/vnd.sqlite3"),
    (0, b"PAR1", "application/vnd.apache.parquet"),
    (0, b"\x89HDF\r\n\x1a\n", "application/x-hdf5"),
    (0, b"\x93NUMPY", "application/x-npy"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ\x90\x00", "application/x-executable"),
    (0, b"\xcf\xfa\xed\xfe", "application/x-executable"),
    (0, b"\xce\xfa\xed\xfe", "application/x-executable"),
    (0, b"\xca\xfe\xba\xbe", "application/x-executable"),
    (0, b"\x00asm", "application/wasm"),
    (0, b"wOFF", "font/woff"),
    (0, b"wOF2", "font/woff2"),
    (0, b"OTTO\x00", "font/otf"),
    (0, b"\x00\x01\x00\x00\x00", "font/ttf"),
    (0, b"bplist00", "application/x-plist"),
    (60, b"BOOKMOBI", "application/x-mobipocket-ebook"),
)

#: The form type of a RIFF container, at offset 8.
RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}

#: The major brand of an ISO base media file, at offset 8 behind ``ftyp``; others are video/mp4.
ISO_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"heim": "image/heic",
    b"heis": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heic",
    b"msf1": "image/heic",
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
}

_OOXML = "application/vnd.openxmlformats-officedocument."
_ODF = "application/vnd.oasis.opendocument."

#: A member of a zip that tells what the zip is.
ZIP_MEMBERS: tuple[tuple[str, str], ...] = (
    ("word/", _OOXML + "wordprocessingml.document"),
    ("xl/", _OOXML + "spreadsheetml.sheet"),
    ("ppt/", _OOXML + "presentationml.presentation"),
    ("AndroidManifest.xml", "application/vnd.android.package-archive"),
    ("META-INF/MANIFEST.MF", "application/java-archive"),
)

_ARCHIVES = frozenset(
    (
        ZIP,
        "application/java-archive",
        "application/x-tar",
        "application/gzip",
        "application/x-bzip2",
        "application/x-xz",
    )
)

#: What a kind is called in a message, with its article.
NAMES: dict[str, str] = {
    BINARY: "a binary file",
    PDF: "a PDF",
    ZIP: "a ZIP archive",
    "image/png": "a PNG image",
    "image/jpeg": "a JPEG image",
    "image/gif": "a GIF image",
    "image/tiff": "a TIFF image",
    "image/bmp": "a BMP image",
    "image/webp": "a WebP image",
    "image/avif": "an AVIF image",
    "image/heic": "a HEIC image",
    "image/svg+xml": "an SVG drawing",
    "image/jxl": "a JPEG XL image",
    "image/jp2": "a JPEG 2000 image",
    "image/vnd.microsoft.icon": "an icon",
    "image/vnd.adobe.photoshop": "a Photoshop image",
    "image/vnd.djvu": "a DjVu document",
    "audio/mpeg": "an MP3 recording",
    "audio/flac": "a FLAC recording",
    "audio/ogg": "an Ogg recording",
    "audio/wav": "a WAV recording",
    "audio/mp4": "an M4A recording",
    "audio/aac": "an AAC recording",
    "audio/aiff": "an AIFF recording",
    "audio/amr": "an AMR recording",
    "audio/x-caf": "a CAF recording",
    "audio/midi": "a MIDI file",
    "video/mp4": "an MP4 video",
    "video/quicktime": "a QuickTime video",
    "video/x-matroska": "a Matroska or WebM video",
    "video/x-msvideo": "an AVI video",
    "video/x-flv": "a Flash video",
    "video/mpeg": "an MPEG video",
    "video/mp2t": "an MPEG transport stream",
    "video/x-ms-asf": "a Windows Media file",
    "application/gzip": "a gzip archive",
    "application/x-bzip2": "a bzip2 archive",
    "application/x-xz": "an xz archive",
    "application/zstd": "a Zstandard archive",
    "application/x-7z-compressed": "a 7z archive",
    "application/vnd.rar": "a RAR archive",
    "application/x-tar": "a tar archive",
    "application/x-archive": "an ar archive",
    "application/x-ole-storage": "an older or protected Office document",
    "application/rtf": "an RTF document",
    "application/postscript": "a PostScript document",
    "application/epub+zip": "an EPUB book",
    "message/rfc822": "a mail",
    "text/html": "a web page",
    "text/csv": "a CSV table",
    "application/x-mobipocket-ebook": "a Kindle book",
    "application/x-gguf": "a model in GGUF format",
    "application/vnd.sqlite3": "an SQLite database",
    "application/vnd.apache.parquet": "a Parquet table",
    "application/x-hdf5": "an HDF5 file",
    "application/x-npy": "a NumPy array",
    "application/x-executable": "an executable",
    "application/wasm": "a WebAssembly module",
    "application/java-archive": "a Java archive",
    "application/vnd.android.package-archive": "an Android package",
    "application/x-plist": "a binary property list",
    "font/woff": "a font",
    "font/woff2": "a font",
    "font/otf": "a font",
    "font/ttf": "a font",
    _OOXML + "wordprocessingml.document": "a Word document",
    _OOXML + "spreadsheetml.sheet": "an Excel workbook",
    _OOXML + "presentationml.presentation": "a PowerPoint presentation",
    _ODF + "text": "an OpenDocument text",
    _ODF + "spreadsheet": "an OpenDocument spreadsheet",
    _ODF + "presentation": "an OpenDocument presentation",
}

#: Text is text whatever its name; the name only says which text it is.
TEXT_SUFFIXES: dict[str, str] = {
    ".md": "text/markdown",
    ".markdown": "text/markdown",
    ".mdx": "text/markdown",
    ".qmd": "text/markdown",
    ".rst": "text/x-rst",
    ".tex": "text/x-tex",
    ".html": "text/html",
    ".htm": "text/html",
    ".xhtml": "text/html",
    ".xml": "text/xml",
    ".svg": "image/svg+xml",
    ".css": "text/css",
    ".csv": "text/csv",
    ".tsv": "text/tab-separated-values",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".ipynb": "application/x-ipynb+json",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".toml": "application/toml",
    ".ini": "text/x-ini",
    ".cfg": "text/x-ini",
    ".py": "text/x-python",
    ".pyi": "text/x-python",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".cjs": "text/javascript",
    ".jsx": "text/javascript",
    ".ts": "text/x-typescript",
    ".tsx": "text/x-typescript",
    ".c": "text/x-c",
    ".h": "text/x-c",
    ".cc": "text/x-c++",
    ".cpp": "text/x-c++",
    ".cxx": "text/x-c++",
    ".hpp": "text/x-c++",
    ".cu": "text/x-cuda",
    ".rs": "text/x-rust",
    ".go": "text/x-go",
    ".java": "text/x-java",
    ".kt": "text/x-kotlin",
    ".swift": "text/x-swift",
    ".cs": "text/x-csharp",
    ".rb": "text/x-ruby",
    ".php": "text/x-php",
    ".pl": "text/x-perl",
    ".lua": "text/x-lua",
    ".r": "text/x-r",
    ".jl": "text/x-julia",
    ".scala": "text/x-scala",
    ".hs": "text/x-haskell",
    ".sql": "text/x-sql",
    ".sh": "text/x-shellscript",
    ".bash": "text/x-shellscript",
    ".zsh": "text/x-shellscript",
    ".fish": "text/x-shellscript",
    ".ps1": "text/x-powershell",
    ".srt": "text/x-subrip",
    ".vtt": "text/vtt",
    ".ass": "text/x-ssa",
    ".ssa": "text/x-ssa",
    ".diff": "text/x-diff",
    ".patch": "text/x-diff",
    ".eml": "message/rfc822",
    ".log": "text/x-log",
}


def kind_name(media_type: str) -> str:
    """What a kind is called in a message, with its article: ``a PNG image``."""
    if media_type in NAMES:
        return NAMES[media_type]
    group = media_type.partition("/")[0]
    return {"text": "a text", "image": "an image", "audio": "a recording", "video": "a video"}.get(
        group, f"a file of type {media_type}"
    )


def is_archive(media_type: str) -> bool:
    """Whether files of this kind hold other files, and nothing else."""
    return media_type in _ARCHIVES
