"""Policies selected by labels: each compiled once, joined once per set that applies. Pure."""

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from lateen.compiler.frontend.graph.collections import Collections, Key
from lateen.compiler.frontend.graph.incremental import Derived, Graph, Table
from lateen.compiler.ir.proxy import MeshSettings

Compiled = TypeVar("Compiled")
Joined = TypeVar("Joined")


class Applying(ABC, Generic[Compiled, Joined]):
    """What a kind of policies comes to at each pod with a proxy. A mesh without any costs one
    question.

    `policies` has the objects, `by_namespace` the same by their homes.
    """

    def __init__(
        self,
        graph: Graph,
        collections: Collections,
        settings: MeshSettings,
        policies: Table[Key, Any],
        by_namespace: Table[str, tuple[Any, ...]],
    ) -> None:
        self._collections = collections
        self._settings = settings
        self._policies = policies
        self._by_namespace = by_namespace
        self._applying: Derived[Key, tuple[Key, ...]] = Derived(graph, self._find)
        self._compiled: Derived[Key, Compiled] = Derived(graph, self._compile)
        self._joined: Derived[tuple[Key, ...], Joined | None] = Derived(graph, self._join)

    def of(self, pod: Key) -> Joined | None:
        """Return what the policies of a pod come to; None where none applies."""
        if not self._policies.entries:
            return None
        applying = self._applying.get(pod)
        return self._joined.get(applying) if applying else None

    def _find(self, pod: Key) -> tuple[Key, ...]:
        """Return the policies that apply to a pod: of the root namespace, then of its own."""
        found = self._collections.pods.get(pod)
        labels = found.metadata.labels if found is not None else {}
        namespaces = dict.fromkeys((self._settings.root_namespace, pod[0]))
        return tuple(
            (namespace, policy.metadata.name)
            for namespace in namespaces
            for policy in self._by_namespace.get(namespace)
            if self._applies(policy, labels)
        )

    @abstractmethod
    def _applies(self, policy: Any, labels: dict[str, str]) -> bool:
        """Whether a policy of the pod's namespace, or of the root namespace, is for it."""

    @abstractmethod
    def _compile(self, key: Key) -> Compiled:
        """Compile one policy."""

    @abstractmethod
    def _join(self, keys: tuple[Key, ...]) -> Joined | None:
        """Join the policies that apply together."""
