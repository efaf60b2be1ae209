"""`python -m ops.openapi --write|--check`: docs/openapi.json, from the code."""

from __future__ import annotations

import argparse
import difflib
import json
import sys
from pathlib import Path

from app.api import openapi
from app.main import create_app
from app.settings import Settings

PAGE = Path(__file__).resolve().parent.parent / "docs" / "openapi.json"


def made() -> str:
    """Return the document as text; nothing is connected to make it."""
    nowhere = Settings(database_url="postgresql://", redis_url="redis://", secret_key="-" * 32)
    document = openapi.document(create_app(nowhere, openapi=openapi.config()))
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file, or compare it with the code: 1 if they differ."""
    parser = argparse.ArgumentParser(prog="python -m ops.openapi", description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--write", action="store_true")
    what.add_argument("--check", action="store_true")
    options = parser.parse_args()
    text = made()
    if options.write:
        PAGE.write_text(text)
        return 0
    kept = PAGE.read_text() if PAGE.exists() else ""
    if kept == text:
        return 0
    names = ("docs/openapi.json", "what the code makes")
    print("\n".join(difflib.unified_diff(kept.splitlines(), text.splitlines(), *names, lineterm="")))
    print("docs/openapi.json is old: run `python -m ops.openapi --write`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
