"""A draft is received exactly, wherever and however often its connection breaks."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from server.pen.address import Address
from server.pen.client import Client
from server.pen.events import Channel, Ended
from server.pen.outcomes import Broken, Failed, Lost, PenError, Refused, Unfinished
from server.pen.patience import Patience
from server.pen.pursuit import Connected, News, Pursuit, Said, Waiting

BODY = {"model": "pocket", "messages": [], "stream": True, "store": True}
DELTAS = (
    ("reasoning", "Plan: 春天."),
    ("answer", "# One\n"),
    ("answer", "é \U0001f331 haha"),
    ("answer", "haha\u2028 end."),
)
# Few bytes, as each of them is a test of its own.
SHORT = (("reasoning", "春."), ("answer", "é\U0001f331"), ("answer", "ha"), ("answer", "ha"))


class Reader:
    """Follows drafts on one server, without pauses; keeps what it is told."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.address = Address(url=url, key=key)
        self.news: list[News] = []
        self.slept: list[float] = []
        self.now_s = 0.0

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds

    def pursuit(self, **given: Any) -> Pursuit:
        patience = given.pop("patience", None) or Patience(draw=lambda: 1.0)
        return Pursuit(
            **{"body": BODY, **given},
            patience=patience,
            clock=lambda: self.now_s,
            sleep=self.sleep,
        )

    def follow(self, pursuit: Pursuit) -> Ended:
        return asyncio.run(self._follow(pursuit))

    async def _follow(self, pursuit: Pursuit) -> Ended:
        async with Client(self.address) as client:
            return await pursuit.follow(client, self.news.append)

    def said(self, channel: Channel) -> str:
        return "".join(
            each.text for each in self.news if isinstance(each, Said) and each.channel is channel
        )

    @property
    def whys(self) -> list[str]:
        return [each.why for each in self.news if isinstance(each, Waiting)]


@pytest.fixture
def longhand(peer: Any, scripted: Any) -> Callable[..., tuple[Any, Any, Reader]]:
    def start(deltas: Any = DELTAS, **given: Any) -> tuple[Any, Any, Reader]:
        book = scripted.Longhand(deltas, **given)
        started = peer(book)
        return book, started, Reader(started.url)

    return start


def assert_whole(book: Any, reader: Reader, pursuit: Pursuit) -> None:
    """What was told and what was kept are the draft, and it was begun once."""
    assert reader.said(Channel.REASONING) == pursuit.transcript.reasoning == book.text("reasoning")
    assert reader.said(Channel.ANSWER) == pursuit.transcript.answer == book.text("answer")
    assert pursuit.transcript.position == sum(len(text) for _, text in book.deltas)


def test_an_unbroken_draft_is_received_by_one_request(longhand: Any) -> None:
    book, peer, reader = longhand(report={"words": 4})
    pursuit = reader.pursuit()
    ended = reader.follow(pursuit)
    assert_whole(book, reader, pursuit)
    assert (ended.state, ended.finish_reason, ended.report["words"]) == ("finished", "stop", 4)
    assert [seen.method for seen in peer.seen] == ["POST"]
    assert peer.seen[0].json == BODY
    assert reader.news[0] == Connected(draft_id="draft_1")
    assert pursuit.num_breaks == 0


@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "by connection"])
def test_the_first_connection_may_be_cut_at_every_byte(
    longhand: Any, chunked: bool, part: int
) -> None:
    book, peer, reader = longhand(SHORT, chunked=chunked)
    size = len(peer_bytes(book, chunked))

    async def cut_everywhere() -> None:
        async with Client(reader.address) as client:
            for cut in range(part, size, 4):
                reader.news.clear()
                book.keys.clear()
                book.cuts[:] = [cut]
                pursuit = reader.pursuit()
                ended = await pursuit.follow(client, reader.news.append)
                assert_whole(book, reader, pursuit)
                assert (ended.state, len(book.keys)) == ("finished", 1), cut

    asyncio.run(cut_everywhere())
    assert {seen.method for seen in peer.seen} == {"POST", "GET"}


def peer_bytes(book: Any, chunked: bool) -> bytes:
    """What the first connection would carry."""
    book.cuts[:] = [None]
    reply = book(Post())
    assert isinstance(reply.data, bytes)
    return reply.data


class Post:
    path = "/v1/chat/completions"
    headers: dict[str, str] = {}  # read only


@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "by connection"])
def test_every_following_connection_may_be_cut_too(longhand: Any, chunked: bool) -> None:
    book, peer, reader = longhand(chunked=chunked)
    size = len(peer_bytes(book, chunked))
    for step in (37, 41, 97, 131):
        reader.news.clear()
        book.cuts[:] = [cut for cut in range(size) if cut % step == 0]
        pursuit = reader.pursuit(patience=Patience(give_up_s=1e6))
        reader.follow(pursuit)
        assert_whole(book, reader, pursuit)
        assert pursuit.num_breaks > 1


def test_a_resumed_draft_is_received_from_its_beginning(longhand: Any) -> None:
    book, peer, reader = longhand()
    pursuit = reader.pursuit(body={}, draft_id="draft_1")
    reader.follow(pursuit)
    assert_whole(book, reader, pursuit)
    assert [seen.target for seen in peer.seen] == ["/v1/drafts/draft_1/events?after=0"]


def test_after_a_break_the_server_is_asked_for_what_is_missing_only(longhand: Any) -> None:
    book, peer, reader = longhand()
    data = peer_bytes(book, chunked=True)
    book.cuts[:] = [data.index(b"# One"), 250]
    reader.follow(reader.pursuit())
    assert [seen.target for seen in peer.seen[1:]] == [
        "/v1/drafts/draft_1/events?after=9",
        "/v1/drafts/draft_1/events?after=15",
    ]


def test_a_draft_that_was_left_is_taken_up_again_by_the_same_pursuit(longhand: Any) -> None:
    book, peer, reader = longhand()
    pursuit = reader.pursuit()

    class Leaves(BaseException):
        pass

    def leave(news: News) -> None:
        reader.news.append(news)
        if isinstance(news, Said) and news.text == "# One\n":
            raise Leaves

    async def left() -> None:
        async with Client(reader.address) as client:
            await pursuit.follow(client, leave)

    with pytest.raises(Leaves):
        asyncio.run(left())
    reader.follow(pursuit)
    assert_whole(book, reader, pursuit)


def test_a_server_that_leaves_something_out_is_asked_again(longhand: Any, scripted: Any) -> None:
    book, peer, reader = longhand()
    whole = book.chat
    book.chat = lambda: b"|".join(part for part in whole().split(b"|") if b"# One" not in part)
    pursuit = reader.pursuit()
    reader.follow(pursuit)
    assert_whole(book, reader, pursuit)
    assert reader.whys == ["6 characters are missing"]


def test_an_end_that_comes_too_early_is_a_gap(longhand: Any) -> None:
    book, peer, reader = longhand()
    whole = book.chat
    book.chat = lambda: b"|".join(part for part in whole().split(b"|") if b"end." not in part)
    pursuit = reader.pursuit()
    reader.follow(pursuit)
    assert_whole(book, reader, pursuit)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "503 Service Unavailable"])
def test_a_busy_server_is_asked_again_when_it_says(peer: Any, scripted: Any, status: str) -> None:
    book = scripted.Longhand(DELTAS)
    busy = [scripted.failing(status, "full", retry_after="7")]
    server = peer(lambda seen: busy.pop() if busy else book(seen))
    reader = Reader(server.url)
    pursuit = reader.pursuit()
    reader.follow(pursuit)
    assert_whole(book, reader, pursuit)
    assert reader.slept == [7.0]
    assert reader.whys == [f"full (HTTP {status[:3]})"]


def test_a_plain_server_that_is_busy_is_asked_again_too(peer: Any, scripted: Any) -> None:
    replies = [
        scripted.Reply(
            scripted.streamed(scripted.chunk({"content": "Once"}) + b"data: [DONE]\n\n")
        ),
        scripted.failing("429 Too Many Requests", "slow down", retry_after="3"),
    ]
    reader = Reader(peer(lambda seen: replies.pop()).url)
    pursuit = reader.pursuit(is_stored=False)
    assert reader.follow(pursuit) == Ended(state="finished")
    assert (pursuit.transcript.answer, reader.slept) == ("Once", [3.0])
    assert reader.news[1] == Connected(draft_id=None)


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (("503 Service Unavailable", "shut", {"x_should_retry": "false"}), "shut (HTTP 503)"),
        (("400 Bad Request", "no", {"retry_after": "1"}), "no (HTTP 400)"),
        (("409 Conflict", "another is under way", {}), "another is under way (HTTP 409)"),
        (("422 Unprocessable Content", "another body", {}), "another body (HTTP 422)"),
        (("401 Unauthorized", "no key", {}), "no key (HTTP 401)"),
    ],
)
def test_what_a_server_does_not_want_is_not_asked_again(
    peer: Any, scripted: Any, reply: tuple[str, str, dict[str, str]], message: str
) -> None:
    status, said, headers = reply
    server = peer(lambda seen: scripted.failing(status, said, **headers))
    with pytest.raises(Refused) as refused:
        Reader(server.url).follow(Reader(server.url).pursuit())
    assert str(refused.value) == message
    assert len(server.seen) == 1


def test_a_conflict_with_advice_is_waited_out(peer: Any, scripted: Any) -> None:
    book = scripted.Longhand(DELTAS)
    busy = [scripted.failing("409 Conflict", "still beginning", retry_after="1")]
    reader = Reader(peer(lambda seen: busy.pop() if busy else book(seen)).url)
    pursuit = reader.pursuit()
    reader.follow(pursuit)
    assert_whole(book, reader, pursuit)


@pytest.mark.parametrize(
    "status", ["500 Internal Server Error", "503 Service Unavailable", "502 X"]
)
def test_a_draft_is_not_given_up_while_its_server_starts_anew(
    peer: Any, scripted: Any, status: str
) -> None:
    book = scripted.Longhand(DELTAS, cuts=[500])
    starting = [
        scripted.failing(status, "loading", x_should_retry="false"),
        scripted.whole(b"<html>Bad Gateway</html>", status),
    ]

    def answer(seen: Any) -> Any:
        follows = seen.method == "GET"
        return starting.pop() if follows and starting else book(seen)

    reader = Reader(peer(answer).url)
    pursuit = reader.pursuit()
    reader.follow(pursuit)
    assert_whole(book, reader, pursuit)
    assert pursuit.num_breaks == 3


def test_a_draft_that_is_gone_is_said_so(peer: Any, scripted: Any) -> None:
    book = scripted.Longhand(DELTAS, cuts=[500])
    book.path = "x"
    gone = scripted.failing("404 Not Found", "no such draft")
    server = peer(lambda seen: gone if seen.method == "GET" else book(seen))
    reader = Reader(server.url)
    with pytest.raises(Refused, match=r"no such draft \(HTTP 404\)"):
        reader.follow(reader.pursuit())


def test_patience_ends_without_news(peer: Any, scripted: Any) -> None:
    book = scripted.Longhand(DELTAS, cuts=[500, *[0] * 100])
    reader = Reader(peer(book).url)
    pursuit = reader.pursuit(patience=Patience(draw=lambda: 1.0, give_up_s=20.0))
    with pytest.raises(Lost):
        reader.follow(pursuit)
    assert reader.slept == [0.5, 1.0, 2.0, 4.0, 8.0, 4.5]


def test_patience_ends_with_a_server_that_stays_busy(peer: Any, scripted: Any) -> None:
    server = peer(lambda seen: scripted.failing("503 Y", "full", retry_after="15"))
    reader = Reader(server.url)
    with pytest.raises(Lost, match=r"full \(HTTP 503\)"):
        reader.follow(reader.pursuit(patience=Patience(draw=lambda: 1.0, give_up_s=20.0)))
    assert reader.slept == [15.0, 5.0]


def test_a_connection_that_held_for_a_while_renews_the_patience(peer: Any, scripted: Any) -> None:
    book = scripted.Longhand(DELTAS, cuts=[500, 170, 170, 170])
    reader = Reader(peer(book).url)

    def answer(news: News) -> None:
        # Each connection holds a minute and brings nothing new.
        reader.now_s += 60.0 if isinstance(news, Connected) else 0.0

    pursuit = reader.pursuit(patience=Patience(draw=lambda: 1.0, give_up_s=20.0))

    async def follow() -> None:
        async with Client(reader.address) as client:
            await pursuit.follow(client, answer)

    asyncio.run(follow())
    assert reader.slept == [0.5] * 4


@pytest.mark.parametrize(
    ("state", "error"), [("failed", Failed), ("cancelled", None), ("finished", None)]
)
def test_an_error_event_is_judged_by_the_drafts_state(
    peer: Any, scripted: Any, state: str, error: type[PenError] | None
) -> None:
    book = scripted.Longhand(DELTAS)
    book.other = lambda seen: scripted.whole({"id": "draft_1", "state": state})
    fault = b'data: {"error": {"message": "the server is shutting down"}}\n\ndata: [DONE]\n\n'
    broken = book.chat().split(b"|")
    book.chat = lambda: b"|".join([*broken[:3], fault])
    reader = Reader(peer(book).url)
    pursuit = reader.pursuit()
    if error is not None:
        with pytest.raises(error, match="the server is shutting down"):
            reader.follow(pursuit)
    else:
        assert reader.follow(pursuit).state == state
    if state == "finished":
        assert_whole(book, reader, pursuit)
        assert reader.whys == ["the server is shutting down"]


def test_a_draft_that_is_interrupted_is_told_at_once(peer: Any, scripted: Any) -> None:
    book = scripted.Longhand(DELTAS, cuts=[500], state="interrupted")
    server = peer(book)
    reader = Reader(server.url)
    with pytest.raises(Unfinished, match="the server carries none on unasked"):
        reader.follow(reader.pursuit())
    # One break, and one try after it.
    assert (len(reader.slept), len(server.seen)) == (1, 2)


def test_a_draft_that_is_interrupted_is_carried_on_where_that_is_wanted(
    peer: Any, scripted: Any
) -> None:
    book = scripted.Longhand(DELTAS, state="interrupted")

    def carry_on(seen: Any) -> Any:
        assert (seen.method, seen.path) == ("POST", "/v1/drafts/draft_1/resume")
        book.state = "finished"
        return scripted.whole({"id": "draft_1", "state": "queued"}, "202 Accepted")

    book.other = carry_on
    reader = Reader(peer(book).url)
    pursuit = reader.pursuit(body={}, draft_id="draft_1", carries_on=True)
    assert reader.follow(pursuit).state == "finished"
    assert_whole(book, reader, pursuit)
    assert reader.whys == ["the draft was interrupted; it is being carried on"]


def test_a_draft_that_cannot_be_carried_on_is_said_so(peer: Any, scripted: Any) -> None:
    book = scripted.Longhand(DELTAS, state="interrupted")
    book.other = lambda seen: scripted.failing("409 Conflict", "it is of another model")
    reader = Reader(peer(book).url)
    with pytest.raises(Refused, match="it is of another model"):
        reader.follow(reader.pursuit(body={}, draft_id="draft_1", carries_on=True))


def test_a_draft_that_is_not_over_is_waited_for(peer: Any, scripted: Any) -> None:
    book = scripted.Longhand(DELTAS, cuts=[500], state="writing")
    reader = Reader(peer(book).url)

    def hear(news: News) -> None:
        reader.news.append(news)
        if isinstance(news, Waiting) and "writing" in news.why:
            book.state = "finished"

    pursuit = reader.pursuit()

    async def follow() -> Ended:
        async with Client(reader.address) as client:
            return await pursuit.follow(client, hear)

    assert asyncio.run(follow()).state == "finished"
    assert_whole(book, reader, pursuit)
    assert reader.whys[1:] == ["the draft is writing"]


def test_a_stored_draft_that_failed_before_is_told_at_once(longhand: Any) -> None:
    book, _, reader = longhand(state="failed")
    with pytest.raises(Failed, match="the draft failed"):
        reader.follow(reader.pursuit(body={}, draft_id="draft_1"))
    assert reader.said(Channel.ANSWER) == book.text("answer")


def plain(scripted: Any, *parts: bytes, cut: int | None = None) -> Callable[[Any], Any]:
    return lambda seen: scripted.Reply(scripted.streamed(b"|".join(parts)), cut=cut)


def test_a_plain_stream_that_breaks_is_lost_and_not_asked_for_again(
    peer: Any, scripted: Any
) -> None:
    frames = [scripted.chunk({"content": "Once"}), scripted.chunk({"content": " upon"})]
    server = peer(plain(scripted, *frames, cut=-5))
    reader = Reader(server.url)
    pursuit = reader.pursuit(is_stored=False)
    with pytest.raises(Lost):
        reader.follow(pursuit)
    assert (pursuit.transcript.answer, len(server.seen)) == ("Once upon", 1)


def test_a_plain_request_whose_answer_was_lost_is_not_sent_again(peer: Any, scripted: Any) -> None:
    server = peer(lambda seen: scripted.Reply(b""))
    reader = Reader(server.url)
    with pytest.raises(Lost):
        reader.follow(reader.pursuit(is_stored=False))
    assert len(server.seen) == 1
    assert "idempotency-key" not in server.seen[0].headers


def test_a_server_that_stores_nothing_though_asked_is_a_plain_one(peer: Any, scripted: Any) -> None:
    server = peer(plain(scripted, scripted.chunk({"content": "Once"}), b"data: ", cut=-10))
    reader = Reader(server.url)
    with pytest.raises(Lost):
        reader.follow(reader.pursuit())
    assert len(server.seen) == 1


def test_a_request_that_could_not_be_sent_is_sent_again(longhand: Any) -> None:
    book, peer, reader = longhand()
    reader.address, right = Address(url="http://127.0.0.1:9"), reader.address
    pursuit = reader.pursuit(is_stored=False)

    async def follow() -> None:
        async with Client(reader.address) as client, Client(right) as there:

            def hear(news: News) -> None:
                reader.news.append(news)
                if isinstance(news, Waiting):
                    client._http = there._http

            await pursuit.follow(client, hear)

    asyncio.run(follow())
    assert reader.whys[0].startswith("cannot reach http://127.0.0.1:9: ")
    assert pursuit.transcript.answer == book.text("answer")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"data: {never\n\n", "an event is not JSON"),
        (b"data: []\n\n", "an event is not a JSON object"),
    ],
)
def test_what_is_no_stream_is_said_so(peer: Any, scripted: Any, body: bytes, why: str) -> None:
    reader = Reader(peer(plain(scripted, body)).url)
    with pytest.raises(Lost, match=f"the server sent no event stream: {why}"):
        reader.follow(reader.pursuit(is_stored=False))


def test_an_answer_of_another_kind_is_said_so(peer: Any, scripted: Any) -> None:
    reader = Reader(peer(lambda seen: scripted.whole({"choices": []})).url)
    with pytest.raises(Lost, match="the server sent no event stream but application/json"):
        reader.follow(reader.pursuit(is_stored=False))


def test_an_error_in_a_plain_stream_is_its_end(peer: Any, scripted: Any) -> None:
    fault = b'data: {"error": {"message": "out of memory"}}\n\n'
    reader = Reader(peer(plain(scripted, scripted.chunk({"content": "Once"}), fault)).url)
    with pytest.raises(Failed, match="out of memory"):
        reader.follow(reader.pursuit(is_stored=False))
    assert reader.said(Channel.ANSWER) == "Once"


def test_how_candidates_get_on_is_passed_on(peer: Any, scripted: Any) -> None:
    told = {"progress": [{"candidate": 0, "state": "writing", "words": 3, "score": None}]}
    frames = [scripted.chunk({"content": ""}, 0, None, told), scripted.chunk({}, 0, "stop")]
    reader = Reader(peer(plain(scripted, *frames)).url)
    reader.follow(reader.pursuit(is_stored=False))
    assert [each.words for each in reader.news[1].candidates] == [3]  # type: ignore[union-attr]  # it is a Standings


def test_the_key_is_sent(peer: Any, scripted: Any) -> None:
    server = peer(scripted.Longhand(DELTAS))
    reader = Reader(server.url, key="Secret")
    reader.follow(reader.pursuit())
    assert server.seen[0].headers["authorization"] == "bearer secret"


def test_a_drafts_name_cannot_lead_to_another_route(longhand: Any) -> None:
    _, peer, reader = longhand()
    with pytest.raises(Refused, match="no such route"):
        reader.follow(reader.pursuit(body={}, draft_id="../models?x=/"))
    assert peer.seen[0].target == "/v1/drafts/..%2fmodels%3fx%3d%2f/events?after=0".replace(
        "%2f", "%2F"
    ).replace("%3f", "%3F").replace("%3d", "%3D")


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (httpx.ConnectTimeout(""), "cannot reach http://peer: no connection in time"),
        (httpx.ConnectError(""), "cannot reach http://peer: no connection"),
        (httpx.ReadTimeout(""), "nothing came for too long"),
        (httpx.ReadError(""), "the connection broke"),
    ],
)
def test_what_was_wrong_is_told_in_words(error: httpx.TransportError, why: str) -> None:
    def fail(request: httpx.Request) -> httpx.Response:
        raise error

    async def ask() -> None:
        async with Client(Address(url="http://peer")) as client:
            client._http = httpx.AsyncClient(
                transport=httpx.MockTransport(fail), base_url="http://peer"
            )
            await client.draft("draft_1")

    with pytest.raises(Broken) as broken:
        asyncio.run(ask())
    assert str(broken.value) == why
