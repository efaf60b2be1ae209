"""A roster package: a folder or a zip of CSV files, opened for streaming and never unpacked to disk.

A zip comes from outside. How many entries it has, how large they say they are, how well they are packed and what they
are called is looked at before the first byte is unpacked. A name only selects an entry; nothing is written anywhere.
"""

from __future__ import annotations

import hashlib
import stat
import zipfile
from typing import IO, TYPE_CHECKING, Protocol

from app.rosters.problems import PackageRefusedError, Problem

if TYPE_CHECKING:
    from pathlib import Path

ENTRIES_MAX = 500
UNPACKED_BYTES_MAX = 32 * 1024**3  # a full district with a year of results is about 3 GiB
# Real rosters pack 5 to 25 times; DEFLATE cannot do more than 1,032. Small files of one repeated value may do 200.
RATIO_MAX = 200
RATIO_BYTES_MIN = 8 * 1024**2
_READ_BYTES = 1024**2


class Package(Protocol):
    """The files at the package's root, by name."""

    name: str
    notes: list[str]

    def names(self) -> list[str]:
        """Return the names of all files at the root, sorted."""

    def size(self, name: str) -> int:
        """Return the unpacked size in bytes, as stated by the package."""

    def open(self, name: str) -> IO[bytes]:
        """Open one file for reading from its beginning; the caller closes it."""

    def digest(self) -> str:
        """Return a SHA-256 over names and contents: the same package has the same digest."""

    def close(self) -> None:
        """Release the package; open files of it cannot be read any more."""


def open_package(path: Path) -> Package:
    """Open a folder or a zip, or raise PackageRefusedError saying why it cannot be one."""
    if path.is_dir():
        return FolderPackage(path)
    if not path.exists():
        raise _refused(path.name, "no_package", "there is no such file or folder")
    return ZipPackage(path)


class FolderPackage:
    """CSV files in a folder; links and subfolders are left alone."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.notes: list[str] = []
        self._path = path
        self._names = sorted(entry.name for entry in path.iterdir() if entry.is_file() and not entry.is_symlink())

    def names(self) -> list[str]:
        """Return the names of the regular files in the folder."""
        return self._names

    def size(self, name: str) -> int:
        """Return the file's size."""
        return (self._path / name).stat().st_size

    def open(self, name: str) -> IO[bytes]:
        """Open one of the files found when the package was opened."""
        if name not in self._names:
            raise FileNotFoundError(name)
        return (self._path / name).open("rb")

    def digest(self) -> str:
        """Hash every file's name and content, in the order of names."""
        whole = hashlib.sha256()
        for name in self._names:
            with self.open(name) as file:
                whole.update(f"{name}\0{_sha256(file)}\0".encode())
        return whole.hexdigest()

    def close(self) -> None:
        """Nothing is held open."""


class ZipPackage:
    """CSV files in a zip, at its root or in the one folder that holds all of them."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.notes: list[str] = []
        self._path = path
        try:
            self._zip = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise _refused(path.name, "zip_damaged", f"it cannot be read as a zip ({error})") from None
        try:
            self._entries = self._check(self._zip.infolist())
        except PackageRefusedError:
            self._zip.close()
            raise

    def names(self) -> list[str]:
        """Return the names of the entries at the root."""
        return sorted(self._entries)

    def size(self, name: str) -> int:
        """Return the size that the zip states; reading stops there whatever the data say."""
        return self._entries[name].file_size

    def open(self, name: str) -> IO[bytes]:
        """Open one entry; a damaged one raises zipfile.BadZipFile while it is read, or is refused here."""
        try:
            return self._zip.open(self._entries[name])
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise _refused(self.name, "zip_damaged", f"entry {name} cannot be unpacked ({error})") from None

    def digest(self) -> str:
        """Hash the zip file itself."""
        with self._path.open("rb") as file:
            return _sha256(file)

    def close(self) -> None:
        """Close the zip file."""
        self._zip.close()

    def _check(self, infos: list[zipfile.ZipInfo]) -> dict[str, zipfile.ZipInfo]:
        problems = list(_faults_of_zip(self.name, infos))
        if problems:
            raise PackageRefusedError(problems)
        files = [info for info in infos if not info.is_dir() and not info.filename.startswith("__MACOSX/")]
        folders = {info.filename.rpartition("/")[0] for info in files}
        root = folders.pop() if len(folders) == 1 else ""
        if root:
            self.notes.append(f"all files are in the folder {root}/ of the zip; OneRoster wants them at its root")
        entries: dict[str, zipfile.ZipInfo] = {}
        for info in files:
            folder, _, name = info.filename.rpartition("/")
            if folder != root:
                self.notes.append(f"{info.filename} is not at the root of the zip: ignored")
            elif name in entries:
                raise _refused(self.name, "zip_duplicate_entry", f"two entries are called {name}")
            else:
                entries[name] = info
        return entries


def _faults_of_zip(package: str, infos: list[zipfile.ZipInfo]) -> list[Problem]:
    """Look at what the zip says about itself; nothing has been unpacked yet."""
    if len(infos) > ENTRIES_MAX:
        reason = f"the zip has {len(infos)} entries; a roster has at most {ENTRIES_MAX}"
        return [Problem(package, 0, "zip_too_many_entries", reason)]
    total = sum(info.file_size for info in infos)
    problems = []
    if total > UNPACKED_BYTES_MAX:
        reason = f"the zip would unpack to {total:,} bytes; the limit is {UNPACKED_BYTES_MAX:,}"
        problems.append(Problem(package, 0, "zip_too_large", reason))
    problems += [
        Problem(package, 0, fault[0], f"entry {info.filename[:120]!r}: {fault[1]}")
        for info in infos
        if (fault := _fault_of_entry(info))
    ]
    return problems


def _fault_of_entry(info: zipfile.ZipInfo) -> tuple[str, str] | None:
    name = info.orig_filename
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\\" in name or "\0" in name:
        return "zip_path", "the name points outside the package"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "zip_link", "it is a link, not a file"
    if info.flag_bits & 1:
        return "zip_encrypted", "it is encrypted"
    ratio = info.file_size / max(info.compress_size, 1)
    if info.file_size > RATIO_BYTES_MIN and ratio > RATIO_MAX:
        return (
            "zip_ratio",
            f"it unpacks to {ratio:.0f} times its size ({info.file_size:,} bytes); the limit is {RATIO_MAX}",
        )
    return None


def _sha256(file: IO[bytes]) -> str:
    found = hashlib.sha256()
    while block := file.read(_READ_BYTES):
        found.update(block)
    return found.hexdigest()


def _refused(name: str, code: str, reason: str) -> PackageRefusedError:
    return PackageRefusedError([Problem(name, 0, code, reason)])
