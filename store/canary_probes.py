"""Every repository function, as one tenant would call it to get at another's rows.

``store.canary`` runs these against two synthetic tenants; a test fails when a repository function is
missing here. No probe knows what the right answer is: the canary judges them all by the same rules.
"""

from store.canary_keys import KEYS
from store.canary_people import PEOPLE
from store.canary_places import PLACES
from store.canary_record import RECORD
from store.canary_rows import Probe

PROBES: tuple[Probe, ...] = (*PEOPLE, *KEYS, *PLACES, *RECORD)
