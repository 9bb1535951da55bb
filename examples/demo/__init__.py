"""The main job as a story: `python -m examples.demo` drives `headrace dev` and judges it by an outside ledger.

__main__.py  the story, step by step, and its last line
fleet.py     a running `headrace dev` as its user sees it: its lines, its status, its commands
ledger.py    the ledger's own server, and what the ledger proves
narrator.py  what is printed
"""
