"""Teachers who type over HTTP while a test does something to the service: loadtests/client.py, in its own process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tests.until import until

if TYPE_CHECKING:
    from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
RECORD_S_MAX = 90


class Typists:
    """Use as a context: on leaving it without an error, everything that was typed is recorded."""

    def __init__(self, url: str, tokens: Path, ledger: Path, *, rate: float, teachers: int) -> None:
        self._output = ledger.with_suffix(".out")
        self._command = [sys.executable, "-m", "loadtests.client", "--host", url, "--tokens", str(tokens)]
        self._command += ["--ledger", str(ledger), "--rate", str(rate), "--teachers", str(teachers)]
        self._command += ["--duration", "86400", "--deadline", str(RECORD_S_MAX), "--window-ms-max", "500"]
        self._command += ["--reopen-every", "5", "--timeout", "8"]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(self._command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)
        until(self._is_typing, timeout_s=60, what="somebody to type")
        return self

    def _is_typing(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._output.read_text()
        return "typing:" in self._output.read_text()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        try:
            if kind is None:
                self._process.send_signal(signal.SIGTERM)
                assert self._process.wait(RECORD_S_MAX * 2) == 0, self._output.read_text()
        finally:
            self._process.kill()
            self._process.wait()

    def figures(self) -> dict[str, Any]:
        """Return what the client says at its end."""
        said: dict[str, Any] = json.loads(self._output.read_text().splitlines()[-1])
        return said
