"""The checks of conformance.py, by what they are about."""
