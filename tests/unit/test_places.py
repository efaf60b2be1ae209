"""Places for a bounded number at once: in order, no longer than a bound, and at once where a wait would be in vain."""

from __future__ import annotations

import asyncio

import pytest

from app.errors import OverloadedError
from app.records.places import Places


async def hold(places: Places, begun: list[int], number: int, release: asyncio.Event) -> None:
    async with places.take():
        begun.append(number)
        await release.wait()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_no_more_than_so_many_at_once_and_the_others_in_order() -> None:
    places, begun = Places(2, 60_000, "reading"), list[int]()
    gates = [asyncio.Event() for _ in range(5)]
    tasks = [asyncio.create_task(hold(places, begun, n, gate)) for n, gate in enumerate(gates)]
    await settle()
    assert (begun, places.waiting) == ([0, 1], 3)
    gates[1].set()
    await settle()
    assert begun == [0, 1, 2]
    for gate in gates:
        gate.set()
    await asyncio.gather(*tasks)
    assert (begun, places.waiting) == ([0, 1, 2, 3, 4], 0)


async def test_who_waits_too_long_is_refused_and_takes_no_place() -> None:
    places, begun, gate = Places(1, 20, "reading"), list[int](), asyncio.Event()
    first = asyncio.create_task(hold(places, begun, 1, gate))
    await settle()
    with pytest.raises(OverloadedError) as refused:
        await hold(places, begun, 2, gate)
    assert refused.value.retry_after_s is not None
    assert (begun, places.waiting) == ([1], 0)
    gate.set()
    await first
    await hold(places, begun, 3, gate)
    assert begun == [1, 3]


async def test_who_could_only_wait_in_vain_is_refused_at_once() -> None:
    places, begun, gate = Places(1, 60_000, "reading"), list[int](), asyncio.Event()
    places._hold_s = 25.0  # as the last ones took
    tasks = [asyncio.create_task(hold(places, begun, n, gate)) for n in range(3)]
    await settle()
    assert places.waiting == 2  # 25 and 50 s, with a bound of 60
    with pytest.raises(OverloadedError) as refused:
        await hold(places, begun, 4, gate)
    assert refused.value.retry_after_s == 75
    gate.set()
    await asyncio.gather(*tasks)


async def test_who_leaves_the_queue_leaves_no_hole() -> None:
    places, begun, gate, later = Places(1, 60_000, "reading"), list[int](), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(hold(places, begun, 1, gate))
    await settle()
    gone = asyncio.create_task(hold(places, begun, 2, later))
    third = asyncio.create_task(hold(places, begun, 3, later))
    await settle()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    assert places.waiting == 1
    gate.set()
    await settle()
    assert begun == [1, 3]
    later.set()
    await asyncio.gather(first, third)


async def test_a_place_that_is_given_to_who_has_just_left_goes_on_to_the_next() -> None:
    places, begun, gate, later = Places(1, 60_000, "reading"), list[int](), asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(hold(places, begun, 1, gate))
    await settle()
    gone = asyncio.create_task(hold(places, begun, 2, later))
    third = asyncio.create_task(hold(places, begun, 3, later))
    await settle()
    gate.set()
    while not first.done():
        await asyncio.sleep(0)
    gone.cancel()  # its place has been given, and it has not woken up yet
    await asyncio.gather(gone, return_exceptions=True)
    await settle()
    assert begun in ([1, 3], [1, 2, 3])
    later.set()
    await asyncio.gather(third)
    await hold(places, begun, 4, later)  # there is a place again
