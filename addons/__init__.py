"""The data plane: what happens to a request, in the order in which it happens.

``STEPS`` is the table of contents. Each step is one file and one concern; ``chain`` runs them, ``engine``
builds the proxy around them, ``protocol`` mends mitmproxy's layers. Decisions stand in ``policy``.
"""

from addons.accounts import Accounts
from addons.admission import Admission
from addons.attribution import Attribution
from addons.coaching import Coaching
from addons.content import Content
from addons.credential_health import CredentialHealth
from addons.credentials import Credentials
from addons.discovery import Discovery
from addons.inspection import Inspection
from addons.interception import Interception
from addons.measurement import Measurement
from addons.metering import Metering
from addons.record import Record
from addons.redaction import Redaction
from addons.settlement import Settlement
from addons.step import Step

STEPS: tuple[type[Step], ...] = (
    Attribution,  # who: tenant, user, placeholder
    Interception,  # decrypt or tunnel, at the ClientHello
    Discovery,  # where: one destination, which endpoint, its state
    Coaching,  # why: the reason that a coached endpoint asks for
    Inspection,  # what: model, stream, ceiling
    Admission,  # may they: state, bindings, limits, budget
    Accounts,  # with whose account: the vendors' restriction headers
    Credentials,  # the real key, last before the wire
    CredentialHealth,  # does the provider take it
    Metering,  # the answer: usage, top-up, cut
    Redaction,  # the key never comes back
    Content,  # what was said, sealed where the tenant keeps it
    Record,  # written down, before it leaves and when it has ended
    Settlement,  # what was used is charged, the rest given back
    Measurement,  # figures for monitoring
)
