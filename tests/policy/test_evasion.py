import pytest

from policy.evasion import ENCRYPTED_CLIENT_HELLO, Evasions, refused_hello

EVASIONS = Evasions(True, ("dns.example",), ("front.example",))


@pytest.mark.parametrize(
    ("names", "connect", "extensions", "rule"),
    [
        (["bank.example"], None, [], None),
        (["bank.example"], None, [ENCRYPTED_CLIENT_HELLO], None),  # GREASE
        (["front.example"], None, [ENCRYPTED_CLIENT_HELLO], "evasion:ech"),
        (["front.example"], None, [], None),
        (["dns.example"], None, [], "evasion:doh"),
        ([], None, [], "evasion:nameless"),
        (["203.0.113.5"], "203.0.113.5", [], "evasion:nameless"),
        (["[2001:db8::1]"], "[2001:db8::1]", [], "evasion:nameless"),
        (["bank.example"], "bank.example", [], None),  # a tunnel asked for by name
        (["203.0.113.5"], None, [], "evasion:nameless"),  # an address as SNI
        (["bank.example", "203.0.113.5"], "203.0.113.5", [], None),  # the name is dialled
        (["bank.example", "other.example"], "other.example", [], "evasion:fronting"),
    ],
)
def test_what_hides_its_name_is_refused_and_everything_else_is_not(names, connect, extensions, rule):
    found = refused_hello(names, connect=connect, extensions=extensions, evasions=EVASIONS)
    assert (found.rule if found else None) == rule


def test_what_is_not_to_be_refused_is_not():
    for names in ([], ["dns.example"]):
        assert refused_hello(names, connect=None, extensions=[], evasions=Evasions(nameless=False)) is None
