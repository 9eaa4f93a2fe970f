"""Key bundles: the CURVE keys of each node, and of the nodes that it communicates with.

Every run has its own key pairs, one per node.  A node's folder holds its own secret and the public keys of its peers, nothing else.  A peer
is identified by the key that the handshake proved; the sender that a message names must agree with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import zmq
from zmq.utils import z85

from netagents.errors import SecurityError, UsageError
from netagents.messages import ENVIRONMENT, MONITOR
from netagents.wire.security.zap_authenticator import ZAP_DOMAIN

SECRET_FILE = "secret.key"
PUBLIC_FILE = "public.json"

_KEY = re.compile(r"[0-9A-Za-z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}")
_LARGEST_FILE = 1 << 24
_ROLE = re.compile(r"environment|monitor|agent-(0|[1-9]\d{0,6})")


def role_name(index: int) -> str:
    """The name of a node in keys: ``agent-3``, ``environment`` or ``monitor``; its folder and its authenticated user id."""
    if index == ENVIRONMENT:
        return "environment"
    return "monitor" if index == MONITOR else f"agent-{index}"


def role_index(role: str) -> int:
    """The node index of a role name."""
    if role == "environment":
        return ENVIRONMENT
    return MONITOR if role == "monitor" else int(role.removeprefix("agent-"))


@dataclass(frozen=True)
class KeyBundle:
    """The keys of one node.

    Attributes:
        role: such as ``agent-3``.
        run: 16 hexadecimal digits that all folders of one bundle share; for people to compare.
        public: its own public key, 40 characters of Z85.
        secret: its own secret key, likewise.
        peers: role -> public key of every node that it communicates with.
    """

    role: str
    run: str
    public: bytes
    secret: bytes = field(repr=False)
    peers: Mapping[str, bytes] = field(repr=False)


def make_bundles(contacts: Mapping[int, Iterable[int]]) -> dict[int, KeyBundle]:
    """Fresh keys for a run.

    Args:
        contacts: node index -> the nodes that it communicates with.
    """
    run = secrets.token_hex(8)
    pairs = {index: zmq.curve_keypair() for index in contacts}
    return {
        index: KeyBundle(role_name(index), run, *pairs[index], {role_name(peer): pairs[peer][0] for peer in sorted(set(peers) - {index})})
        for index, peers in contacts.items()
    }


def write_bundles(bundles: Iterable[KeyBundle], folder: Path) -> None:
    """Write one folder per node, directories 0700 and files 0600, below ``folder``, which is created.

    Raises:
        UsageError: it is not empty: keys are never overwritten.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError("it is not empty, and keys are never overwritten", where=str(folder), fix="name a fresh directory")
        folder.chmod(0o700)
        for bundle in bundles:
            own = folder / bundle.role
            own.mkdir(mode=0o700)
            write_bundle(bundle, own)
    except OSError as error:
        raise UsageError(f"keys cannot be written: {error.strerror}", where=str(folder), fix="name a fresh directory") from error


def write_bundle(bundle: KeyBundle, own: Path) -> None:
    """Write one node's two files into its own folder, which must be empty."""
    for name, text in bundle_files(bundle).items():
        _write(own / name, text)


def bundle_files(bundle: KeyBundle) -> dict[str, str]:
    """File name -> content, of the folder of one node."""
    peers = {role: key.decode() for role, key in bundle.peers.items()}
    facts = {"role": bundle.role, "run": bundle.run, "public": bundle.public.decode(), "peers": peers}
    return {SECRET_FILE: bundle.secret.decode() + "\n", PUBLIC_FILE: json.dumps(facts, indent=1) + "\n"}


@contextlib.contextmanager
def hold_keys(folder: Path | None, index: int) -> Iterator[None]:
    """Mark the keys of this folder as in use within the context; :func:`keys_are_held` sees it, from other containers too."""
    if folder is None:
        yield
        return
    with (_own_folder(folder, role_name(index)) / PUBLIC_FILE).open("rb") as file:
        # Some file systems have no locks.
        with contextlib.suppress(OSError):
            fcntl.flock(file.fileno(), fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield


def keys_are_held(folder: Path) -> bool:
    """Whether a living process holds the keys of one node's own folder."""
    try:
        with (folder / PUBLIC_FILE).open("rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _own_folder(folder: Path, role: str) -> Path:
    return folder / role if (folder / role).is_dir() else folder


def _write(path: Path, text: str) -> None:
    # 0600 from the beginning, whatever the umask; never through an existing link.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(text)


def load_bundle(folder: Path, index: int) -> KeyBundle:
    """The keys of one node, from its own folder or from a folder that has it inside.

    Raises:
        SecurityError: a file is missing, others can read it, it is damaged, or it belongs to another node.
    """
    role = role_name(index)
    own = _own_folder(folder, role)
    _check_private(own, stat.S_ISDIR)
    secret = _read(own / SECRET_FILE).strip()
    try:
        facts = json.loads(_read(own / PUBLIC_FILE))
        peers = {_role(name): _key(key) for name, key in dict(facts["peers"]).items()}
        bundle = KeyBundle(_role(facts["role"]), str(facts["run"])[:16], _key(facts["public"]), _key(secret), peers)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SecurityError("is not a folder of keys", where=str(own), fix="make keys with `netagents keys FILE --out DIR`") from error
    if bundle.role != role:
        raise SecurityError(f"these are the keys of {bundle.role}, not of {role}", where=str(own), fix=f"give {role} its own folder")
    if zmq.curve_public(bundle.secret) != bundle.public:
        raise SecurityError("secret and public key do not belong together", where=str(own), fix="copy the whole folder, unchanged")
    return bundle


def _role(value: object) -> str:
    if not isinstance(value, str) or not _ROLE.fullmatch(value):
        raise ValueError("not a role")
    return value


def _key(value: object) -> bytes:
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise ValueError("not a key")
    return value.encode()


def _read(path: Path) -> str:
    status = _check_private(path, stat.S_ISREG)
    if status.st_size > _LARGEST_FILE:
        raise SecurityError(f"has {status.st_size} bytes and is not a file of keys", where=str(path))
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SecurityError("cannot be read", where=str(path), fix="make keys with `netagents keys FILE --out DIR`") from error


def _check_private(path: Path, kind: object) -> os.stat_result:
    try:
        status = path.stat()
    except OSError as error:
        raise SecurityError(
            f"keys cannot be read: {error.strerror}", where=str(path), fix="make keys with `netagents keys FILE --out DIR`"
        ) from error
    if not (stat.S_ISDIR if kind is stat.S_ISDIR else stat.S_ISREG)(status.st_mode):
        raise SecurityError("is not a folder of keys", where=str(path), fix="make keys with `netagents keys FILE --out DIR`")
    if status.st_mode & 0o077:
        mode = stat.S_IMODE(status.st_mode)
        raise SecurityError(f"others can read it (mode {mode:04o})", where=str(path), fix="chmod -R go= on the folder, and make new keys")
    if status.st_uid not in (os.geteuid(), 0):
        raise SecurityError(f"it belongs to user {status.st_uid}", where=str(path), fix="chown it to the user that runs the node")
    return status


class CurveCredentials:
    """Encrypts every tcp link of a node and accepts only the nodes that it knows.

    Args:
        bundle: of this node.
    """

    def __init__(self, bundle: KeyBundle) -> None:
        self.bundle = bundle
        self.users: Mapping[bytes, str] = {z85.decode(key): role for role, key in bundle.peers.items()}
        """Public key in binary form (32 bytes) -> role name."""

    def secure_listener(self, socket: zmq.Socket[bytes]) -> None:
        """Make the socket a CURVE server; the ZAP authenticator checks the keys of its clients."""
        socket.set(zmq.CURVE_SERVER, 1)
        socket.set(zmq.CURVE_PUBLICKEY, self.bundle.public)
        socket.set(zmq.CURVE_SECRETKEY, self.bundle.secret)
        socket.set(zmq.ZAP_DOMAIN, ZAP_DOMAIN)

    def secure_sender(self, socket: zmq.Socket[bytes], endpoint: str, peer: str | None) -> None:
        """Make the socket a CURVE client that connects to ``peer`` only.

        Raises:
            SecurityError: this node has no key of ``peer``.
        """
        key = self.bundle.peers.get(peer) if peer is not None else None
        if key is None:
            peer_name = peer or "the node there"
            raise SecurityError(
                f"{self.bundle.role} has no key of {peer_name}",
                where=endpoint,
                fix="make keys of this experiment: its radii decide which nodes know each other",
            )
        socket.set(zmq.CURVE_SERVERKEY, key)
        socket.set(zmq.CURVE_PUBLICKEY, self.bundle.public)
        socket.set(zmq.CURVE_SECRETKEY, self.bundle.secret)

    def users_by_index(self) -> dict[int, str]:
        """Node index -> its authenticated name, for :meth:`netagents.wire.session.inbox.Inbox.identify`."""
        return {role_index(role): role for role in self.bundle.peers}
