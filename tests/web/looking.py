"""Looking at a page in every state: axe and pictures, in light and dark, at a desk and on a phone.

A state is brought about once in each language. What axe finds depends on the scheme by colours, and on the width by
layout: English is looked at in light at a desk and in dark on a phone, Spanish the other way round. So each state is
seen in all four pairs of language and scheme, and in either language at both widths.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tests.browsing import ask_axe, screenshots
from tests.web.conftest import DESK, PHONE

if TYPE_CHECKING:
    from playwright.async_api import Page, ViewportSize

    Scheme = Literal["light", "dark"]

LOCALES = {"en": "en-US", "es": "es-MX"}
SCHEMES: dict[str, tuple[Scheme, Scheme]] = {"en": ("light", "dark"), "es": ("dark", "light")}


class Looking:
    """What was found in the states of one page."""

    phone: ViewportSize = PHONE

    def __init__(self, page: Page, language: str) -> None:
        self.page = page
        self.language = language
        self.faults: list[str] = []

    async def look(self, state: str, *, desk: ViewportSize = DESK, is_on_phone: bool = True) -> None:
        """Look at the page as it stands, once in each scheme, and leave it as it was."""
        before = self.page.viewport_size
        assert before is not None
        for scheme, size in zip(SCHEMES[self.language], (desk, PHONE if is_on_phone else desk), strict=True):
            await self.page.set_viewport_size(size)
            await self.page.emulate_media(color_scheme=scheme)
            name = f"{state}-{self.language}-{scheme}-{size['width']}"
            await self.page.screenshot(path=screenshots() / f"{name}.png")
            if size is PHONE:
                await self.page.set_viewport_size(self.phone)
            self.faults += await ask_axe(self.page, name)
            self.faults += [f"{name}: {fault}" for fault in await self.measured()]
        await self.page.set_viewport_size(before)

    async def measured(self) -> list[str]:
        """Return what else is wrong with the page as it stands; a page may have more to look at than axe has."""
        return []
