"""``conduit ca``: the public certificate that machines must trust."""

from pathlib import Path
from typing import Annotated

import typer

from conduit.command import CommandFailed, Invocation, access_to, command, group


def register(application: typer.Typer) -> None:
    ca = group("ca", "The certificate that machines must trust.", application)
    command(ca, "show")(show)
    command(ca, "export")(export)


def show(invocation: Invocation) -> None:
    """Show the public CA certificate, with its fingerprint and end."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256

    path, pem = _read(invocation)
    certificate = x509.load_pem_x509_certificate(pem.encode())
    facts = {
        "path": str(path),
        "subject": certificate.subject.rfc4514_string(),
        "fingerprint_sha256": certificate.fingerprint(SHA256()).hex(":").upper(),
        "expires_at": certificate.not_valid_after_utc.isoformat(),
    }
    if invocation.json:
        invocation.show_json({**facts, "pem": pem})
        return
    for name, value in facts.items():
        invocation.say(f"{name.replace('_', ' ')}: {value}")
    print(pem, end="")


def export(
    invocation: Invocation,
    out: Annotated[Path | None, typer.Option(help="File to write; standard output without it.")] = None,
) -> None:
    """Write the public CA certificate, PEM."""
    path, pem = _read(invocation)
    if out is None:
        if invocation.json:
            invocation.show_json({"from": str(path), "pem": pem})
        else:
            print(pem, end="")
        return
    with access_to(out, "written"):
        out.write_text(pem, encoding="ascii")
    invocation.show({"from": str(path), "file": str(out)})


def _read(invocation: Invocation) -> tuple[Path, str]:
    path = invocation.data.expanduser().absolute() / "ca" / "ca.pem"
    try:
        return path, path.read_text(encoding="ascii")
    except OSError:
        raise CommandFailed(
            f"there is no certificate authority in {path.parent.parent}; `conduit up` makes it"
        ) from None
