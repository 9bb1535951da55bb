"""A search index over the source of the standard library and the installed packages, built by a worker fleet.

discover.py  which files are indexed, and the id of each
parse.py     a file's source → its definitions
terms.py     the words that a definition is found by
store.py     the index in Redis: every key, every write
search.py    the index answers: ranked hits, totals
ledger.py    what really ran, written for an outside judge
tasks.py     the queue and its two tasks: `scan` enqueues one `index_file` per file
v1.py v2.py  the two versions of the worker; they differ in nothing but how one file is indexed
__main__.py  `python -m code_index search|stats`
"""
