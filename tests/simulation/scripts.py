"""Runs the journal's own Lua scripts, with what a server gives them: redis.call and struct.

`struct` is made in Lua too: for each format one function that reads or writes its bytes.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from lupa import lua51

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_PRELUDE = r"""
local byte, char, sub, floor, concat = string.byte, string.char, string.sub, math.floor, table.concat
local function items(format)
  local found = {}
  for letter, width in string.gmatch(sub(format, 2), '([Icx])(%d*)') do
    found[#found + 1] = { letter, width == '' and 1 or tonumber(width) }
  end
  return found
end
local function reader(format)
  local code, results, at = { 'local byte, sub = string.byte, string.sub\nreturn function(s, p)\np = p or 1\n' }, {}, 0
  for i, item in ipairs(items(format)) do
    local letter, width = item[1], item[2]
    if letter == 'I' then
      local names, sum = {}, 'b1'
      for b = 1, width do
        names[b] = 'b' .. b
        if b > 1 then sum = '(' .. sum .. ') * 256 + b' .. b end
      end
      code[#code + 1] = 'local v' .. i .. '\ndo local ' .. concat(names, ',') .. ' = byte(s, p + ' .. at .. ', p + '
        .. (at + width - 1) .. ')\nif not b' .. width .. ' then error("data string too short") end\nv' .. i
        .. ' = ' .. sum .. ' end\n'
      results[#results + 1] = 'v' .. i
    elseif letter == 'c' then
      code[#code + 1] = 'local v' .. i .. ' = sub(s, p + ' .. at .. ', p + ' .. (at + width - 1) .. ')\nif #v' .. i
        .. ' < ' .. width .. ' then error("data string too short") end\n'
      results[#results + 1] = 'v' .. i
    end
    at = at + width
  end
  results[#results + 1] = 'p + ' .. at
  code[#code + 1] = 'return ' .. concat(results, ', ') .. '\nend'
  return assert(loadstring(concat(code)))()
end
local function writer(format)
  local names, parts = {}, {}
  for i, item in ipairs(items(format)) do
    assert(item[1] == 'I')
    names[i] = 'a' .. i
    for b = item[2] - 1, 0, -1 do parts[#parts + 1] = 'floor(a' .. i .. ' / ' .. 256 ^ b .. ') % 256' end
  end
  return assert(loadstring('local char, floor = string.char, math.floor\nreturn function(' .. concat(names, ',')
    .. ')\nreturn char(' .. concat(parts, ',') .. ')\nend'))()
end
local readers, writers = {}, {}
struct = {
  unpack = function(format, s, p)
    local read = readers[format]
    if not read then read = reader(format); readers[format] = read end
    return read(s, p)
  end,
  pack = function(format, ...)
    local write = writers[format]
    if not write then write = writer(format); writers[format] = write end
    return write(...)
  end,
}
redis = {}
function set_call(call) redis.call = call end
"""
Call = "Callable[..., Any]"


class Scripts:
    """One Lua for all simulations of a process: scripts are compiled once."""

    def __init__(self) -> None:
        self._lua = lua51.LuaRuntime(encoding=None, unpack_returned_tuples=True)
        self._lua.execute(_PRELUDE.encode())
        self._table = self._lua.table_from
        self._compiled: dict[bytes, Any] = {}
        self._lua.globals()[b"set_call"](self._call)
        self._server: Callable[..., Any] | None = None

    def run(self, text: bytes, keys: Sequence[bytes], argv: Sequence[bytes], server: Callable[..., Any]) -> Any:
        """Run a script over a server's commands; its reply as Python values. Raises RuntimeError as the script does."""
        script = self._compiled.get(text)
        if script is None:
            body = text.partition(b"\n")[2] if text.startswith(b"#!") else text
            script = self._lua.execute(b"return function(KEYS, ARGV)\n" + body + b"\nend")
            self._compiled[text] = script
        self._server = server
        try:
            reply = script(self._table(keys), self._table(argv))
        except lua51.LuaError as error:
            raise RuntimeError(str(error)) from None
        return self._python(reply)

    def _call(self, *command: Any) -> Any:
        assert self._server is not None
        return self._lua_value(self._server(*command))

    def _lua_value(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return self._table([False if item is None else self._lua_value(item) for item in value])
        return False if value is None else value

    def _python(self, value: Any) -> Any:
        if isinstance(value, bytes | int):
            return value
        if isinstance(value, float):
            return int(value)
        if value is None or value is False:
            return None
        return [self._python(item) for item in value.values()]


@cache
def scripts() -> Scripts:
    """The scripts of this process."""
    return Scripts()
