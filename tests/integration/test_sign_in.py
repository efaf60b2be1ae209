from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING, Any

import asyncpg
import msgspec
import psutil
import pytest
from argon2 import PasswordHasher

from app.drafts.store import DraftStore
from app.drafts.topology import Topology
from app.errors import OverloadedError, SignInRequiredError, TooManyRequestsError, WrongPasswordError
from app.gradebook import password_processes, sign_in
from app.gradebook.password_processes import PasswordProcesses
from app.gradebook.revocations import Revocations
from app.gradebook.sign_in import TRY_COSTS_S, SignedIn, SignIn
from app.model.grants import derive_grant_key, read
from app.model.login_tokens import LoginToken
from app.model.passwords import Verdict, hash_password
from app.records.pool import create_pool
from tests.school import PASSWORD, add_teacher, add_user

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from app.records.pool import Pool
    from app.settings import Settings


@pytest.fixture(scope="module")
async def passwords() -> AsyncIterator[PasswordProcesses]:
    processes = PasswordProcesses(1)
    await processes.make_hash("warm")
    yield processes
    processes.close()


@pytest.fixture
async def pool(settings: Settings) -> AsyncIterator[Pool]:
    pool = await create_pool(settings)
    yield pool
    await pool.close()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[asyncpg.Connection[Any]]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[DraftStore]:
    topology = Topology(settings.redis_url)
    yield DraftStore(topology)
    topology.close()


@pytest.fixture
def revocations(settings: Settings, pool: Pool, store: DraftStore) -> Revocations:
    return Revocations(settings, pool, store)


@pytest.fixture
def door(settings: Settings, pool: Pool, revocations: Revocations, passwords: PasswordProcesses) -> SignIn:
    # Nobody is turned away here because a machine was busy for three seconds.
    patient = msgspec.structs.replace(settings, sign_on_wait_ms_max=60_000)
    return SignIn(patient, pool, revocations, passwords)


async def let_pass(database: asyncpg.Connection[Any], seconds: float) -> None:
    """Make all login sessions this much older."""
    await database.execute(
        "UPDATE login_session SET rotated_at = rotated_at - make_interval(secs => $1),"
        " used_at = used_at - make_interval(secs => $1), created_at = created_at - make_interval(secs => $1),"
        " expires_at = expires_at - make_interval(secs => $1)",
        seconds,
    )


async def live_sessions(database: asyncpg.Connection[Any]) -> int:
    count: int = await database.fetchval("SELECT count(*) FROM login_session WHERE ended_at IS NULL")
    return count


def login_token(signed_in: SignedIn) -> str:
    assert signed_in.login_token is not None
    return signed_in.login_token


async def test_signing_in_gives_a_grant_of_who_it_is(
    settings: Settings, database: asyncpg.Connection[Any], door: SignIn
) -> None:
    user_id, section_ids = await add_teacher(database, "teacher", 2)
    signed_in = await door.sign_in("Teacher", PASSWORD)
    key = derive_grant_key(settings.secret_key)
    grant = read(signed_in.grant_token, {key.key_id: key}, time.time())
    assert grant == signed_in.grant
    assert (grant.user_id, grant.section_ids, grant.roles) == (user_id, frozenset(section_ids), ("teacher",))
    assert grant.expires_at - grant.issued_at == settings.grant_minutes * 60
    token = LoginToken.parse(login_token(signed_in))
    assert token is not None
    assert grant.login_session_id == token.login_session_id.hex


async def test_only_digests_are_stored(database: asyncpg.Connection[Any], door: SignIn) -> None:
    await add_teacher(database, "teacher")
    token = login_token(await door.sign_in("teacher", PASSWORD))
    row = str(await database.fetchrow("SELECT * FROM login_session"))
    assert token not in row
    assert token.partition(".")[2] not in row


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("teacher", "open sesame "),
        ("teacher", ""),
        ("teacher", "x" * 2_000_000),
        ("nobody", PASSWORD),
        ("", ""),
        ("teacher\x00", PASSWORD),
        ("teacher", PASSWORD + "\x00"),
        ("x" * 100_000, PASSWORD),
        ("disabled", PASSWORD),
        ("no-password", ""),
        ("no-password", PASSWORD),
        ("\ud800", "\udfff"),
    ],
)
async def test_whatever_is_wrong_the_answer_is_the_same(
    database: asyncpg.Connection[Any], door: SignIn, username: str, password: str
) -> None:
    await add_teacher(database, "teacher")
    await add_user(database, "disabled", password_hash=hash_password(PASSWORD), is_enabled=False)
    await add_user(database, "no-password")
    with pytest.raises(WrongPasswordError) as caught:
        await door.sign_in(username, password)
    assert caught.value.detail == "The user name or the password is wrong."
    assert await live_sessions(database) == 0


async def test_a_user_who_does_not_exist_takes_as_long_as_a_wrong_password(
    database: asyncpg.Connection[Any], door: SignIn, passwords: PasswordProcesses
) -> None:
    """As much of a core: by the clock, one of them would be longer for what else the machine does."""
    await add_teacher(database, "teacher")
    with pytest.raises(WrongPasswordError):
        await door.sign_in("nobody", "wrong")  # the first time something is made to compare with
    (worker,) = (psutil.Process(pid) for pid in passwords._executor._processes)
    used = {"teacher": 0.0, "nobody": 0.0}
    for _ in range(8):
        for username in used:
            before = worker.cpu_times()
            with pytest.raises(WrongPasswordError):
                await door.sign_in(username, "wrong")
            after = worker.cpu_times()
            used[username] += after.user + after.system - before.user - before.system
    assert 0.5 < used["teacher"] / used["nobody"] < 2, used  # without the decoy there would be nothing to divide by


async def test_after_ten_wrong_passwords_even_the_right_one_has_to_wait(
    database: asyncpg.Connection[Any], door: SignIn
) -> None:
    await add_teacher(database, "teacher")
    await add_teacher(database, "colleague")
    began = time.monotonic()
    for _ in range(10):
        with pytest.raises(WrongPasswordError):
            await door.sign_in("teacher", "wrong")
    with pytest.raises(TooManyRequestsError) as caught:
        await door.sign_in("TEACHER", PASSWORD)
    assert caught.value.retry_after_s is not None
    assert TRY_COSTS_S - (time.monotonic() - began) <= caught.value.retry_after_s <= TRY_COSTS_S
    await door.sign_in("colleague", PASSWORD)
    await database.execute("UPDATE sign_in_allowance SET free_at = free_at - interval '31 s'")
    await door.sign_in("teacher", PASSWORD)
    with pytest.raises(WrongPasswordError):  # the right password paid the debt
        await door.sign_in("teacher", "wrong")


async def test_names_that_do_not_exist_are_slowed_down_alike(database: asyncpg.Connection[Any], door: SignIn) -> None:
    await add_teacher(database, "teacher")
    for _ in range(10):
        with pytest.raises(WrongPasswordError):
            await door.sign_in("nobody", "wrong")
    with pytest.raises(TooManyRequestsError):
        await door.sign_in("Nobody", "wrong")


async def test_a_hundred_guesses_at_once_are_a_hundred_guesses(database: asyncpg.Connection[Any], door: SignIn) -> None:
    await add_teacher(database, "teacher")
    results = await asyncio.gather(*(door.sign_in("teacher", f"guess {n}") for n in range(40)), return_exceptions=True)
    assert sum(isinstance(result, WrongPasswordError) for result in results) == 10
    assert sum(isinstance(result, TooManyRequestsError) for result in results) == 30


async def test_a_pupil_cannot_lock_a_teacher_out_of_the_teachers_own_device(
    database: asyncpg.Connection[Any], door: SignIn
) -> None:
    await add_teacher(database, "teacher")
    device = (await door.sign_in("teacher", PASSWORD)).device_token
    for _ in range(10):
        with pytest.raises(WrongPasswordError):
            await door.sign_in("teacher", "wrong")
    with pytest.raises(TooManyRequestsError):
        await door.sign_in("teacher", PASSWORD)
    again = await door.sign_in("teacher", PASSWORD, device=device)
    assert again.device_token == device
    with pytest.raises(TooManyRequestsError):  # and that does not pay the pupil's debt
        await door.sign_in("teacher", PASSWORD)


async def test_a_device_is_known_only_to_its_user(database: asyncpg.Connection[Any], door: SignIn) -> None:
    await add_teacher(database, "teacher")
    await add_teacher(database, "colleague")
    device = (await door.sign_in("colleague", PASSWORD)).device_token
    assert device is not None
    for forged in (device, device[:-1], "é" * 40, "." * 500, ""):
        with pytest.raises((WrongPasswordError, TooManyRequestsError)):
            await door.sign_in("teacher", "wrong", device=forged)
    assert await database.fetchval("SELECT count(*) FROM sign_in_allowance") == 1


async def test_a_device_has_an_allowance_and_not_more(database: asyncpg.Connection[Any], door: SignIn) -> None:
    await add_teacher(database, "teacher")
    device = (await door.sign_in("teacher", PASSWORD)).device_token
    for _ in range(10):
        with pytest.raises(WrongPasswordError):
            await door.sign_in("teacher", "wrong", device=device)
    with pytest.raises(TooManyRequestsError):
        await door.sign_in("teacher", "wrong", device=device)


async def test_a_hash_of_another_release_is_replaced_at_sign_in(
    database: asyncpg.Connection[Any], door: SignIn
) -> None:
    old = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1).hash(PASSWORD)
    await add_user(database, "teacher", password_hash=old)
    await door.sign_in("teacher", PASSWORD)
    stored = await database.fetchval("SELECT password_hash FROM user_account")
    assert stored != old
    await door.sign_in("teacher", PASSWORD)
    assert await database.fetchval("SELECT password_hash FROM user_account") == stored


async def test_signing_in_again_ends_the_login_session_it_replaces(
    database: asyncpg.Connection[Any], door: SignIn, revocations: Revocations
) -> None:
    await add_teacher(database, "teacher")
    await add_teacher(database, "colleague")
    first = await door.sign_in("teacher", PASSWORD)
    second = await door.sign_in("colleague", PASSWORD, replaced=first.login_token)
    assert await live_sessions(database) == 1
    assert revocations.refuses(first.grant)
    assert not revocations.refuses(second.grant)


async def test_a_forged_token_of_anothers_login_session_replaces_nothing(
    database: asyncpg.Connection[Any], door: SignIn
) -> None:
    await add_teacher(database, "teacher")
    await add_teacher(database, "attacker")
    victim = login_token(await door.sign_in("teacher", PASSWORD))
    forged = victim.partition(".")[0] + "." + "A" * 43
    await door.sign_in("attacker", PASSWORD, replaced=forged)
    await door.end(forged)
    assert await live_sessions(database) == 2


async def test_a_renewal_changes_the_token_and_the_old_one_leads_to_the_same(
    database: asyncpg.Connection[Any], door: SignIn
) -> None:
    await add_teacher(database, "teacher")
    first = login_token(await door.sign_in("teacher", PASSWORD))
    await let_pass(database, 61)
    tabs = await asyncio.gather(*(door.renew(first) for _ in range(8)))
    tokens = {tab.login_token for tab in tabs}
    assert len(tokens) == 1
    assert tokens != {first, None}
    assert len({tab.grant.grant_id for tab in tabs}) == 8
    await let_pass(database, 61)
    second = login_token(tabs[0])
    assert login_token(await door.renew(second)) not in {first, second}


async def test_within_a_minute_of_a_change_the_token_stays(database: asyncpg.Connection[Any], door: SignIn) -> None:
    await add_teacher(database, "teacher")
    first = login_token(await door.sign_in("teacher", PASSWORD))
    assert (await door.renew(first)).login_token is None
    await let_pass(database, 61)
    second = login_token(await door.renew(first))
    assert (await door.renew(second)).login_token is None  # another tab loads; the first token is still on its way
    assert (await door.renew(first)).login_token == second


async def test_an_old_token_used_after_the_grace_ends_the_login_session(
    database: asyncpg.Connection[Any], door: SignIn, revocations: Revocations
) -> None:
    await add_teacher(database, "teacher")
    first = login_token(await door.sign_in("teacher", PASSWORD))
    await let_pass(database, 61)
    thief = await door.renew(first)
    await let_pass(database, 61)
    with pytest.raises(SignInRequiredError) as caught:
        await door.renew(first)
    assert caught.value.params == {"reason": "reused"}
    assert revocations.refuses(thief.grant)
    with pytest.raises(SignInRequiredError):
        await door.renew(login_token(thief))
    assert await live_sessions(database) == 0


async def test_a_token_older_than_the_one_before_ends_the_login_session_too(
    database: asyncpg.Connection[Any], door: SignIn
) -> None:
    await add_teacher(database, "teacher")
    first = token = login_token(await door.sign_in("teacher", PASSWORD))
    for _ in range(3):
        await let_pass(database, 61)
        token = login_token(await door.renew(token))
    with pytest.raises(SignInRequiredError):
        await door.renew(first)
    assert await live_sessions(database) == 0


@pytest.mark.parametrize("cut", [0, 10, 32, 33, 50, 75])
async def test_a_cut_off_token_renews_nothing_and_ends_nothing(
    database: asyncpg.Connection[Any], door: SignIn, cut: int
) -> None:
    await add_teacher(database, "teacher")
    token = login_token(await door.sign_in("teacher", PASSWORD))
    with pytest.raises(SignInRequiredError):
        await door.renew(token[:cut])
    await door.end(token[:cut])
    assert await live_sessions(database) == 1


async def test_a_login_session_ends_when_it_is_idle_and_at_its_absolute_limit(
    settings: Settings, database: asyncpg.Connection[Any], door: SignIn
) -> None:
    await add_teacher(database, "teacher")
    idle = login_token(await door.sign_in("teacher", PASSWORD))
    await let_pass(database, settings.login_session_idle_hours * 3600 + 1)
    with pytest.raises(SignInRequiredError) as caught:
        await door.renew(idle)
    assert caught.value.params == {"reason": "over"}

    token = login_token(await door.sign_in("teacher", PASSWORD))
    for _ in range(settings.login_session_days):
        assert (await door.renew(token)).grant.user_id
        await let_pass(database, 86_400)
        await database.execute("UPDATE login_session SET used_at = now(), rotated_at = now()")
    with pytest.raises(SignInRequiredError):
        await door.renew(token)


async def test_whoever_is_disabled_gets_no_other_grant(
    database: asyncpg.Connection[Any], door: SignIn, revocations: Revocations
) -> None:
    user_id, _ = await add_teacher(database, "teacher")
    signed_in = await door.sign_in("teacher", PASSWORD)
    await database.execute("UPDATE user_account SET is_enabled = false WHERE user_id = $1", user_id)
    with pytest.raises(SignInRequiredError):
        await door.renew(login_token(signed_in))
    assert revocations.refuses(signed_in.grant)
    with pytest.raises(WrongPasswordError):
        await door.sign_in("teacher", PASSWORD)


async def test_signing_out_ends_the_login_session_and_its_grants(
    database: asyncpg.Connection[Any], door: SignIn, revocations: Revocations
) -> None:
    await add_teacher(database, "teacher")
    signed_in = await door.sign_in("teacher", PASSWORD)
    other = await door.sign_in("teacher", PASSWORD)
    await door.end(login_token(signed_in))
    assert revocations.refuses(signed_in.grant)
    assert not revocations.refuses(other.grant)
    with pytest.raises(SignInRequiredError):
        await door.renew(login_token(signed_in))
    await door.renew(login_token(other))


async def test_signing_out_everywhere_ends_what_was_and_not_what_comes(
    database: asyncpg.Connection[Any], door: SignIn, revocations: Revocations
) -> None:
    user_id, _ = await add_teacher(database, "teacher")
    before = [await door.sign_in("teacher", PASSWORD) for _ in range(3)]
    await door.end_everywhere(user_id)
    assert all(revocations.refuses(signed_in.grant) for signed_in in before)
    assert await live_sessions(database) == 0
    after = await door.sign_in("teacher", PASSWORD)  # in the same second
    assert not revocations.refuses(after.grant)


async def test_too_many_sign_ins_at_once_are_refused_with_the_time_to_come_back(
    database: asyncpg.Connection[Any], door: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(password_processes, "QUEUE_PER_PROCESS_MAX", 2)
    for n in range(6):
        await add_teacher(database, f"teacher{n}")
    results = await asyncio.gather(*(door.sign_in(f"teacher{n}", PASSWORD) for n in range(6)), return_exceptions=True)
    refused = [result for result in results if isinstance(result, OverloadedError)]
    assert 1 <= len(refused) <= 4
    assert all(result.retry_after_s for result in refused)
    assert sum(isinstance(result, SignedIn) for result in results) == 6 - len(refused)


async def test_a_password_process_that_dies_is_replaced(passwords: PasswordProcesses) -> None:
    stored = await passwords.make_hash("pw")
    for pid in list(passwords._executor._processes):
        os.kill(pid, signal.SIGKILL)
    with contextlib.suppress(OverloadedError):
        await passwords.verify(stored, "pw")
    assert await passwords.verify(stored, "pw") is Verdict.RIGHT
    assert passwords._queued == 0


async def test_a_cancelled_sign_in_gives_its_place_back(passwords: PasswordProcesses) -> None:
    task = asyncio.create_task(passwords.make_hash("pw"))
    await asyncio.sleep(0)
    assert passwords._queued == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(60):
        await passwords.make_hash("next")
    assert passwords._queued == 0


def test_the_grace_of_an_old_token_is_a_minute() -> None:
    assert sign_in.GRACE_S == 60


async def test_an_operator_who_sets_a_password_signs_everybody_out_who_knew_the_old_one(
    database: asyncpg.Connection[Any], door: SignIn, revocations: Revocations, store: DraftStore
) -> None:
    user_id, _ = await add_teacher(database, "teacher")
    signed_in = await door.sign_in("teacher", PASSWORD)
    await sign_in.end_all_of_user(database, user_id)
    await revocations.refresh()
    assert revocations.refuses(signed_in.grant)
    with pytest.raises(SignInRequiredError):
        await door.renew(login_token(signed_in))
    (name,) = await store.read_revocations()
    assert name.startswith(f"user:{user_id}@")
    after = await door.sign_in("teacher", PASSWORD)
    assert not revocations.refuses(after.grant)


async def test_what_no_grant_can_be_affected_by_is_forgotten_everywhere(
    database: asyncpg.Connection[Any], door: SignIn, revocations: Revocations, store: DraftStore
) -> None:
    await add_teacher(database, "teacher")
    signed_in = await door.sign_in("teacher", PASSWORD)
    await door.end(login_token(signed_in))
    await revocations.refresh()
    assert len(await store.read_revocations()) == 1
    await database.execute("UPDATE grant_revocation SET forget_at = now() - interval '1 s'")
    await store.mirror_revocations({f"login:{signed_in.grant.login_session_id}": int(time.time()) - 1})
    revocations._whole_at = None
    await revocations.refresh()
    assert await database.fetchval("SELECT count(*) FROM grant_revocation") == 0
    assert await store.read_revocations() == {}
    assert not revocations.refuses(signed_in.grant)
