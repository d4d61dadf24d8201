import httpx
import pytest


@pytest.mark.parametrize("path", ["/wpad.dat", "/proxy.pac"])
async def test_the_proxy_file_is_given_to_anybody_in_its_media_type(client: httpx.AsyncClient, path: str):
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ns-proxy-autoconfig"
    assert 'ours ? "PROXY proxy.test:8080" : "DIRECT"' in answer.text
    assert '"api.openai.com": 1' in answer.text
