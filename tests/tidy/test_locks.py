"""The lock files hold names, versions and hashes, no address of any index, and every package that is asked for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = sorted((ROOT / "requirements").glob("*.lock"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
RUN = [*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["servers"]]
DEV = [*RUN, *(name for group in PROJECT["dependency-groups"].values() for name in group)]


def _locked(path: Path) -> dict[str, str]:
    return dict(re.findall(r"^([a-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)", path.read_text(), re.MULTILINE))


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.name)
def test_no_address_and_a_hash_for_every_package(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"://|^-|^/|\s/\w|@ ", text, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert blocks
    assert all("--hash=sha256:" in block for block in blocks)


@pytest.mark.parametrize(("lock", "wanted"), [("run", RUN), ("dev", DEV)], ids=["run", "dev"])
def test_every_package_that_is_asked_for_is_locked(lock: str, wanted: list[str]) -> None:
    names = {re.split(r"[\[<>=]", requirement)[0] for requirement in wanted}
    assert names <= set(_locked(ROOT / "requirements" / f"{lock}.lock")), "run ops/lock"


def test_tests_run_with_the_versions_that_are_deployed() -> None:
    run, dev = (_locked(ROOT / "requirements" / f"{name}.lock") for name in ("run", "dev"))
    assert run.items() <= dev.items(), "run ops/lock"
