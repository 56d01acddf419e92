"""A Hugging Face Hub on loopback: the calls that huggingface_hub makes for models, over HTTP.

Repositories, branches, commits, regular files and Git LFS are real; accounts are one token. Xet,
which the real Hub stores large files with, is not spoken: clients set HF_HUB_DISABLE_XET=1.
"""

import base64
import hashlib
import json
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

TOKEN = "hf_loopback"
_LFS = (".png", ".safetensors")

Files = dict[str, bytes]


class HubError(Exception):
    """A status, and the code by which huggingface_hub tells what it means."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Repository:
    """Files of each commit, and the commit of each branch and tag."""

    commits: dict[str, Files] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    private: bool = False

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Add a commit with these files alone; return its hash."""
        parts = sorted((path, _blob_id(content)) for path, content in files.items())
        number = f"{len(self.commits)} {self.refs.get(branch)} {parts}"
        self.refs[branch] = sha = hashlib.sha1(number.encode()).hexdigest()
        self.commits[sha] = dict(files)
        return sha

    def resolved(self, revision: str) -> str:
        sha = self.refs.get(revision, revision)
        if sha not in self.commits:
            raise HubError(404, "RevisionNotFound")
        return sha


class Hub(ThreadingHTTPServer):
    """The server.

    Attributes:
        repositories: by "user/name".
        large: content of LFS files by SHA-256.
        requests: "METHOD /path" of each call.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Repository] = {}
        self.large: dict[str, bytes] = {}
        self.requests: list[str] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def storage(self, checksum: str) -> str:
        """The address of an LFS file: of another host, as the real Hub's storage is."""
        return f"http://localhost:{self.server_address[1]}/lfs/{checksum}"

    def add(self, name: str, files: Mapping[str, bytes]) -> str:
        """Commit files to "main", in a repository that is made if need be; return the hash."""
        for path, content in files.items():
            if path.endswith(_LFS):
                self.large[hashlib.sha256(content).hexdigest()] = content
        return self.repositories.setdefault(name, Repository()).commit(files)


@contextmanager
def running_hub(home: Path) -> Iterator[Hub]:
    """A server that huggingface_hub talks to, as its own variables of the environment say.

    Args:
        home: folder of huggingface_hub's cache.
    """
    variables = {"HF_HOME": str(home), "HF_TOKEN": TOKEN, "HF_HUB_DISABLE_XET": "1"}
    with Hub() as hub, pytest.MonkeyPatch.context() as patch:
        for name, value in {**variables, "HF_ENDPOINT": hub.address}.items():
            patch.setenv(name, value)
        _forget_client()  # which reads them once
        thread = threading.Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield hub
        finally:
            hub.shutdown()
            thread.join()
            _forget_client()


def _forget_client() -> None:
    for name in [each for each in sys.modules if each.partition(".")[0] == "huggingface_hub"]:
        del sys.modules[name]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Hub

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_HEAD(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def do_PUT(self) -> None:
        self._answer(self._put)

    def _answer(self, method: Any) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.requests.append(f"{self.command} {path}")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            method(path, body)
        except HubError as error:
            headers = {"X-Error-Code": error.code, "X-Error-Message": error.message}
            self._send(b"", error.status, {name: text for name, text in headers.items() if text})

    def _send(self, content: bytes, status: int = 200, headers: Any = None) -> None:
        self.send_response(status, HTTPStatus(status).phrase)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def _send_json(self, value: Any, status: int = 200) -> None:
        self._send(json.dumps(value).encode(), status, {"Content-Type": "application/json"})

    def _repository(self, user: str, name: str) -> Repository:
        repository = self.server.repositories.get(f"{user}/{name}")
        if repository is None or (repository.private and not self._is_known):
            raise HubError(401, "RepoNotFound", "Repository not found")
        return repository

    @property
    def _is_known(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _refuse_unknown(self) -> None:
        if not self._is_known:
            raise HubError(401, "", "Invalid username or password.")

    def _get(self, path: str, _: bytes) -> None:
        match path.strip("/").split("/"):
            case ["api", "models", user, name]:
                self._info(user, name, "main")
            case ["api", "models", user, name, "revision", *revision]:
                self._info(user, name, "/".join(revision))
            case ["api", "models", user, name, "tree", revision]:
                repository = self._repository(user, name)
                files = repository.commits[repository.resolved(revision)]
                self._send_json([_listed(*each) for each in files.items()])
            case [user, name, "resolve", revision, *parts]:
                repository = self._repository(user, name)
                self._file(repository, repository.resolved(revision), "/".join(parts))
            case ["lfs", checksum]:
                self._send(self.server.large[checksum], headers={"ETag": f'"{checksum}"'})
            case _:
                raise HubError(404, "", f"no such call: {path}")

    def _info(self, user: str, name: str, revision: str) -> None:
        repository = self._repository(user, name)
        sha = repository.resolved(revision)
        siblings = [{"rfilename": path} for path in repository.commits[sha]]
        self._send_json({"id": f"{user}/{name}", "sha": sha, "siblings": siblings})

    def _file(self, repository: Repository, sha: str, path: str) -> None:
        if path not in repository.commits[sha]:
            raise HubError(404, "EntryNotFound")
        content, headers = repository.commits[sha][path], {"X-Repo-Commit": sha}
        if path.endswith(_LFS):
            checksum = hashlib.sha256(content).hexdigest()
            headers |= {"X-Linked-Etag": f'"{checksum}"', "X-Linked-Size": str(len(content))}
            self._send(b"", 302, headers | {"Location": self.server.storage(checksum)})
        else:
            self._send(content, headers=headers | {"ETag": f'"{_blob_id(content)}"'})

    def _post(self, path: str, body: bytes) -> None:
        match path.strip("/").split("/"):
            case ["api", "repos", "create"]:
                self._create(json.loads(body))
            case ["api", "validate-yaml"]:
                self._validate(json.loads(body)["content"])
            case ["api", "models", user, name, "preupload", revision]:
                repository = self._repository(user, name)
                files = repository.commits[repository.resolved(revision)]
                asked = [each["path"] for each in json.loads(body)["files"]]
                self._send_json({"files": [_mode(path, files.get(path)) for path in asked]})
            case [user, name, "info", "lfs", "objects", "batch"]:
                self._refuse_unknown()
                self._repository(user, name.removesuffix(".git"))
                objects = [self._upload(each) for each in json.loads(body)["objects"]]
                self._send_json({"transfer": "basic", "objects": objects})
            case ["api", "models", user, name, "commit", revision]:
                self._refuse_unknown()
                self._commit(user, name, revision, body)
            case _:
                raise HubError(404, "", f"no such call: {path}")

    def _create(self, asked: dict[str, Any]) -> None:
        self._refuse_unknown()
        name = f"{asked['organization']}/{asked['name']}"
        status = 409 if name in self.server.repositories else 200
        if status == 200:
            private = asked.get("visibility") == "private" or asked.get("private", False)
            repository = Repository(private=private)
            repository.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
            self.server.repositories[name] = repository
        self._send_json({"url": f"{self.server.address}/{name}"}, status)

    def _validate(self, card: str) -> None:
        """The rules of model cards that the Hub enforces, as far as ours have to do with them."""
        metadata = yaml.safe_load(card.split("---\n")[1]) if card.startswith("---\n") else None
        if not metadata:
            self._send_json({"errors": [], "warnings": [{"message": "empty or missing metadata"}]})
            return
        errors = [
            {"message": f"model-index: a result must have {key}"}
            for index in metadata.get("model-index", ())
            for result in index["results"]
            for key in ("task", "dataset", "metrics")
            if key not in result
        ]
        self._send_json({"errors": errors, "warnings": []}, 400 if errors else 200)

    def _upload(self, asked: dict[str, Any]) -> dict[str, Any]:
        if asked["oid"] in self.server.large:
            return asked
        return asked | {"actions": {"upload": {"href": self.server.storage(asked["oid"])}}}

    def _put(self, path: str, body: bytes) -> None:
        checksum = path.removeprefix("/lfs/")
        if hashlib.sha256(body).hexdigest() != checksum:
            raise HubError(400, "", "the content is not that of the checksum")
        self.server.large[checksum] = body
        self._send(b"")

    def _commit(self, user: str, name: str, revision: str, body: bytes) -> None:
        repository = self._repository(user, name)
        files = dict(repository.commits[repository.resolved(revision)])
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.server.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        is_proposed = "create_pr=1" in self.path
        sha = repository.commit(files, "refs/pr/1" if is_proposed else revision)
        url = f"{self.server.address}/{user}/{name}/commit/{sha}"
        pull_request = {"pullRequestUrl": f"{self.server.address}/{user}/{name}/discussions/1"}
        self._send_json({"success": True, "commitOid": sha, "commitUrl": url, **pull_request})


def _blob_id(content: bytes) -> str:
    """The hash by which git names a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _listed(path: str, content: bytes) -> dict[str, Any]:
    listed = {"type": "file", "path": path, "size": len(content), "oid": _blob_id(content)}
    if path.endswith(_LFS):
        checksum = hashlib.sha256(content).hexdigest()
        listed["lfs"] = {"oid": checksum, "size": len(content), "pointerSize": 134}
    return listed


def _mode(path: str, content: bytes | None) -> dict[str, Any]:
    mode = "lfs" if path.endswith(_LFS) else "regular"
    known = None
    if content is not None:
        known = hashlib.sha256(content).hexdigest() if mode == "lfs" else _blob_id(content)
    return {"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": known}
