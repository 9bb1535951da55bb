"""The test suite in lanes: several pytest processes side by side, summed up as if they had been one.

`split` says which files each lane has, `plugin` writes down in each lane's process what becomes of its tests, `record`
reads that, `lane` is one lane's process, `run` plays all of them, `account` tells a person.

Whole files go to a lane, and those that need the same cluster to the same lane: what their session's fixtures put up
takes longer than most tests, so a scheduler that deals out single tests would put it up once for each process.
"""
