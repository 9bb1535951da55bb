-- The session is gone, and all it held has found its place: zsets know of no session.
local function dismiss() end
