"""What a command line can hold that click lets through, and that would be found out only when the work is done."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from collections.abc import Container


def given(names: Container[str]) -> list[str]:
    """Return which of the running command's options were given, of those whose parameters have these names.

    One that says what is the default anyway was given, too: whoever wrote it wants it heeded.
    """
    context = click.get_current_context()
    return [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in names and context.get_parameter_source(parameter.name) is not ParameterSource.DEFAULT
    ]


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
        if not value:
            self.fail("it has no name.", param, ctx)
        folder = Path(value).absolute().parent
        if not folder.is_dir() or not os.access(folder, os.W_OK):
            self.fail(f"nothing can be written to {folder}.", param, ctx)
        return super().convert(value, param, ctx)
