"""Tags lie where they are said to lie, computed here a second time, and keys lead back to their sections."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.drafts import keys
from app.drafts.topology import SLOT_OF_PARTITION

SECTIONS = st.integers(min_value=1, max_value=2**32 - 1)


def _slot(key: bytes) -> int:
    """Return a key's slot as the Cluster's specification has it: CRC16 (XMODEM) of what is between the braces."""
    start = key.index(b"{") + 1
    crc = 0
    for byte in key[start : key.index(b"}", start)]:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xFFFF
    return crc % 16_384


@pytest.mark.parametrize("partition", range(keys.PARTITIONS))
def test_each_partition_has_its_own_256_slots(partition: int) -> None:
    for key in (keys.STREAM, keys.INCARNATION, keys.EVENTS):
        assert _slot(key[partition]) // 256 == partition
    assert _slot(keys.section_key(partition, 4001)) == _slot(keys.STREAM[partition]) == SLOT_OF_PARTITION[partition]


@pytest.mark.parametrize("primaries", [1, 2, 3, 4, 6, 8, 16])
def test_partitions_spread_evenly_over_primaries(primaries: int) -> None:
    counts = Counter(_slot(key) * primaries // 16_384 for key in keys.STREAM)
    assert len(counts) == primaries
    assert max(counts.values()) - min(counts.values()) <= 1


@given(SECTIONS)
def test_a_section_keeps_its_partition_and_is_found_again_by_its_key(section_id: int) -> None:
    partition = keys.partition_of(section_id)
    assert 0 <= partition < keys.PARTITIONS
    key = keys.section_key(partition, section_id)
    assert keys.section_of_key(key) == section_id
    assert key.startswith(keys.section_key_pattern(partition)[:-1])


def test_sections_in_a_row_spread_over_all_partitions() -> None:
    counts = Counter(map(keys.partition_of, range(1, 6_401)))
    assert len(counts) == keys.PARTITIONS
    assert max(counts.values()) < 2 * min(counts.values())
