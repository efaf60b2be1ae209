from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from ops.bench.flame import boxes, draw, grow, name_of

LOOP = "main (/srv/x/app/main.py:286);run (asyncio/runners.py:118)"
SERVED = f"{LOOP};run_asgi (/srv/lib/python3.11/site-packages/uvicorn/protocols/http/httptools_impl.py:419)"
STACKS = [
    f"{SERVED};_save (/srv/x/app/api/edits.py:35) 60",
    f"{SERVED} 20",
    f"{LOOP};_send (/srv/x/app/drafts/committer.py:250) 20",
    f"{LOOP} 700",
    "_bootstrap (threading.py:995);wait (threading.py:320) 900",
]


def test_a_frame_is_named_without_the_machine_it_ran_on() -> None:
    assert name_of("_save (/srv/x/app/api/edits.py:35)") == "app/api/edits.py: _save"
    assert name_of("run (/usr/lib/python3.11/asyncio/runners.py:118)") == "asyncio/runners.py: run"
    assert name_of("f.<locals>.g (/v/site-packages/litestar/app.py:5)") == "litestar/app.py: f.<locals>.g"


def test_widths_are_shares_and_other_threads_do_not_count() -> None:
    found = {box.name: (box.depth, box.share, box.left) for box in boxes(grow(STACKS))}
    assert found["uvicorn/protocols/http/httptools_impl.py: run_asgi"] == (0, 0.8, 0.0)
    assert found["app/api/edits.py: _save"] == (1, 0.6, 0.0)
    depth, share, left = found["app/drafts/committer.py: _send"]
    assert (depth, share, left) == (0, 0.2, pytest.approx(0.8))


def test_the_picture_stands_alone() -> None:
    drawing = draw("before & after", STACKS)
    elements = ET.fromstring(drawing)  # noqa: S314 -- our own
    assert "before & after (100 samples)" in [text.text for text in elements.iter("{http://www.w3.org/2000/svg}text")]
    assert "/srv" not in drawing
    assert "href" not in drawing
