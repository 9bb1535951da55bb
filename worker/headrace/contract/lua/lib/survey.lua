-- What a choice of dead letters holds, and a digest of it. A letter's time of death is later than all before it, and who
-- dies again dies later, so below the latest of them a facet can only lose letters: its count and its latest time of death
-- change whenever the set does. What else changes a letter counts in `meta.letters`. It costs a death nothing.

--@include facets

-- '': no bound (nil); -N: N µs ago; N: then, Unix µs
local function moment(text)
  local us = tonumber(text or '')
  return us and string.sub(text, 1, 1) == '-' and clock.us + us or us
end

-- First and last time of death that are meant, nil: no bound; `older_than` itself is out.
local function bounds_of(since, older_than)
  local last = moment(older_than)
  return moment(since), last and last - 1
end

local function digest_of(said, held)
  table.sort(held)
  held[#held + 1] = said
  held[#held + 1] = call('HGET', K.meta, 'letters') or '0'
  return string.sub(redis.sha1hex(table.concat(held, '\n')), 1, 12)
end

-- said: all else that decides what would move. Returns digest, flat list facet, count, …
local function survey(said, task_wanted, reason_wanted, first, last)
  local counts, held = {}, {}
  local low, high = first or '-inf', last or '+inf'
  each_facet(task_wanted, reason_wanted, function(zset, facet)
    local count = call('ZCOUNT', zset, low, high)
    if count == 0 then return end
    local latest = call('ZREVRANGEBYSCORE', zset, high, low, 'WITHSCORES', 'LIMIT', 0, 1)
    counts[#counts + 1] = facet
    counts[#counts + 1] = count
    held[#held + 1] = facet .. ' ' .. count .. ' ' .. latest[2]
  end)
  return digest_of(said, held), counts
end

-- The same of ids, from ARGV[from] on: each counts with its time of death. Returns digest.
local function survey_ids(said, from)
  local held = {}
  for i = from, #ARGV do
    local died = call('ZSCORE', K.dead, ARGV[i])
    if died then held[#held + 1] = ARGV[i] .. ' ' .. died end
  end
  return digest_of(said, held)
end
