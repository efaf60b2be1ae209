"""Applications for other servers than their own, as `inkfast bench` compares them.

`granian --factory ops.bench.app:make_app` serves the service's application; `python -m ops.bench.app --fd N` serves the
no-op handler of loadtests as app/main.py serves the service, answers in one piece and all.
"""

from __future__ import annotations

import argparse
import socket
from typing import TYPE_CHECKING

from app.garbage import keep_what_stays
from app.main import create_app, serve
from app.settings import Settings
from loadtests.bench import noop
from ops.environment import environment

if TYPE_CHECKING:
    from litestar import Litestar


def make_app() -> Litestar:
    """Return it, with settings from the environment as `python -m app.main` reads them."""
    return create_app(Settings.from_env(environment()))


def main() -> None:
    """Serve the no-op handler until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True, help="an inherited listening socket")
    listener = socket.socket(fileno=parser.parse_args().fd)
    keep_what_stays()
    serve(noop.app, [listener])


if __name__ == "__main__":
    main()
