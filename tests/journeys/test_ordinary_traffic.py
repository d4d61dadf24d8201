"""Traffic that is no AI traffic goes through untouched, in TLS with its own server's certificate."""

from tests.standins.office import HOSTS, ORDINARY_HOST, Place


def test_ordinary_tls_reaches_its_server_with_the_servers_own_certificate(intercepted: Place) -> None:
    done = intercepted.machine.call("certificate", host=ORDINARY_HOST, port=443)
    assert "error" not in done, done
    assert done["result"]["sha256"] == intercepted.office.authority.fingerprint(ORDINARY_HOST)
    assert done["result"]["answer"] == "HTTP/1.1 200 OK" or done["result"]["answer"].startswith(
        "HTTP/1.1 200"
    )


def test_ai_tls_is_opened_with_our_certificate(intercepted: Place) -> None:
    done = intercepted.machine.call("certificate", host=HOSTS["openai"], port=443)
    assert "error" not in done, done
    assert done["result"]["sha256"] != intercepted.office.authority.fingerprint(HOSTS["openai"])


def test_an_ordinary_tunnel_is_counted_by_name_only(intercepted: Place) -> None:
    intercepted.machine.call("certificate", host=ORDINARY_HOST, port=443)
    (seen,) = intercepted.office.provider.seen
    assert (seen.server_name, seen.method, seen.target) == (ORDINARY_HOST, "GET", "/")
