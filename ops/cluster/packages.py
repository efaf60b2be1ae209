"""Patroni from the package index, locked, in an environment of its own; etcd from Debian, unpacked beside it.

Nothing is installed into the system: Debian's package would start a service of its own.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from ops.environment import environment
from ops.processes import ServerError, locked

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements" / "cluster.lock"
FOLDER = ROOT / "build" / "cluster"
PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps", "--require-hashes")
BUILDERS = ("setuptools", "wheel")
SOURCE_ONLY = ("python-etcd", "ydiff")  # their authors publish no wheel
INSTALL_S_MAX = 300.0


def patroni_python(say: Callable[[str], None]) -> Path:
    """Return the Python that has Patroni; made on the first call, and anew when the lock has changed."""
    venv = FOLDER / "venv"
    made_from = venv / "made-from"
    wanted = hashlib.sha256(LOCK.read_bytes() + str(ROOT).encode()).hexdigest()
    FOLDER.mkdir(parents=True, exist_ok=True)
    with locked(FOLDER / "lock", wait_s=INSTALL_S_MAX, in_use="somebody else is installing Patroni"):
        if not made_from.exists() or made_from.read_text() != wanted:
            say("installing Patroni (requirements/cluster.lock) …")
            _run(sys.executable, "-m", "venv", "--clear", str(venv))
            for names, options in _steps():
                _install(venv / "bin" / "python", names, options)
            made_from.write_text(wanted)
    return venv / "bin" / "python"


def _steps() -> list[tuple[list[str], tuple[str, ...]]]:
    blocks = re.split(r"^(?=[a-z0-9])", LOCK.read_text(), flags=re.MULTILINE)[1:]
    builders = [block for block in blocks if block.startswith(BUILDERS)]
    built = [block for block in blocks if block.startswith(SOURCE_ONLY)]
    wheels = [block for block in blocks if block not in built]
    only_wheels = ("--only-binary", ":all:")
    return [(builders, only_wheels), (wheels, only_wheels), (built, ("--no-build-isolation",))]


def _install(python: Path, blocks: list[str], options: tuple[str, ...]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirements:
        requirements.write("".join(blocks))
        requirements.flush()
        _run(str(python), *PIP, *options, "-r", requirements.name)


def _run(*command: str, cwd: Path | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    if done.returncode != 0:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ServerError(f"{' '.join(command[:3])} … failed: {lines[-1] if lines else done.returncode}")


def etcd_program(say: Callable[[str], None]) -> Path:
    """Return etcd: ETCD_BIN, else the one on PATH, else Debian's, fetched with apt-get without installing it."""
    given = environment().get("ETCD_BIN") or "etcd"
    found = shutil.which(given) or shutil.which(str(FOLDER / "etcd" / "usr" / "bin" / "etcd"))
    if found is None and given == "etcd" and shutil.which("apt-get") and shutil.which("dpkg-deb"):
        say("apt-get download etcd-server …")
        _unpack_etcd()
        found = shutil.which(str(FOLDER / "etcd" / "usr" / "bin" / "etcd"))
    if found is None:
        raise ServerError(f"no program {given}: install it (Debian: apt-get install etcd-server), or set ETCD_BIN")
    return Path(found)


def _unpack_etcd() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    advice = "fetch it as root: apt-get update && apt-get install etcd-server"
    with tempfile.TemporaryDirectory(prefix="inkfast-etcd-") as name:
        folder = Path(name)
        folder.chmod(0o777)  # apt fetches as a user of its own
        try:
            _run("apt-get", "-qq", "download", "etcd-server", cwd=folder)
        except ServerError as error:
            raise ServerError(f"there is no program etcd, and {error}; {advice}") from None
        for package in folder.glob("etcd-server_*.deb"):
            _run("dpkg-deb", "-x", str(package), str(FOLDER / "etcd"))
