"""Where a message goes: exchanges, their bindings, and topic patterns."""

from dataclasses import dataclass, field
from functools import lru_cache

TYPES = {"direct", "fanout", "topic"}


@dataclass
class Exchange:
    """`bindings` holds (routing key or pattern, queue)."""

    name: str
    type: str
    durable: bool
    bindings: list[tuple[str, str]] = field(default_factory=list)

    def queues_for(self, routing_key: str) -> list[str]:
        """Each queue once, however many of its bindings match."""
        matching = (
            queue for key, queue in self.bindings if self._matches(key, routing_key)
        )
        return list(dict.fromkeys(matching))

    def _matches(self, binding_key: str, routing_key: str) -> bool:
        if self.type == "topic":
            return topic_matches(binding_key, routing_key)
        return self.type == "fanout" or binding_key == routing_key


@lru_cache(maxsize=4096)
def topic_matches(pattern: str, routing_key: str) -> bool:
    """Words are separated by dots; `*` stands for one word, `#` for any number."""
    return _words_match(_words(pattern), _words(routing_key))


def _words(key: str) -> list[str]:
    return key.split(".") if key else []


def _words_match(pattern: list[str], words: list[str]) -> bool:
    if not pattern:
        return not words
    head, rest = pattern[0], pattern[1:]
    if head == "#":
        return any(_words_match(rest, words[at:]) for at in range(len(words) + 1))
    return bool(words) and head in ("*", words[0]) and _words_match(rest, words[1:])
