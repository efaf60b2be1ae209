"""docs/settings.md says what app/settings.py says: each setting, its default and its sentence, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_type_hints

import msgspec

from app.settings import Settings, env_name

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
ROW = re.compile(r"^\| `((?:INKFAST_|DATABASE_URL|REDIS_URL)\w*)` .*\|$", re.MULTILINE)


def _rows() -> dict[str, str]:
    hints = get_type_hints(Settings, include_extras=True)
    rows = {}
    for field in msgspec.structs.fields(Settings):
        name = env_name(field.name)
        default = "needed" if field.required else f"`{_as_text(field.default)}`"
        rows[name] = f"| `{name}` | {default} | {hints[field.name].__metadata__[0].description} |"
    return rows


def _as_text(default: object) -> str:
    return str(default).lower() if isinstance(default, bool) else str(default)


def test_every_setting_has_its_line() -> None:
    page = PAGE.read_text()
    missing = [row for row in _rows().values() if row not in page]
    assert not missing, "put into docs/settings.md:\n" + "\n".join(missing)


def test_every_line_has_its_setting() -> None:
    settings, _, for_tests = PAGE.read_text().partition("the tests also read")
    assert for_tests
    unknown = set(ROW.findall(settings)) - set(_rows())
    assert not unknown, "no such setting in app/settings.py"
