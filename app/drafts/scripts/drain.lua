#!lua flags=allow-oom
-- After PostgreSQL has committed: take the settled entries out of the journal, and put PostgreSQL's verdicts into the heads.
--
-- Compare-and-delete: an entry goes only if its first edit_id is the expected one, since stream ids can repeat after a failover.
-- allow-oom: a full memory must still be drainable.
--
-- KEYS: 1 stream, 2 events channel, 2 + i section hash of entry i       ARGV: i = packed verdicts (app/drafts/codec.py)
-- Reply: number of entries removed
local sub, byte, pack, unpack_ = string.sub, string.byte, struct.pack, struct.unpack
local FIRST_EDIT_ID = 46 + 5 + 14 + 1 -- entry header, status and version, then the edit's own blob
local APPLIED = 65
local stream, channel = KEYS[1], KEYS[2]

local function read_head(raw)
  local format, flags, version, id = unpack_('>I1I1I4c16', raw)
  if format ~= 1 then error('unknown head format ' .. format) end
  local root = ''
  if flags % 8 >= 4 then root = sub(raw, 35, 50) end
  return flags, version, id, root
end

-- The edit that stands in the cell is recorded as it was drafted: it is clean now, and its root is itself.
local function clean(key, field, raw, flags, version)
  local rest = (flags % 8 >= 4) and sub(raw, 51) or sub(raw, 35)
  redis.call('HSET', key, field, pack('>I1I1I4', 1, 0, version) .. sub(raw, 7, 34) .. rest)
end

-- PostgreSQL decided otherwise than the journal: its head replaces ours, unless ours is a drafted chain that starts from
-- it. A drafted chain with another root descends from what was refused, and will be refused too.
local function heal(key, field, raw, head)
  if raw then
    local flags, version, id, root = read_head(raw)
    local head_id = (head == '') and string.rep('\0', 16) or sub(head, 7, 22)
    if id == head_id and flags % 2 == 0 then return end
    if flags % 2 == 1 then
      if root == '' then root = string.rep('\0', 16) end
      if root == head_id then return end
    elseif head ~= '' and version > select(2, read_head(head)) then return end
  end
  if head == '' then redis.call('HDEL', key, field) else redis.call('HSET', key, field, head) end
end

local function settle(key, edit)
  redis.call('HDEL', key, 'u' .. edit.id)
  local field = 'h' .. edit.cell
  local raw = redis.call('HGET', key, field)
  if edit.accepted == APPLIED and edit.verdict == APPLIED then
    if raw then
      local flags, _, id = read_head(raw)
      if id == edit.id then clean(key, field, raw, flags, edit.version) end
    end
  elseif edit.has_head then
    heal(key, field, raw, edit.head)
  end
end

-- The client's position moves up to what is settled; exceptions are added to those it has not seen.
local function move_position(key, client, recorded, exceptions)
  local raw, drafted, had = redis.call('HGET', key, 'c' .. client), recorded, 0
  if raw then drafted, had = unpack_('>xI4I4', raw) end
  if had > recorded then recorded = had end
  if drafted < recorded then drafted = recorded end
  redis.call('HSET', key, 'c' .. client, pack('>I1I4I4', 1, drafted, recorded))
  if exceptions ~= '' then
    redis.call('HSET', key, 'x' .. client, (redis.call('HGET', key, 'x' .. client) or '') .. exceptions)
  end
  redis.call('SPUBLISH', channel, '\2' .. string.match(key, '(%d+)$') .. ':' .. client .. pack('>I4', recorded))
end

local function drain(key, a)
  local id_len, first, client, recorded, exceptions_len, n, p = unpack_('>I1c16c20I4I4I1', a)
  local id = sub(a, p, p + id_len - 1)
  p = p + id_len
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry or sub(entry[2][2], FIRST_EDIT_ID, FIRST_EDIT_ID + 15) ~= first then return 0 end
  local exceptions = sub(a, p, p + exceptions_len - 1)
  p = p + exceptions_len
  for _ = 1, n do
    local accepted, verdict, version, has_head, head_len = unpack_('>I1I1I4I1I4', a, p)
    settle(key, {
      accepted = accepted, verdict = verdict, version = version, has_head = has_head == 1,
      cell = sub(a, p + 11, p + 19), id = sub(a, p + 20, p + 35), head = sub(a, p + 36, p + 35 + head_len),
    })
    p = p + 36 + head_len
  end
  move_position(key, client, recorded, exceptions)
  return redis.call('XDEL', stream, id)
end

local removed = 0
for i = 1, #ARGV do removed = removed + drain(KEYS[i + 2], ARGV[i]) end
return removed
