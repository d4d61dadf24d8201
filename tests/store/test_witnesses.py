"""Witnesses that others run: a bucket with object lock (moto on HTTP), a time stamp authority (openssl ts).

Each convicts a database that was restored from an older backup, by what it alone has kept.
"""

import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import boto3
import httpx
import pytest
from botocore.exceptions import ClientError

from policy.identifiers import TenantId
from store.checkpoint import Checkpoint, SigningKey
from store.door import Store
from store.export import head_of
from store.verify import verify_record
from store.walk import RecordBroken
from store.witness import Witness, WitnessUnavailable
from store.witness_bucket import BucketPlace, BucketWitness
from store.witness_timestamp import TimestampInvalid, TimestampWitness, check, stamped
from tests.standins.buckets import ACCESS, REGION, cloud, locked_bucket
from tests.store.test_checkpointer import append, forget

KEY = SigningKey.generate()
AT = "2026-11-24T08:00:00.000000Z"


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with cloud() as url:
        yield url


@pytest.fixture
def place(service: str, monkeypatch: pytest.MonkeyPatch) -> BucketPlace:
    """A bucket with object lock, which nothing but the witness has written to."""
    for name, value in ACCESS.items():
        monkeypatch.setenv(name, value)
    return locked_bucket(service)


CONFIGURATION = """
[tsa]
default_tsa = own
[own]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
ess_cert_id_alg = sha256
"""


class Authority:
    """A time-stamping authority of openssl's, asked without a network."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.away = folder, False
        folder.mkdir()
        (folder / "tsa.cnf").write_text(CONFIGURATION.format(folder=folder))
        (folder / "serial").write_text("01\n")
        (folder / "tsa.ext").write_text("extendedKeyUsage=critical,timeStamping\nkeyUsage=digitalSignature\n")
        self._run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem",
                  "-subj", "/CN=Test root", "-days", "30")  # fmt: skip
        self._run("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "tsa.key", "-out", "tsa.csr",
                  "-subj", "/CN=Test authority")  # fmt: skip
        self._run("x509", "-req", "-in", "tsa.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                  "-out", "tsa.pem", "-days", "20", "-extfile", "tsa.ext")  # fmt: skip
        self.root = folder / "ca.pem"

    def _run(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            return httpx.Response(503)
        assert request.headers["content-type"] == "application/timestamp-query"
        (self.folder / "query").write_bytes(request.content)
        self._run("ts", "-reply", "-config", "tsa.cnf", "-section", "own", "-queryfile", "query",
                  "-inkey", "tsa.key", "-signer", "tsa.pem", "-out", "reply")  # fmt: skip
        return httpx.Response(200, content=(self.folder / "reply").read_bytes())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    return Authority(tmp_path_factory.mktemp("tsa") / "own")


@pytest.fixture
async def stamps(authority: Authority, tmp_path: Path) -> AsyncIterator[TimestampWitness]:
    authority.away = False
    transport = httpx.MockTransport(authority.answer)
    async with httpx.AsyncClient(transport=transport) as client:
        yield TimestampWitness("https://tsa.example/", authority.root, tmp_path / "stamps", client)


def a_note(tenant: TenantId, size: int = 3) -> tuple[Checkpoint, str]:
    checkpoint = Checkpoint(tenant, size, bytes([size]) * 32, AT)
    return checkpoint, KEY.sign(checkpoint)


async def test_a_bucket_keeps_each_checkpoint_once_and_lets_nobody_remove_it(
    place: BucketPlace, service: str, tenant: TenantId
) -> None:
    witness, (checkpoint, note) = BucketWitness(place), a_note(tenant)
    await witness.publish(checkpoint, note)
    await witness.publish(checkpoint, "another of the same size")
    assert witness.notes() == [note]
    client = boto3.client("s3", region_name=REGION, endpoint_url=service)
    (kept,) = client.list_object_versions(Bucket=place.bucket)["Versions"]
    with pytest.raises(ClientError, match="AccessDenied"):
        client.delete_object(Bucket=place.bucket, Key=kept["Key"], VersionId=kept["VersionId"])
    client.delete_object(Bucket=place.bucket, Key=kept["Key"])  # leaves a mark before it, no more
    assert witness.notes() == [note]


async def test_a_bucket_that_is_not_there_is_away(place: BucketPlace, tenant: TenantId) -> None:
    gone = BucketWitness(BucketPlace("no-such-bucket", region=REGION, endpoint=place.endpoint))
    with pytest.raises(WitnessUnavailable, match="NoSuchBucket"):
        await gone.publish(*a_note(tenant))
    with pytest.raises(WitnessUnavailable):
        gone.notes()


async def test_a_time_stamp_is_kept_with_its_note_and_holds(
    stamps: TimestampWitness, authority: Authority, tenant: TenantId, tmp_path: Path
) -> None:
    (checkpoint, note), (_, other) = a_note(tenant), a_note(tenant, 4)
    await stamps.publish(checkpoint, note)
    await stamps.publish(checkpoint, note)
    assert stamped(stamps.directory, authority.root) == [note]
    (token,) = stamps.directory.rglob("*.tsr")
    with pytest.raises(TimestampInvalid):
        check(token.read_bytes(), other, authority.root)
    with pytest.raises(TimestampInvalid):
        check(token.read_bytes()[:-1], note, authority.root)
    stranger = Authority(tmp_path / "stranger")
    with pytest.raises(TimestampInvalid):
        check(token.read_bytes(), note, stranger.root)


async def test_an_authority_that_fails_is_away_and_leaves_nothing(
    stamps: TimestampWitness, authority: Authority, tenant: TenantId, tmp_path: Path
) -> None:
    authority.away = True
    with pytest.raises(WitnessUnavailable, match="503"):
        await stamps.publish(*a_note(tenant))
    assert not list(tmp_path.rglob("*.tsr"))


@pytest.mark.parametrize("kind", ["bucket", "timestamps"])
async def test_each_witness_convicts_a_database_restored_from_an_older_backup(
    store: Store,
    gateway: Store,
    tenant: TenantId,
    postgres_url: str,
    place: BucketPlace,
    stamps: TimestampWitness,
    authority: Authority,
    kind: str,
) -> None:
    await append(gateway, tenant, 2)
    older = await head_of(store, tenant)
    await append(gateway, tenant, 2)
    now = await head_of(store, tenant)
    checkpoint = Checkpoint(tenant, now.sequence, now.frontier.root(), AT)
    bucket = BucketWitness(place)
    witness: Witness = bucket if kind == "bucket" else stamps
    await witness.publish(checkpoint, KEY.sign(checkpoint))
    kept = bucket.notes() if kind == "bucket" else stamped(stamps.directory, authority.root)
    held = [KEY.verifier.open(note) for note in kept]
    assert (await verify_record(store, tenant, trusted=(), held=held)).events == 4
    forget(postgres_url, "DELETE FROM conduit.event WHERE tenant_id = %(t)s AND sequence > 2", t=tenant)
    forget(
        postgres_url,
        "UPDATE conduit.chain_head SET sequence = 2, chain = %(c)s, frontier = %(f)s WHERE tenant_id = %(t)s",
        t=tenant,
        c=older.chain,
        f=older.frontier.to_bytes(),
    )
    assert (await verify_record(store, tenant, trusted=())).events == 2
    with pytest.raises(RecordBroken, match="cut off"):
        await verify_record(store, tenant, trusted=(), held=held)
