"""The operator's decisions: pure functions of what was seen and of `now`. No I/O, no clock, no event loop."""
