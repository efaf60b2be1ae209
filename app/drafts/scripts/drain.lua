#!lua flags=allow-oom
-- After PostgreSQL has committed: take the settled entries out of the journal, and put PostgreSQL's verdicts into the heads.
--
-- Compare-and-delete: an entry goes only if its header (whose, and when it was received) and its first edit_id are the
-- expected ones, since stream ids can repeat after a failover or a loss, and so can the edit when it is sent again.
-- allow-oom: a full memory must still be drainable.
--
-- KEYS: 1 stream, 1 + i section hash of entry i       ARGV: 1 events channel, 1 + i packed verdicts (app/drafts/codec.py)
-- Reply: number of entries removed
local sub, byte, pack, unpack_ = string.sub, string.byte, struct.pack, struct.unpack
local FIRST_EDIT = 46 + 1 -- after the entry's header: status and version, then the edit's own blob
local FIRST_EDIT_ID = FIRST_EDIT + 5 + 14
local HAS_HOLE, AS_JOURNALED = 1, 2
local APPLIED = 65
-- A client's exceptions, in bytes: each entry that adds to them writes all of them again. Beyond, there is only a mark that
-- PostgreSQL has them, which accept.lua asks for.
local EXCEPTIONS_MAX = 16384
local UNASKED = string.rep('\0', 8)
local NONE = string.rep('\0', 16)
local RECORDED = '\255' -- what the event is; the other one is an entry, and begins with its format
local stream, channel = KEYS[1], ARGV[1]

local function read_head(raw)
  local format, flags, version, id = unpack_('>I1I1I4c16', raw)
  if format ~= 1 then error('unknown head format ' .. format) end
  local root, root_version, value_at = NONE, 0, 35
  if flags % 8 >= 4 then root, root_version, value_at = sub(raw, 35, 50), unpack_('>I4', raw, 51), 55 end
  return flags, version, id, root, root_version, value_at
end

-- An edit of the drafted chain is recorded as it was drafted. Where it stands in the cell, it is clean now; where others
-- stand on it, they hang on it from now on (unless they hang on a later one: an old edit can come twice). Returns what
-- stands in the cell.
local function recorded(raw, id, version)
  local flags, head_version, head_id, _, root_version, value_at = read_head(raw)
  if flags % 2 == 0 then return raw end
  if head_id == id then return pack('>I1I1I4', 1, 0, version) .. sub(raw, 7, 34) .. sub(raw, value_at) end
  if version <= root_version then return raw end
  return pack('>I1I1I4', 1, flags % 4 + 4, head_version) .. sub(raw, 7, 34) .. id .. pack('>I4', version)
    .. sub(raw, value_at)
end

-- PostgreSQL decided otherwise than the journal: its head replaces ours, unless ours is a drafted chain that hangs on it.
-- A drafted chain with another root descends from what was refused, and will be refused too; of a provisional one nobody
-- knows, and one may hang on a head whose entry is yet to be drained (a flusher died in between): these wait for their own
-- verdicts. The flusher sends the head with the last edit of the cell in its batch, when all that the batch recorded has
-- moved the root. Returns what stands in the cell, false for nothing.
local function healed(key, raw, head)
  if raw then
    local flags, version, id, root = read_head(raw)
    local head_id = (head == '') and NONE or sub(head, 7, 22)
    if id == head_id then return head ~= '' and head end
    if flags % 2 == 1 then
      if root == head_id or flags % 4 >= 2 then return raw end
      local pending = redis.call('HGET', key, 'u' .. head_id)
      if pending and byte(pending) == APPLIED then return raw end
    elseif head ~= '' and version > select(2, read_head(head)) then return raw end
  end
  return head ~= '' and head
end

-- The client's position moves up to what is settled. `has_hole`: PostgreSQL has settled edits above one that never came
-- (a journal was lost): drafted_seq falls, and the client sends it again. Returns the position, and what is recorded.
local function moved(raw, recorded_seq, has_hole)
  local drafted, had = recorded_seq, 0
  if raw then
    local format
    format, drafted, had = unpack_('>I1I4I4', raw)
    if format ~= 1 then error('unknown position format ' .. format) end
  end
  if had > recorded_seq then recorded_seq = had end
  if has_hole or drafted < recorded_seq then drafted = recorded_seq end
  return pack('>I1I4I4', 1, drafted, recorded_seq), recorded_seq
end

-- The verdicts of an entry, at byte `p`: what stands in each of its cells afterwards, and the edits that are settled.
local function settle(key, a, p, n, position_field)
  local gone, fields, starts = {}, { position_field }, {}
  for i = 1, n do
    starts[i] = p
    gone[i], fields[i + 1] = 'u' .. sub(a, p + 20, p + 35), 'h' .. sub(a, p + 11, p + 19)
    p = p + 36 + unpack_('>I4', a, p + 7)
  end
  local got = redis.call('HMGET', key, unpack(fields))
  local stands = {}
  for i = 1, n do
    p = starts[i]
    local field = fields[i + 1]
    local raw = stands[field]
    if raw == nil then raw = got[i + 1] end
    local accepted, verdict, version, with_head, head_len = unpack_('>I1I1I4I1I4', a, p)
    local id, head = sub(a, p + 20, p + 35), sub(a, p + 36, p + 35 + head_len)
    if raw and accepted == APPLIED then
      if verdict == APPLIED then
        raw = recorded(raw, id, version)
      elseif sub(raw, 7, 22) == id then -- refused, and nothing drafted stands on it, wherever it hangs
        raw = head ~= '' and head
      end
    end
    if with_head == 2 then raw = healed(key, raw, head) end
    stands[field] = raw
  end
  return got[1], stands, gone
end

-- The same for an entry of which every edit was recorded as the journal applied it; `e` is the entry.
local function settle_as_journaled(key, e, position_field)
  local gone, fields, versions, p = {}, { position_field }, {}, FIRST_EDIT
  local n = byte(e, FIRST_EDIT - 1)
  for i = 1, n do
    gone[i], fields[i + 1] = 'u' .. sub(e, p + 19, p + 34), 'h' .. sub(e, p + 10, p + 18)
    local extra_len, value_len
    versions[i], extra_len, value_len = unpack_('>I4', e, p + 1), unpack_('>I2I4', e, p + 59)
    p = p + 65 + value_len + extra_len
  end
  local got = redis.call('HMGET', key, unpack(fields))
  local stands = {}
  for i = 1, n do
    local field = fields[i + 1]
    local raw = stands[field] or got[i + 1]
    if raw then stands[field] = recorded(raw, sub(gone[i], 2), versions[i]) end
  end
  return got[1], stands, gone
end

-- One settled entry; returns its stream id, or nil where the stream holds something else under it, or nothing.
local function drain(key, a)
  local id_len, first, header, recorded_seq, flags, exceptions_len, n, p = unpack_('>I1c16c46I4I1I4I1', a)
  local id, client = sub(a, p, p + id_len - 1), sub(header, 6, 25)
  p = p + id_len
  local entry = redis.call('XRANGE', stream, id, id)[1]
  if not entry or sub(entry[2][2], 1, 46) ~= header then return nil end
  if sub(entry[2][2], FIRST_EDIT_ID, FIRST_EDIT_ID + 15) ~= first then return nil end
  local exceptions = sub(a, p, p + exceptions_len - 1)
  local position, stands, gone
  if flags >= AS_JOURNALED then position, stands, gone = settle_as_journaled(key, entry[2][2], 'c' .. client)
  else position, stands, gone = settle(key, a, p + exceptions_len, n, 'c' .. client) end
  local writes = { 'c' .. client }
  writes[2], recorded_seq = moved(position, recorded_seq, flags % 2 == HAS_HOLE)
  for field, raw in pairs(stands) do
    if raw then writes[#writes + 1], writes[#writes + 2] = field, raw else gone[#gone + 1] = field end
  end
  if exceptions ~= '' then
    local kept = redis.call('HGET', key, 'x' .. client) or ''
    if sub(kept, 1, #UNASKED) ~= UNASKED then
      kept = #kept + #exceptions <= EXCEPTIONS_MAX and kept .. exceptions or UNASKED
      writes[#writes + 1], writes[#writes + 2] = 'x' .. client, kept
    end
  end
  redis.call('HDEL', key, unpack(gone))
  redis.call('HSET', key, unpack(writes))
  redis.call('SPUBLISH', channel, RECORDED .. string.match(key, '(%d+)$') .. ':' .. client .. pack('>I4', recorded_seq))
  return id
end

local ids = {}
for i = 1, #KEYS - 1 do ids[#ids + 1] = drain(KEYS[i + 1], ARGV[i + 1]) end
if #ids == 0 then return 0 end
return redis.call('XDEL', stream, unpack(ids))
