"""What a command line can hold that click lets through, and that would be found out only when the work is done."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import click


class Finite(click.FloatRange):
    """A number that there is: `nan` is in every range, as it is never outside one, and no limit holds against it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return it, in its range."""
        number: float = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is no number to go by.", param, ctx)
        return number


class Folder(click.Path):
    """A folder that has a name: an empty one, of a variable that is not set, would be the folder one stands in."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return it as a path."""
        if value == "":
            self.fail("it has no name.", param, ctx)
        return super().convert(value, param, ctx)


class NewFile(click.Path):
    """A file that is written at the end: that it cannot be is said at the beginning."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return it as a path."""
        folder = Path(value).absolute().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            self.fail(f"nothing can be written to {folder}.", param, ctx)
        return super().convert(value, param, ctx)
