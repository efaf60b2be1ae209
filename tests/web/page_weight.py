"""What a browser has to fetch for a page, compressed with gzip: scripts with what they import, its words, its style."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.async_api import Page

WEB = Path(__file__).resolve().parents[2] / "app" / "web"
DIST = WEB / "dist"
# Besides its own: on every page, over every page, beside every entry of a section.
_COMMON = {"shared", "sign_in", "refusals", "trouble", "unavailable"}
_IMPORTED = re.compile(r"""["'](?:\./|/app/assets/)([\w.-]+\.js)["']""")


def scripts_of(page: str) -> dict[str, int]:
    """Return the bytes of each script of a page, those that it loads later too."""
    loads = json.loads((DIST / "manifest.json").read_text())["pages"][page]
    wanted, found = [loads["script"], *loads["chunks"]], {}
    while wanted:
        name = wanted.pop()
        if name not in found:
            found[name] = _weight(name)
            wanted += [f"assets/{other}" for other in _IMPORTED.findall((DIST / name).read_text())]
    return found


def words_of(page: str, language: str) -> dict[str, int]:
    """Return the bytes of each dictionary of a page in one language, those that it fetches later too."""
    manifest = json.loads((DIST / "manifest.json").read_text())
    pattern = re.compile(rf"assets/(\w+)-{language}\.[A-Z0-9]+\.json")
    named = {name: match[1] for name in manifest["files"] if (match := pattern.fullmatch(name))}
    return {
        name: _weight(name)
        for name, area in named.items()
        if name not in manifest["kept"] and (area in _COMMON or area.startswith(page))
    }


async def loaded_by(page: Page, ending: str) -> dict[str, int]:
    """Return the bytes of each file that a page has fetched so far: `.js` for its scripts, `.json` for its words."""
    asked: list[str] = await page.evaluate("performance.getEntriesByType('resource').map(({ name }) => name)")
    names = {Path(address).name for address in asked if "/app/assets/" in address and address.endswith(ending)}
    return {name: _weight(f"assets/{name}") for name in sorted(names)}


def style_of(page: str) -> int:
    """Return the bytes of a page's style."""
    return _weight(json.loads((DIST / "manifest.json").read_text())["pages"][page]["style"])


def _weight(name: str) -> int:
    return (DIST / f"{name}.gz").stat().st_size
