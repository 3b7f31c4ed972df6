"""attestd for Python programs: one file, the standard library, Python 3.9 or newer.

    import attestd

    client = attestd.connect("refund-bot/1.4")
    with client.execution({"type": "tool.call", "name": "refund.approve"}, inputs={"amount": "12.00"}) as run:
        run.output("refund", approve())
    print(run.receipt["id"])

A record `attempted` is durable before the block begins; `completed` says how it ended. Under `grant=` or `govern=` the
block runs by permission only. When the daemon is away calls raise, unless on_unavailable="spool" says that records wait:
then they come late, in order, each once, and say so. Behaviour and spool are those of the SDK for Node.js; both are held
to the same vectors. Inputs, parameters and outputs enter records as salted digests and stay on the host.
"""
from __future__ import annotations

import datetime
import http.client
import json
import os
import re
import secrets
import select
import socket
import stat
import threading
import time
import urllib.parse
import warnings
from typing import Any, Callable, Dict, List, Optional, Tuple

__all__ = ["AttestdError", "Client", "Execution", "connect"]

DEFAULT_SOCKET = "/run/attestd/attestd.sock"
MAX_BODY = 262_144
MAX_ANSWER = 64 * 1024 * 1024
Json = Dict[str, Any]


class AttestdError(Exception):
    """What the daemon or this client refuses, by its code; `denial` names the record that a refusal is."""

    def __init__(self, code: str, detail: str, status: int = 0, **facts: Any) -> None:
        super().__init__(f"{detail} [{code}]")
        self.code, self.detail, self.status = code, detail, status
        self.field: Optional[str] = facts.get("field")
        self.retry_after: Optional[float] = facts.get("retry_after")
        self.denial: Optional[Dict[str, str]] = facts.get("denial")
        self.record: Optional[Dict[str, str]] = facts.get("record")

    @property
    def away(self) -> bool:
        """Whether trying again can help: daemon, TPM or disk are away, or it takes no more just now."""
        return self.status in (429, 503) and self.code != "SEAL_PENDING" and not self.code.startswith("SPOOL_")


def connect(
    client: str,
    *,
    socket: Optional[str] = None,
    on_unavailable: str = "throw",
    spool: Optional[str] = None,
    spool_max_bytes: int = 16 * 1024 * 1024,
    on_fault: Optional[Callable[[BaseException], None]] = None,
) -> "Client":
    """Nothing is sent before the first call.

    client: name/version of the program that calls. socket: unix:///path or a path, else ATTESTD_SOCKET, else the default.
    on_unavailable: "throw" or "spool". spool: a directory, else ATTESTD_SPOOL, else attestd-spool in XDG_STATE_HOME.
    on_fault: told of what no call can answer for; a warning else.
    """
    if on_unavailable not in ("throw", "spool"):
        raise AttestdError("USAGE", f"on_unavailable is throw or spool, not {on_unavailable}")
    address = socket or os.environ.get("ATTESTD_SOCKET") or DEFAULT_SOCKET
    path = address[7:] if address.startswith("unix://") else address[5:] if address.startswith("unix:") else address
    if not path.startswith("/"):
        raise AttestdError("USAGE", f"not the address of a Unix socket: {address}; it is a path from / on, or unix: and a path")
    waiting = _Spool(spool, spool_max_bytes) if on_unavailable == "spool" else None
    return Client(_Transport(path, client), waiting, on_fault or _warn)


class Client:
    """Made by connect(); may be used from several threads. Its connections end with it, with the thread that made them
    and with the interpreter; `with attestd.connect(…) as client:` and close() end them sooner."""

    def __init__(self, transport: "_Transport", spool: Optional["_Spool"], on_fault: Callable[[BaseException], None]):
        self._transport, self._spool, self._fault = transport, spool, on_fault
        self._lock = threading.RLock()

    def record(self, request: Json, *, wait: str = "sealed", idempotency_key: Optional[str] = None) -> Json:
        """Records one execution; the receipt, or {"strength": "spooled", "key": …}."""
        if self._spool is None or "grant" in request:
            return self._post(f"/v1/records?wait={wait}", _print(request), idempotency_key)
        _free(request)
        key = idempotency_key or secrets.token_hex(16)
        done, receipt = self._now(lambda: self._post(f"/v1/records?wait={wait}", _print(request), key))
        return receipt if done else self._keep(request, key)

    def execution(self, action: Json, **said: Any) -> "Execution":
        """A context manager around work. said: inputs, parameters, plain, artefacts, claimed, parents, trace; grant (an
        id) or govern (True, or seconds, approvals, environment, holder, delegatedFrom, breakGlass, wait); wait."""
        return Execution(self, {"action": action, **said})

    def with_execution(self, spec: Json, work: Callable[["Execution"], Any]) -> Tuple[Any, "Execution"]:
        """Runs work(execution) between its two records; its value, and the execution with `attempt` and `receipt`."""
        with Execution(self, spec) as run:
            value = work(run)
        return value, run

    def grant(self, request: Json, *, wait: str = "sealed") -> Json:
        """Asks for a grant. Raises with the code of the denial, which `denial` names."""
        return self._post(f"/v1/grants?wait={wait}", _print(request))

    def show_grant(self, id: str) -> Json:
        """A grant with its state, or a denial."""
        return json.loads(self._transport.call("GET", f"/v1/grants/{_quote(id)}"))

    def revoke(self, id: str, reason: Optional[str] = None) -> Json:
        """Withdraws a grant; the receipt of that."""
        why = "" if reason is None else "?" + urllib.parse.urlencode({"reason": reason})
        return json.loads(self._transport.call("DELETE", f"/v1/grants/{_quote(id)}{why}"))

    def approve(self, request: str, seconds: int, comment: Optional[str] = None) -> Json:
        """Stands up for what a denial says was asked."""
        more = {} if comment is None else {"comment": comment}
        return self._post("/v1/approvals", _print({"request": request, "seconds": seconds, **more}))

    def list(self, **query: Any) -> Json:
        """Records of the caller, newest first: {"records": […], "next": …}. query: kind, action, decision, grant, trace, …"""
        return json.loads(self._transport.call("GET", "/v1/records?" + urllib.parse.urlencode(query)))

    def begin(self, request: Json, *, wait: str = "durable") -> Json:
        """Uses a grant: a record attempted."""
        return self._post(f"/v1/executions?wait={wait}", _print(request))

    def complete(
        self, id: str, request: Json, *, wait: str = "sealed", idempotency_key: Optional[str] = None
    ) -> Json:
        """Ends what begin() began; by the same process only. The same again under the same key is answered as before."""
        return self._post(f"/v1/executions/{_quote(id)}/complete?wait={wait}", _print(request), idempotency_key)

    def get(self, id: str) -> Json:
        return json.loads(self._transport.call("GET", f"/v1/records/{_quote(id)}"))

    def bundle(self, id: str) -> bytes:
        """The evidence bundle of a record: the bytes of an .attest.json file."""
        return self._transport.call("GET", f"/v1/records/{_quote(id)}/bundle")

    def status(self) -> Json:
        return json.loads(self._transport.call("GET", "/v1/status"))

    def close(self) -> None:
        """Ends the connection of this thread at once, those of others at their next call. A later call opens one anew."""
        self._transport.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def flush(self) -> Json:
        """Empties the spool into the log: {"recorded": [{key, id, digest}], "refused": [{file, error}]}."""
        if self._spool is None:
            return {"recorded": [], "refused": []}
        with self._lock:
            recorded: List[Json] = []
            refused: List[Json] = []
            for name in self._spool.names():
                try:
                    self._replay(name, recorded)
                except AttestdError as e:
                    if e.away:
                        raise
                    refused.append({"file": self._spool.refuse(name), "error": e})
            self._spool.waiting = bool(self._spool.held)
        for one in refused:
            self._fault(one["error"])
        return {"recorded": recorded, "refused": refused}

    def _replay(self, name: str, recorded: List[Json]) -> None:
        assert self._spool is not None
        holes: List[Tuple[str, str]] = []
        for line in self._spool.read(name):
            body = line["body"]
            for hole, digest in holes:
                body = body.replace(hole, digest)
            try:
                place = self._post("/v1/records?wait=durable", body, line["key"])
            except AttestdError as e:
                # It did arrive, on time, and only the answer was lost: then it is not late, and it stays as it was.
                if e.code != "IDEMPOTENCY_MISMATCH" or e.record is None:
                    raise
                place = e.record
            recorded.append({"key": line["key"], "id": place["id"], "digest": place["digest"]})
            if "hole" in line:
                holes.append((line["hole"], place["digest"]))
            if name in self._spool.held:
                self._spool.held[name] = place["digest"]
        if name not in self._spool.held:
            self._spool.remove(name)

    def _post(self, path: str, body: str, key: Optional[str] = None) -> Json:
        headers = {"content-type": "application/json"}
        if key is not None:
            headers["idempotency-key"] = key
        return json.loads(self._transport.call("POST", path, body.encode(), headers))

    def _now(self, work: Callable[[], Any]) -> Tuple[bool, Any]:
        """Does it behind all that waits; false when it has to wait as well."""
        assert self._spool is not None
        try:
            if self._spool.waiting:
                self.flush()
            return True, work()
        except AttestdError as e:
            if not e.away:
                raise
            return False, None

    def _keep(self, request: Json, key: str) -> Json:
        assert self._spool is not None
        self._spool.create([_late(request, key)])
        return {"strength": "spooled", "key": key}


class Execution:
    """Work between its two records."""

    def __init__(self, client: Client, spec: Json) -> None:
        self._client = client
        said = dict(spec)
        self._wait: str = said.pop("wait", "sealed")
        self._grant: Optional[str] = said.pop("grant", None)
        self._govern: Any = said.pop("govern", None)
        if self._grant is not None and self._govern is not None:
            raise AttestdError("USAGE", "an execution uses a grant or asks for one, not both", field="govern")
        self._said = said
        self._key = secrets.token_hex(16)
        self._file: Optional[str] = None
        self._first: Json = {}
        self._outputs: Json = {}
        self._plain: Json = {}
        self._artefacts: List[Json] = []
        self._effect = "unknown"
        self.attempt: Json = {}
        self.receipt: Json = {}

    def output(self, name: str, value: Any, *, plain: bool = False) -> None:
        """A value that came out; its salted digest enters the record. Raises INVALID_REQUEST for what none can hold."""
        (self._plain if plain else self._outputs)[name] = _recordable(name, value)

    def artefact(self, name: str, sha256: str, *, plain: bool = False) -> None:
        """A file or other content that came out, by digest."""
        self._artefacts.append({"name": name, "sha256": sha256, **({"plain": True} if plain else {})})

    def effect(self, effect: str) -> None:
        """dispatched, confirmed or unknown: whether what was to happen has happened."""
        self._effect = effect

    def __enter__(self) -> "Execution":
        c, request = self._client, {"phase": "attempted", **self._said}
        if self._grant is None and self._govern is not None:
            self._grant = self._ask({} if self._govern is True else dict(self._govern))
        if self._grant is not None:
            self.attempt = c.begin({"grant": self._grant, **self._said})
        elif c._spool is None:
            self.attempt = c._post("/v1/records?wait=durable", _print(request))
        else:
            _free(request)
            key = f"{self._key}/attempted"
            done, receipt = c._now(lambda: c._post("/v1/records?wait=durable", _print(request), key))
            if done:
                self.attempt = receipt
            else:
                self._first = {**_late(request, key), "hole": secrets.token_hex(32)}
                with c._lock:
                    self._file = c._spool.create([self._first])
                    c._spool.held[self._file] = None
                self.attempt = {"strength": "spooled", "key": key}
        return self

    def __exit__(self, kind: Any, fault: Optional[BaseException], _trace: Any) -> bool:
        outcome: Json = {"status": "succeeded", "effect": self._effect}
        if fault is not None:
            # Half of a character, as in a name of a file that is no UTF-8: no record could hold it.
            text = fault.detail if isinstance(fault, AttestdError) else str(fault)
            self._outputs.setdefault("error", re.sub("[\ud800-\udfff]", "\ufffd", text[:1024]))
            outcome = {"status": _status(fault), "code": _code(kind.__name__), "effect": self._effect}
        end: Json = {"outcome": outcome}
        if self._outputs:
            end["outputs"] = self._outputs
        try:
            self.receipt = self._end(end)
        except Exception as unrecorded:
            if fault is None:
                raise
            self._client._fault(unrecorded)
        return False

    def _ask(self, governance: Json) -> str:
        wait = governance.pop("wait", "durable")
        said = self._said
        request = {"scope": [said["action"]], "maxUses": 1, "seconds": governance.pop("seconds", 60), **governance}
        request.update({k: said[k] for k in ("claimed", "parameters", "parents", "trace") if k in said})
        if "parameters" in said.get("plain", {}):
            request["plain"] = {"parameters": said["plain"]["parameters"]}
        return self._client.grant(request, wait=wait)["id"]

    def _end(self, end: Json) -> Json:
        c = self._client
        if self._grant is not None:
            if self._artefacts:
                end["artefacts"] = self._artefacts
            if self._plain:
                end["plain"] = {"outputs": self._plain}
            # One key for both ways: where the daemon has the end and only its answer is lost, nothing comes late.
            key = None if c._spool is None else f"{self.attempt['id']}/end"
            try:
                return c.complete(self.attempt["id"], end, wait=self._wait, idempotency_key=key)
            except AttestdError as e:
                if key is None or not e.away:
                    raise
                # The daemon ends the lease by itself: interrupted. What we know of the end goes in beside it.
                after = [{"rel": "after", "digest": self.attempt["digest"]}]
                request = {"phase": "completed", "action": self._said["action"], **end, "parents": after}
                return c._keep(request, key)
        # Both records say what was done to what, so that the evidence of either shows it.
        request = {"phase": "completed", **self._said, **end}
        if self._plain:
            request["plain"] = {**self._said.get("plain", {}), "outputs": self._plain}
        artefacts = [*self._said.get("artefacts", []), *self._artefacts]
        if artefacts:
            request["artefacts"] = artefacts
        key = f"{self._key}/completed"
        if c._spool is None:
            return c._post(f"/v1/records?wait={self._wait}", _print(self._completing(request, self.attempt["digest"])))
        if self._file is None:
            whole = self._completing(request, self.attempt["digest"])
            done, receipt = c._now(lambda: c._post(f"/v1/records?wait={self._wait}", _print(whole), key))
            return receipt if done else c._keep(whole, key)
        return self._end_spooled(request, key, self._file)

    def _end_spooled(self, request: Json, key: str, name: str) -> Json:
        c = self._client
        assert c._spool is not None

        def on_time() -> Optional[Json]:
            # It went in while the work was going on: then the end is on time.
            digest = c._spool.held.get(name)
            if digest is None:
                return None
            return c._post(f"/v1/records?wait={self._wait}", _print(self._completing(request, digest)), key)

        with c._lock:
            try:
                _, receipt = c._now(on_time)
                if receipt is not None:
                    return receipt
                last = _late(self._completing(request, self._first["hole"]), key)
                if not c._spool.append(name, last):
                    c._spool.create([self._first, last])
                return {"strength": "spooled", "key": key}
            finally:
                c._spool.held.pop(name, None)
                c._spool.waiting = True

    def _completing(self, request: Json, digest: str) -> Json:
        return {**request, "parents": [{"rel": "completes", "digest": digest}, *request.get("parents", [])]}


class _Transport:
    """HTTP/1.1 over the Unix socket: a connection for each thread, and a new one in a forked child, for the daemon
    attributes what comes over a connection to the process that opened it."""

    def __init__(self, path: str, client: str) -> None:
        self._path, self._client = path, client
        self._local = threading.local()
        self._generation = 0

    def call(self, method: str, path: str, body: Optional[bytes] = None, headers: Optional[Json] = None) -> bytes:
        if body is not None and len(body) > MAX_BODY:
            raise AttestdError("TOO_LARGE", f"a body of {len(body)} bytes, at most {MAX_BODY} are taken")
        connection = self._connection()
        try:
            connection.request(method, path, body, {"attestd-client": self._client, **(headers or {})})
            response = connection.getresponse()
            answer = response.read(MAX_ANSWER + 1)
        except (OSError, http.client.HTTPException) as e:
            self._drop()
            raise AttestdError("DAEMON_UNAVAILABLE", f"{self._path}: {e or type(e).__name__}", 503) from e
        if len(answer) > MAX_ANSWER:
            self._drop()
            raise AttestdError("TOO_LARGE", "the answer is larger than 64 MiB")
        self._local.used = time.monotonic()
        if response.status >= 400:
            raise _problem(response.status, answer, response.headers.get("retry-after"))
        return answer

    def close(self) -> None:
        self._generation += 1
        self._drop()

    def _connection(self) -> http.client.HTTPConnection:
        mine = (os.getpid(), self._generation)
        # The daemon closes what is idle for 75 seconds.
        if getattr(self._local, "mine", None) != mine or time.monotonic() - self._local.used > 60 or self._ended():
            self._drop()
            self._local.connection = _UnixConnection(self._path)
            self._local.mine, self._local.used = mine, time.monotonic()
        return self._local.connection

    def _ended(self) -> bool:
        """Whether the daemon has ended this connection, as it does when it starts anew: nothing else comes unasked."""
        sock = self._local.connection.sock
        if sock is None:
            return False
        waiting = select.poll()
        waiting.register(sock, select.POLLIN)
        return bool(waiting.poll(0))

    def _drop(self) -> None:
        connection = getattr(self._local, "connection", None)
        self._local.mine = None
        if connection is not None:
            connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("attestd")
        self._unix = path

    def connect(self) -> None:
        self.sock = _Socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self.sock.connect(self._unix)
        except OSError:
            self.sock.close()
            self.sock = None
            raise


class _Socket(socket.socket):
    """Closes itself without a ResourceWarning, because a client need not be closed. Not by atexit: a handler of the
    program's own that records something may run later."""

    def __del__(self) -> None:
        self.close()


class _Spool:
    """The same directory, files and lines as those of the SDK for Node.js: see src/client/spool.ts."""

    _NAME = re.compile(r"[0-9]{13}-[0-9]{6}-([1-9][0-9]{0,9})-[0-9a-f]{16}\.spool\Z")
    _MAX_FILE = 4 * 1024 * 1024

    def __init__(self, directory: Optional[str], max_bytes: int) -> None:
        state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local/state")
        self.directory = directory or os.environ.get("ATTESTD_SPOOL") or os.path.join(state, "attestd-spool")
        self._max, self._held_bytes, self._count = max_bytes, -1, 0
        self.held: Dict[str, Optional[str]] = {}
        self.waiting = True

    def create(self, lines: List[Json]) -> str:
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            self._own()
            text = "".join(_line(one) for one in lines).encode()
            self._take(len(text))
            name = f"{int(time.time() * 1000):013}-{self._count % 1000000:06}-{os.getpid()}-{secrets.token_hex(8)}.spool"
            self._count += 1
            self._put(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, text)
            fd = os.open(self.directory, os.O_RDONLY)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as e:
            raise self._unusable(e) from e
        self.waiting = True
        return name

    def append(self, name: str, line: Json) -> bool:
        text = _line(line).encode()
        try:
            self._take(len(text))
            self._put(name, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW, text)
            return True
        except FileNotFoundError:
            return False
        except OSError as e:
            raise self._unusable(e) from e

    def names(self) -> List[str]:
        try:
            if not os.path.exists(self.directory):
                return []
            self._own()
            found = ((name, self._NAME.match(name)) for name in os.listdir(self.directory))
            mine = os.getpid()
            return sorted(n for n, m in found if m and (int(m[1]) == mine or not _alive(int(m[1]))))
        except OSError as e:
            raise self._unusable(e) from e

    def read(self, name: str) -> List[Json]:
        try:
            with open(os.path.join(self.directory, name), "rb") as file:
                text = file.read(self._MAX_FILE + 1)
        except FileNotFoundError:
            return []
        except OSError as e:
            raise self._unusable(e) from e
        if len(text) > self._MAX_FILE:
            raise AttestdError("SPOOL_UNAVAILABLE", f"{name} is larger than {self._MAX_FILE} bytes")
        lines = []
        for one in text.split(b"\n")[:-1]:
            try:
                line = json.loads(one)
                hole = line.get("hole", "0" * 64)
                good = line["v"] == 1 and isinstance(line["key"], str) and isinstance(line["body"], str)
                good = good and isinstance(hole, str) and re.fullmatch("[0-9a-f]{64}", hole) is not None
            except (ValueError, KeyError, TypeError, AttributeError):
                good = False
            if not good:
                raise AttestdError("SPOOL_UNAVAILABLE", f"{name} holds a line that is none of a spool")
            lines.append(line)
        return lines

    def remove(self, name: str) -> None:
        self._held_bytes = -1
        try:
            os.unlink(os.path.join(self.directory, name))
        except FileNotFoundError:
            pass

    def refuse(self, name: str) -> str:
        aside = os.path.join(self.directory, name[: -len(".spool")] + ".refused")
        os.rename(os.path.join(self.directory, name), aside)
        return aside

    def _put(self, name: str, flags: int, text: bytes) -> None:
        fd = os.open(os.path.join(self.directory, name), flags, 0o600)
        before = os.fstat(fd).st_size
        try:
            done = 0
            while done < len(text):
                done += os.write(fd, text[done:])
            os.fsync(fd)
        except OSError:
            # Half a line must not become the beginning of the next one.
            os.ftruncate(fd, before)
            raise
        finally:
            os.close(fd)

    def _own(self) -> None:
        """Who can write the directory can put words in our mouth."""
        found = os.lstat(self.directory)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise AttestdError("SPOOL_UNAVAILABLE", f"{self.directory} is not a directory of this user alone", 503)

    def _take(self, size: int) -> None:
        if self._held_bytes < 0 or self._held_bytes + size > self._max:
            with os.scandir(self.directory) as entries:
                self._held_bytes = sum(e.stat(follow_symlinks=False).st_size for e in entries)
        if self._held_bytes + size > self._max:
            detail = f"{self.directory} holds {self._held_bytes} bytes, at most {self._max} may wait"
            raise AttestdError("SPOOL_FULL", detail, 503)
        self._held_bytes += size

    def _unusable(self, e: OSError) -> AttestdError:
        return AttestdError("SPOOL_UNAVAILABLE", f"{self.directory}: {e}", 503)


def _late(request: Json, key: str) -> Json:
    now = datetime.datetime.now(datetime.timezone.utc)
    at = now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03}Z"
    omitted = [*request.get("capture", {}).get("omitted", []), "recorded late by its caller; attestd did not see it happen"]
    body = {
        **request,
        "claimed": {**request.get("claimed", {}), "late": at, "latePid": os.getpid()},
        "capture": {"complete": False, "omitted": omitted},
    }
    return {"key": key, "body": _print(body)}


def _free(request: Json) -> None:
    for name in ("late", "latePid"):
        if name in request.get("claimed", {}):
            detail = f"claimed.{name} is said by the client of late records alone"
            raise AttestdError("USAGE", detail, field=f"claimed.{name}")


def _status(fault: BaseException) -> str:
    if isinstance(fault, TimeoutError) or type(fault).__name__ == "TimeoutError":
        return "timedout"
    if isinstance(fault, (KeyboardInterrupt, GeneratorExit)) or type(fault).__name__ in ("CancelledError", "AbortError"):
        return "cancelled"
    return "failed"


def _code(name: str) -> str:
    return re.sub("[\x00-\x1f\x7f]", "", name)[:64] or "unknown"


def _problem(status: int, body: bytes, retry_after: Optional[str]) -> AttestdError:
    try:
        facts = json.loads(body)
        code = str(facts["type"]).replace("urn:attestd:error:", "")
    except (ValueError, KeyError, TypeError):
        return AttestdError("INTERNAL", f"the daemon answered {status} without a reason", status)
    return AttestdError(
        code,
        str(facts.get("detail", f"the daemon answered {status}")),
        status,
        field=facts.get("field"),
        denial=facts.get("denial"),
        record=facts.get("record"),
        retry_after=float(retry_after) if re.fullmatch("[0-9]+", retry_after or "") else None,
    )


def _recordable(name: str, value: Any) -> Any:
    """A copy of a value as it will be recorded; what cannot be is told where it is said, so that the end is on record."""

    def whole(digits: str) -> int:
        if abs(int(digits)) >= 2**53:
            raise ValueError("an integer is beyond 2^53 - 1")
        return int(digits)

    try:
        text = _print(value)
        text.encode()
        return json.loads(text, parse_int=whole)
    except (TypeError, ValueError, RecursionError) as e:
        detail = f"the output {name} is nothing that a record can hold"
        raise AttestdError("INVALID_REQUEST", detail, field=f"/outputs/{name}") from e


def _print(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _line(line: Json) -> str:
    return _print({"v": 1, **line}) + "\n"


def _quote(id: str) -> str:
    return urllib.parse.quote(id, safe="")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False
    except PermissionError:
        return True


def _warn(fault: BaseException) -> None:
    warnings.warn(str(fault), RuntimeWarning, stacklevel=3)
