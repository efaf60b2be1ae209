"""HTML of the plain page: templates, the one style sheet, and the headers that keep everything else out.

No script and no inline style: the policy says so to the browser. Every text that is not a template's own is escaped.
"""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from litestar import Controller, get
from litestar.params import FromPath

from app.api.exchange import Answer
from app.errors import NotFoundError
from app.jitter import jittered

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.api.page_words import Words

_FOLDER: Final = Path(__file__).parent.parent / "web" / "plain"
_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Not `no-store`: going back to a form has to bring back what was typed into it.
_HEADERS: Final = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"cache-control", b"private, no-cache"),
    (b"vary", b"cookie, accept-language"),
)
_HTML: Final = b"text/html; charset=utf-8"
_WEEK_S: Final = 604_800
RETRY_AFTER_S: Final = 5


class Asset(NamedTuple):
    """A file that is served from memory under a name with its digest in it."""

    name: str
    body: bytes
    media_type: bytes


def _asset(file: str, media_type: bytes) -> Asset:
    body = (_FOLDER / file).read_bytes()
    stem, _, ending = file.rpartition(".")
    return Asset(f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}.{ending}", body, media_type)


STYLE: Final = _asset("plain.css", b"text/css; charset=utf-8")
ICON: Final = _asset("icon.svg", b"image/svg+xml")
_ASSETS: Final[Mapping[str, Asset]] = {asset.name.partition(".")[0]: asset for asset in (STYLE, ICON)}

_environment = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_environment.globals.update(style_href=f"/plain/{STYLE.name}", icon_href=f"/plain/{ICON.name}")


def page(template: str, words: Words, *, status: int = 200, retry_after_s: int | None = None, **context: Any) -> Answer:
    """Return a page. 429 and 503 say when to come back, and so do their sentences (`retry_s` in the context)."""
    wait_s = spread(retry_after_s, status) if status in {429, 503} else None
    html = _environment.get_template(template).render(w=words, retry_s=wait_s, **context)
    answer = Answer(html.encode(), status=status, media_type=_HTML, headers=_HEADERS)
    answer.add_header((b"content-language", words.language.encode()))
    if wait_s is not None:
        answer.add_header((b"retry-after", b"%d" % wait_s))
    return answer


def spread(seconds: int | None, status: int) -> int:
    """Return when to come back: 429 knows it, 503 only guesses, and spreads its guess wide."""
    wait_s = seconds or RETRY_AFTER_S
    return math.ceil(jittered(wait_s, 1, 1.2 if status == 429 else 3))


def see_other(address: str) -> Answer:
    """Return a redirect that is followed with GET."""
    return Answer(status=303, media_type=_HTML, headers=(*_HEADERS, (b"location", address.encode())))


class PlainAssets(Controller):
    """The style sheet and the icon of the plain page."""

    path = "/plain"
    include_in_schema = False

    @get("/{name:str}")
    async def asset(self, name: FromPath[str]) -> Answer:
        """Give a file for good under its own digest; under an older one, as it is now."""
        asset = _ASSETS.get(name.partition(".")[0])
        if asset is None:
            raise NotFoundError("no such file")
        keep = f"public, max-age={_WEEK_S * 52}, immutable" if name == asset.name else "public, no-cache"
        return Answer(asset.body, media_type=asset.media_type, headers=((b"cache-control", keep.encode()),))
