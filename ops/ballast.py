"""Room on the journal's disk that can be given back when there is none left: a file of nothing beside the journal.

The journal's server ends itself when it cannot write (docs/adr/0002), and to be drained it has to write. Whoever gives
the ballast away leaves a mark, so that a server which is started meanwhile takes nothing new into that room.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

from app.drafts.doctor import CLOSED_BYTES

if TYPE_CHECKING:
    from pathlib import Path

DISK_PERCENT_MAX = 5  # of a small disk no more than this is kept back


class Ballast:
    """The ballast file of one folder, and the mark that it was given away."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "ballast"
        self._spent = folder / "ballast.spent"
        self._folder = folder

    @property
    def is_there(self) -> bool:
        """Whether there is something to give away."""
        return self._file.exists()

    @property
    def is_spent(self) -> bool:
        """Whether it was given away and not made again."""
        return self._spent.exists()

    def bytes_of(self, wanted_bytes: int) -> int:
        """Return how large it is made on this disk."""
        return min(wanted_bytes, shutil.disk_usage(self._folder).total * DISK_PERCENT_MAX // 100)

    def make(self, wanted_bytes: int) -> None:
        """Make it, whole or not at all; OSError when there is no room. The mark is gone then."""
        unfinished = self._file.with_suffix(".unfinished")
        try:
            with unfinished.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, self.bytes_of(wanted_bytes)))
                os.fsync(file.fileno())
            unfinished.rename(self._file)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise
        self._spent.unlink(missing_ok=True)

    def give_away(self) -> None:
        """Give its room to the journal, and leave the mark; neither needs room itself."""
        self._file.rename(self._spent)
        os.truncate(self._spent, 0)


def memory_while_spent(folder: Path) -> dict[str, str]:
    """Return the setting with which a server of this folder is started: closed while its ballast is given away."""
    return {"maxmemory": str(CLOSED_BYTES)} if Ballast(folder).is_spent else {}
