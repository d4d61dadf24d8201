import pytest

from policy.evasion import ENCRYPTED_CLIENT_HELLO, Evasions, refused_hello

EVASIONS = Evasions(True, ("dns.example",), ("front.example",))


@pytest.mark.parametrize(
    ("names", "named", "extensions", "rule"),
    [
        (["bank.example"], True, [], None),
        (["bank.example"], True, [ENCRYPTED_CLIENT_HELLO], None),  # GREASE
        (["front.example"], True, [ENCRYPTED_CLIENT_HELLO], "evasion:ech"),
        (["front.example"], True, [], None),
        (["dns.example"], True, [], "evasion:doh"),
        ([], False, [], "evasion:nameless"),
        (["203.0.113.5"], False, [], "evasion:nameless"),
        (["[2001:db8::1]"], False, [], "evasion:nameless"),
        (["bank.example"], False, [], None),  # a tunnel asked for by name
        (["bank.example", "203.0.113.5"], True, [], None),
    ],
)
def test_what_hides_its_name_is_refused_and_everything_else_is_not(names, named, extensions, rule):
    found = refused_hello(names, named=named, extensions=extensions, evasions=EVASIONS)
    assert (found.rule if found else None) == rule


def test_what_is_not_to_be_refused_is_not():
    for names in ([], ["dns.example"]):
        assert refused_hello(names, named=False, extensions=[], evasions=Evasions(nameless=False)) is None
