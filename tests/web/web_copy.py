"""A copy of the browser's side, to be built anew: what is built in the repository stays as it is."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from app.api.web_files import WEB
from ops.build_web import find_node

if TYPE_CHECKING:
    from pathlib import Path


def copy_web(folder: Path) -> Path:
    """Copy sources and what was built of them last into `folder`/web."""
    web = folder / "web"
    shutil.copytree(WEB, web, ignore=shutil.ignore_patterns("node_modules", ".dist-*", ".tests-*"))
    (web / "node_modules").symlink_to(WEB / "node_modules")
    return web


def build(web: Path) -> None:
    """Build into `web`/dist, over what is there."""
    node = find_node()
    subprocess.run([node.program, "build.mjs"], cwd=web, env=node.environment(), check=True)


def manifest_of(dist: Path) -> dict[str, Any]:
    """Return what a build says of itself."""
    found: dict[str, Any] = json.loads((dist / "manifest.json").read_text())
    return found
