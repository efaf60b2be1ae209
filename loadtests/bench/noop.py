"""The ceiling of the save path: a Litestar handler that decodes the same body and answers the same answer, no more."""

from __future__ import annotations

from litestar import Litestar, post
from litestar.params import FromPath, JSONBody

from loadtests.bench.wire import Answer, Save, acknowledge


@post("/api/v1/sections/{section_id:int}/edits", status_code=200)
async def save(section_id: FromPath[int], data: JSONBody[Save]) -> Answer:  # noqa: ARG001 -- the path is parsed, as in the service
    """Decode and answer."""
    return acknowledge(data)


app = Litestar([save], openapi_config=None, logging_config=None)
