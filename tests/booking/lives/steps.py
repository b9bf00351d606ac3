"""Steps of a machine, each as likely as its weight says among those that are possible.

Rules of their own would be switched off for whole runs, half of them on average, and
then hardly a run comes to where it takes many of them to come.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

Method = TypeVar("Method", bound=Callable[..., None])

MARK = "step_of_a_machine"


class Step(NamedTuple):
    weight: int
    possible: Callable[[Any], Any]
    arguments: st.SearchStrategy[dict[str, Any]]


def step(
    weight: int = 1,
    possible: Callable[[Any], Any] = lambda _: True,
    **arguments: st.SearchStrategy[Any],
) -> Callable[[Method], Method]:
    """A method that is called with arguments drawn from these, whenever possible."""

    def mark(method: Method) -> Method:
        setattr(method, MARK, Step(weight, possible, st.fixed_dictionaries(arguments)))
        return method

    return mark


class Stepping(RuleBasedStateMachine):
    """A machine that takes the steps that are marked in its class."""

    def __init__(self) -> None:
        super().__init__()
        marked = {name: getattr(type(self), name) for name in dir(type(self))}
        self._steps: dict[str, Step] = {
            name: getattr(each, MARK)
            for name, each in marked.items()
            if hasattr(each, MARK)
        }

    @rule(data=st.data())
    def take(self, data: st.DataObject) -> None:
        names = [
            name
            for name, each in self._steps.items()
            if each.possible(self)
            for _ in range(each.weight)
        ]
        name = data.draw(st.sampled_from(names), label="step")
        arguments = data.draw(self._steps[name].arguments, label=name)
        getattr(self, name)(**arguments)
