"""The service's application for an ASGI server that makes it itself: `granian --factory ops.bench.app:make_app`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.main import create_app
from app.settings import Settings
from ops.environment import environment

if TYPE_CHECKING:
    from litestar import Litestar


def make_app() -> Litestar:
    """Return it, with settings from the environment as `python -m app.main` reads them."""
    return create_app(Settings.from_env(environment()))
