#!lua flags=allow-oom
-- Forget what PostgreSQL knows too: clean heads, known-column marks, and positions of clients that have nothing pending.
-- Drafted heads and the edits behind them stay. Columns lose their marks with their heads: absent no longer means empty.
--
-- KEYS: 1.. section hashes of one partition       ARGV: 1 '1' to keep the clients' positions (after a restored database)
-- Reply: number of fields removed
local byte, sub, unpack_ = string.byte, string.sub, struct.unpack
local keep_positions = ARGV[1] == '1'
local removed = 0

local function gone(field, value)
  local kind = byte(field)
  if kind == 104 then return byte(value, 2) % 2 == 0 end -- h: a head that is clean
  if kind == 109 or kind == 97 then return true end -- m, a: which columns are known
  if kind == 99 and not keep_positions then -- c: a client's position
    local drafted, recorded = unpack_('>xI4I4', value)
    return drafted == recorded
  end
  return false
end

for i = 1, #KEYS do
  local all, fields = redis.call('HGETALL', KEYS[i]), {}
  local exceptions = {}
  for f = 1, #all, 2 do
    if byte(all[f]) == 120 then exceptions[sub(all[f], 2)] = true end
  end
  for f = 1, #all, 2 do
    if gone(all[f], all[f + 1]) and not exceptions[sub(all[f], 2)] then fields[#fields + 1] = all[f] end
  end
  for f = 1, #fields, 1000 do
    removed = removed + redis.call('HDEL', KEYS[i], unpack(fields, f, math.min(f + 999, #fields)))
  end
end
return removed
