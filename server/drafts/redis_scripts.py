"""What Redis does in one step, in Lua. It holds no rule that another store does not have.

Keys, behind a prefix: ``draft:ID`` hash of a record, its request and holder; ``log:ID`` stream of
entries 0-1, 0-2, …; ``whole:ID``; ``lease:ID`` there while its holder lives; ``key:HASH`` an id by
idempotency; ``owner:HASH`` and ``live`` ids by number; ``over`` ids by the time of their end;
``expiring`` ids by time; ``number`` and ``bytes``, counters. Scripts build them from ids, so all
must lie in one node: Redis Cluster is not supported.
"""

# How long readers that wait on a log have to read its rest, in seconds.
LOG_KEPT_S = 60

_HEAD = (
    f"""
local P, LOG_KEPT_S = KEYS[1], {LOG_KEPT_S}
"""
    + """
local DRAFT, LOG = P .. 'draft:', P .. 'log:'
local function last(id) return redis.call('XLEN', LOG .. id) end
local function lives(id) return redis.call('ZSCORE', P .. 'live', id) end
local function field(id, name) return redis.call('HGET', DRAFT .. id, name) end
local function hold(id, holder, lease_ms)
  redis.call('SET', P .. 'lease:' .. id, holder, 'PX', lease_ms)
  redis.call('HSET', DRAFT .. id, 'holder', holder)
end
local function finish(id)
  redis.call('DEL', P .. 'lease:' .. id)
  if redis.call('ZREM', P .. 'live', id) == 1 then
    redis.call('XADD', LOG .. id, '0-' .. (last(id) + 1), 'over', '')
    redis.call('EXPIRE', LOG .. id, LOG_KEPT_S)
  end
end
local function remove(id)
  local key, owner = field(id, 'idempotency'), field(id, 'owner')
  if key ~= '' then redis.call('DEL', P .. 'key:' .. key) end
  redis.call('DECRBY', P .. 'bytes', field(id, 'size_bytes'))
  finish(id)
  redis.call('DEL', DRAFT .. id, P .. 'whole:' .. id)
  for _, set in ipairs({'over', 'expiring', 'owner:' .. owner}) do
    redis.call('ZREM', P .. set, id)
  end
end
"""
)

# id, idempotency, owner, expires_s, size_bytes, holder, lease_ms, then fields and values.
# The id that is there; asked again by a client that lost the answer, the same one.
CREATE = (
    _HEAD
    + """
local id, key, owner = ARGV[1], ARGV[2], ARGV[3]
local there = key ~= '' and redis.call('GET', P .. 'key:' .. key)
if there and field(there, 'number') then return there end
if field(id, 'number') then return id end
local number = redis.call('INCR', P .. 'number')
redis.call('HSET', DRAFT .. id, 'number', number, unpack(ARGV, 8))
hold(id, ARGV[6], ARGV[7])
redis.call('ZADD', P .. 'live', number, id)
redis.call('ZADD', P .. 'owner:' .. owner, number, id)
if key ~= '' then redis.call('SET', P .. 'key:' .. key, id) end
if ARGV[4] ~= '' then redis.call('ZADD', P .. 'expiring', ARGV[4], id) end
redis.call('INCRBY', P .. 'bytes', ARGV[5])
return id
"""
)

# All entries in one argument, which costs the gateway a tenth of four arguments each: of each, id,
# holder, its place in the log and body, as ``redis_logs.packed`` puts them. Told are, in pairs, the
# numbers, from 1 on, of the entries that were not stored, and why. 0: refused. -1 - n: Redis lost
# what was behind the n-th entry. One that is there already, its answer having been lost, is stored.
APPEND = (
    _HEAD
    + """
local told, i, at, packed = {}, 0, 1, ARGV[1]
while at <= #packed do
  local id, holder, n, body
  id, holder, n, body, at = struct.unpack('<I2c0I2c0I4I4c0', packed, at)
  i = i + 1
  local answer = 0
  if redis.call('HGET', DRAFT .. id, 'holder') == holder then
    local log, place = LOG .. id, '0-' .. n
    local num_entries = redis.call('XLEN', log)
    if num_entries == n - 1 then
      redis.call('XADD', log, place, 'b', body)
      answer = 1
    elseif num_entries < n then
      answer = -1 - num_entries
    elseif redis.call('XRANGE', log, place, place)[1][2][2] == body then
      answer = 1
    end
  end
  if answer ~= 1 then
    told[#told + 1] = i
    told[#told + 1] = answer
  end
end
return told
"""
)

# id, holder or "", state or "", 1 with a meta or 0, meta, updated_s.
UPDATE = (
    _HEAD
    + """
local id, state = ARGV[1], ARGV[3]
if not field(id, 'number') then return end
local holder = field(id, 'holder')
if state ~= '' and lives(id) and (holder == '' or holder == ARGV[2]) then
  redis.call('HSET', DRAFT .. id, 'state', state)
  if state == 'interrupted' then
    redis.call('HSET', DRAFT .. id, 'holder', '')
    redis.call('DEL', P .. 'lease:' .. id)
  end
end
if ARGV[4] == '1' then
  local more = #ARGV[5] - #field(id, 'meta')
  redis.call('HSET', DRAFT .. id, 'meta', ARGV[5])
  redis.call('HINCRBY', DRAFT .. id, 'size_bytes', more)
  redis.call('INCRBY', P .. 'bytes', more)
end
redis.call('HSET', DRAFT .. id, 'updated_s', ARGV[6])
"""
)

# id, holder or "", state, meta, updated_s, whole. 1: it is over, so; 0: refused.
END = (
    _HEAD
    + """
local id, holder = ARGV[1], field(ARGV[1], 'holder')
if not lives(id) then
  if holder and redis.call('GET', P .. 'whole:' .. id) == ARGV[6] then return 1 end
  return 0
end
if holder ~= '' and holder ~= ARGV[2] then return 0 end
local more = #ARGV[4] - #field(id, 'meta') + #ARGV[6]
redis.call('HSET', DRAFT .. id, 'holder', '', 'state', ARGV[3], 'meta', ARGV[4],
  'updated_s', ARGV[5])
redis.call('HINCRBY', DRAFT .. id, 'size_bytes', more)
redis.call('INCRBY', P .. 'bytes', more)
redis.call('SET', P .. 'whole:' .. id, ARGV[6])
redis.call('ZADD', P .. 'over', ARGV[5], id)
finish(id)
return 1
"""
)

# id.
DELETE = (
    _HEAD
    + """
if not field(ARGV[1], 'number') then return 0 end
remove(ARGV[1])
return 1
"""
)

# id: deleted if it is over, or left by all.
EVICT = (
    _HEAD
    + """
local id = ARGV[1]
if not field(id, 'number') then
  redis.call('ZREM', P .. 'expiring', id)
  redis.call('ZREM', P .. 'over', id)
  return 0
end
local left = field(id, 'state') == 'interrupted' and field(id, 'holder') == ''
if lives(id) and not left then return 0 end
remove(id)
return 1
"""
)

# holder, lease_ms, limit, 1 with those interrupted or 0. Pairs of an id and its log's length.
CLAIM = (
    _HEAD
    + """
local told = {}
for _, id in ipairs(redis.call('ZRANGE', P .. 'live', 0, -1)) do
  if #told == 2 * tonumber(ARGV[3]) then break end
  local free = redis.call('EXISTS', P .. 'lease:' .. id) == 0
  if not field(id, 'number') then
    redis.call('ZREM', P .. 'live', id)
  elseif free and (ARGV[4] == '1' or field(id, 'state') ~= 'interrupted') then
    hold(id, ARGV[1], ARGV[2])
    told[#told + 1] = id
    told[#told + 1] = last(id)
  end
end
return told
"""
)

# id, holder, lease_ms. The log's length, or -1.
TAKE = (
    _HEAD
    + """
if not lives(ARGV[1]) then return -1 end
hold(ARGV[1], ARGV[2], ARGV[3])
return last(ARGV[1])
"""
)

# holder, lease_ms, ids. Those that are still the holder's.
RENEW = (
    _HEAD
    + """
local told = {}
for i = 3, #ARGV do
  if field(ARGV[i], 'holder') == ARGV[1] then
    redis.call('SET', P .. 'lease:' .. ARGV[i], ARGV[1], 'PX', ARGV[2])
    told[#told + 1] = ARGV[i]
  end
end
return told
"""
)
