"""Kubernetes manifests of one run: one Job per role, which reach each other by the links of the graph only.

A Job with ``restartPolicy: Never`` ends when its role does and keeps its exit code; a StatefulSet would start finished agents again for
ever.  The manifests hold fresh keys, so one file is one run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from netagents.errors import UsageError
from netagents.experiment import Experiment
from netagents.experiment.load import LoadedExperiment
from netagents.launchers.node_commands import (
    IMAGE_USER,
    PORT,
    check_fits_containers,
    default_image,
    joining,
    listening,
    node_names,
)
from netagents.launchers.portable_experiment import portable_text
from netagents.learning.prepared_experiment import Prepared
from netagents.nodes.bootstrap.node_keys import node_links
from netagents.nodes.by_hand import OWN_ADDRESS
from netagents.wire.security.key_bundles import KeyBundle, bundle_files, make_bundles, role_name

RUN_LABEL, ROLE_LABEL = "netagents/run", "netagents/role"

_LARGEST_OBJECT = 1 << 20
"""Bytes that a ConfigMap or a Secret may have."""
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]{0,254}")
_GRACE_SECONDS = {"environment": 30}
_DNS = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]

Object = dict[str, Any]


def manifests_text(loaded: LoadedExperiment, prepared: Prepared, *, image: str | None = None, namespace: str | None = None) -> str:
    """The manifests as YAML for ``kubectl apply``, with comments.

    Args:
        loaded: the experiment. prepared: the same, prepared.
        image: of all containers; None is that of the experiment, or of this version.
        namespace: of all objects; None leaves it to ``kubectl``.

    Raises:
        UsageError: image or namespace cannot be, or the run is too large for an object of Kubernetes.
        EngineError: the experiment cannot run in containers.
    """
    objects = manifests(loaded, prepared, image=image, namespace=namespace)
    run = objects[0]["metadata"]["labels"][RUN_LABEL]
    head = [
        f"# The {prepared.setup.n} agents of {prepared.experiment.name}, one Job per role: kubectl apply -f FILE.",
        f"# The run is called {run}.",
        "# Written by `netagents script kubernetes`; docs/clusters.md explains it.",
        "# It holds the secret keys of this one run: keep it as you keep a password, and write a new one for another run.",
    ]
    parts = [yaml.dump(each, Dumper=_Dumper, sort_keys=False, width=140, allow_unicode=True) for each in objects]
    return "\n".join(head) + "\n---\n" + "---\n".join(parts)


def manifests(loaded: LoadedExperiment, prepared: Prepared, *, image: str | None = None, namespace: str | None = None) -> list[Object]:
    """The objects of one run: experiment, volume of the records, Service, and for each role Secret, NetworkPolicy and Job.

    Args, Raises: as for :func:`manifests_text`.
    """
    experiment = prepared.experiment
    if namespace is not None and not _NAMESPACE.fullmatch(namespace):
        fix = "use up to 63 small letters, digits and dashes"
        raise UsageError(f"{namespace[:100]!r} is not the name of a namespace", where="--namespace", fix=fix)
    if image is not None and not _IMAGE.fullmatch(image):
        raise UsageError(f"{image[:100]!r} is not the name of an image", where="--image", fix="write one such as registry/netagents:0.1.0")
    if image is not None:
        containers = experiment.runtime.containers.model_copy(update={"image": image})
        experiment = experiment.model_copy(update={"runtime": experiment.runtime.model_copy(update={"containers": containers})})
    check_fits_containers(experiment)
    links = node_links(prepared.setup)
    bundles = {bundle.role: bundle for bundle in make_bundles(links).values()}
    run = _Run(_run_name(experiment.name, bundles["environment"].run), experiment, namespace)
    roles = node_names(prepared)
    text = portable_text(loaded, prepared)
    objects = [
        run.made("v1", "ConfigMap", "experiment", {"data": {"experiment.yaml": f"{text}\n"}}),
        run.made("v1", "PersistentVolumeClaim", "runs", _claim()),
        run.made("v1", "Service", "", {"spec": run.service()}),
    ]
    for role, index in ((role_name(index), index) for index in links):
        if role in roles:
            peers = [name for name in roles if name in {role_name(peer) for peer in links[index]}]
            objects += [run.secret(bundles[role]), run.policy(role, peers), run.job(role)]
    for each in objects:
        size = sum(len(value.encode()) for values in (each.get("data"), each.get("stringData")) for value in (values or {}).values())
        if size > _LARGEST_OBJECT:
            what = f"{each['kind']} {each['metadata']['name']} would have {size} bytes; Kubernetes takes {_LARGEST_OBJECT}"
            raise UsageError(what, where=experiment.name, fix="take a graph with fewer agents or edges")
    return objects


def write_manifests(text: str, path: Path) -> None:
    """Write the manifests into a new file that only its owner may read.

    Raises:
        UsageError: the file is there already, or cannot be written.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageError("it is there already, and keys are never overwritten", where=str(path), fix="name a new file") from error
    except OSError as error:
        raise UsageError(f"cannot be written: {error.strerror}", where=str(path), fix="name a new file") from error


@dataclass(frozen=True)
class _Run:
    """What the objects of one run have in common: the ``name`` that begins all their names, the experiment, the namespace."""

    name: str
    experiment: Experiment
    namespace: str | None

    def made(self, version: str, kind: str, part: str, body: Mapping[str, Any], **labels: str) -> Object:
        """An object of the run; its name is that of the run and of the part."""
        metadata: Object = {"name": self.named(part)}
        if self.namespace is not None:
            metadata["namespace"] = self.namespace
        metadata["labels"] = {"app.kubernetes.io/name": "netagents", RUN_LABEL: self.name, **labels}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}

    def named(self, part: str) -> str:
        return f"{self.name}-{part}" if part else self.name

    def service(self) -> Object:
        """A headless Service: it gives pods names, and the server is looked up before it is ready."""
        ports = [{"name": "links", "port": PORT, "protocol": "TCP"}]
        return {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {RUN_LABEL: self.name}, "ports": ports}

    def secret(self, bundle: KeyBundle) -> Object:
        body = {"type": "Opaque", "immutable": True, "stringData": bundle_files(bundle)}
        return self.made("v1", "Secret", f"keys-{bundle.role}", body, **{ROLE_LABEL: bundle.role})

    def policy(self, role: str, peers: Iterable[str]) -> Object:
        """A role reaches its peers and is reached by them, on the one port, and all but the server may look up names."""
        selector = [{"podSelector": {"matchLabels": {RUN_LABEL: self.name}, "matchExpressions": [_one_of(peers)]}}]
        ports = [{"protocol": "TCP", "port": PORT}]
        egress: list[Object] = [{"to": selector, "ports": ports}]
        if role != "environment":
            cluster = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
            egress.append({"to": [cluster], "ports": _DNS})
        spec = {
            "podSelector": {"matchLabels": {RUN_LABEL: self.name, ROLE_LABEL: role}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": selector, "ports": ports}],
            "egress": egress,
        }
        return self.made("networking.k8s.io/v1", "NetworkPolicy", role, {"spec": spec}, **{ROLE_LABEL: role})

    def job(self, role: str) -> Object:
        failures = self.experiment.failures
        again = failures.restarts if failures.agent == "restart" and role.startswith("agent-") else 0
        labels = {"app.kubernetes.io/name": "netagents", RUN_LABEL: self.name, ROLE_LABEL: role}
        template = {"metadata": {"labels": labels}, "spec": self._pod(role)}
        return self.made("batch/v1", "Job", role, {"spec": {"backoffLimit": again, "template": template}}, **{ROLE_LABEL: role})

    def _pod(self, role: str) -> Object:
        image = self.experiment.runtime.containers.image or default_image()
        volumes: list[Object] = [
            {"name": "secret", "secret": {"secretName": self.named(f"keys-{role}"), "defaultMode": 0o440}},
            {"name": "keys", "emptyDir": {"medium": "Memory", "sizeLimit": "16Mi"}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        ]
        keys: Object = {"name": "keys", "mountPath": "/keys"}
        mounts: list[Object] = [keys, {"name": "tmp", "mountPath": "/tmp"}]
        if role == "environment":
            volumes.append({"name": "experiment", "configMap": {"name": self.named("experiment")}})
            volumes.append({"name": "runs", "persistentVolumeClaim": {"claimName": self.named("runs")}})
            mounts.append({"name": "experiment", "mountPath": "/experiment", "readOnly": True})
            mounts.append({"name": "runs", "mountPath": "/runs"})
        # A node takes keys only from a folder that nobody else can read; files of a Secret belong to root and are readable by a group.
        copy = f"umask 077 && mkdir -p /keys/{role} && cp /secret/* /keys/{role}/ && chmod -R go= /keys/{role}"
        secret = {"name": "secret", "mountPath": "/secret", "readOnly": True}
        rest = {"securityContext": _container_rights(), "resources": self._resources(role)}
        return {
            "restartPolicy": "Never",
            "hostname": role,
            "subdomain": self.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": _GRACE_SECONDS.get(role, 10),
            "securityContext": _pod_rights(),
            "initContainers": [
                {"name": "keys", "image": image, "command": ["sh", "-c", copy], "volumeMounts": [secret, mounts[0]], **rest}
            ],
            "containers": [{"name": "node", "image": image, "args": self._arguments(role), "volumeMounts": mounts, **rest}],
            "volumes": volumes,
        }

    def _arguments(self, role: str) -> list[str]:
        if role == "environment":
            source = ["--experiment", "/experiment/experiment.yaml", "--out", f"/runs/{self.name}", "--report"]
            return ["node", "environment", *source, *listening(OWN_ADDRESS)]
        # The one port on which all listen is the one that the policies open.
        command = joining(role, self.experiment, advertise=OWN_ADDRESS, server=f"environment.{self.name}")
        command += ["--listen", f"tcp://0.0.0.0:{PORT}"]
        if role == "monitor":
            return [*command, "--progress"]
        return [*command, "--replace"] if self.experiment.failures.agent == "restart" else command

    def _resources(self, role: str) -> Object:
        containers = self.experiment.runtime.containers
        memory = f"{containers.server_memory if role == 'environment' else containers.memory}Mi"
        # Most of the time a role waits for messages, so it asks for less of a processor than it may use.
        request = {"cpu": _processors(min(0.1, containers.processors)), "memory": memory}
        return {"requests": request, "limits": {"cpu": _processors(containers.processors), "memory": memory}}


def _run_name(experiment: str, digits: str) -> str:
    """A name for DNS, unique to the keys of the run: small letters, digits and dashes, a letter first."""
    word = re.sub(r"[^a-z0-9]+", "-", experiment.lower()).strip("-")[:30].strip("-") or "run"
    return f"{word if word[0].isalpha() else f'run-{word}'}-{digits[:8]}"


def _claim() -> Object:
    return {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}


def _one_of(roles: Iterable[str]) -> Object:
    return {"key": ROLE_LABEL, "operator": "In", "values": list(roles)}


def _processors(number: float) -> str:
    return f"{round(1000 * number)}m"


def _pod_rights() -> Object:
    owner = {"runAsUser": IMAGE_USER, "runAsGroup": IMAGE_USER, "fsGroup": IMAGE_USER, "fsGroupChangePolicy": "OnRootMismatch"}
    return {"runAsNonRoot": True, **owner, "seccompProfile": {"type": "RuntimeDefault"}}


def _container_rights() -> Object:
    return {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as they are, and no aliases."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the signature of the base class
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)
