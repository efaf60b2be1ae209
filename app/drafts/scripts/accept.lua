#!lua
-- queued -> drafted. Takes saves of one partition, each as a whole, in order. docs/redis-keys.md has the layouts.
--
-- No flags: at full memory the whole script is refused before it has done anything.
-- Every accepted call writes (at least the client's position), also for a pure duplicate: WAITAOF covers only what its own
-- connection has written, and an acknowledgement that wrote nothing could vouch for somebody else's lost write.
--
-- KEYS: 1 stream, 1 + i section hash of save i        ARGV: 1 events channel, 1 + i packed save (app/drafts/codec.py)
-- The channel is no key: it never exists, and while its slot moves a Cluster refuses calls of which some keys are missing.
-- Reply i: 'N' more context is needed, nothing was written; then the edit_ids that the API must look up besides the save's
--          'G' + expected seq (gap, of which PostgreSQL knows no better; nothing was written)
--          'O' drafted_seq recorded_seq, then per edit d|s|c|r, then the exceptions not yet seen
local sub, byte, concat, pack, unpack_ = string.sub, string.byte, table.concat, struct.pack, struct.unpack
local NONE = string.rep('\0', 16)
local APPLIED, CONFLICT, REJECTED, SETTLED_CONFLICT, QUARANTINE, PROVISIONAL = 65, 67, 82, 83, 81, 80 -- A C R S Q P
local UNCHECKED = 1
local DIRTY, HEAD_PROVISIONAL, HAS_ROOT = 1, 2, 4
local stream, channel = KEYS[1], ARGV[1]
-- Before a client's exceptions (it has the form of one): it may have more of them in PostgreSQL, which is asked. Its position
-- was made up while PostgreSQL was away, or there were too many for drain.lua to keep.
local UNASKED = string.rep('\0', 8)
-- So many exceptions are told in one answer (docs/protocol.md), the first ones; who has taken them in is told the next.
local TOLD_MAX = 200
local NO_VERSION = 'd' .. pack('>I4', 0)
local EMPTY = { flags = 0, version = 0, id = NONE, root = NONE }

-- A head: format, flags, version, edit_id, author, entered, [root, its version], value.
-- `root` is the recorded edit that a dirty chain hangs on; drain.lua tells by it whether the chain still stands.
local function read_head(raw)
  local format, flags, version, edit_id = unpack_('>I1I1I4c16', raw)
  if format ~= 1 then error('unknown head format ' .. format) end
  local root, root_version = NONE, 0
  if flags % 8 >= HAS_ROOT then root, root_version = sub(raw, 35, 50), unpack_('>I4', raw, 51) end
  return { flags = flags, version = version, id = edit_id, root = root, root_version = root_version, raw = raw }
end

-- What PostgreSQL knows, loaded by the API after an 'N': position, exceptions, known columns, their heads, settled edits,
-- and (`recorded_columns`) which columns of the section hold anything at all.
local function read_context(a, p)
  local ctx = { columns = {}, heads = {}, settled = {} }
  local known, recorded, next_exception, exceptions_len
  known, recorded, next_exception, exceptions_len, p = unpack_('>I1I4I4I4', a, p)
  ctx.position_known, ctx.recorded, ctx.next_exception = known == 1, recorded, next_exception
  ctx.exceptions = sub(a, p, p + exceptions_len - 1)
  p = p + exceptions_len
  local columns, heads, settled, recorded_columns
  columns, heads, settled, recorded_columns, p = unpack_('>I2I4I2I4', a, p)
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
  ctx.recorded_columns = sub(a, p, p + 5 * recorded_columns - 1)
  return ctx
end

-- An edit based on an own edit that never applied counts as based on that edit's base (repeatedly).
-- Second result: PostgreSQL has yet to judge what the base names, or neither it nor the journal knows it (it may be on its
-- way from one to the other): nothing can be concluded from it here.
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
      if not known then return base, s.ctx ~= nil and base ~= NONE end
      if known.status == PROVISIONAL then return base, true end -- parked there
      if known.status == APPLIED or known.author ~= s.author then return base end
      base = known.base
    end
  end
  return base
end

-- True where every recorded cell of the column is among the heads, so that an absent head means an empty cell.
-- 'm' marks a column whose heads were loaded; 'a' lists the columns that held anything when the section was first met:
-- all others were empty then, and what came since came through here.
local function is_known(s, i)
  local column = sub(s.cells[i], 1, 5)
  if s.got[s.column_at[i]] or (s.ctx and s.ctx.columns[column]) then return true end
  local listed = s.got[3]
  if not listed then return false end
  local at = string.find(listed, column, 1, true)
  while at and at % 5 ~= 1 do at = string.find(listed, column, at + 1, true) end
  return not at
end

-- The head of an edit's cell, an empty one where the column is known to hold none, or nil where only PostgreSQL knows.
local function head_of(s, i)
  local cell = s.cells[i]
  local head = s.heads[cell]
  if head == nil then
    local raw = s.got[s.head_at[i]]
    head = raw and read_head(raw)
    local newer = s.ctx and s.ctx.heads[cell]
    -- Hydration never overwrites a dirty head; a clean one gives way to PostgreSQL's, unless that is older.
    if newer and (not head or (head.flags % 2 == 0 and head.version <= newer.version)) then head = newer end
    if not head and is_known(s, i) then head = EMPTY end
    s.heads[cell] = head or nil
  end
  return head
end

local function write(s, field, value)
  local w = s.writes
  w[#w + 1] = field
  w[#w + 1] = value
end

local function apply(s, i, p, value_len, head, base)
  local flags, version, root, root_version = DIRTY, 0, base, head and head.version or 0
  if head then
    if head.flags % 2 == 1 then root, root_version = head.root, head.root_version end
    if head.flags % 4 < HEAD_PROVISIONAL then version = head.version + 1 end
  end
  if version == 0 then flags = flags + HEAD_PROVISIONAL end
  local root_bytes = ''
  if root ~= NONE then
    flags, root_bytes = flags + HAS_ROOT, root .. pack('>I4', root_version)
  end
  local id = s.ids[i]
  local raw = pack('>I1I1I4', 1, flags, version) .. id .. s.author .. sub(s.a, p + 46, p + 53) .. root_bytes
    .. sub(s.a, p + 60, p + 59 + value_len)
  s.heads[s.cells[i]] = { flags = flags, version = version, id = id, root = root, root_version = root_version, raw = raw }
  write(s, 'h' .. s.cells[i], raw)
  return version
end

local function journal(s, i, p, length, status, version, note)
  local entry = s.entry
  entry[#entry + 1] = pack('>I1I4', status, version)
  entry[#entry + 1] = sub(s.a, p, p + length - 1)
  local u
  if status == APPLIED then u = entry[#entry - 1]
  else u = string.char(status) .. s.author .. sub(s.a, p + 30, p + 45) .. note end
  s.unrecorded[s.ids[i]] = u
  write(s, 'u' .. s.ids[i], u)
end

local function conflict_reply(s, i)
  local head = head_of(s, i)
  local raw = head and head.raw or ''
  return 'c' .. pack('>I4', #raw) .. raw
end

-- An edit that is known, but has not come under this client and number before (an outbox opened anew, an id used twice):
-- journaled once more, for PostgreSQL to find it a duplicate and to settle this number too. No head and no `u` change.
local AGAIN = {
  [APPLIED] = PROVISIONAL, [PROVISIONAL] = PROVISIONAL, [CONFLICT] = CONFLICT, [SETTLED_CONFLICT] = CONFLICT,
  [REJECTED] = REJECTED, [QUARANTINE] = QUARANTINE,
}
local function journal_again(s, p, status)
  local extra_len, value_len = unpack_('>I2I4', s.a, p + 54)
  s.entry[#s.entry + 1] = pack('>I1I4', status, 0)
  s.entry[#s.entry + 1] = sub(s.a, p, p + 59 + value_len + extra_len)
end

-- The outcome of an edit that is already in the journal, or nil where PostgreSQL has to be asked for the head to show.
local function found(s, i, u)
  local status = byte(u)
  if status == APPLIED then return 'd' .. sub(u, 2, 5) end
  if status == CONFLICT then
    if not head_of(s, i) and not s.ctx and not s.away then return nil end
    return conflict_reply(s, i)
  end
  if status == REJECTED then
    local note = sub(u, 22)
    return 'r' .. pack('>I4', #note) .. note
  end
  return NO_VERSION
end

-- True where what PostgreSQL knew when it was asked does not prove that `base` no longer stands: it judges the edit later.
local function is_open(s, i, head, base)
  local theirs, is_dirty = s.ctx.heads[s.cells[i]], head.flags % 2 == 1
  -- The cell was recorded once more since then, and perhaps what was recorded is this very edit, sent again: it has left
  -- the journal, and what was typed on it would be taken for somebody else's.
  local recorded_version = is_dirty and head.root_version or head.version
  if recorded_version > (theirs and theirs.version or 0) then return true end
  -- What is only drafted here may have been judged by PostgreSQL directly (this journal was away), perhaps with more on
  -- top: the drain brings PostgreSQL's head.
  return is_dirty and (s.ctx.settled[head.id] or (theirs and theirs.id == base))
end

-- One edit, at byte `p` of the save. Returns its reply, or nil when PostgreSQL has to be asked first.
local function judge(s, i, p)
  local u = s.unrecorded[s.ids[i]]
  if u == nil then u = s.got[s.head_at[i] + 1] end
  local status, seq = unpack_('>I1I4', s.a, p)
  if u then
    if seq > s.drafted then journal_again(s, p, AGAIN[byte(u)]) end
    return found(s, i, u)
  end
  local settled = s.ctx and s.ctx.settled[s.ids[i]]
  if settled then
    if seq > s.drafted then journal_again(s, p, settled.status == QUARANTINE and REJECTED or AGAIN[settled.status]) end
    return 's'
  end
  if seq <= s.drafted and not s.ctx and not s.away then return nil end
  -- Recorded once, and sent again because its answer was lost; what became of it only PostgreSQL can say, which is away, or
  -- was asked before. The client must not let go of it before it has heard.
  if seq <= s.recorded and (s.away or (s.ctx and s.ctx.recorded < seq)) then s.recorded = seq - 1 end
  local extra_len, value_len = unpack_('>I2I4', s.a, p + 54)
  local length = 60 + value_len + extra_len
  if status == REJECTED then
    local note = sub(s.a, p + 60 + value_len, p + length - 1)
    journal(s, i, p, length, REJECTED, 0, note)
    return 'r' .. pack('>I4', #note) .. note
  end
  if status == QUARANTINE then
    journal(s, i, p, length, QUARANTINE, 0, '')
    return NO_VERSION
  end
  local head = head_of(s, i)
  if not head and not s.away then return nil end
  if head and head.id == s.ids[i] then -- recorded, and taken out of the stream, since its context was loaded
    journal_again(s, p, PROVISIONAL) -- whatever was said of its number above, the drain puts it right
    return 'd' .. pack('>I4', head.version)
  end
  local base, unjudged = sub(s.a, p + 30, p + 45), false
  if head and base ~= head.id then base, unjudged = effective_base(s, base) end
  if not head or base == head.id then
    local version = apply(s, i, p, value_len, head, base)
    journal(s, i, p, length, APPLIED, version, '')
    return 'd' .. pack('>I4', version)
  end
  -- (What was not checked may be rejected for another reason yet.)
  if unjudged or (s.ctx and is_open(s, i, head, base)) or s.away or status == UNCHECKED then
    journal(s, i, p, length, PROVISIONAL, 0, '')
    return NO_VERSION
  end
  if not s.ctx then return nil end
  journal(s, i, p, length, CONFLICT, 0, '')
  return conflict_reply(s, i)
end

-- What PostgreSQL says of a client's exceptions, and those of the journal that it did not say (recorded in the meantime).
-- Second result: above this `seq` there may be more that neither says, nil where there are none. PostgreSQL says the first
-- ones; and what was recorded since it was asked may have been too much for drain.lua to keep.
local function merged(s, ours)
  local theirs, told_to = s.ctx.exceptions, nil
  if s.ctx.next_exception > 0 then told_to = s.ctx.next_exception - 1 end
  if s.drained > s.ctx.recorded and (not told_to or told_to > s.ctx.recorded) then told_to = s.ctx.recorded end
  local known, all, p = {}, { theirs }, 1
  while p <= #theirs do
    local seq, len = unpack_('>I4I4', theirs, p)
    known[seq], p = true, p + 8 + len
  end
  p = 1
  while p <= #ours do
    local seq, len = unpack_('>I4I4', ours, p)
    if not known[seq] and (not told_to or seq <= told_to) then all[#all + 1] = sub(ours, p, p + 7 + len) end
    p = p + 8 + len
  end
  return concat(all), told_to
end

-- Exceptions above `seen`; the rest is forgotten (PostgreSQL keeps them). Above `told_to`, where it is given, there may be
-- more than is known here.
-- Those above the recorded position wait: a hole below them (a journal was lost) may yet end in an exception too, and who
-- has seen a higher one would never be told of it. Second result: the recorded position to tell, which stays below what
-- is left for later: a client lets go of its edits up to there, and would no longer have what the exception is about.
local function unseen_exceptions(s, raw, seen, told_to)
  local kept, told, p, position = {}, {}, 1, s.recorded
  if told_to and told_to < position then position = told_to end
  while p <= #raw do
    local seq, len = unpack_('>I4I4', raw, p)
    if seq > seen then
      kept[#kept + 1] = sub(raw, p, p + 7 + len)
      if seq <= position then told[#told + 1] = { seq, kept[#kept] } end
    end
    p = p + 8 + len
  end
  local rest = (told_to and UNASKED or '') .. concat(kept)
  if rest ~= (s.got[2] or '') then
    if rest == '' then redis.call('HDEL', s.key, 'x' .. s.client)
    else redis.call('HSET', s.key, 'x' .. s.client, rest) end
  end
  local count = #told
  if count > TOLD_MAX then
    table.sort(told, function(a, b) return a[1] < b[1] end)
    count = TOLD_MAX
    while told[count + 1] and told[count + 1][1] == told[count][1] do count = count + 1 end
    if told[count + 1] then position = told[count + 1][1] - 1 end
  end
  for i = 1, count do told[i] = told[i][2] end
  return concat(told, '', 1, count), position
end

-- Keep what PostgreSQL said. A mark is written only with all the heads that it vouches for.
local function hydrate(s)
  if not s.got[3] then redis.call('HSET', s.key, 'a', s.ctx.recorded_columns) end
  for column in pairs(s.ctx.columns) do redis.call('HSET', s.key, 'm' .. column, '1') end
  for cell, head in pairs(s.ctx.heads) do
    local raw = redis.call('HGET', s.key, 'h' .. cell)
    local have = raw and read_head(raw)
    if not have or (have.flags % 2 == 0 and have.version <= head.version and have.raw ~= head.raw) then
      redis.call('HSET', s.key, 'h' .. cell, head.raw)
    end
  end
end

-- The fields of the section hash that a save needs, for one HMGET; returns them and the byte after the last edit.
local function locate(s, n)
  local a, cells, ids, head_at, column_at, starts = s.a, s.cells, s.ids, s.head_at, s.column_at, s.starts
  local fields = { 'c' .. s.client, 'x' .. s.client, 'a' }
  local f, p, column, column_field = 3, 52, nil, nil
  for i = 1, n do
    local extra_len, value_len = unpack_('>I2I4', a, p + 54)
    local cell, id = sub(a, p + 5, p + 13), sub(a, p + 14, p + 29)
    cells[i], ids[i], starts[i] = cell, id, p
    fields[f + 1], fields[f + 2] = 'h' .. cell, 'u' .. id
    head_at[i] = f + 1
    f = f + 2
    local this = sub(cell, 1, 5)
    if this ~= column then -- edits of a save mostly stay in one column
      f = f + 1
      fields[f], column, column_field = 'm' .. this, this, f
    end
    column_at[i] = column_field
    p = p + 60 + value_len + extra_len
  end
  return fields, p
end

-- 'N', where the bases end that lead through un-recorded edits of the journal, which the API cannot follow, and the
-- drafted edits that stand in the way.
local function ask(s, n)
  local ends = {}
  for i = 1, n do
    local base = sub(s.a, s.starts[i] + 30, s.starts[i] + 45)
    local last = effective_base(s, base)
    if last ~= base and last ~= NONE then ends[#ends + 1] = last end
    local raw = s.got[s.head_at[i]]
    if raw and byte(raw, 2) % 2 == 1 and sub(raw, 7, 22) ~= base then ends[#ends + 1] = sub(raw, 7, 22) end
  end
  return 'N' .. concat(ends)
end

local function accept(key, a)
  local format, flags, n, first, seen, client = unpack_('>I1I1I1I4I4c20', a)
  if format ~= 1 then error('unknown save format ' .. format) end
  local s = {
    a = a, key = key, client = client, author = sub(client, 1, 4), away = flags % 4 >= 2, heads = {}, unrecorded = {},
    writes = {}, entry = {}, cells = {}, ids = {}, head_at = {}, column_at = {}, starts = {},
  }
  local fields, after = locate(s, n)
  s.got = redis.call('HMGET', key, unpack(fields))
  if flags % 2 == 1 then s.ctx = read_context(a, after) end

  local exceptions = s.got[2] or ''
  local is_unasked = sub(exceptions, 1, #UNASKED) == UNASKED
  if is_unasked then exceptions = sub(exceptions, #UNASKED + 1) end
  if s.got[1] then
    local known
    known, s.drafted, s.recorded = unpack_('>I1I4I4', s.got[1])
    if known ~= 1 then error('unknown position format ' .. known) end
  elseif s.ctx and s.ctx.position_known then
    s.drafted, s.recorded = s.ctx.recorded, s.ctx.recorded
  elseif s.away then
    -- A poll tells nothing of where its client stands: a position made up from it would be a gap to the next save.
    if n == 0 then return 'O' .. pack('>I4I4', 0, 0) end
    s.drafted, s.recorded, is_unasked = first - 1, 0, true
  else
    return ask(s, n)
  end
  if n > 0 and first > s.drafted + 1 then
    -- It may have saved to PostgreSQL directly meanwhile, past a journal that was away.
    if not s.ctx and not s.away then return ask(s, n) end
    if s.ctx and s.ctx.position_known and s.ctx.recorded > s.drafted then
      s.drafted, s.recorded, is_unasked = s.ctx.recorded, s.ctx.recorded, true
    end
    if first > s.drafted + 1 then return 'G' .. pack('>I4', s.drafted + 1) end
  end
  if is_unasked and not s.ctx and not s.away then return ask(s, n) end
  s.drained = s.recorded

  local results = {}
  for i = 1, n do
    local result = judge(s, i, s.starts[i])
    if not result then return ask(s, n) end
    results[i] = result
  end

  if s.ctx then hydrate(s) end
  if n > 0 and first + n - 1 > s.drafted then s.drafted = first + n - 1 end
  write(s, 'c' .. client, pack('>I1I4I4', 1, s.drafted, s.recorded))
  redis.call('HSET', key, unpack(s.writes))
  if #s.entry > 0 then
    local entry = '\1' .. sub(a, 32, 35) .. client .. pack('>I4', s.recorded) .. sub(a, 36, 51)
      .. string.char(#s.entry / 2) .. concat(s.entry)
    redis.call('XADD', stream, '*', 'd', entry)
    redis.call('SPUBLISH', channel, entry)
  end
  local told_to = is_unasked and seen or nil
  if s.ctx and (is_unasked or not s.got[1]) then exceptions, told_to = merged(s, exceptions) end
  local told, position = unseen_exceptions(s, exceptions, seen, told_to)
  return 'O' .. pack('>I4I4', s.drafted, position) .. concat(results) .. told
end

local replies = {}
for i = 1, #KEYS - 1 do replies[i] = accept(KEYS[i + 1], ARGV[i + 1]) end
return replies
