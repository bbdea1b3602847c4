"""Recipes of disk images: url and sha256. What is fetched is checked, kept, and resumed where it broke off."""

from __future__ import annotations

import hashlib
import http.server
import re
import threading
from pathlib import Path

import pytest

from harness.errors import ConfigError, InfraError
from harness.images import DiskRecipe, fetch, load_recipe

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Has one file, which it may break off, and remembers what was asked for."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = CONTENT
        self.knows_ranges = True
        #: bytes after which it hangs up
        self.breaks_off_after: int | None = None
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/cloud.qcow2"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        if self.path != "/cloud.qcow2":
            self.send_error(404)
            return
        start = int(re.findall(r"\d+", wanted)[0]) if wanted and self.server.knows_ranges else 0
        if start >= len(self.server.content):
            self.send_error(416)
            return
        body = self.server.content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.breaks_off_after])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@pytest.fixture
def server():
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def get(server: Server, cache_dir: Path, sha256: str = SHA256) -> Path:
    return fetch(DiskRecipe(name="cloud", url=server.url, sha256=sha256), cache_dir, lambda _: None)


def test_a_file_is_fetched_once(server, tmp_path):
    path = get(server, tmp_path)
    assert path.read_bytes() == CONTENT
    assert get(server, tmp_path) == path
    assert server.asked == [None]


def test_what_broke_off_is_resumed(server, tmp_path):
    server.breaks_off_after = 300_000
    with pytest.raises(InfraError, match=r"cloud: http://.*\n  what has come is kept, and the next run goes on"):
        get(server, tmp_path)
    server.breaks_off_after = None
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]


@pytest.mark.parametrize("there", [CONTENT[:1000], CONTENT])
def test_a_server_that_knows_no_ranges_sends_all_of_it(server, tmp_path, there):
    server.knows_ranges = False
    part(tmp_path, there)
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_a_file_that_is_there_but_was_not_put_in_place_is_not_fetched_again(server, tmp_path):
    part(tmp_path, CONTENT)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == [f"bytes={len(CONTENT)}-"]


def test_pieces_of_two_files_are_fetched_again_as_one(server, tmp_path):
    part(tmp_path, b"an older file's beginning")
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.asked == ["bytes=25-", None]


def part(cache_dir: Path, content: bytes) -> None:
    path = cache_dir / "downloads" / f"{SHA256}.part"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)


def test_a_wrong_checksum_is_an_error_that_has_both_and_nothing_is_kept(server, tmp_path):
    server.content = b"something else"
    found = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(ConfigError) as caught:
        get(server, tmp_path)
    assert str(caught.value) == (
        f"cloud: sha256: {server.url} has another checksum than the recipe says\n"
        f"  the recipe: {SHA256}\n"
        f"  the file:   {found} (14 bytes)"
    )
    assert {path.name for path in (tmp_path / "downloads").iterdir()} <= {f"{SHA256}.lock"}


def test_a_damaged_file_in_the_cache_is_fetched_again(server, tmp_path):
    path = get(server, tmp_path)
    path.write_bytes(b"damaged")
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_what_the_server_does_not_have_is_said(server, tmp_path):
    recipe = DiskRecipe(name="cloud", url=server.url + "x", sha256=SHA256)
    with pytest.raises(InfraError, match=r"^cloud: http://127.0.0.1:\d+/cloud.qcow2x: 404 Not Found$"):
        fetch(recipe, tmp_path, lambda _: None)


def test_a_server_that_is_not_there_is_said(tmp_path):
    recipe = DiskRecipe(name="cloud", url="http://127.0.0.1:1/cloud.qcow2", sha256=SHA256)
    with pytest.raises(InfraError, match=r"^cloud: http://127.0.0.1:1/cloud.qcow2: .*refused"):
        fetch(recipe, tmp_path, lambda _: None)


def test_a_file_of_this_host_stays_where_it_is(tmp_path):
    path = tmp_path / "a disk.qcow2"
    path.write_bytes(CONTENT)
    assert fetch(DiskRecipe(name="cloud", url=path.as_uri(), sha256=SHA256), tmp_path, lambda _: None) == path
    with pytest.raises(ConfigError, match=r"^cloud: sha256: file:.* has another checksum than the recipe says"):
        fetch(DiskRecipe(name="cloud", url=path.as_uri(), sha256="0" * 64), tmp_path, lambda _: None)
    with pytest.raises(ConfigError, match=r"^cloud: url: /absent.qcow2: there is no such file"):
        fetch(DiskRecipe(name="cloud", url="file:///absent.qcow2", sha256=SHA256), tmp_path, lambda _: None)


# ---- the recipe ------------------------------------------------------------------------------------------------

RECIPE = f'url = "https://cloud.example/fedora.qcow2"\nsha256 = "{SHA256}"\n'


def test_a_recipe_with_a_url_is_one_of_a_disk_image(tmp_path):
    (tmp_path / "fedora.toml").write_text(RECIPE)
    recipe = load_recipe(tmp_path, "fedora")
    assert isinstance(recipe, DiskRecipe)
    assert (recipe.name, recipe.init, recipe.network) == ("fedora", "systemd", False)
    assert recipe.summary == "https://cloud.example/fedora.qcow2, x86_64, systemd"


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("sha256 =", "sha265 =", "2: sha265: unknown key 'sha265'; .*did you mean sha256"),
        (SHA256, "abc", "2: sha256: Expected `str` matching regex .*; it is 'abc'"),
        ("https:", "ftp:", "1: url: Expected `str` matching regex .*; it is 'ftp:"),
        ("https://cloud.example/", "file://", "1: url: Expected"),
        ("url =", 'base = "fedora"\nurl =', "1: base: unknown key 'base'"),
        (f'sha256 = "{SHA256}"\n', "", " sha256: is missing"),
        ("url =", "network = 1\nurl =", "1: network: Expected `bool`, got `int`; it is 1"),
    ],
)
def test_a_wrong_recipe_is_named_by_file_line_and_key(tmp_path, right, wrong, problem):
    path = tmp_path / "fedora.toml"
    path.write_text(RECIPE.replace(right, wrong, 1))
    with pytest.raises(ConfigError, match=f"^{path}:{problem}"):
        load_recipe(tmp_path, "fedora")
