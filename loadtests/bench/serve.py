"""`python -m loadtests.bench.serve APPLICATION --fd N`: one of the plain applications, served as the service is.

The settings are those of app/main.py and app/garbage.py, which nothing here may import; tests/integration/test_bench.py
compares them. Only the class that writes answers (app/api/whole_answers.py) is the service's own.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import socket

import uvicorn

SETTINGS = {
    "loop": "uvloop",
    "http": "httptools",
    "ws": "none",
    "lifespan": "on",
    "log_config": None,
    "log_level": "warning",
    "access_log": False,
    "proxy_headers": False,
    "server_header": False,
    "backlog": 4096,
    "timeout_keep_alive": 75,
    "timeout_graceful_shutdown": 10,
}
GC_THRESHOLDS = (50_000, 10, 10)


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("application", choices=("noop", "direct", "batched"))
    parser.add_argument("--fd", type=int, required=True, help="an inherited listening socket")
    options = parser.parse_args()
    application = importlib.import_module(f"loadtests.bench.{options.application}").app
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    config = uvicorn.Config(application, **SETTINGS)  # type: ignore[arg-type]  # a plain dict of its own options
    uvicorn.Server(config).run([socket.socket(fileno=options.fd)])


if __name__ == "__main__":
    main()
