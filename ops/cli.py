"""The `inkfast` command: one file per command, imported only when it is called."""

from __future__ import annotations

import importlib
import sys
from typing import NoReturn

import click

from app.errors import InkfastError
from app.settings import SettingsError
from ops.processes import ServerError

# name: (module, what --help says). The module holds a click command or group of the same name.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("ops.up", "Start everything: servers, API, flusher, housekeeping."),
    "deploy": ("ops.deploy", "Replace the processes of a running `up` by the code on disk, refusing nobody."),
    "migrate": ("ops.migrate", "Bring the database to the newest schema."),
    "doctor": ("ops.doctor", "Check servers, settings and disk; say what to do."),
    "token": ("ops.token", "Print a bearer token for a user, and nothing else."),
    "roster": ("ops.roster", "Import a OneRoster folder, or make a demo district."),
    "receipt": ("ops.receipt", "Verify a receipt, or look up what it covers."),
    "rescue": ("ops.rescue", "Take in what a browser could not send, from the file that was downloaded there."),
    "audit": (
        "ops.audit.command",
        "Compare what clients typed with what is stored: name what is lost, or prove none.",
    ),
    "maintenance": ("ops.maintenance", "Prepare hours without PostgreSQL, and tell teachers."),
    "drill": ("ops.drill.command", "Kill things on purpose, and audit afterwards."),
    "rehearse": ("ops.rehearse.command", "Let a district type at the service; go or no-go."),
    "compare": ("ops.rehearse.compare", "What differs between rehearsals, and whether that is noise."),
    "bench": ("ops.bench.command", "Measure the save path on this machine."),
    "disk-guard": ("ops.disk_guard", "Close a journal to new edits before its disk is full."),
    "cluster": ("ops.cluster.command", "Start the stores on several servers, and make them fail over."),
    "incarnation": ("ops.incarnation", "Tell journal and database that a backup was restored."),
}


class LazyGroup(click.Group):
    """Lists commands without importing them, so that a broken one breaks only itself."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """Name them in the order in which they are needed."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 -- click's signature
        """Import the one that is called."""
        if cmd_name not in COMMANDS:
            return None
        module_name, _ = COMMANDS[cmd_name]
        try:
            command = getattr(importlib.import_module(module_name), cmd_name.replace("-", "_"))
        except ModuleNotFoundError as error:
            raise click.ClickException(
                f"`{cmd_name}` cannot be loaded: {error} (./ops/up installs what it needs)"
            ) from error
        if not isinstance(command, click.Command):
            raise click.ClickException(f"`{cmd_name}` cannot be loaded: {module_name} holds no such command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 -- click's signature
        """Write their one-line helps from the table above."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.command(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=None, version="0.1.0", prog_name="inkfast")
def inkfast() -> None:
    """Inkfast: a gradebook that does not lose what a teacher has typed.

    \b
    inkfast up                      start everything, with a demo district
    inkfast token teacher1          a token for trying the API
    inkfast doctor                  is this installation safe?
    inkfast COMMAND --help          what a command does, and its options

    DATABASE_URL and REDIS_URL point it at real servers; docs/settings.md lists the INKFAST_* settings.
    """  # noqa: D301 -- \b is click's mark for "do not wrap"


def main() -> NoReturn:
    """Run the command line; a failure that a person can mend is one sentence on stderr and exit status 1."""
    try:
        inkfast.main(prog_name="inkfast")
    except (ServerError, SettingsError, InkfastError) as error:
        click.echo(f"inkfast: {error}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    main()
