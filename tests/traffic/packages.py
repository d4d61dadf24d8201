"""Package managers, Git and wget, against small but real things: a wheel, an npm archive, a repository.

What they fetch is made here once; what serves it is what serves such things elsewhere: files under paths, and
Git's own ``git http-backend``.
"""

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path

from tests.standins import agents
from tests.standins.answers import Answer
from tests.standins.provider import Seen
from tests.traffic.client import Client, Kind, Label, Station, Told

_UV = Path(sys.executable).parent / "uv"
_NPM = agents.FOLDER / "node" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
_OCTETS = "application/octet-stream"

type Files = Mapping[str, tuple[str, bytes]]


def _served(files: Files, seen: Seen) -> Answer:
    """A static site: what stands at the path, else 404."""
    media_type, body = files.get(seen.target.partition("?")[0], ("", b""))
    if not media_type:
        return Answer(404, (("content-type", "text/plain"),), (b"not found",))
    return Answer(200, (("content-type", media_type),), (body,))


def _archive(entries: Mapping[str, str]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content in entries.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    return written.getvalue()


@cache
def _wheel() -> bytes:
    about = "house_one-1.0.dist-info"
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as wheel:
        wheel.writestr("house_one.py", "GREETING = 'hello'\n")
        wheel.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: house-one\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", f"house_one.py,,\n{about}/METADATA,,\n{about}/WHEEL,,\n")
    return written.getvalue()


def _python_index(files_host: str) -> Files:
    """PEP 503, and the files at another host, as on PyPI."""
    name = "house_one-1.0-py3-none-any.whl"
    link = f"https://{files_host}/packages/{name}#sha256={hashlib.sha256(_wheel()).hexdigest()}"
    page = f"<!DOCTYPE html><html><body><a href='{link}'>{name}</a></body></html>".encode()
    return {"/simple/house-one/": ("text/html", page), f"/packages/{name}": (_OCTETS, _wheel())}


def _pip(index: str, station: Station) -> Told:
    home = station.home("pip")
    options = ("--no-deps", "--no-cache-dir", "--disable-pip-version-check", "--dest", home)
    where = ("--index-url", f"https://{index}/simple")
    told = {"PIP_CONFIG_FILE": os.devnull, "PIP_CERT": str(station.ca_file)}
    station.run(sys.executable, "-m", "pip", "download", "house-one", *options, *where, home=home, **told)
    return {}


def _uv(index: str, station: Station) -> Told:
    home = station.home("uv")
    options = ("--no-deps", "--no-cache", "--target", home / "there", "--python", sys.executable)
    where = ("--index-url", f"https://{index}/simple")
    station.run(_UV, "pip", "install", "house-one", *options, *where, home=home, UV_NO_CONFIG="1")
    return {}


def _npm_registry(host: str) -> Files:
    archive = _archive({"package/package.json": json.dumps({"name": "house-one", "version": "1.0.0"})})
    name, digest = "house-one-1.0.0.tgz", base64.b64encode(hashlib.sha512(archive).digest()).decode()
    found = {"tarball": f"https://{host}/house-one/-/{name}", "integrity": f"sha512-{digest}"}
    version = {"name": "house-one", "version": "1.0.0", "dist": found}
    about = {"name": "house-one", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}
    packed = json.dumps(about).encode()
    return {"/house-one": ("application/json", packed), f"/house-one/-/{name}": (_OCTETS, archive)}


def _npm(host: str, station: Station) -> Told:
    home = station.home("npm")
    told = {"npm_config_cafile": str(station.ca_file), "npm_config_update_notifier": "false"}
    command = (agents.NODE, _NPM, "install", "house-one", "--ignore-scripts", "--no-audit", "--no-fund")
    station.run(*command, "--registry", f"https://{host}/", home=home, **told)
    return {}


def _debian_repository() -> Files:
    package = b"not looked into"
    described = (
        "Package: house-one\nVersion: 1.0\nArchitecture: all\nMaintainer: us\nDescription: one\n"
        f"Filename: ./house-one_1.0_all.deb\nSize: {len(package)}\n"
        f"SHA256: {hashlib.sha256(package).hexdigest()}\n\n"
    ).encode()
    listed = f" {hashlib.sha256(described).hexdigest()} {len(described)} Packages\n"
    release = f"Date: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n{listed}".encode()
    plain = "text/plain"
    return {
        "/./Release": (plain, release),
        "/./Packages": (plain, described),
        "/./house-one_1.0_all.deb": (_OCTETS, package),
    }


def _apt(host: str, station: Station) -> Told:
    """APT in folders of its own; the repository is not signed, and its source says that this is known."""
    home = station.home("apt")
    for folder in ("lists/partial", "cache/archives/partial", "etc/preferences.d", "etc/apt.conf.d"):
        (home / folder).mkdir(parents=True)
    (home / "status").touch()
    (home / "sources.list").write_text(f"deb [trusted=yes] https://{host} ./\n")
    settings = {
        "Dir::Etc": home / "etc",
        "Dir::Etc::sourcelist": home / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": home / "lists",
        "Dir::State::status": home / "status",
        "Dir::Cache": home / "cache",
        "Acquire::https::Proxy": station.proxy,
        "Acquire::https::CaInfo": station.ca_file,
        "APT::Sandbox::User": "",
        "Debug::NoLocking": "true",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    station.run("apt-get", *options, "update", "--error-on=any", home=home)
    station.run("apt-get", *options, "download", "house-one", home=home)
    return {}


@cache
def _repository() -> tempfile.TemporaryDirectory[str]:
    """A repository with one commit, gone with this process."""
    made = tempfile.TemporaryDirectory(prefix="conduit-test-git-")
    bare = Path(made.name) / "house.git"
    told = {"HOME": made.name, "PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ("-c", "user.name=ada", "-c", "user.email=ada@acme.test")
    commands = (
        ("init", "--quiet", "--bare", "--initial-branch=main", str(bare)),
        ("clone", "--quiet", str(bare), "work"),
        ("-C", "work", *identity, "commit", "--quiet", "--allow-empty", "-m", "Begin"),
        ("-C", "work", "push", "--quiet", "origin", "HEAD:main"),
    )
    for command in commands:
        subprocess.run(("git", *command), cwd=made.name, env=told, check=True, capture_output=True)
    return made


def _git_backend(seen: Seen) -> Answer:
    """Git's smart HTTP, by its own CGI program."""
    path, _, query = seen.target.partition("?")
    asked = {
        "GIT_PROJECT_ROOT": _repository().name,
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_METHOD": seen.method,
        "CONTENT_TYPE": seen.header("content-type") or "",
        "HTTP_CONTENT_ENCODING": seen.header("content-encoding") or "",
        "GIT_PROTOCOL": seen.header("git-protocol") or "",
    }
    told = {"PATH": os.environ["PATH"], **asked}
    done = subprocess.run(("git", "http-backend"), input=seen.body, env=told, check=True, capture_output=True)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    lines = (line.partition(": ") for line in head.decode().split("\r\n"))
    headers = {name.lower(): value for name, _, value in lines}
    status = int(headers.pop("status", "200").split()[0])
    return Answer(status, tuple(headers.items()), (body,))


def _git(host: str, station: Station) -> Told:
    home = station.home("git")
    told = {"GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
    station.run("git", "clone", "--quiet", f"https://{host}/house.git", "clone", home=home, **told)
    station.run("git", "-C", "clone", "fetch", "--quiet", home=home, **told)
    return {}


def _crates(host: str) -> Files:
    manifest = '[package]\nname = "house"\nversion = "1.0.0"\nedition = "2021"\n'
    crate = _archive({"house-1.0.0/Cargo.toml": manifest, "house-1.0.0/src/lib.rs": ""})
    digest = hashlib.sha256(crate).hexdigest()
    entry = {"name": "house", "vers": "1.0.0", "deps": [], "cksum": digest, "features": {}, "yanked": False}
    place = json.dumps({"dl": f"https://{host}/crates"}).encode()
    return {
        "/index/config.json": ("application/json", place),
        "/index/ho/us/house": ("text/plain", json.dumps(entry).encode() + b"\n"),
        "/crates/house/1.0.0/download": (_OCTETS, crate),
    }


def _cargo(host: str, station: Station) -> Told:
    home = station.home("cargo")
    (home / "src").mkdir()
    (home / "src" / "lib.rs").touch()
    dependency = '[dependencies]\nhouse = { version = "1", registry = "ours" }\n'
    (home / "Cargo.toml").write_text(f'[package]\nname = "mine"\nversion = "0.1.0"\n{dependency}')
    (home / ".cargo").mkdir()
    registry = f'[registries.ours]\nindex = "sparse+https://{host}/index/"\n'
    (home / ".cargo" / "config.toml").write_text(registry)
    told = {"CARGO_HOME": str(home / ".cargo"), "RUSTUP_HOME": str(Path.home() / ".rustup")}
    station.run("cargo", "fetch", home=home, **told)
    return {}


_PAGES: Files = {
    "/": ("text/html", b"<a href='/docs/api/chat/completions.html'>Docs</a> <a href='/a.iso'>Download</a>"),
    "/docs/api/chat/completions.html": ("text/html", b"<h1>How to call a model</h1>"),
    "/a.iso": (_OCTETS, bytes(20_000)),
}


def _wget(host: str, station: Station) -> Told:
    home = station.home("wget")
    options = (
        "--quiet",
        "--recursive",
        "--level=1",
        f"--ca-certificate={station.ca_file}",
        "-e",
        "robots=off",
    )
    station.run("wget", *options, f"https://{host}/", home=home)
    return {}


def clients() -> list[Client]:
    """Every entry: none is AI."""
    spelled = partial(Client, kind=Kind.PROGRAM, label=Label.NOT_AI)
    pypi, files, uv, uv_files = (f"{each}.office.test" for each in ("pypi", "files", "uv", "uv-files"))
    npm, apt, git, crates, site = (f"{each}.office.test" for each in ("npm", "apt", "git", "crates", "site"))
    return [
        spelled("pip download", hosts=(pypi, files), call=partial(_pip, pypi),
                answer=partial(_served, _python_index(files))),
        spelled("uv pip install", hosts=(uv, uv_files), call=partial(_uv, uv), program=_UV,
                answer=partial(_served, _python_index(uv_files))),
        spelled("npm install", hosts=(npm,), call=partial(_npm, npm), program=agents.NODE,
                answer=partial(_served, _npm_registry(npm))),
        spelled("apt-get update and download", hosts=(apt,), call=partial(_apt, apt), program="apt-get",
                answer=partial(_served, _debian_repository())),
        spelled("git clone and fetch", hosts=(git,), call=partial(_git, git), program="git",
                answer=_git_backend),
        spelled("cargo fetch", hosts=(crates,), call=partial(_cargo, crates), program="cargo",
                answer=partial(_served, _crates(crates))),
        spelled("wget of a site", hosts=(site,), call=partial(_wget, site), program="wget",
                answer=partial(_served, _PAGES)),
    ]  # fmt: skip
