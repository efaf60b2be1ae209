#!lua
-- queued -> drafted. Takes saves of one partition, each as a whole, in order. docs/redis-keys.md has the layouts.
--
-- No flags: at full memory the whole script is refused before it has done anything.
-- Every accepted call writes (at least the client's position), also for a pure duplicate: WAITAOF covers only what its own
-- connection has written, and an acknowledgement that wrote nothing could vouch for somebody else's lost write.
--
-- KEYS: 1 stream, 2 events channel, 2 + i section hash of save i        ARGV: i = packed save (app/drafts/codec.py)
-- Reply i: 'N' more context is needed, nothing was written | 'G' + expected seq (gap, nothing was written)
--          'O' drafted_seq recorded_seq, then per edit d|s|c|r, then the exceptions not yet seen
local sub, byte, concat, pack, unpack_ = string.sub, string.byte, table.concat, struct.pack, struct.unpack
local NONE = string.rep('\0', 16)
local APPLIED, CONFLICT, REJECTED, QUARANTINE, PROVISIONAL = 65, 67, 82, 81, 80 -- A C R Q P
local DIRTY, HEAD_PROVISIONAL, HAS_ROOT = 1, 2, 4
local stream, channel = KEYS[1], KEYS[2]

-- A head: format, flags, version, edit_id, author, entered, [root], value.
-- `root` is the recorded edit that a dirty chain started from; drain.lua tells by it whether the chain still stands.
local function read_head(raw)
  local format, flags, version, edit_id = unpack_('>I1I1I4c16', raw)
  if format ~= 1 then error('unknown head format ' .. format) end
  local root = NONE
  if flags % 8 >= HAS_ROOT then root = sub(raw, 35, 50) end
  return { flags = flags, version = version, id = edit_id, root = root, raw = raw }
end

-- What PostgreSQL knows, loaded by the API after an 'N': position, exceptions, known columns, their heads, settled edits.
local function read_context(a, p)
  local ctx = { columns = {}, heads = {}, settled = {} }
  local known, recorded, exceptions_len
  known, recorded, exceptions_len, p = unpack_('>I1I4I4', a, p)
  ctx.position_known, ctx.recorded = known == 1, recorded
  ctx.exceptions = sub(a, p, p + exceptions_len - 1)
  p = p + exceptions_len
  local columns, heads, settled
  columns, heads, settled, p = unpack_('>I2I4I2', a, p)
  for _ = 1, columns do
    ctx.columns[sub(a, p, p + 4)] = true
    p = p + 5
  end
  for _ = 1, heads do
    local cell, len = sub(a, p, p + 8), unpack_('>I4', a, p + 9)
    ctx.heads[cell] = read_head(sub(a, p + 13, p + 12 + len))
    p = p + 13 + len
  end
  for _ = 1, settled do
    ctx.settled[sub(a, p, p + 15)] = { status = byte(a, p + 16), author = sub(a, p + 17, p + 20), base = sub(a, p + 21, p + 36) }
    p = p + 37
  end
  return ctx
end

-- The edits of a save, and the fields of the section hash that they need, for one HMGET.
local function read_edits(a, p, n, fields)
  local edits, column_at = {}, {}
  for i = 1, n do
    local extra_len, value_len = unpack_('>I2I4', a, p + 54)
    local cell, id = sub(a, p + 5, p + 13), sub(a, p + 14, p + 29)
    local column = sub(cell, 1, 5)
    local f = #fields
    fields[f + 1], fields[f + 2] = 'h' .. cell, 'u' .. id
    if not column_at[column] then
      column_at[column] = f + 3
      fields[f + 3] = 'm' .. column
    end
    edits[i] = {
      status = byte(a, p), seq = unpack_('>I4', a, p + 1), cell = cell, id = id, base = sub(a, p + 30, p + 45),
      entered = sub(a, p + 46, p + 53), value = sub(a, p + 60, p + 59 + value_len),
      extra = sub(a, p + 60 + value_len, p + 59 + value_len + extra_len),
      blob = sub(a, p, p + 59 + value_len + extra_len),
      column = column, head_at = f + 1, unrecorded_at = f + 2, column_at = column_at[column],
    }
    p = p + 60 + value_len + extra_len
  end
  return edits, p
end

-- An edit based on an own edit that never applied counts as based on that edit's base (repeatedly).
-- Second result: the base is an own edit that PostgreSQL has yet to judge.
local function effective_base(s, base)
  for _ = 1, 50 do
    local u = s.unrecorded[base]
    if u == nil then
      u = redis.call('HGET', s.key, 'u' .. base)
      s.unrecorded[base] = u
    end
    if u then
      local status = byte(u)
      if status == PROVISIONAL then return base, true end
      if status == APPLIED or sub(u, 2, 5) ~= s.author then return base end
      base = sub(u, 6, 21)
    else
      local known = s.ctx and s.ctx.settled[base]
      if not known or known.status == APPLIED or known.author ~= s.author then return base end
      base = known.base
    end
  end
  return base
end

-- The head of an edit's cell, an empty one where the column is known to hold none, or nil where only PostgreSQL knows.
local function head_of(s, e)
  local head = s.heads[e.cell]
  if head == nil then
    local raw = s.got[e.head_at]
    head = raw and read_head(raw)
    local newer = s.ctx and s.ctx.heads[e.cell]
    -- Hydration never overwrites a dirty head; a clean one gives way to a later version.
    if newer and (not head or (head.flags % 2 == 0 and head.version < newer.version)) then head = newer end
    if not head and (s.got[e.column_at] or (s.ctx and s.ctx.columns[e.column])) then
      head = { flags = 0, version = 0, id = NONE, root = NONE }
    end
    s.heads[e.cell] = head or nil
  end
  return head
end

local function apply(s, e, head, base)
  local flags, version, root = DIRTY, 0, base
  if head then
    if head.flags % 2 == 1 then root = head.root end
    if head.flags % 4 < HEAD_PROVISIONAL then version = head.version + 1 end
  end
  if version == 0 then flags = flags + HEAD_PROVISIONAL end
  local root_bytes = ''
  if root ~= NONE then
    flags, root_bytes = flags + HAS_ROOT, root
  end
  local raw = pack('>I1I1I4', 1, flags, version) .. e.id .. s.author .. e.entered .. root_bytes .. e.value
  s.heads[e.cell] = { flags = flags, version = version, id = e.id, root = root, raw = raw }
  s.writes[#s.writes + 1] = 'h' .. e.cell
  s.writes[#s.writes + 1] = raw
  return version
end

local function journal(s, e, status, version, note)
  s.count = s.count + 1
  s.entry[#s.entry + 1] = pack('>I1I4', status, version)
  s.entry[#s.entry + 1] = e.blob
  local u
  if status == APPLIED then u = pack('>I1I4', status, version) else u = string.char(status) .. s.author .. e.base .. note end
  s.unrecorded[e.id] = u
  s.writes[#s.writes + 1] = 'u' .. e.id
  s.writes[#s.writes + 1] = u
end

local function conflict_reply(s, e)
  local head = head_of(s, e)
  local raw = head and head.raw or ''
  return 'c' .. pack('>I4', #raw) .. raw
end

-- The outcome of an edit that is already in the journal.
local function found(s, e, u)
  local status = byte(u)
  if status == APPLIED then return 'd' .. sub(u, 2, 5) end
  if status == CONFLICT then return conflict_reply(s, e) end
  if status == REJECTED then
    local note = sub(u, 22)
    return 'r' .. pack('>I4', #note) .. note
  end
  return 'd' .. pack('>I4', 0)
end

-- One edit. Returns its reply, or nil when PostgreSQL has to be asked first.
local function judge(s, e)
  local u = s.unrecorded[e.id]
  if u == nil then u = s.got[e.unrecorded_at] end
  if u then return found(s, e, u) end
  if s.ctx and s.ctx.settled[e.id] then return 's' end
  if e.seq <= s.drafted and not s.ctx and not s.away then return nil end
  if e.status == REJECTED then
    journal(s, e, REJECTED, 0, e.extra)
    return 'r' .. pack('>I4', #e.extra) .. e.extra
  end
  if e.status == QUARANTINE then
    journal(s, e, QUARANTINE, 0, '')
    return 'd' .. pack('>I4', 0)
  end
  local head = head_of(s, e)
  if not head and not s.away then return nil end
  local base, unjudged = e.base, false
  if head and base ~= head.id then base, unjudged = effective_base(s, base) end
  if not head or base == head.id then
    local version = apply(s, e, head, base)
    journal(s, e, APPLIED, version, '')
    return 'd' .. pack('>I4', version)
  end
  if unjudged or s.away then
    journal(s, e, PROVISIONAL, 0, '')
    return 'd' .. pack('>I4', 0)
  end
  if not s.ctx then return nil end
  journal(s, e, CONFLICT, 0, '')
  return conflict_reply(s, e)
end

-- Exceptions above `seen`; the rest is forgotten (PostgreSQL keeps them). `loaded`: they come from PostgreSQL just now.
local function unseen_exceptions(s, raw, seen, loaded)
  if not raw or raw == '' then return '' end
  local kept, p = {}, 1
  while p <= #raw do
    local seq, len = unpack_('>I4I4', raw, p)
    if seq > seen then kept[#kept + 1] = sub(raw, p, p + 7 + len) end
    p = p + 8 + len
  end
  local rest = concat(kept)
  if rest == '' then redis.call('HDEL', s.key, 'x' .. s.client)
  elseif loaded or rest ~= raw then redis.call('HSET', s.key, 'x' .. s.client, rest) end
  return rest
end

local function hydrate(s)
  for column in pairs(s.ctx.columns) do
    s.writes[#s.writes + 1] = 'm' .. column
    s.writes[#s.writes + 1] = '1'
  end
  for cell, head in pairs(s.ctx.heads) do
    local raw = redis.call('HGET', s.key, 'h' .. cell)
    local have = raw and read_head(raw)
    if not have or (have.flags % 2 == 0 and have.version < head.version) then
      redis.call('HSET', s.key, 'h' .. cell, head.raw)
    end
  end
end

local function accept(key, a)
  local format, flags, n, first, seen, client = unpack_('>I1I1I1I4I4c20', a)
  if format ~= 1 then error('unknown save format ' .. format) end
  local fields = { 'c' .. client, 'x' .. client }
  local edits, p = read_edits(a, 52, n, fields)
  local s = { key = key, client = client, author = sub(client, 1, 4), away = flags % 4 >= 2, heads = {}, unrecorded = {},
              writes = {}, entry = {}, count = 0, got = redis.call('HMGET', key, unpack(fields)) }
  if flags % 2 == 1 then s.ctx = read_context(a, p) end

  local recorded
  if s.got[1] then
    s.drafted, recorded = unpack_('>xI4I4', s.got[1])
  elseif s.ctx and s.ctx.position_known then
    s.drafted, recorded = s.ctx.recorded, s.ctx.recorded
  elseif s.away then
    s.drafted, recorded = (n > 0) and first - 1 or 0, 0
  else
    return 'N'
  end
  if n > 0 and first > s.drafted + 1 then return 'G' .. pack('>I4', s.drafted + 1) end

  local results = {}
  for i = 1, n do
    local result = judge(s, edits[i])
    if not result then return 'N' end
    results[i] = result
  end

  if s.ctx then hydrate(s) end
  if n > 0 and first + n - 1 > s.drafted then s.drafted = first + n - 1 end
  local position = pack('>I1I4I4', 1, s.drafted, recorded)
  local w = s.writes
  w[#w + 1], w[#w + 2] = 'c' .. client, position
  redis.call('HSET', key, unpack(w))
  if s.count > 0 then
    local entry = '\1' .. sub(a, 32, 35) .. client .. pack('>I4', recorded) .. sub(a, 36, 51) .. string.char(s.count) .. concat(s.entry)
    redis.call('XADD', stream, '*', 'd', entry)
    redis.call('SPUBLISH', channel, entry)
  end
  local exceptions, loaded = s.got[2], false
  if not exceptions and s.ctx and not s.got[1] then exceptions, loaded = s.ctx.exceptions, true end
  return 'O' .. pack('>I4I4', s.drafted, recorded) .. concat(results) .. unseen_exceptions(s, exceptions, seen, loaded)
end

local replies = {}
for i = 1, #ARGV do replies[i] = accept(KEYS[i + 2], ARGV[i]) end
return replies
