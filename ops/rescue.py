"""`inkfast rescue import FILE`: what a browser could not send any more, from the file that a person has downloaded.

The edits go through the API of the running installation, in the name of their author, with their own edit ids: what the
server has already is answered from there, so importing a file twice, or after the browser has sent it after all,
changes nothing. The whole file is checked, and every section of it asked for, before the first edit is sent.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import http.client
import json
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import click
import msgspec
from msgspec import Meta, Raw, Struct

from app.errors import RecordsUnavailableError
from app.gradebook.sign_in import make_grant
from app.model.edits import EDITS_PER_SAVE_MAX, Id32, Moment
from app.model.grants import SECTIONS_MAX, derive_grant_key, mint
from app.model.kinds import KindName
from app.records import accounts
from app.records.pool import connect
from app.settings import Settings
from ops.installation import data_dir_option, settings_environment
from ops.processes import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

FILE_BYTES_MAX = 64_000_000
BODY_BYTES = 60_000  # the server takes 65,536
ANSWER_S_MAX = 30
PATIENCE_S_MAX = 300  # while the service asks to come back later
GRANT_S = 3_600
RETRY_S = 2
ID_DIGITS_MAX = 10


class RescueRefusedError(ServerError):
    """A file that cannot be imported; nothing of it was."""


class RescuedEdit(Struct, frozen=True):
    """One edit of a rescue file."""

    edit_id: UUID
    kind: KindName
    item: Id32
    student: Id32
    base: UUID | None
    value: Raw
    entered_at: Moment
    resolves: Annotated[tuple[UUID, ...], Meta(max_length=20)] = ()


class RescuedSection(Struct, frozen=True):
    """The edits of a section, in the order in which they were typed."""

    section: Id32
    edits: tuple[RescuedEdit, ...]


class RescueFile(Struct, frozen=True):
    """What `rescue()` of @inkfast/outbox returns; version 1."""

    format: Literal["inkfast-rescue"]
    version: Literal[1]
    user: str
    made_at: Moment
    sections: tuple[RescuedSection, ...]


class Became(NamedTuple):
    """What became of one edit."""

    section_id: int
    edit: RescuedEdit
    outcome: str
    code: str | None


@click.group()
def rescue() -> None:
    """Take in what a browser could not send."""


@rescue.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--user", default=None, help="Refuse the file unless it is of this user name.")
@click.option("--url", default=None, help="The running service; default: the address that browsers use.")
@data_dir_option
def import_file(file: Path, user: str | None, url: str | None, data_dir: Path) -> None:
    """Send the edits of FILE (inkfast-not-sent-….json), and say what became of each.

    A file may be imported twice: nothing takes effect twice. Exit status 1 if not all of it could be sent; what was is
    kept.
    """
    wanted = read_file(file)
    settings = Settings.from_env(settings_environment(data_dir))
    token = asyncio.run(_grant(settings, wanted.user, user))
    sender = Sender(url or settings.public_url, token)
    counts: Counter[str] = Counter()
    try:
        for became in sender.send(wanted):
            counts[became.outcome] += 1
            cell = f"{became.edit.kind}, item {became.edit.item}, student {became.edit.student}"
            click.echo(
                f"section {became.section_id}: {cell}: {became.outcome}{f' ({became.code})' if became.code else ''}"
            )
    except ServerError as error:
        done = f"{counts.total()} of {edits_in(wanted)} edits are at the server"
        raise ServerError(f"{error}; {done}, and the file can be imported again") from error
    click.echo(", ".join(f"{count} {outcome}" for outcome, count in counts.most_common()) or "the file holds no edits")


def edits_in(file: RescueFile) -> int:
    """Return how many edits a file holds."""
    return sum(len(section.edits) for section in file.sections)


def read_file(path: Path) -> RescueFile:
    """Return a rescue file, every edit of it once, or raise RescueRefusedError with a sentence that says what it is."""
    if path.stat().st_size > FILE_BYTES_MAX:
        raise RescueRefusedError(f"{path} is larger than {FILE_BYTES_MAX // 1_000_000} MB: that is no rescue file")
    raw = path.read_bytes()
    try:
        loose = json.loads(raw)
    except (ValueError, RecursionError):
        raise RescueRefusedError(f"{path} is no JSON: it is damaged, or was cut off") from None
    if not isinstance(loose, dict) or loose.get("format") != "inkfast-rescue":
        raise RescueRefusedError(f"{path} is no rescue file")
    if loose.get("version") != 1:
        raise RescueRefusedError(f"{path} was written by a newer release, in version {str(loose.get('version'))[:20]}")
    try:
        file = msgspec.json.decode(raw, type=RescueFile)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RescueRefusedError(f"{path} is damaged: {str(error)[:200]}") from None
    return RescueFile(file.format, file.version, file.user, file.made_at, tuple(_each_once(file, path)))


def _each_once(file: RescueFile, path: Path) -> Iterator[RescuedSection]:
    """Yield the sections without what is there twice; an id that stands for two different edits is damage."""
    known: dict[UUID, tuple[int, bytes]] = {}
    for section in file.sections:
        edits = []
        for edit in section.edits:
            content = (section.section, msgspec.json.encode(edit))
            if known.setdefault(edit.edit_id, content) != content:
                raise RescueRefusedError(f"{path} is damaged: edit {edit.edit_id} is in it twice, and not the same")
            if known[edit.edit_id] is content:
                edits.append(edit)
        yield RescuedSection(section.section, tuple(edits))


async def _grant(settings: Settings, user: str, wanted: str | None) -> str:
    """Return a bearer token for the author of a file."""
    try:
        connection = await connect(settings.database_url, application_name="inkfast-rescue")
    except RecordsUnavailableError as error:
        raise ServerError(error.detail) from error
    try:
        user_id = int(user) if user.isascii() and user.isdigit() and len(user) < ID_DIGITS_MAX else 0
        if wanted is not None:
            account = await accounts.read_account(connection, wanted)
            if account is None or account.user_id != user_id:
                raise RescueRefusedError(f"the file is of the user with the number {user[:20]!r}, not of {wanted!r}")
        scope = await accounts.read_grant_scope(connection, user_id, SECTIONS_MAX)
    finally:
        await connection.close()
    if scope is None:
        raise RescueRefusedError(f"the file is of the user with the number {user[:20]!r}, who may not sign in here")
    return mint(make_grant(user_id, scope, int(time.time()), GRANT_S), derive_grant_key(settings.secret_key))


class Sender:
    """Sends the edits of a file as a client of the protocol, one request at a time."""

    def __init__(self, url: str, token: str) -> None:
        self._url = urlsplit(url)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._edits_max = EDITS_PER_SAVE_MAX

    def send(self, file: RescueFile) -> Iterator[Became]:
        """Yield what became of each edit, when it is durable there; ServerError where the service does not take it.

        Nothing is sent unless the service takes edits of all these sections from this person.
        """
        for section in file.sections:
            self._save(section.section, _body(uuid4(), []), 0)
        for section in file.sections:
            client_id, seq = uuid4(), 1
            waiting = list(section.edits)
            while waiting:
                batch = self._batch(waiting)
                numbered = [{**msgspec.structs.asdict(edit), "seq": seq + i} for i, edit in enumerate(batch)]
                answer = self._save(section.section, _body(client_id, numbered), len(batch))
                if answer is None:
                    continue  # too large, and halved
                for edit, outcome in zip(batch, answer["outcomes"], strict=True):
                    yield Became(section.section, edit, outcome["outcome"], outcome.get("code"))
                seq += len(batch)
                waiting = waiting[len(batch) :]

    def _batch(self, waiting: list[RescuedEdit]) -> list[RescuedEdit]:
        size = 0
        batch: list[RescuedEdit] = []
        for edit in waiting[: self._edits_max]:
            size += len(msgspec.json.encode(edit)) + 30
            if batch and size > BODY_BYTES:
                break
            batch.append(edit)
        return batch

    def _save(self, section_id: int, body: bytes, edits: int) -> dict[str, Any] | None:
        deadline = time.monotonic() + PATIENCE_S_MAX
        while True:
            status, retry_after, answer = self._post(f"/api/v1/sections/{section_id}/edits", body)
            if status == 200:
                return answer
            if status == 413 and edits > 1:
                self._edits_max = edits // 2
                return None
            if status in {429, 503} and time.monotonic() < deadline:
                time.sleep(max(1, min(retry_after, 60)))
                continue
            code = answer.get("code", "no reason")
            raise ServerError(f"the service does not take the edits of section {section_id} ({status} {code})")

    def _post(self, path: str, body: bytes) -> tuple[int, int, dict[str, Any]]:
        """Return status, Retry-After and answer."""
        kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
        connection = kind(self._url.hostname or "", self._url.port, timeout=ANSWER_S_MAX)
        try:
            connection.request("POST", path, body, self._headers)
            response = connection.getresponse()
            answer = json.loads(response.read())
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise ServerError(
                f"the service at {self._url.geturl()} does not answer ({type(error).__name__})"
            ) from error
        finally:
            connection.close()
        retry_after = response.headers.get("Retry-After", "")
        seconds = int(retry_after) if retry_after.isdigit() else RETRY_S
        return response.status, seconds, answer if isinstance(answer, dict) else {}


def _body(client_id: UUID, edits: list[dict[str, Any]]) -> bytes:
    return msgspec.json.encode({"client_id": client_id, "sent_at": dt.datetime.now(dt.UTC), "edits": edits})
