"""A package is looked at before it is unpacked, and never unpacked to disk."""

from __future__ import annotations

import stat
import zipfile
from typing import TYPE_CHECKING

import pytest

from app.rosters import package as packages
from app.rosters.manifest import read_manifest
from app.rosters.package import open_package
from app.rosters.problems import PackageRefusedError
from tests.roster_packages import manifest, write_zip

if TYPE_CHECKING:
    from pathlib import Path


def refusal(path: Path) -> list[str]:
    with pytest.raises(PackageRefusedError) as caught:
        read_manifest(open_package(path))
    return [problem.code for problem in caught.value.problems]


@pytest.mark.parametrize(
    "name", ["../orgs.csv", "/etc/orgs.csv", "a/../../orgs.csv", "..\\orgs.csv", "C:\\orgs.csv", "C:/orgs.csv"]
)
def test_names_that_point_outside_are_refused(tmp_path: Path, name: str) -> None:
    path = write_zip(tmp_path / "p.zip", {"manifest.csv": manifest({}), name: b"x"})
    assert refusal(path) == ["zip_path"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["p.zip"]


def test_a_bomb_is_refused_by_what_it_says_of_itself(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "p.zip", {"manifest.csv": manifest({}), "orgs.csv": bytes(20 * 1024**2)})
    assert refusal(path) == ["zip_ratio"]


def test_too_many_entries_and_too_many_bytes_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_zip(tmp_path / "p.zip", {f"{number}.csv": b"abc" for number in range(packages.ENTRIES_MAX + 1)})
    assert refusal(path) == ["zip_too_many_entries"]
    path = write_zip(tmp_path / "q.zip", {"a.csv": b"abc", "b.csv": b"abc"})
    monkeypatch.setattr(packages, "UNPACKED_BYTES_MAX", 5)
    assert refusal(path) == ["zip_too_large"]


def test_links_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    info = zipfile.ZipInfo("orgs.csv")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(info, "/etc/passwd")
    assert refusal(path) == ["zip_link"]


@pytest.mark.parametrize("keep", [0, 10, 100])
def test_a_cut_zip_is_refused(tmp_path: Path, keep: int) -> None:
    path = write_zip(tmp_path / "p.zip", {"manifest.csv": manifest({}) * 20})
    path.write_bytes(path.read_bytes()[:keep])
    assert refusal(path) == ["zip_damaged"]


def test_a_damaged_entry_is_refused_where_the_damage_is(tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as file:
        file.writestr("manifest.csv", manifest({"orgs": "absent"}))
    path.write_bytes(path.read_bytes().replace(b"absent", b"absurd"))
    assert refusal(path) == ["zip_damaged"]


def test_two_entries_of_one_name_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("manifest.csv", manifest({}))
        with pytest.warns(UserWarning, match="Duplicate name"):
            file.writestr("manifest.csv", manifest({}))
    assert refusal(path) == ["zip_duplicate_entry"]


def test_a_zip_whose_files_share_a_folder_is_read_and_noted(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "p.zip", {"export/manifest.csv": manifest({}), "__MACOSX/x": b""})
    package = open_package(path)
    assert package.names() == ["manifest.csv"]
    assert "export/" in package.notes[0]


def test_a_folder_does_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes(manifest({}))
    (tmp_path / "orgs.csv").symlink_to("/etc/passwd")
    assert open_package(tmp_path).names() == ["manifest.csv"]


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "manifest.csv").write_bytes(b"a")
    before = open_package(tmp_path).digest()
    assert open_package(tmp_path).digest() == before
    (tmp_path / "manifest.csv").rename(tmp_path / "manifests.csv")
    assert open_package(tmp_path).digest() != before
    (tmp_path / "manifests.csv").rename(tmp_path / "manifest.csv")
    (tmp_path / "manifest.csv").write_bytes(b"b")
    assert open_package(tmp_path).digest() != before


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nothing") == ["no_package"]
