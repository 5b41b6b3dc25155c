"""How fast it is, measured on the real processes: `make bench`.

Each benchmark is a module with a function `run(quick)` that yields rows. What they
share: `measure` (percentiles, memory, the table), `stage` (the deployments), `page` (an
open page's socket), `tap` (when a server's frames pass) and `load` (many jobs at once).

All times are of one machine's clock, `time.time()`, so the servers' own stamps can be
subtracted from ours.
"""

from __future__ import annotations
