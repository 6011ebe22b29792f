"""How old an asset may be before the UI calls it overdue.

What lives here: the freshness policy of everything the nightly run makes. What must not: whether
an account is current (`assets/ops.py` asks control, per account and dataset).
"""

from datetime import timedelta

import dagster as dg

#: From one close to the next session's nightly run there are at most four calendar days (a
#: Thursday before Good Friday to the Monday after, a Friday to the Tuesday after a holiday); the
#: hours on top are the run's. A cron deadline would alarm on every weekday holiday.
LONGEST_GAP = timedelta(days=4, hours=4)

AFTER_EVERY_SESSION = dg.FreshnessPolicy.time_window(fail_window=LONGEST_GAP)
