from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import routes
from gateway.routes import build, canonical, find
from shared.errors import BadRequest

ROOT = build(routes.listed())


def test_a_path_belongs_to_the_service_whose_pattern_it_fits() -> None:
    assert find(ROOT, "/v1/coaches/7") == {"GET": "coaches", "PATCH": "coaches"}
    assert find(ROOT, "/v1/coaches/7/slots") == {"GET": "booking"}
    assert find(ROOT, "/v1/coaches/7/games/chess").keys() == {"PUT", "DELETE"}
    assert find(ROOT, "/payments/webhook/") == {"POST": "payments"}


@pytest.mark.parametrize(
    "path", ["/", "", "/v1", "/v1/coaches/", "/v1/coaches//slots", "/V1/games"]
)
def test_a_path_that_fits_nothing_belongs_to_nobody(path: str) -> None:
    assert find(ROOT, path) == {}


def test_a_literal_goes_before_a_parameter_and_leads_back_if_it_ends_nowhere() -> None:
    root = build(
        [("a", "GET", "/x/{id}"), ("b", "GET", "/x/me"), ("a", "GET", "/x/{id}/z")]
    )

    assert find(root, "/x/me") == {"GET": "b"}
    assert find(root, "/x/7") == {"GET": "a"}
    assert find(root, "/x/me/z") == {"GET": "a"}


def test_a_route_has_one_owner() -> None:
    with pytest.raises(ValueError, match="two owners"):
        build([("a", "GET", "/x/{id}"), ("b", "GET", "/x/{name}")])


def test_a_plain_path_goes_on_as_it_is() -> None:
    path = b"/v1/games/a-b_c~d.e:f@g"

    assert canonical(path, b"") == (path, path.decode())


def test_what_was_encoded_without_need_is_routed_as_what_it_means() -> None:
    assert canonical(b"/v1/%67ames", b"") == (b"/v1/games", "/v1/games")
    assert canonical(b"/v1/games/caf%c3%a9", b"")[1] == "/v1/games/café"
    assert canonical(b"/v1/games/a%252fb", b"") == (
        b"/v1/games/a%252fb",
        "/v1/games/a%2fb",
    )


@pytest.mark.parametrize("query", [b"a b", b"a\x00", b"a\r\nX: y", b"\xff", b"\x7f"])
def test_a_query_that_is_not_encoded_is_refused(query: bytes) -> None:
    with pytest.raises(BadRequest):
        canonical(b"/v1/games", query)


@given(st.binary(max_size=40))
def test_every_path_has_one_meaning_or_is_refused(tail: bytes) -> None:
    try:
        raw, decoded = canonical(b"/v1/" + tail, b"")
    except BadRequest:
        return
    again = canonical(raw, b"")
    segments = decoded.split("/")
    assert again == (raw, decoded)
    assert unquote(raw.decode("ascii"), errors="strict") == decoded
    assert not {".", ".."} & set(segments)
    assert "" not in segments[1:-1]
    assert "\\" not in decoded
    assert decoded.isprintable() or not any(ord(each) < 32 for each in decoded)


@given(st.text(min_size=1, max_size=20))
def test_a_segment_cannot_become_two(segment: str) -> None:
    try:
        _, decoded = canonical(b"/v1/" + quote(segment, safe="").encode(), b"")
    except BadRequest:
        return
    assert decoded == f"/v1/{segment}"
    assert decoded.count("/") == 2
