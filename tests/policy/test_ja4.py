"""JA4 of ClientHello messages whose fingerprint FoxIO has published, of the specification's own examples,
and of rubbish.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.ja4 import Hello, ja4, read_hello
from tests.standins.hello import (
    PROTOCOLS,
    SERVER_NAME,
    SIGNATURES,
    TLS_1_2,
    TLS_1_3,
    VERSIONS,
    hello,
    numbers,
    protocols,
    server_name,
)

# From the expected results of FoxIO's own tests (python/test/testdata, and technical_details/JA4.md): the
# fingerprint, and cipher suites, extensions and signature algorithms in the order of the message.
_CHROME = "1301,1302,1303,c02b,c02f,c02c,c030,cca9,cca8,c013,c014,009c,009d,002f,0035"
_CHROME_SIGNATURES = "0403,0804,0401,0503,0805,0501,0806,0601"
PUBLISHED = {
    "t13d1516h2_8daaf6152771_e5627efa2ab1": (
        f"{_CHROME}_001b,0000,0033,0010,4469,0017,002d,000d,0005,0023,0012,002b,ff01,000b,000a,0015"
        f"_{_CHROME_SIGNATURES}"
    ),
    "t13d151400_8daaf6152771_de4a06bb82e3": (
        f"{_CHROME}_0033,002b,001b,0000,0012,002d,000d,000a,0005,0023,0017,ff01,000b,0015_{_CHROME_SIGNATURES}"
    ),
    "t13d1517h1_8daaf6152771_6cdcb247c39b": (
        f"{_CHROME}_0000,0017,0005,002b,0012,0023,000a,0033,0010,002d,001b,4469,000b,000d,ff01,0015,0029"
        f"_{_CHROME_SIGNATURES}"
    ),
    "t13d1517h2_8daaf6152771_cb7bf5808d99": (
        f"{_CHROME}_fe0d,0010,0017,0033,44cd,ff01,000a,000d,0023,002b,000b,ca34,002d,0000,0005,001b,0012"
        f"_0904,0905,0906,{_CHROME_SIGNATURES}"
    ),
    "t13d1715h2_5b57614c22b0_3d5424432f57": (
        "1301,1303,1302,c02b,c02f,cca9,cca8,c02c,c030,c00a,c009,c013,c014,009c,009d,002f,0035"
        "_0000,0017,ff01,000a,000b,0023,0010,0005,0022,0033,002b,000d,002d,001c,0015"
        "_0403,0503,0603,0804,0805,0806,0401,0501,0601,0203,0201"
    ),
    "t13d2613h2_2802a3db6c62_845d286b0d67": (
        "1301,1302,1303,c02c,c02b,c024,c023,c00a,c009,cca9,c030,c02f,c028,c027,c014,c013,cca8,009d,009c,003d,"
        "003c,0035,002f,c008,c012,000a_ff01,0000,0017,000d,0005,0012,0010,000b,0033,002d,002b,000a,0015"
        "_0403,0804,0401,0503,0203,0805,0805,0501,0806,0601,0201"
    ),
    "t12d1909h2_d83cc789557e_7af1ed941c26": (
        "c02c,c02b,c030,c02f,c024,c023,c028,c027,c00a,c009,c014,c013,009d,009c,003d,003c,0035,002f,000a"
        "_0000,0005,000a,000b,000d,0023,0010,0017,ff01_0804,0805,0806,0401,0501,0201,0403,0503,0203,0202,0601,"
        "0603"
    ),
    "t12d190800_d83cc789557e_7af1ed941c26": (
        "c02c,c02b,c030,c02f,c024,c023,c028,c027,c00a,c009,c014,c013,009d,009c,003d,003c,0035,002f,000a"
        "_0000,0005,000a,000b,000d,0023,0017,ff01_0804,0805,0806,0401,0501,0201,0403,0503,0203,0202,0601,0603"
    ),
    "t10d230100_6a57a6f57151_000000000000": (
        "0039,0038,0035,0016,0013,000a,0033,0032,002f,009a,0099,0096,0005,0004,0015,0012,0009,0014,0011,0008,"
        "0006,0003,00ff_0000_"
    ),
}
_VERSION_OF = {"13": TLS_1_3, "12": TLS_1_2, "10": 0x0301}
_FIRST_PROTOCOL = {"h2": (b"h2", b"http/1.1"), "h1": (b"http/1.1",)}
GREASE = [0x0A0A + 0x1010 * step for step in range(16)]


def _read(text: str) -> list[int]:
    return [int(each, 16) for each in text.split(",") if each]


def _message(fingerprint: str, listed: str, *, grease: bool = False) -> bytes:
    ciphers, kinds, signatures = (_read(part) for part in listed.split("_"))
    version = _VERSION_OF[fingerprint[1:3]]
    offered = [version, TLS_1_2] if version == TLS_1_3 else [version]
    if grease:
        ciphers, offered, kinds = (
            [GREASE[0], *ciphers],
            [GREASE[15], *offered],
            [GREASE[3], *kinds, GREASE[7]],
        )
    bodies = {
        SERVER_NAME: server_name(b"www.example.org"),
        SIGNATURES: numbers(signatures),
        PROTOCOLS: protocols(*_FIRST_PROTOCOL.get(fingerprint[8:10], ())),
        VERSIONS: numbers(offered, width=1),
    }
    return hello(ciphers, [(kind, bodies.get(kind, b"")) for kind in kinds], version=min(version, TLS_1_2))


def _of(message: bytes) -> str:
    read = read_hello(message)
    assert read is not None
    return ja4(read)


@pytest.mark.parametrize("fingerprint", PUBLISHED)
@pytest.mark.parametrize("grease", [False, True])
def test_a_published_fingerprint_is_found_with_and_without_grease(fingerprint: str, grease: bool) -> None:
    message = _message(fingerprint, PUBLISHED[fingerprint], grease=grease)
    assert _of(message) == fingerprint
    read = read_hello(message)
    assert read is not None
    assert read.greases is grease


def test_without_signature_algorithms_the_extensions_stand_alone() -> None:
    """The specification's example."""
    kinds = _read("0005,000a,000b,000d,0012,0015,0017,001b,0023,002b,002d,0033,4469,ff01")
    assert ja4(Hello(TLS_1_3, (), tuple(kinds), (), b"", greases=False)).endswith("_6d807ffa2a79")


@pytest.mark.parametrize(
    ("protocol", "ends"),
    [
        ("", "00"),
        ("ab", "ab"),
        ("20", "20"),
        ("abcd", "ad"),
        ("2061", "21"),
        ("30ab", "3b"),
        ("6120", "60"),
        ("3031abcd", "3d"),
        ("30abcd31", "01"),
        ("61", "aa"),
    ],
)
def test_the_first_protocol_is_told_by_its_ends(protocol: str, ends: str) -> None:
    """The specification's examples, in hexadecimal."""
    message = hello([0x1301], [(PROTOCOLS, protocols(bytes.fromhex(protocol), b"h2"))])
    assert _of(message).partition("_")[0] == f"t12i0101{ends}"


@pytest.mark.parametrize(
    ("version", "told"), [(0x0304, "13"), (0x0302, "11"), (0x0300, "s3"), (0x0002, "s2"), (0x7F1C, "00")]
)
def test_the_version_is_the_highest_that_is_offered(version: int, told: str) -> None:
    by_extension = hello([1], [(VERSIONS, numbers([0x0001, version, GREASE[2]], width=1))])
    assert _of(by_extension)[1:3] == _of(hello([1], None, version=version))[1:3] == told


def test_nothing_offered_is_told_as_nothing() -> None:
    assert _of(hello([], None)) == "t12i000000_000000000000_000000000000"


def test_counts_end_at_99() -> None:
    assert _of(hello(list(range(200)), [(kind, b"") for kind in range(0x4000, 0x4080)]))[4:8] == "9999"


@given(st.binary(max_size=300))
def test_rubbish_is_no_hello_or_has_a_fingerprint(message: bytes) -> None:
    read = read_hello(message)
    assert read is None or len(ja4(read)) == len("t12i000000_000000000000_000000000000")


@given(st.sampled_from(sorted(PUBLISHED)), st.data())
def test_a_hello_that_was_cut_or_altered_raises_nothing(fingerprint: str, data: st.DataObject) -> None:
    message = bytearray(_message(fingerprint, PUBLISHED[fingerprint]))
    for _ in range(data.draw(st.integers(0, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    read = read_hello(bytes(message[: data.draw(st.integers(0, len(message)))]))
    assert read is None or ja4(read)
