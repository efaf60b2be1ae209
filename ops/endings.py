"""How a command ends whose exit status says something: never with status 1, a finding, where nothing was found out."""

from __future__ import annotations

import contextlib
import traceback
from typing import TYPE_CHECKING

import asyncpg
import click

from app.errors import InkfastError
from app.settings import SettingsError
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class AskedWronglyError(click.ClickException):
    """Nothing was started."""

    exit_code = 2


class NothingDoneError(click.ClickException):
    """It was asked for well, and came to no end."""

    exit_code = 3


@contextlib.contextmanager
def ends_as(
    expected: type[click.ClickException], otherwise: type[click.ClickException] = NothingDoneError
) -> Iterator[None]:
    """Say in one sentence what stopped it: as `expected`; an interrupt, or a mistake in here, as `otherwise`."""
    try:
        yield
    except click.ClickException:
        raise
    except (ServerError, SettingsError, InkfastError, OSError) as error:
        raise expected(str(error) or type(error).__name__) from error
    except asyncpg.PostgresError as error:  # it is there, and refuses: no right to, not migrated, no room
        raise otherwise(f"PostgreSQL says: {error}") from error
    except KeyboardInterrupt:
        raise otherwise("it was interrupted, and what it had started is stopped") from None
    except Exception as error:
        traceback.print_exc()  # Python's own status would be that of a finding
        raise otherwise(f"the command itself failed: {type(error).__name__} {error}") from error


def written(path: Path, text: str) -> bool:
    """Write a file beside what has been printed already. Whether it could be; why not is said."""
    try:
        path.write_text(text)
    except OSError as error:
        click.echo(f"{path} could not be written: {error.strerror}", err=True)
        return False
    return True
