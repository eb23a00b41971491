"""Build a site: static files that start intab in a browser tab. This is the code that `intab build` will run.

Read in this order: `site.py` (the whole build), `locks.py` and `fetch.py` (what it is made of, and where that comes
from), `workshop.py` and `inside/` (byte code by Pyodide's own Python, under Node), `lockfile.py`, `snapshot.py`,
`publish.py`.
"""
