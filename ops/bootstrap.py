"""From a bare Python to the `inkfast` command: make .venv, install what is locked, hand over. Standard library only.

Run as a file with `python -I` (this folder must not be on the module path: it has a `token.py`). The second run
installs nothing, and takes a tenth of a second.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
MADE_IN = VENV / "made-in"
REQUIREMENTS = ROOT / "requirements"
COMMANDS = {"up": ("run", ["ops.cli", "up"]), "test": ("dev", ["ops.test_stages"])}
PIP = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
LOCKED = ["--require-hashes", "--only-binary", ":all:", "--no-deps", "-r"]


def say(text: str) -> None:
    """Show progress; on stderr, so that a command's own output stays its own."""
    print(f"setup: {text}", file=sys.stderr, flush=True)


def give_up(text: str) -> NoReturn:
    """End with one sentence."""
    print(f"setup: {text}", file=sys.stderr)
    sys.exit(1)


def given_environment() -> dict[str, str]:
    """Return a copy of this process's environment (nothing can be imported from `ops` here)."""
    return dict(os.environ)  # noqa: TID251 -- passed on to pip, uv and apt-get


def run(*command: str | Path, environment: dict[str, str] | None = None) -> bool:
    """Run it, showing what it said only when it failed; whether it went well."""
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, env=environment, cwd=ROOT
    )
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode(errors="replace"))
    return done.returncode == 0


def have_venv_module() -> bool:
    """Debian ships Python without what `venv` needs."""
    probe = [sys.executable, "-I", "-c", "import ensurepip, venv"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


def usable_venv() -> bool:
    """Whether .venv works and was made here (the programs of a moved one point into its old place)."""
    with contextlib.suppress(FileNotFoundError):
        if MADE_IN.read_text() != str(ROOT):
            return False
    try:
        return run(PYTHON, "-I", "-c", "import sys; sys.exit(sys.version_info < (3, 11))")
    except OSError:
        return False


def make_venv() -> None:
    """Make .venv anew, with Debian's missing package first where that needs no questions."""
    if not have_venv_module():
        package = f"python{sys.version_info[0]}.{sys.version_info[1]}-venv"
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            give_up(
                f"this Python cannot make virtual environments: install it first (Debian: apt-get install {package})"
            )
        say(f"apt-get install {package} …")
        environment = given_environment() | {"DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", "-qq", "update", environment=environment)
        if not run("apt-get", "-qq", "-y", "install", package, environment=environment):
            give_up(f"apt-get install {package} failed")
    say("making .venv …")
    if not run(sys.executable, "-m", "venv", "--clear", VENV):
        give_up(f"cannot make {VENV}")
    MADE_IN.write_text(str(ROOT))


def fingerprint(profile: str) -> str:
    """Name what an installation was made from: the lock, and the place."""
    lock = (REQUIREMENTS / f"{profile}.lock").read_bytes()
    return hashlib.sha256(lock + f"{ROOT}".encode()).hexdigest()


def installed(profile: str) -> bool:
    """Whether the lock is installed already; the dev lock holds the run lock's packages too."""
    for candidate in {"run": ("run", "dev")}.get(profile, (profile,)):
        marker = VENV / f"installed-{candidate}"
        with contextlib.suppress(OSError):
            if PYTHON.exists() and marker.read_text() == fingerprint(candidate):
                return True
    return False


def uv_environment() -> dict[str, str]:
    """Tell uv what pip was told: uv does not read pip's settings."""
    environment = given_environment()
    asked = subprocess.run(
        [PYTHON, "-m", "pip", "config", "get", "global.index-url"], capture_output=True, text=True, check=False
    )
    index = environment.get("PIP_INDEX_URL") or asked.stdout.strip()
    if index:
        environment.setdefault("UV_DEFAULT_INDEX", index)
    if "PIP_CERT" in environment:
        environment.setdefault("SSL_CERT_FILE", environment["PIP_CERT"])
    return environment


def install(profile: str) -> bool:
    """Install exactly what is locked: with uv, which is ten times faster, else with pip; whether it could be."""
    lock = REQUIREMENTS / f"{profile}.lock"
    say(f"installing {lock.relative_to(ROOT)} …")
    uv = VENV / "bin" / "uv"
    if not uv.exists():
        if not list(VENV.glob("lib/python*/site-packages/pip")):
            run(PYTHON, "-m", "ensurepip")
        run(PYTHON, *PIP, *LOCKED, REQUIREMENTS / "installer.lock")
    with_uv: tuple[str | Path, ...] = (
        uv,
        "--system-certs",
        "pip",
        "install",
        "--quiet",
        "--python",
        PYTHON,
        *LOCKED,
        lock,
    )
    if not (uv.exists() and run(*with_uv, environment=uv_environment())):
        say("uv could not; trying pip, which takes a minute …")
        if not run(PYTHON, *PIP, *LOCKED, lock):
            say("the packages could not be installed: is a package index reachable? (pip's message is above)")
            return False
    (VENV / f"installed-{profile}").write_text(fingerprint(profile))
    return True


def write_command() -> None:
    """Put `inkfast` into .venv/bin: no build, and a change in the code is a change in the command."""
    folder = next(VENV.glob("lib/python3*/site-packages"))
    (folder / "inkfast.pth").write_text(f"{ROOT}\n")
    command = VENV / "bin" / "inkfast"
    command.write_text(f'#!/bin/sh\nexec "{PYTHON}" -P -m ops.cli "$@"\n')
    command.chmod(0o755)


def ensure(profile: str) -> bool:
    """Return with the locked packages in .venv, or False; one process at a time."""
    if installed(profile):
        return True
    began = time.monotonic()
    descriptor = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if installed(profile):
            return True
        if not usable_venv():
            make_venv()
        if not install(profile):
            return False
        write_command()
        if profile != "web":
            # Each process would compile what it imports, all at the same time: uv leaves that to the first start.
            run(PYTHON, "-I", "-c", "import app.main, workers.main, ops.up")
    finally:
        os.close(descriptor)
    say(f"installed in {time.monotonic() - began:.1f} s")
    return True


def main() -> None:
    """Prepare, and become the command."""
    began = time.time()
    name, *arguments = sys.argv[1:]
    profile, module = COMMANDS[name]
    if not ensure(profile):
        sys.exit(1)
    if name == "test":
        arguments.append(f"--began={began}")
    os.execv(PYTHON, [str(PYTHON), "-P", "-m", *module, *arguments])  # noqa: S606 -- no shell is wanted


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except OSError as error:
        give_up(f"{error.strerror}: {error.filename}")
