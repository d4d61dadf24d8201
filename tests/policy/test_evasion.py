import pytest

from policy.evasion import ENCRYPTED_CLIENT_HELLO, Evasions, refused_hello
from policy.ja4 import SERVER_NAME

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
    sni = next((name for name in names if name != connect), None)
    kinds = [SERVER_NAME, *extensions] if sni else extensions
    found = refused_hello(names, sni=sni, connect=connect, extensions=kinds, evasions=EVASIONS)
    assert (found.rule if found else None) == rule


@pytest.mark.parametrize(
    ("sni", "extensions"),
    [(None, [SERVER_NAME]), ("bank.example", [SERVER_NAME, SERVER_NAME]), ("bank.example", [])],
)
def test_a_name_that_a_server_could_read_otherwise_is_refused(sni, extensions):
    found = refused_hello(
        ["bank.example"], sni=sni, connect="bank.example", extensions=extensions, evasions=Evasions()
    )
    assert found is not None
    assert found.rule == "evasion:ambiguous-name"


def test_what_is_not_to_be_refused_is_not():
    lenient = Evasions(nameless=False)
    assert refused_hello([], sni=None, connect=None, extensions=[], evasions=lenient) is None
    named = {"sni": "dns.example", "extensions": [SERVER_NAME]}
    assert refused_hello(["dns.example"], **named, connect=None, evasions=lenient) is None
