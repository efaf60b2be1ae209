"""The browser side as it was built: app/web/dist read into memory, each file plain, as gzip and as Brotli.

dist/ is made by app/web/build.mjs and may be missing: the service then has the plain page, and nothing else changes.
"""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WEB: Final = Path(__file__).parent.parent / "web"
DIST: Final = WEB / "dist"
# The same as in build.mjs; tests/unit/test_web_files.py compares them.
_NO_SOURCES: Final = frozenset({"node_modules", "dist", "plain", "test", "conformance", "examples"})
# A name with a digest in it, as the build gives them: nothing else is ever looked for on the disk.
_ASSET: Final = re.compile(r"[A-Za-z0-9_-]{1,80}\.[A-Z0-9]{8}\.[a-z0-9]{2,5}(?:\.map)?")
_ENCODINGS: Final[Mapping[bytes, str]] = {b"br": ".br", b"gzip": ".gz"}  # the smaller one first
_MEDIA_TYPES: Final[Mapping[str, bytes]] = {
    "html": b"text/html; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "map": b"application/json",
    "json": b"application/json",
    "svg": b"image/svg+xml",
    "png": b"image/png",
    "woff2": b"font/woff2",
    "webmanifest": b"application/manifest+json",
}


class Representation(NamedTuple):
    """One way to send a file: its bytes, the coding they are in (empty: none), and their ETag."""

    body: bytes
    encoding: bytes
    etag: str


class WebFile(NamedTuple):
    """A file in every coding that it was built in; the last one is the file itself."""

    media_type: bytes
    representations: tuple[Representation, ...]

    def choose(self, accept_encoding: bytes | None) -> Representation:
        """Return the smallest representation that the client reads."""
        accepted = accepted_encodings(accept_encoding)
        return next(r for r in self.representations if not r.encoding or r.encoding in accepted)


def accepted_encodings(header: bytes | None) -> frozenset[bytes]:
    """Return the codings that an Accept-Encoding header names, without those that it refuses."""
    accepted = set()
    for part in (header or b"").lower().split(b","):
        name, _, quality = part.partition(b";")
        if quality.replace(b" ", b"") not in {b"q=0", b"q=0.0", b"q=0.00", b"q=0.000"}:
            accepted.add(name.strip())
    return frozenset(accepted)


class WebFiles:
    """What was built, in memory: a build that replaces it on the disk is noticed at the next start."""

    def __init__(self, dist: Path = DIST) -> None:
        self._dist = dist
        self._files: dict[str, WebFile] = {}
        self.sources = ""
        with suppress(OSError, ValueError, KeyError):
            manifest: dict[str, Any] = msgspec.json.decode((dist / "manifest.json").read_bytes())
            names = [name for name in manifest["files"] if not name.endswith(tuple(_ENCODINGS.values()))]
            self._files = {name: read_file(dist / name) for name in names}
            self.sources = manifest["sources"]
        # Sent as they are, built or not.
        self._files["manifest.webmanifest"] = read_file(WEB / "manifest.webmanifest")
        self._files["icon.svg"] = read_file(WEB / "plain" / "icon.svg")

    @property
    def is_built(self) -> bool:
        """Whether there is a gradebook to be served."""
        return bool(self.sources)

    @property
    def is_stale(self) -> bool:
        """Whether the sources beside it have changed since it was built; without sources, as when installed, never."""
        return self.is_built and (WEB / "build.mjs").exists() and digest_of_sources() != self.sources

    def page(self, name: str) -> WebFile | None:
        """Return the shell of a page."""
        return self._files.get(f"{name}.html")

    def file(self, name: str) -> WebFile | None:
        """Return a file that stands directly under /app/."""
        return self._files.get(name)

    def asset(self, name: str) -> WebFile | None:
        """Return a file under /app/assets/.

        One that is not in memory is looked for on the disk: while processes are replaced one by one, a page of a new
        one may ask an old one for its script.
        """
        found = self._files.get(f"assets/{name}")
        if found is None and _ASSET.fullmatch(name):
            with suppress(OSError):
                return read_file(self._dist / "assets" / name)
        return found


def read_file(path: Path) -> WebFile:
    """Read a file and what was compressed beside it; OSError if it is not there."""
    digest = hashlib.sha256(body := path.read_bytes()).hexdigest()[:20]
    found = [Representation(body, b"", f'"{digest}"')]
    for encoding, ending in reversed(tuple(_ENCODINGS.items())):
        with suppress(OSError):
            smaller = Path(f"{path}{ending}").read_bytes()
            found.insert(0, Representation(smaller, encoding, f'"{digest}-{encoding.decode()}"'))
    return WebFile(_MEDIA_TYPES.get(path.suffix[1:], b"application/octet-stream"), tuple(found))


def digest_of_sources() -> str:
    """Return what `node build.mjs --digest` prints: a digest over every file that goes into the build."""
    digest = hashlib.sha256()
    for path in _sources(WEB):
        digest.update(f"{path.relative_to(WEB).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir(), key=lambda path: path.name):
        if path.name in _NO_SOURCES or path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _sources(path)
        else:
            yield path
