"""The two-phase start over real links."""

from __future__ import annotations

import random
import threading
from pathlib import Path

from netagents.messages import ENVIRONMENT, Envelope
from netagents.wire import UNKNOWN_RUN, Exchange, Inbox, LinkSettings, NodeHandshake, Phase, Reply, open_transport
from tests.wire.test_handshake import RUN, rendezvous


def test_the_machines_start_real_nodes_over_ipc_in_random_order(tmp_path: Path) -> None:
    n, order = 5, random.Random(3)
    transport = open_transport("ipc://x", LinkSettings(linger_seconds=0.5))
    meeting = f"ipc://{tmp_path}/rendezvous"
    started: dict[int, int] = {}
    failures: list[BaseException] = []

    def serve() -> None:
        exchange = Exchange(ENVIRONMENT, transport.listen(meeting), Inbox(RUN, {}, nodes=n))
        server = rendezvous(n, monitor=False)

        def on_control(message: Envelope, _: str | None) -> None:
            replies = server.handle(message)
            for index, endpoint in server.peers.items():
                if index not in exchange.linked:
                    exchange.link(index, transport.connect(endpoint))
            for reply in replies:
                exchange.send(reply.message, reply.kind, 0, 0, [reply.receiver])

        exchange.on_control = on_control
        exchange.serve(lambda: server.phase is Phase.STARTED, 10.0, server.status)
        started[ENVIRONMENT] = 4

    def join(index: int) -> None:
        listener = transport.listen(f"ipc://{tmp_path}/{index}")
        exchange = Exchange(index, listener, Inbox(UNKNOWN_RUN, {}, nodes=n))
        exchange.link(ENVIRONMENT, transport.connect(meeting))
        node = NodeHandshake(index, listener.endpoint, "1.0", index)
        peers = {peer for peer in (index - 1, index + 1) if 0 <= peer < n}

        def deliver(replies: list[Reply]) -> None:
            for reply in replies:
                exchange.send(reply.message, reply.kind, 0, 0, [reply.receiver])

        def on_control(message: Envelope, _: str | None) -> None:
            deliver(node.handle(message))
            if node.phase is Phase.WELCOMED and node.welcome is not None:
                exchange.inbox.run = node.run
                for peer in peers:
                    exchange.link(peer, transport.connect(node.welcome.peers[peer]))
                deliver(node.link(peers, peers))

        exchange.on_control = on_control
        while node.phase is Phase.HELLO:
            deliver([node.hello()])
            exchange.pump(0.1)
        exchange.serve(lambda: node.phase is Phase.STARTED, 10.0, node.status)
        started[index] = node.iteration

    def run(index: int) -> None:
        try:
            if index == ENVIRONMENT:
                serve()
            else:
                join(index)
        except BaseException as error:
            failures.append(error)

    indices = [ENVIRONMENT, *range(n)]
    order.shuffle(indices)
    threads = [threading.Thread(target=run, args=(index,)) for index in indices]
    for thread in threads:
        thread.start()
        thread.join(0.03)
    for thread in threads:
        thread.join(10.0)
    transport.close()
    assert failures == []
    assert started == dict.fromkeys((ENVIRONMENT, *range(n)), 4)
