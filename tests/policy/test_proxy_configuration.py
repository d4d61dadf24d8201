"""The PAC file does what it says, run by a JavaScript engine."""

import json
import subprocess
from pathlib import Path

import playwright
import pytest

from policy.catalogue import Entry, build
from policy.proxy_configuration import proxy_configuration
from store.catalogue import load_catalogue

NODE = Path(playwright.__file__).parent / "driver" / "node"
SHIPPED = load_catalogue(Path(__file__).parents[2] / "config" / "ai_endpoints.csv")
GATEWAY, DIRECT = "PROXY proxy.test:8080", "DIRECT"


def choices(pac: str, *urls: str) -> list[str]:
    """What the file answers, in a fresh context without anything of Node's."""
    script = (
        "const vm=require('vm'), context=vm.createContext({});"
        "const [pac, urls]=JSON.parse(require('fs').readFileSync(0));"
        "vm.runInContext(pac, context);"
        "const asked=urls.map(url=>{const {hostname}=new URL(url);"
        "const call=`FindProxyForURL(${JSON.stringify(url)}, ${JSON.stringify(hostname)})`;"
        "return vm.runInContext(call, context)});"
        "console.log(JSON.stringify(asked));"
    )
    run = subprocess.run(
        [NODE, "-e", script], input=json.dumps([pac, urls]), capture_output=True, text=True, check=True
    )
    found: list[str] = json.loads(run.stdout)
    return found


@pytest.fixture(scope="module")
def shipped() -> str:
    return proxy_configuration(SHIPPED, "proxy.test:8080")


def test_every_host_of_the_catalogue_goes_to_the_gateway_and_nowhere_else(shipped: str) -> None:
    hosts = [entry.host.replace("*.", "some.") for entry in SHIPPED.entries if not entry.mixed]
    assert set(choices(shipped, *(f"https://{host}/" for host in hosts))) == {GATEWAY}


@pytest.mark.parametrize(
    ("url", "choice"),
    [
        ("https://CHATGPT.com./c/1", GATEWAY),
        ("https://a.b.chatgpt.com/", GATEWAY),
        ("https://chatgpt.com.evil.test/", DIRECT),
        ("https://notchatgpt.com/", DIRECT),
        ("https://bank.example/", DIRECT),
        ("https://localhost/", DIRECT),
        ("https://constructor/", DIRECT),
        ("https://www.google.com/", DIRECT),
    ],
)
def test_a_name_is_taken_whole(shipped: str, url: str, choice: str) -> None:
    assert choices(shipped, url) == [choice]


def test_a_name_cannot_end_the_text_it_stands_in() -> None:
    entry = Entry('a";alert(1)//', "x", "chat", "web", "eu", "DE", False, "test", "")
    assert choices(proxy_configuration(build([entry]), "proxy.test:1"), "https://a.test/") == [DIRECT]
