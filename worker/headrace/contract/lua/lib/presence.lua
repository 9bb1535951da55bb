-- What a session says of itself (see encode_presence in replies.py), {} if it can't be read.
local function presence_in(packed)
  local readable, said = pcall(cmsgpack.unpack, packed or '')
  return readable and type(said) == 'table' and said or {}
end
