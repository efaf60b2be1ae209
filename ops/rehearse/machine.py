"""What a run was made on: two runs on different machines are not compared."""

from __future__ import annotations

import contextlib
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
GIT_S_MAX = 5


def machine() -> dict[str, Any]:
    """Return processor, cores, memory, system and versions."""
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": os.cpu_count() or 1,
        "memory_mib": int((_field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) // 1024,
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _field(path: str, name: str) -> str | None:
    with contextlib.suppress(OSError):
        for line in Path(path).read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == name:
                return value.strip()
    return None


def revision() -> str:
    """Return the commit that is checked out, "+" where files differ from it; empty outside a checkout."""
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        asked = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=12"]
        return subprocess.run(asked, check=True, capture_output=True, text=True, timeout=GIT_S_MAX).stdout.strip()
    return ""


def load_average() -> float:
    """Return the load of the last minute: what else the machine was doing."""
    return os.getloadavg()[0]
