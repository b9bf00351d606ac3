from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.mailbox import Store
from local.mailbox.messages import read_mail

MAIL = b"Subject: hi\r\n\r\nhi\r\n"


def put(store: Store, *recipients: str) -> int:
    return store.add(read_mail(MAIL, recipients), MAIL, recipients)


def test_messages_are_there_again_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "below" / "mails.sqlite"
    store = Store(path)
    added = put(store, "a@x.org")
    store.close()
    again = Store(path)
    assert [message.id for message in again.messages()] == [added]
    assert again.source(added) == MAIL
    again.close()


def test_only_the_newest_are_kept() -> None:
    store = Store(kept=3)
    ids = [put(store, "a@x.org") for _ in range(5)]
    assert [message.id for message in store.messages()] == ids[:1:-1]
    assert len(store.messages(to="a@x.org")) == 3
    assert store.message(ids[0]) is None
    assert store.source(ids[0]) is None
    store.close()


def test_a_mail_to_two_is_found_under_both_in_any_case() -> None:
    store = Store()
    added = put(store, "Zoe@X.org", "b@x.org")
    put(store, "c@x.org")
    for address in ("zoe@x.ORG", "b@x.org"):
        assert [message.id for message in store.messages(to=address)] == [added]
    assert store.messages(to="x.org") == []
    store.close()


def test_one_address_can_be_cleared_alone() -> None:
    store = Store()
    put(store, "a@x.org")
    kept = put(store, "b@x.org")
    store.clear(to="A@x.org")
    assert [message.id for message in store.messages()] == [kept]
    store.clear()
    assert store.messages() == []
    assert put(store, "a@x.org") > kept
    store.close()


def test_threads_may_use_it_at_once(tmp_path: Path) -> None:
    store = Store(tmp_path / "mails.sqlite")
    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(lambda _: put(store, "a@x.org"), range(200)))
    assert len(ids) == len(store.messages()) == 200
    store.close()
