"""``longhand drafts`` at its door."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from server import cli

DRAFT: dict[str, Any] = {
    "id": "draft_1",
    "object": "draft",
    "kind": "chat",
    "state": "finished",
    "created": 1_790_000_000,
    "updated": None,
    "model": "pocket\x1b[2J",
    "position": 12,
    "reasoning": "Plan.",
    "answer": "# 春\n\x1b[31mx",
    "writing": {"words": 3, "asked": [2, 4]},
    "error": None,
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def drafts(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes], peer: Any
) -> Callable[[Callable[[Any], Any]], tuple[Run, Any]]:
    """Runs ``longhand drafts`` against a server that answers so."""
    for name in [name for name in os.environ if name.startswith("LONGHAND_")]:
        monkeypatch.delenv(name)

    def serve(answer: Callable[[Any], Any]) -> tuple[Run, Any]:
        server = peer(answer)

        def run(*argv: str) -> tuple[int, str, str]:
            code = cli.main(("drafts", *argv, "--url", server.url))
            out, err = capsysbinary.readouterr()
            return code, out.decode(), err.decode()

        return run, server

    return serve


def page(*drafts: dict[str, Any], has_more: bool = False) -> dict[str, Any]:
    return {"object": "list", "data": list(drafts), "has_more": has_more}


def test_a_list_is_a_line_a_draft(drafts: Any, scripted: Any) -> None:
    begun = {"id": "draft_2", "state": "writing", "kind": "chat", "created": 1_790_000_060}
    run, server = drafts(lambda seen: scripted.whole(page(begun, DRAFT)))
    code, out, _ = run("list")
    assert code == 0
    assert out == (
        "draft_2\twriting\tchat\t2026-09-21 14:14:20 UTC\t\t\n"
        "draft_1\tfinished\tchat\t2026-09-21 14:13:20 UTC\t3\t12\n"
    )
    assert server.seen[0].target == "/v1/drafts?limit=20"


def test_a_long_list_comes_page_by_page(drafts: Any, scripted: Any) -> None:
    every = [{"id": f"draft_{number}"} for number in range(250, 0, -1)]

    def answer(seen: Any) -> Any:
        query = dict(part.split("=") for part in seen.target.split("?")[1].split("&"))
        older = int(query.get("before", "draft_999").removeprefix("draft_"))
        rest = [draft for draft in every if int(draft["id"].removeprefix("draft_")) < older]
        limit = int(query["limit"])
        return scripted.whole(page(*rest[:limit], has_more=len(rest) > limit))

    run, server = drafts(answer)
    assert [line.split("\t")[0] for line in run("list", "--limit", "230")[1].splitlines()] == [
        draft["id"] for draft in every[:230]
    ]
    assert len(server.seen) == 3
    assert len(run("list", "--limit", "999")[1].splitlines()) == 250


def test_a_server_without_drafts_has_an_empty_list(drafts: Any, scripted: Any) -> None:
    run, _ = drafts(lambda seen: scripted.whole(page()))
    assert run("list") == (0, "", "")
    assert run("list", "--json") == (0, "[]\n", "")


def test_a_terminal_shows_the_list_as_a_table(
    drafts: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = drafts(lambda seen: scripted.whole(page(DRAFT)))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("TERM", "xterm")
    _, out, _ = run("list")
    assert "created" in out
    assert "finished" in out
    assert "\t" not in out


def test_show_tells_all_but_the_texts(drafts: Any, scripted: Any) -> None:
    run, server = drafts(lambda seen: scripted.whole(DRAFT))
    code, out, _ = run("show", "draft_1")
    assert code == 0
    assert dict(line.split(None, 1) for line in out.splitlines() if " " in line.strip()) == {
        "id": "draft_1",
        "object": "draft",
        "kind": "chat",
        "state": "finished",
        "created": "2026-09-21 14:13:20 UTC",
        "model": "pocket[2J",
        "position": "12",
        "reasoning": "5 characters",
        "answer": "10 characters",
        "writing.words": "3",
        "writing.asked": "[2, 4]",
    }
    assert server.seen[0].target == "/v1/drafts/draft_1"


def test_show_of_several_choices_leaves_their_texts_out(drafts: Any, scripted: Any) -> None:
    told = {"id": "draft_1", "choices": [{"index": 0, "answer": "secret"}]}
    run, _ = drafts(lambda seen: scripted.whole(told))
    assert run("show", "draft_1") == (0, "id  draft_1\n", "")


def test_show_as_json_is_what_the_server_said(drafts: Any, scripted: Any) -> None:
    run, _ = drafts(lambda seen: scripted.whole(DRAFT))
    assert json.loads(run("show", "draft_1", "--json")[1]) == DRAFT


@pytest.mark.parametrize(
    ("told", "said"),
    [({"state": "cancelled"}, "cancelled"), ({"state": "finished"}, "finished"), ({}, "cancelled")],
)
def test_cancel_tells_what_became_of_the_draft(
    drafts: Any, scripted: Any, told: dict[str, str], said: str
) -> None:
    run, server = drafts(lambda seen: scripted.whole(told))
    assert run("cancel", "draft_1") == (0, "", f"longhand: draft_1 is {said}.\n")
    assert (server.seen[0].method, server.seen[0].path) == ("POST", "/v1/drafts/draft_1/cancel")


def test_rm_removes_what_it_can_and_tells_of_the_rest(drafts: Any, scripted: Any) -> None:
    gone = scripted.failing("404 Not Found", "no such draft")
    done = scripted.whole(b"")
    run, server = drafts(lambda seen: gone if seen.path.endswith("_2") else done)
    assert run("rm", "draft_1") == (0, "", "")
    assert run("rm", "draft_2", "draft_3") == (
        1,
        "",
        "longhand: draft_2: no such draft (HTTP 404).\n",
    )
    assert [(seen.method, seen.path[-7:]) for seen in server.seen] == [
        ("DELETE", "draft_1"),
        ("DELETE", "draft_2"),
        ("DELETE", "draft_3"),
    ]


@pytest.mark.parametrize("what", ["answer", "reasoning"])
def test_export_gives_a_text_byte_for_byte(
    drafts: Any, scripted: Any, tmp_path: Path, what: str
) -> None:
    run, _ = drafts(lambda seen: scripted.whole(DRAFT))
    assert run("export", "draft_1", "--what", what) == (0, DRAFT[what], "")
    out = tmp_path / "text"
    assert run("export", "draft_1", "--what", what, "--out", str(out)) == (0, "", "")
    assert out.read_bytes() == DRAFT[what].encode()
    code, _, err = run("export", "draft_1", "--out", str(out))
    assert (code, err) == (2, f"longhand: {out} holds something; --force writes over it.\n")
    assert run("export", "draft_1", "--out", str(out), "--force")[0] == 0
    assert out.read_bytes() == DRAFT["answer"].encode()


def test_export_as_json_is_the_whole_draft(drafts: Any, scripted: Any) -> None:
    run, _ = drafts(lambda seen: scripted.whole(DRAFT))
    assert json.loads(run("export", "draft_1", "--what", "json")[1]) == DRAFT


def test_export_of_several_choices_gives_the_first(drafts: Any, scripted: Any) -> None:
    choices = [{"index": 0, "answer": "One."}, {"index": 1, "answer": "Two."}]
    run, _ = drafts(lambda seen: scripted.whole({"id": "draft_1", "choices": choices}))
    assert run("export", "draft_1") == (0, "One.", "")


def test_export_to_a_terminal_cannot_move_its_cursor(
    drafts: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = drafts(lambda seen: scripted.whole(DRAFT))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run("export", "draft_1") == (0, "# 春\n[31mx\n", "")


def test_a_server_that_does_not_know_the_draft_is_quoted(drafts: Any, scripted: Any) -> None:
    run, _ = drafts(lambda seen: scripted.failing("404 Not Found", "no such draft"))
    for command in ("show", "cancel", "export"):
        assert run(command, "draft_9") == (1, "", "longhand: no such draft (HTTP 404).\n")


def test_a_server_that_is_away_is_said_so(drafts: Any, scripted: Any) -> None:
    run, _ = drafts(lambda seen: scripted.Reply(scripted.whole(DRAFT).data, cut=-3))
    code, out, err = run("show", "draft_1")
    assert (code, out) == (3, "")
    assert err.startswith("longhand: ")


def test_ctrl_c_leaves_without_a_word(
    drafts: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = drafts(lambda seen: scripted.whole(DRAFT))

    def pressed(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("server.pen.client.Client.__aenter__", pressed)
    assert run("show", "draft_1") == (130, "", "")
