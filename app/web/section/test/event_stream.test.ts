import assert from "node:assert/strict";
import { test } from "node:test";
import { EventReader } from "../event_stream.ts";

test("events are read wherever the stream is cut", () => {
  const stream = 'retry: 3210\n\n: alive\n\nevent: cells\ndata: {"section_id":1}\n\nevent: missed\r\ndata: {}\r\n\r\nevent: broken\ndata: {\n\n';
  for (let size = 1; size <= stream.length; size += 1) {
    const reader = new EventReader();
    const found = [];
    for (let at = 0; at < stream.length; at += size) found.push(...reader.take(stream.slice(at, at + size)));
    assert.deepEqual(found, [{ event: "cells", data: { section_id: 1 } }, { event: "missed", data: {} }], `cut every ${size}`);
    assert.equal(reader.retry_ms, 3210);
  }
});
