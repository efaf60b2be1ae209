"""The manifest decides what each file is; without one the refusal says what the files look like."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.rosters.manifest import read_manifest
from app.rosters.package import open_package
from app.rosters.problems import PackageRefusedError
from tests.roster_packages import manifest, small_district, write_package

SAMPLES = Path(__file__).parent.parent / "data" / "rosters"


def refusal(folder: Path) -> list[tuple[str, str]]:
    with pytest.raises(PackageRefusedError) as caught:
        read_manifest(open_package(folder))
    return [(problem.code, problem.reason) for problem in caught.value.problems]


@pytest.mark.parametrize("version", ["1.1", "1.2", "1.2.1"])
def test_versions(tmp_path: Path, version: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(manifest({"orgs": "absent"}, version))
    assert read_manifest(open_package(tmp_path)).version == version[:3]


@pytest.mark.parametrize(
    ("text", "code", "reason"),
    [
        (b"", "manifest_header", "empty"),
        (b"PropertyName,value\n", "manifest_header", '"PropertyName,value"'),
        (b"propertyName,value\n", "manifest_version", "missing"),
        (b"propertyName,value\noneroster.version,1.0\n", "manifest_version", '"1.0"'),
        (b"propertyName,value\noneroster.version,1.2\noneroster.version,1.1\n", "manifest_duplicate", "second time"),
        (b"propertyName,value\noneroster.version\n", "width", "1 fields"),
        (b"propertyName,value\noneroster.version,1.2\nfile.orgs,full\n", "manifest_mode", '"full"'),
        (b"propertyName,value\noneroster.version,1.2\nfile.orgs,bulk\n", "manifest_file_missing", "no orgs.csv"),
        (b'propertyName,value\noneroster.version,"1.2\n', "csv_quote", "never closed"),
        (
            b"propertyName,value\n" + b"a%d,b\n" * 0 + b"".join(b"a%d,b\n" % n for n in range(300)),
            "manifest_too_long",
            "200",
        ),
    ],
)
def test_what_a_manifest_can_get_wrong(tmp_path: Path, text: bytes, code: str, reason: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(text)
    [(found, said)] = refusal(tmp_path)
    assert found == code
    assert reason in said


def test_every_disagreement_is_named_at_once(tmp_path: Path) -> None:
    write_package(tmp_path, small_district())
    (tmp_path / "manifest.csv").write_bytes(manifest({"orgs": "absent", "users": "bulk", "resources": "delta"}))
    codes = [code for code, _ in refusal(tmp_path)]
    assert codes.count("manifest_file_unlisted") == 8
    assert sorted(set(codes)) == ["manifest_file_marked_absent", "manifest_file_missing", "manifest_file_unlisted"]


def test_strange_files_and_files_without_use_are_ignored_and_named(tmp_path: Path) -> None:
    write_package(tmp_path, {})
    (tmp_path / "manifest.csv").write_bytes(manifest({"demographics": "bulk"}))
    for name in ("demographics.csv", "notes.txt", "Orgs.csv"):
        (tmp_path / name).write_bytes(b"x\n")
    assert read_manifest(open_package(tmp_path)).ignored == {
        "demographics.csv": "a file of the standard that Inkfast does not use",
        "Orgs.csv": "not a file of the standard (did you mean orgs.csv?)",
        "notes.txt": "not a file of the standard",
    }


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        ("school-data-sync/v2.1", "Microsoft School Data Sync v2.1 (by relationships.csv, userFlags.csv"),
        ("school-data-sync/v2", "Microsoft School Data Sync v2 (by the column orgSourcedId of classes.csv)"),
        ("school-data-sync/v1", "Microsoft School Data Sync files (v1 format)"),
        ("school-data-sync/v1-uk", "Microsoft School Data Sync files (UK format)"),
        ("nicelion/outputs", "look like OneRoster 1.1, but only a manifest says"),
    ],
)
def test_sets_without_a_manifest_are_named(sample: str, reason: str) -> None:
    [(code, said)] = refusal(SAMPLES / sample)
    assert code == "manifest_missing"
    assert reason in said


def test_other_sets_without_a_manifest(tmp_path: Path) -> None:
    assert refusal(tmp_path) == [("manifest_missing", "there is no manifest.csv: the package is empty")]
    (tmp_path / "grades.xlsx").write_bytes(b"PK")
    assert "(grades.xlsx) are not those of OneRoster" in refusal(tmp_path)[0][1]
