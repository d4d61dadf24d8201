"""What a ClientHello tells of the software that sent it: a browser, or a program.

It tells the TLS library and how it was set up, not what for: of AI a Python or Node.js stack says nothing.
"""

from policy.ja4 import Hello

# Delegated credentials (RFC 9345) and the record size limit (RFC 8449): together Firefox and its like alone.
_DELEGATED_CREDENTIALS, _RECORD_SIZE_LIMIT = 0x0022, 0x001C

# By the second part of JA4, the cipher suites, which do not change with name, session or padding. Computed
# from the ClientHello of each, 2026-11-24: CPython 3.13 (OpenSSL 3.0.19; ssl, httpx, requests, urllib alike),
# Node.js 20.20 (https and fetch), OpenJDK 17 (java.net.http), and Debian 12's curl 7.88, `openssl s_client`,
# Python 3.11 (OpenSSL's own list), wget 1.21 and git 2.39 (GnuTLS).
_PROGRAMS = {
    "85036bcba153": "Python",
    "a33745022dd6": "Node.js",
    "db35923f8641": "Java",
    "e8f1e7e78f70": "OpenSSL, such as curl's",
    "723694b0fccc": "GnuTLS, such as wget's",
}
UNKNOWN_PROGRAM = "unknown"


def program_of(hello: Hello, fingerprint: str) -> str | None:
    """Whose TLS it is, for people to read; ``None`` for that of a browser, or of what uses a browser's.

    Chromium and Safari send values that mean nothing (GREASE, RFC 8701), which libraries for programs leave
    out; so do desktop applications that are made of a browser. It is easily imitated.
    """
    if hello.greases or {_DELEGATED_CREDENTIALS, _RECORD_SIZE_LIMIT} <= set(hello.extensions):
        return None
    return _PROGRAMS.get(fingerprint.split("_")[1], UNKNOWN_PROGRAM)
