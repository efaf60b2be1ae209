"""Chance in waiting times: processes do not march in step, and clients that were turned away come back one by one."""

from __future__ import annotations

import random


def jittered(seconds: float, least: float = 0.8, most: float = 1.2) -> float:
    """Return a random time between `least` and `most` times so many seconds."""
    return random.uniform(least * seconds, most * seconds)  # noqa: S311 -- no secret
