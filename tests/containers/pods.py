"""Kubernetes manifests under a container engine: pods with volumes, names, rights, limits and network policies as the manifests state them.

A pod is a container that holds its address, its name and its volumes, as the pause container of a cluster does, and the containers of the
pod, which join it.  A field of a pod or container that is not known here fails the test, so none is left out unseen.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from live_run import patience

from netagents.launchers.compose.container_engine import Engine
from netagents.launchers.node_commands import default_image
from netagents.launchers.scripts.kubernetes_manifests import ROLE_LABEL, RUN_LABEL

Object = dict[str, Any]

_POD_FIELDS = {"automountServiceAccountToken", "containers", "enableServiceLinks", "hostname", "initContainers", "restartPolicy"}
_POD_FIELDS |= {"securityContext", "subdomain", "terminationGracePeriodSeconds", "volumes"}
_CONTAINER_FIELDS = {"args", "command", "image", "name", "resources", "securityContext", "volumeMounts"}
_OWNER_FIELDS = {"fsGroup", "fsGroupChangePolicy", "runAsGroup", "runAsNonRoot", "runAsUser", "seccompProfile"}
_RIGHTS = {"allowPrivilegeEscalation", "capabilities", "readOnlyRootFilesystem"}

# As kubelet does it: files lie in a folder of their own, to which the names are links; the group of the pod may read them.
_FILL = """
import json, os, pathlib, sys
group, volumes = json.load(sys.stdin)
for name, (mode, files) in volumes.items():
    top = pathlib.Path("/volumes") / name
    if files is not None:
        (top / "..1").mkdir()
        os.symlink("..1", top / "..data")
        for word, text in files.items():
            file = top / "..1" / word
            file.write_text(text)
            file.chmod(mode)
            os.chown(file, 0, group)
            os.symlink(f"..data/{word}", top / word)
    os.chown(top, 0, group)
    top.chmod(0o2777)
"""


def why_no_policies() -> str | None:
    """Why network policies cannot be enforced here; None if they can."""
    if os.getuid() != 0:
        return "rules for the network of another container need root"
    missing = [name for name in ("nsenter", "iptables") if shutil.which(name) is None]
    return f"no command {missing[0]}" if missing else None


@dataclass
class Pod:
    """A pod that was started: its role, labels, address, and its containers by their ids."""

    role: str
    labels: dict[str, str]
    address: str
    sandbox: str
    node: str = ""


class PodEngine:
    """The objects of one file of manifests under a container engine.

    Args:
        engine: the engine. objects: of the manifests. name: begins the names of all that is made.
    """

    def __init__(self, engine: Engine, objects: list[Object], name: str) -> None:
        self.engine, self.objects, self.name = engine, objects, name
        self.run = str(objects[0]["metadata"]["labels"][RUN_LABEL])
        self.pods: dict[str, Pod] = {}
        self._starts = 0
        self._volumes: list[str] = []
        self._containers: list[str] = []
        engine.run("network", "create", "--internal", name)

    def of_kind(self, kind: str) -> list[Object]:
        """The objects of a kind."""
        return [each for each in self.objects if each["kind"] == kind]

    def job(self, role: str) -> Object:
        """The Job of a role."""
        (job,) = [each for each in self.of_kind("Job") if each["metadata"]["labels"][ROLE_LABEL] == role]
        return job

    # -- pods ------------------------------------------------------------------------------------------------------------

    def start_job(self, role: str) -> Pod:
        """Start the pod of a role's Job: its first containers to their ends, then the node."""
        template = self.job(role)["spec"]["template"]
        pod = self.pods[role] = self.start_pod(role, template["spec"], template["metadata"]["labels"])
        return pod

    def start_pod(self, role: str, spec: Object, labels: dict[str, str]) -> Pod:
        """Start a pod; returns when its last container runs."""
        assert set(spec) <= _POD_FIELDS, set(spec) - _POD_FIELDS
        assert spec["restartPolicy"] == "Never"
        self._starts += 1
        volumes = {each["name"]: self._volume(each) for each in spec["volumes"]}
        hold = [
            word for name, volume in volumes.items() for word in ("--mount", f"type=volume,src={volume},dst=/volumes/{name},volume-nocopy")
        ]
        host = ["--hostname", spec["hostname"]] if "hostname" in spec else []
        names = ["--network-alias", f"{spec['hostname']}.{spec['subdomain']}"] if "subdomain" in spec else []
        words = ["--network", self.name, *names, *host, *hold, "--no-healthcheck", "--entrypoint", "sleep", default_image(), "infinity"]
        sandbox = self._begin(words)
        address = self.engine.run("inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", sandbox).strip()
        self._fill(sandbox, spec)
        pod = Pod(role, labels, address, sandbox)
        if why_no_policies() is None:
            self.enforce([*(other for other in self.pods.values() if other.role != role), pod])
        for container in spec.get("initContainers", ()):
            words = self._words(container, spec, sandbox, volumes)
            self.engine.run("run", "--rm", *words, seconds=patience(60.0))
        (container,) = spec["containers"]
        pod.node = self._begin(self._words(container, spec, sandbox, volumes))
        return pod

    def _begin(self, words: list[str]) -> str:
        self._containers.append(f"{self.name}-{len(self._containers)}")
        self.engine.run("run", "--detach", "--name", self._containers[-1], *words, seconds=patience(60.0))
        return self._containers[-1]

    def _words(self, container: Object, spec: Object, sandbox: str, volumes: dict[str, str]) -> list[str]:
        """The options and the command of one container of a pod."""
        assert set(container) <= _CONTAINER_FIELDS, set(container) - _CONTAINER_FIELDS
        owner, rights = spec["securityContext"], container.get("securityContext", {})
        assert set(owner) <= _OWNER_FIELDS, set(owner) - _OWNER_FIELDS
        assert set(rights) <= _RIGHTS, set(rights) - _RIGHTS
        assert owner["runAsNonRoot"]
        assert owner["runAsUser"] > 0
        words = ["--network", f"container:{sandbox}", "--no-healthcheck", "--user", f"{owner['runAsUser']}:{owner.get('runAsGroup', 0)}"]
        words += ["--group-add", str(owner["fsGroup"])]
        words += ["--read-only"] if rights.get("readOnlyRootFilesystem") else []
        words += [] if rights.get("allowPrivilegeEscalation", True) else ["--security-opt", "no-new-privileges"]
        words += [word for name in rights.get("capabilities", {}).get("drop", ()) for word in ("--cap-drop", name)]
        limits = container.get("resources", {}).get("limits")
        if limits is not None:
            words += [
                "--memory",
                f"{int(limits['memory'].removesuffix('Mi'))}m",
                "--cpus",
                str(int(limits["cpu"].removesuffix("m")) / 1000),
            ]
        for mount in container["volumeMounts"]:
            only = ",readonly" if mount.get("readOnly") else ""
            words += ["--mount", f"type=volume,src={volumes[mount['name']]},dst={mount['mountPath']},volume-nocopy{only}"]
        words += ["--stop-timeout", str(spec.get("terminationGracePeriodSeconds", 30))]
        entry, *command = container.get("command", [""])
        words += ["--entrypoint", entry] if entry else []
        return [*words, container["image"], *command, *container.get("args", ())]

    # -- volumes ---------------------------------------------------------------------------------------------------------

    def _volume(self, volume: Object) -> str:
        """Make the volume of a pod, or find the one of a claim."""
        if "persistentVolumeClaim" in volume:
            claim = volume["persistentVolumeClaim"]["claimName"]
            assert [each["metadata"]["name"] for each in self.of_kind("PersistentVolumeClaim")] == [claim]
            name, options = f"{self.name}-{claim}", []
        else:
            name, options = f"{self.name}-{self._starts}-{volume['name']}", []
            if "emptyDir" in volume:
                size = volume["emptyDir"]["sizeLimit"].removesuffix("Mi")
                options = ["--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", f"o=size={size}m"]
        if name not in self._volumes:
            self.engine.run("volume", "create", *options, name)
            self._volumes.append(name)
        return name

    def _fill(self, sandbox: str, spec: Object) -> None:
        volumes: dict[str, tuple[int, dict[str, str] | None]] = {}
        for volume in spec["volumes"]:
            if "secret" in volume:
                secret = self._named("Secret", volume["secret"]["secretName"])
                volumes[volume["name"]] = volume["secret"]["defaultMode"], secret["stringData"]
            elif "configMap" in volume:
                volumes[volume["name"]] = 0o644, self._named("ConfigMap", volume["configMap"]["name"])["data"]
            else:
                volumes[volume["name"]] = 0, None
        command = [*self.engine.docker, "exec", "--interactive", "--user", "0:0", sandbox, "python", "-c", _FILL]
        contents = json.dumps([spec["securityContext"]["fsGroup"], volumes])
        subprocess.run(command, input=contents, text=True, check=True, timeout=patience(60.0))

    def _named(self, kind: str, name: str) -> Object:
        (one,) = [each for each in self.of_kind(kind) if each["metadata"]["name"] == name]
        return one

    # -- policies --------------------------------------------------------------------------------------------------------

    def enforce(self, pods: Iterable[Pod]) -> None:
        """Let through what the policies allow between the pods that there are, and nothing else; names are looked up over loopback."""
        there = list(pods)
        for pod in there:
            rules = ["-A INPUT -i lo -j ACCEPT", "-A OUTPUT -o lo -j ACCEPT"]
            rules += [f"-A {way} -m conntrack --ctstate ESTABLISHED -j ACCEPT" for way in ("INPUT", "OUTPUT")]
            policies = [each["spec"] for each in self.of_kind("NetworkPolicy") if _matches(each["spec"]["podSelector"], pod.labels)]
            for spec in policies:
                for way, part, end, flag in (("INPUT", "ingress", "from", "-s"), ("OUTPUT", "egress", "to", "-d")):
                    for rule in spec[part]:
                        peers = [each["podSelector"] for each in rule[end] if "podSelector" in each and "namespaceSelector" not in each]
                        near = [other for other in there if any(_matches(peer, other.labels) for peer in peers)]
                        ports = [(port["protocol"].lower(), port["port"]) for port in rule["ports"]]
                        rules += [f"-A {way} {flag} {o.address} -p {name} --dport {port} -j ACCEPT" for o in near for name, port in ports]
            if policies:
                rules += ["-P INPUT DROP", "-P OUTPUT DROP"]
            number = self.engine.run("inspect", "--format", "{{.State.Pid}}", pod.sandbox).strip()
            text = "\n".join(["set -e", "iptables -F INPUT", "iptables -F OUTPUT", *(f"iptables {rule}" for rule in rules)])
            subprocess.run(["nsenter", "-t", number, "-n", "sh", "-c", text], check=True, timeout=patience(30.0))

    def reaches(self, source: str, target: str, port: int = 5701) -> bool:
        """Whether a connection leads from the pod of one role to the port of another's."""
        script = f"import socket; socket.create_connection(('{self.pods[target].address}', {port}), 2).close()"
        command = [*self.engine.docker, "exec", self.pods[source].sandbox, "python", "-c", script]
        return subprocess.run(command, capture_output=True, timeout=patience(30.0), check=False).returncode == 0

    # -- the end ---------------------------------------------------------------------------------------------------------

    def exit_code(self, role: str, seconds: float = 60.0) -> int:
        """The exit code of a role's node, once it has ended."""
        return int(self.engine.run("wait", self.pods[role].node, seconds=patience(seconds)))

    def output(self, role: str) -> str:
        """What a role's node has printed."""
        result = subprocess.run([*self.engine.docker, "logs", self.pods[role].node], capture_output=True, text=True, check=True)
        return result.stdout + result.stderr

    def inside(self, role: str, command: str) -> tuple[int, str]:
        """Exit code and output of a shell command in a role's container."""
        words = [*self.engine.docker, "exec", self.pods[role].node, "sh", "-c", command]
        result = subprocess.run(words, capture_output=True, text=True, timeout=patience(30.0), check=False)
        return result.returncode, result.stdout + result.stderr

    def remove(self, role: str) -> None:
        """Remove the pod of a role, as for another attempt of its Job."""
        pod = self.pods.pop(role)
        self.engine.run("rm", "--force", pod.node, pod.sandbox)

    def delete(self) -> None:
        """Remove all of it."""
        docker = self.engine.docker
        for words in (["rm", "--force", *self._containers], ["volume", "rm", "--force", *self._volumes], ["network", "rm", self.name]):
            subprocess.run([*docker, *words], capture_output=True, timeout=patience(60.0), check=False)


def _matches(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a selector of labels matches."""
    for expression in selector.get("matchExpressions", ()):
        assert expression["operator"] == "In"
        if labels.get(expression["key"]) not in expression["values"]:
            return False
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
