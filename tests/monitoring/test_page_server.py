"""Server of the live page: what it answers, whom it refuses, and visitors that are silent, slow or many."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from watched_runs import add_event, cut, grow, page_of

from netagents.cli.main import main
from netagents.monitoring.feed.run_catalog import RunCatalog, last_row, run_key
from netagents.records import Run

pytest.importorskip("uvicorn", reason="the extra dashboard is not installed")


def get(page: str, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of one request."""
    connection = http.client.HTTPConnection(urlsplit(page).netloc, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def opened(page: str, words: bytes = b"") -> socket.socket:
    """A connection to the page's server."""
    where = urlsplit(page)
    assert where.hostname is not None
    connection = socket.create_connection((where.hostname, where.port), timeout=30)
    connection.sendall(words)
    return connection


def is_cut(connection: socket.socket) -> bool:
    """Whether the other side ends the connection, with what it has sent so far thrown away."""
    try:
        while connection.recv(1 << 16):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def first_message(page: str, path: str) -> dict[str, Any]:
    """The first server-sent event."""
    with opened(page, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()) as connection, connection.makefile("rb") as file:
        for line in file:
            if line.startswith(b"data: "):
                return dict(json.loads(line[6:]))
    raise AssertionError("the stream ended")


def test_the_page_and_its_files_forbid_everything_from_elsewhere(recorded: Run) -> None:
    with page_of(recorded.path) as page:
        status, headers, body = get(page, "/")
        assert status == 200
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; script-src 'self';")
        assert "unsafe" not in policy
        assert run_key(recorded.path).encode() in body
        names = re.findall(rb'(?:src|href)="(/static/[^"]+)"', body)
        assert len(names) > 4
        for name in (*names, b"/static/uplot-LICENSE.txt"):
            status, headers, text = get(page, name.decode())
            assert (status, headers["x-content-type-options"]) == (200, "nosniff")
            assert text
            # Nothing is asked of another host.
            assert not re.search(rb"""(?:import|from|src=|href=|url\()\s*["']?(?:https?:)?//""", text)
        for bad in ("/static/page_app.py", "/static/..%2fpage_app.py", "/static/%2e%2e/page_app.py", "/api/runs/none", "/other"):
            assert get(page, bad)[0] == 404


def test_only_those_who_ask_for_this_host_and_to_read_are_answered(recorded: Run) -> None:
    with page_of(recorded.path) as page:
        assert get(page, "/", Host="evil.example:80")[0] == 421
        assert get(page, "/api/runs", Host="localhost:1")[0] == 200
        assert get(page, "/api/runs", Host="[::1]:1")[0] == 200
        connection = http.client.HTTPConnection(urlsplit(page).netloc, timeout=30)
        connection.request("POST", "/api/runs", body=b"x")
        assert connection.getresponse().status == 405
        connection.close()


def test_with_a_token_nothing_is_shown_without_it(recorded: Run) -> None:
    with page_of(recorded.path, token="sesame", hosts=False) as page:
        assert get(page, "/")[0] == 401
        assert get(page, "/api/runs", Cookie="netagents_token=other")[0] == 401
        assert get(page, "/static/live.js")[0] == 401
        status, headers, _ = get(page, "/?token=sesame")
        assert status == 200
        assert "HttpOnly; SameSite=Strict" in headers["set-cookie"]
        assert get(page, "/api/runs", Cookie=headers["set-cookie"].partition(";")[0])[0] == 200


def test_answers_are_the_numbers_of_the_records(recorded: Run) -> None:
    with page_of(recorded.path) as page:
        key = run_key(recorded.path)
        (row,) = json.loads(get(page, "/api/runs")[2])["runs"]
        assert (row["key"], row["state"], row["iterations"], row["n"]) == (key, "finished", 24, 4)
        assert row["return"] == pytest.approx(recorded.returns[-1], rel=1e-5)
        facts = json.loads(get(page, f"/api/runs/{key}")[2])
        assert [tuple(edge) for edge in facts["edges"]] == list(recorded.topology.edges)
        assert set(recorded.metric_names) < set(facts["choices"])
        assert ["kappa", "2", "1"] in facts["settings"]
        series = json.loads(get(page, f"/api/runs/{key}/series?metric=objective&from=3&to=9")[2])
        assert series["i"] == list(range(3, 10))
        assert series["v"][0] == pytest.approx(recorded.agent_metric("objective")[3], rel=1e-5)
        lines = get(page, f"/api/runs/{key}/csv/returns.csv")[2].decode().splitlines()
        assert [float(line.split(",")[1]) for line in lines[1:]] == recorded.returns.tolist()
        assert get(page, f"/api/runs/{key}/csv/nothing.csv")[0] == 404
        assert first_message(page, f"/api/runs/{key}/news?metric=nonsense&logs=1")["count"] == 24


def test_a_stream_tells_of_iterations_as_they_are_recorded(recorded: Run, copied: Path) -> None:
    cut(copied, 4)
    with (
        page_of(copied) as page,
        opened(page, f"GET /api/runs/{run_key(copied)}/news HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()) as stream,
    ):
        iterations: list[int] = []
        with stream.makefile("rb") as file:
            for line in file:
                news = json.loads(line[6:]) if line.startswith(b"data: ") else {}
                iterations += news.get("team", {}).get("i", [])
                if len(iterations) in (4, 10):
                    grow(copied, recorded.path, len(iterations) + 6)
                if len(iterations) == 16 and not news.get("gone"):
                    add_event(copied, event="failed", role="agent_2", exit_code=10, line="agent 2 was killed by SIGKILL")
                if news.get("gone"):
                    break
        assert iterations == list(range(16))
        assert news["gone"] == [2]


def test_silent_and_dripping_visitors_delay_nobody_and_are_cut(recorded: Run) -> None:
    from netagents.monitoring.page.connection_limits import limited

    with page_of(recorded.path, protocol=limited(0.4, 30.0)) as page:
        silent = [opened(page) for _ in range(5)]
        dripping = [opened(page, b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ") for _ in range(3)]
        assert get(page, "/")[0] == 200
        for _ in range(4):
            time.sleep(0.15)
            for connection in dripping:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(b"a")
        assert all(map(is_cut, (*silent, *dripping)))
        # Who asks, and then is silent, is cut as well; who listens to a stream is not.
        asked = opened(page, b"GET /api/runs HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert is_cut(asked)
        stream = opened(page, f"GET /api/runs/{run_key(recorded.path)}/news HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        stream.settimeout(1.0)
        assert not is_cut(stream)
        for connection in (*silent, *dripping, asked, stream):
            connection.close()


def test_a_visitor_that_does_not_read_is_cut_and_delays_nobody(copied: Path) -> None:
    from netagents.monitoring.page.connection_limits import limited

    # A table that no buffer between two processes holds.
    event = json.dumps({"time": 1.0, "event": "failed", "role": "", "exit_code": 1, "line": "x" * 9000}) + "\n"
    with (copied / "events.jsonl").open("a") as file:
        file.write(event * 1500)
    with page_of(copied, protocol=limited(30.0, 0.5)) as page:
        stalled = socket.socket()
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.settimeout(30.0)
        where = urlsplit(page)
        stalled.connect((where.hostname, where.port))
        stalled.sendall(f"GET /api/runs/{run_key(copied)}/csv/events.csv HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert get(page, "/")[0] == 200
        time.sleep(1.5)
        received = 0
        try:
            while data := stalled.recv(1 << 16):
                received += len(data)
        except ConnectionError:
            pass
        assert received < 9000 * 1500
        stalled.close()


def test_many_visitors_are_answered_at_once(recorded: Run) -> None:
    with page_of(recorded.path) as page:
        words = f"GET /api/runs/{run_key(recorded.path)}/news HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        streams = [opened(page, words) for _ in range(40)]
        waiting = set(streams)
        while waiting:
            ready, _, _ = select.select(list(waiting), [], [], 30.0)
            assert ready
            for stream in ready:
                assert b"200 OK" in stream.recv(400)
                waiting.discard(stream)
        for stream in streams:
            stream.close()


def test_a_catalogue_holds_runs_studies_and_what_cannot_be_read(recorded: Run, copied: Path, tmp_path: Path) -> None:
    folder = tmp_path / "runs"
    finished_folder, going = folder / "study" / "runs" / "kappa=1-seed=0", folder / "study" / "runs" / "kappa=2-seed=0"
    finished_folder.parent.mkdir(parents=True)
    shutil.copytree(recorded.path, finished_folder)
    shutil.copytree(copied, going)
    cut(going, 12)
    planned = [{"name": f"kappa={kappa}-seed={seed}", "setting": f"kappa={kappa}", "seed": seed} for kappa in (1, 2) for seed in (0, 1)]
    facts = {"format_version": 1, "question": "radius", "name": "seen", "digest": "x", "seeds": [0, 1], "runs": planned}
    facts |= {"settings": [{"label": "kappa=1"}, {"label": "kappa=2"}], "experiment": {"learning": {"iterations": 24}}}
    (folder / "study" / "study.json").write_text(json.dumps(facts))
    (folder / "broken").mkdir()
    (folder / "broken" / "manifest.json").write_text("{")
    listing = RunCatalog([folder]).listing()
    assert sorted(row["state"] for row in listing["runs"]) == ["finished", "killed", "unreadable"]
    (grid,) = listing["studies"]
    assert [[cell["state"] for cell in line] for line in grid["cells"]] == [["finished", "waiting"], ["killed", "waiting"]]
    assert [[cell.get("iterations") for cell in line] for line in grid["cells"]] == [[24, None], [12, None]]
    assert (grid["done"], grid["total"]) == (1, 4)
    (folder / "study" / "study.json").write_text("[]")
    assert RunCatalog([folder / "study"]).listing()["studies"] == []


def test_the_run_that_was_named_comes_before_those_it_was_compared_with(recorded: Run, tmp_path: Path) -> None:
    named = tmp_path / "named"
    shutil.copytree(recorded.path, named)
    other = named / "comparison" / "changed-seed-1"
    shutil.copytree(recorded.path, other)
    manifest = json.loads((other / "manifest.json").read_text())
    (other / "manifest.json").write_text(json.dumps(manifest | {"created_time": manifest["created_time"] + 60.0}))
    assert [row["name"] for row in RunCatalog([named]).listing()["runs"]] == ["named", "changed-seed-1"]


def test_the_last_row_is_found_in_files_of_any_length(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    assert last_row(file) is None
    file.write_text("")
    assert last_row(file) is None
    long = "".join(json.dumps({"iteration": at, "team_return": at / 2, "rest": "x" * 100_000}) + "\n" for at in range(4))
    for text, iteration in ((long, 3), (long + '{"iteration": 9', 3), ('{"iteration": 0, "team_return": null}\n', 0)):
        file.write_text(text)
        result = last_row(file)
        assert result is not None
        assert result["iteration"] == iteration
    for damaged in (
        "no row\n",
        '{"iteration": 1e999, "team_return": 0}\n',
        '{"iteration": 0, "team_return": 1' + "0" * 400 + "}\n",
        "[" * 99_999 + "\n",
    ):
        file.write_text(damaged)
        assert last_row(file) is None


def test_a_pipe_in_place_of_rows_holds_no_visitor_up(recorded: Run, tmp_path: Path) -> None:
    run = shutil.copytree(recorded.path, tmp_path / "run")
    (run / "metrics.jsonl").unlink()
    os.mkfifo(run / "metrics.jsonl")
    (row,) = RunCatalog([run]).listing()["runs"]
    assert (row["state"], row["name"]) == ("unreadable", "run")
    assert "is a named pipe, not a file" in row["line"]


def test_the_command_refuses_what_it_cannot_do(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["watch", str(tmp_path), "--listen", "0.0.0.0:0"]) == 13
    assert "add --token: whoever has the address with its token can then read all records and logs" in capfd.readouterr().err
    assert main(["watch", str(tmp_path), "--listen", "nowhere"]) == 2
    assert main(["watch", str(tmp_path / "missing")]) == 6
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["watch", str(tmp_path), "--listen", f"127.0.0.1:{taken.getsockname()[1]}"]) == 2
    capfd.readouterr()
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "starlette" else object())
    for words in (["watch", str(tmp_path)], ["run", "line_msg", "--watch", "--out", str(tmp_path / "run")]):
        assert main(words) == 15
        assert "watch: the package starlette is not installed; pip install 'netagents[dashboard]'" in capfd.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.mark.system
def test_the_command_serves_until_it_is_ended(recorded: Run) -> None:
    words = [sys.executable, "-m", "netagents", "watch", str(recorded.path), "--listen", "127.0.0.1:0", "--token"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            address = re.search(r"http://127\.0\.0\.1:\d+/\?token=[\w-]+", line)
            assert address is not None, line
            where = urlsplit(address[0])
            assert get(f"http://{where.netloc}", f"/?{where.query}")[0] == 200
            with opened(f"http://{where.netloc}"):  # a visitor that stays does not hold up the end
                process.send_signal(signal.SIGTERM)
                assert process.wait(20) == 0
            assert process.stderr is not None
            assert process.stderr.read() == ""
        finally:
            process.kill()
