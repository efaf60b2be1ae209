"""What a browser has to fetch for a page, compressed with gzip: scripts with all that they import, and its style."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

WEB = Path(__file__).resolve().parents[2] / "app" / "web"
DIST = WEB / "dist"
LANGUAGES = 2
_AREAS = sorted(path.stem for path in (WEB / "words" / "en").glob("*.json"))
_DICTIONARY = re.compile(rf"assets/({'|'.join(_AREAS)})\.[A-Z0-9]+\.js$")
# Besides its own: on every page, over every page, beside every entry of a section.
_COMMON = {"shared", "sign_in", "refusals", "trouble", "unavailable"}
_IMPORTED = re.compile(r"""["'](?:\./|/app/assets/)([\w.-]+\.js)["']""")


def scripts_of(page: str) -> dict[str, int]:
    """Return the bytes of each script of a page, those that it loads later too; of its words the heavier language.

    A chunk that holds nothing but the words of another area is never loaded by this page, and is left out.
    """
    loads = json.loads((DIST / "manifest.json").read_text())["pages"][page]
    wanted, found = [loads["script"], *loads["chunks"]], {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = _weight(name)
            wanted += [f"assets/{other}" for other in _IMPORTED.findall((DIST / name).read_text())]
    words = {name: match[1] for name in found if not _is_code(name) and (match := _DICTIONARY.match(name))}
    for area in set(words.values()):
        same = sorted((name for name in words if words[name] == area), key=lambda name: found[name])
        assert len(same) == LANGUAGES, same
        for name in same[:-1] if area in _COMMON or area.startswith(page) else same:
            del found[name]
    return found


async def loaded_by(page: Page) -> dict[str, int]:
    """Return the bytes of each script that a page has fetched so far."""
    asked: list[str] = await page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    names = {Path(address).name for address in asked if "/app/assets/" in address and address.endswith(".js")}
    return {name: _weight(f"assets/{name}") for name in sorted(names)}


def _is_code(name: str) -> bool:
    """Tell a part from the words of its name, which import nothing: `sign_in` is both."""
    return re.search(r"""(^|;)import[{"]|\bimport\(""", (DIST / name).read_text()) is not None


def style_of(page: str) -> int:
    """Return the bytes of a page's style."""
    return _weight(json.loads((DIST / "manifest.json").read_text())["pages"][page]["style"])


def _weight(name: str) -> int:
    return (DIST / f"{name}.gz").stat().st_size
