"""Schedules: one task for each, which judges it, has what is due fired, and reports. The leader's and the laptop's."""
