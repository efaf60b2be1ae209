"""Every key of the journal is built here and nowhere else; docs/redis-keys.md describes them.

64 partitions, fixed for the life of a deployment. All keys of a partition carry one hash tag, so that every script
touches one slot and the same code runs on one server, under Sentinel and on Cluster.
"""

from __future__ import annotations

from zlib import crc32

PARTITIONS = 64

# Suffixes chosen so that tag i falls into slots [256 i, 256 (i + 1)): an even spread over any number of primaries.
# Computed once with CRC16 (the cluster's key hash); tests/unit/test_keys.py computes them again.
_SUFFIX = tuple(
    int(suffix)
    for suffix in [
        "52",
        "121",
        "332",
        "103",
        "101",
        "20",
        "2",
        "71",
        "372",
        "33",
        "68",
        "41",
        "158",
        "29",
        "33",
        "163",
        "23",
        "100",
        "21",
        "148",
        "142",
        "42",
        "160",
        "13",
        "49",
        "60",
        "18",
        "31",
        "23",
        "148",
        "69",
        "40",
        "170",
        "52",
        "48",
        "61",
        "20",
        "150",
        "22",
        "118",
        "60",
        "49",
        "31",
        "18",
        "101",
        "12",
        "123",
        "43",
        "29",
        "142",
        "63",
        "173",
        "8",
        "22",
        "38",
        "11",
        "9",
        "159",
        "179",
        "111",
        "61",
        "48",
        "1",
        "19",
    ]
)
TAGS: tuple[str, ...] = tuple(f"{{p{i}.{suffix}}}" for i, suffix in enumerate(_SUFFIX))

STREAM: tuple[bytes, ...] = tuple(f"{tag}:log".encode() for tag in TAGS)
INCARNATION: tuple[bytes, ...] = tuple(f"{tag}:inc".encode() for tag in TAGS)
EVENTS: tuple[bytes, ...] = tuple(f"{tag}:ev".encode() for tag in TAGS)
PRESENT: tuple[bytes, ...] = tuple(f"{tag}:pr".encode() for tag in TAGS)
PROBE: tuple[bytes, ...] = tuple(f"{tag}:probe".encode() for tag in TAGS)
REVOCATIONS = f"{TAGS[0]}:rev".encode()
MAINTENANCE = f"{TAGS[0]}:mnt".encode()
_SECTION_PREFIX: tuple[bytes, ...] = tuple(f"{tag}:s:".encode() for tag in TAGS)


def partition_of(section_id: int) -> int:
    """Return the partition of a section: crc32 of its decimal digits, modulo 64."""
    return crc32(b"%d" % section_id) % PARTITIONS


def section_key(partition: int, section_id: int) -> bytes:
    """Return the key of a section's hash: heads, un-recorded edits, clients' positions, known columns."""
    return _SECTION_PREFIX[partition] + b"%d" % section_id


def section_key_pattern(partition: int) -> bytes:
    """Return the SCAN pattern of a partition's section hashes (braces are not special in it)."""
    return _SECTION_PREFIX[partition] + b"*"


def section_of_key(key: bytes) -> int:
    """Return the section of a section hash's key."""
    return int(key.rsplit(b":", 1)[1])


# The snapshot cache, a server of its own. `owner` tells apart installations that share one.


def snapshot_key(owner: str, section_id: int) -> bytes:
    """Return the cache's key of a section's snapshot."""
    return f"{owner}:section:{section_id}".encode()


def section_list_key(owner: str, user_id: int) -> bytes:
    """Return the cache's key of the list of sections that a user teaches."""
    return f"{owner}:teacher:{user_id}".encode()


def kept_lately_key(key: bytes) -> bytes:
    """Return the key that is there while a value of the cache is too new to be written again."""
    return key + b":lately"
