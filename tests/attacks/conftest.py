"""The attacker, and the check after each attack that the honest are still served."""

from collections.abc import Iterator

import pytest

from tests.attacks.conversation import Attacker
from tests.standins.office import Office


@pytest.fixture
def attacker(office: Office) -> Iterator[Attacker]:
    found = Attacker(office)
    office.provider.forget()
    yield found
    found.assert_nothing_escaped()
    found.assert_works()
