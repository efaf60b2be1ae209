"""A browser of 1996: pages, forms, cookies, no script. Enough of HTML to fill in a form and send it as it would."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx

# What a browser sends with a request from our own page.
OWN_PAGE = {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8000"}


@dataclass
class Form:
    """One form of a page, as it stands."""

    action: str
    fields: dict[str, list[str]] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    def fill(self, **values: str | list[str]) -> Form:
        """Type into boxes; `_` in a name stands for `-`."""
        for name, value in values.items():
            self.fields[name.replace("_", "-")] = [value] if isinstance(value, str) else value
        return self

    def value(self, name: str) -> str:
        return self.fields[name][0]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.open: Form | None = None
        self.textarea: str | None = None
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.add(tag)
        self.attributes |= set(given)
        if tag == "form":
            self.open = Form(given["action"])
            self.forms.append(self.open)
        elif self.open is None or "name" not in given:
            return
        elif tag == "textarea":
            self.textarea = given["name"]
            self.open.fields[self.textarea] = [""]
        elif tag == "button":
            self.open.buttons.append((given["name"], given["value"]))
        elif tag == "input" and (given["type"] not in {"radio", "checkbox"} or "checked" in given):
            self.open.fields.setdefault(given["name"], []).append(given.get("value", "on"))

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self.open = None
        elif tag == "textarea":
            self.textarea = None

    def handle_data(self, data: str) -> None:
        if self.textarea is not None and self.open is not None:
            before = self.open.fields[self.textarea][0]
            # The first line end after the tag is not part of the text.
            self.open.fields[self.textarea] = [before + (data.removeprefix("\n") if not before else data)]


@dataclass
class OldPage:
    """An answer, read."""

    status: int
    headers: httpx.Headers
    text: str
    forms: list[Form]
    tags: set[str]
    attributes: set[str]

    @property
    def said(self) -> str:
        """The text of the page, without markup, in one line."""
        body = self.text.partition("<main")[2].partition("</main>")[0]
        return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", "<main" + body)).split())

    @property
    def title(self) -> str:
        return html.unescape(self.text.partition("<title>")[2].partition("</title>")[0])

    def form(self, action: str, nth: int = 0) -> Form:
        """Return a form by where it is sent."""
        return [form for form in self.forms if form.action.partition("?")[0] == action][nth]


class OldBrowser:
    """One window. `headers` are those that tell a modern one from an old one."""

    def __init__(self, client: httpx.AsyncClient, headers: dict[str, str] | None = None) -> None:
        self.client = client
        self.headers = OWN_PAGE if headers is None else headers

    async def get(self, address: str, **headers: str) -> OldPage:
        return _read(await self.client.get(address, follow_redirects=True, headers=headers))

    async def send(self, form: Form, **more: str) -> OldPage:
        """Send a form as its button would; `more` is what a button of that name adds."""
        fields = form.fields | {name: [value] for name, value in more.items()}
        answer = await self.client.post(form.action, data=fields, headers=self.headers, follow_redirects=True)
        return _read(answer)

    async def sign_in(self, username: str, password: str) -> OldPage:
        page = await self.get("/")
        return await self.send(page.form("/sign-in").fill(username=username, password=password))


def _read(answer: httpx.Response) -> OldPage:
    reader = _Reader()
    reader.feed(answer.text)
    return OldPage(answer.status_code, answer.headers, answer.text, reader.forms, reader.tags, reader.attributes)
