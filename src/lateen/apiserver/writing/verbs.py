"""The verbs on a resource: what the HTTP front and the in-process client both call.

All methods are synchronous and none waits, so each is atomic in the plane's event loop: a patch
reads, changes and writes with nothing in between. What is too large for that is decided in two
steps (`decide_create`, `decide_update`, `decide_patch`): the first only reads and may be taken in a
thread (`apart`), the second stores.
"""

import secrets
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import msgspec
from msgspec.structs import replace

from lateen.apiserver import errors
from lateen.apiserver.access import aggregated_roles, auth, authorizing
from lateen.apiserver.fieldcauses import Cause
from lateen.apiserver.kinds import crds, definitions, versions
from lateen.apiserver.kinds.resources import Resources, Target
from lateen.apiserver.kinds.strategy import ephemeral
from lateen.apiserver.kinds.strategy.policies import POLICIES
from lateen.apiserver.writing import admission, allocation, objects, patching, schema_check
from lateen.apiserver.writing.policies import Policies
from lateen.base.clock import Clock
from lateen.base.jsonvalue import Json
from lateen.model.client import ApiError
from lateen.store import api as store_api

_NAME_ATTEMPTS = 8


class WriteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to write. `validation` is Strict, Warn or Ignore: what unknown fields lead to."""

    user: auth.User = auth.SYSTEM
    dry_run: bool = False
    manager: str = ""
    validation: str = "Ignore"
    force: bool = False


class Written(msgspec.Struct, frozen=True):
    """A write's outcome; `object` is in the version asked for and shared: do not change it."""

    object: Json
    created: bool = False
    removed: bool = False
    warnings: tuple[str, ...] = ()


@contextmanager
def store_errors(target: Target, name: str) -> Iterator[None]:
    """Turn the store's refusals into ApiErrors about this object."""
    try:
        yield
    except store_api.NotFoundError:
        raise errors.not_found(target.info, name) from None
    except store_api.AlreadyExistsError:
        raise errors.already_exists(target.info, name) from None
    except store_api.ConflictError:
        raise errors.conflict(target.info, name) from None
    except store_api.ExpiredError as error:
        raise errors.expired(str(error)) from None
    except store_api.StorageFullError as error:
        raise errors.storage_full(str(error)) from None


Commit = Callable[[], Written]
"""Stores what was decided. Raises ApiError 409 when the object is no longer as it was then."""


def key(target: Target, name: str = "") -> store_api.Key:
    """Return the store's key of a target."""
    namespace = target.namespace if target.info.namespaced else ""
    return store_api.Key(target.info.resource, namespace, name or target.name)


class Api:
    """The Kubernetes verbs over a Store."""

    def __init__(
        self,
        store: store_api.Store,
        clock: Clock,
        *,
        resources: Resources | None = None,
        chain: admission.Chain | None = None,
        allocate: allocation.Allocator | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.resources = resources or Resources()
        self.authorizer = authorizing.Authorizer(store)
        chain = chain or admission.Chain()
        in_force = Policies(store, self.resources).check
        self._chain = replace(chain, validators=(*chain.validators, in_force))
        self._allocate = allocate or allocation.Allocator(store)
        definitions.load(self.resources, store)

    def target(
        self, resource: str, namespace: str = "", name: str = "", subresource: str = ""
    ) -> Target:
        """Resolve `plural.group` in its storage version. Raises ApiError 404."""
        kind = self.resources.get(resource)
        return Target(kind, kind.info.versions[0], namespace, name, subresource)

    def entry(self, target: Target) -> store_api.Entry:
        """Return the stored object. Raises ApiError 404."""
        with store_errors(target, target.name):
            return self.store.get(key(target))

    def get(self, target: Target) -> Json:
        """Return one object in the target's version; shared, do not change it."""
        return versions.served(target, self.entry(target).value)

    def create(self, target: Target, body: Any, options: WriteOptions) -> Written:
        """POST. Raises ApiError 400, 403, 404 (namespace), 409, 422."""
        for _ in range(_NAME_ATTEMPTS - 1):
            try:
                return self.decide_create(target, body, options)()
            except ApiError as error:
                if error.reason != "AlreadyExists" or not objects.generated(body):
                    raise
        return self.decide_create(target, body, options)()

    def decide_create(self, target: Target, body: Any, options: WriteOptions) -> Commit:
        """Decide a POST. Raises ApiError 400, 403, 404 (namespace), 422."""
        read = schema_check.read(target, body, options.validation)
        given = versions.placed(target, read.body)
        metadata = given["metadata"]
        if metadata.get("resourceVersion"):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        if target.info.namespaced and not metadata.get("namespace"):
            metadata["namespace"] = "default"
        target = replace(target, namespace=metadata.get("namespace", ""))
        with schema_check.shaped(target):
            stored = versions.stored(target, given)
            commit = self._create(target, stored, options, whole=read.whole)
        return _warning(read.warnings, commit)

    def _create(self, target: Target, given: Json, options: WriteOptions, *, whole: bool) -> Commit:
        suffix = "".join(secrets.choice(objects.SUFFIX_LETTERS) for _ in range(5))
        now = self.clock.now()
        metadata = objects.born(given["metadata"], now, str(uuid.uuid4()), suffix)
        strategy = target.kind.strategy
        obj = strategy.prepare_create(strategy.default({**given, "metadata": metadata}))
        name = obj["metadata"].get("name") or ""
        namespace = self._open_namespace(target, name)
        review = admission.Review(
            verb="create",
            info=target.info,
            namespace=namespace,
            object=obj,
            old=None,
            user=options.user,
            dry_run=options.dry_run,
            manager=options.manager,
        )
        obj = strategy.default(self._chain.mutate(review))
        obj = objects.requested(target.info, obj, options.user)
        causes = schema_check.faults(target, obj, whole=whole) or strategy.validate_create(obj)
        if causes:
            raise errors.invalid(target.info, name, causes)
        self.authorizer.check_grant(options.user, target.info, obj, None)
        warnings = self._chain.validate(replace(review, object=obj), name)
        obj = self._allocate(target.info, obj, None)
        obj = patching.track_write(target, None, obj, options.manager, now)
        return _warning(warnings, lambda: self._store_new(target, name, obj, options.dry_run))

    def _store_new(self, target: Target, name: str, obj: Json, dry_run: bool) -> Written:
        if dry_run:
            self._absent(target, name)
            return Written(versions.served(target, obj), created=True)
        with store_errors(target, name):
            entry = self.store.create(key(target, name), obj)
            if target.info.resource == crds.RESOURCE:
                entry = definitions.written(self.resources, self.store, self.clock, entry)
            self._settle(target)
        remarks = self._remarks(target, entry.value)
        return Written(versions.served(target, entry.value), created=True, warnings=remarks)

    def _remarks(self, target: Target, obj: Mapping[str, Any]) -> tuple[str, ...]:
        if target.info.resource == POLICIES:
            from lateen.apiserver.kinds import policies  # a start does not need it

            return policies.remarks(obj)
        return crds.remarks(obj) if target.info.resource == crds.RESOURCE else ()

    def _settle(self, target: Target) -> None:
        if target.info.resource == aggregated_roles.CLUSTER_ROLES:
            aggregated_roles.settle(self.store)

    def _absent(self, target: Target, name: str) -> None:
        try:
            self.store.get(key(target, name))
        except store_api.NotFoundError:
            return
        raise errors.already_exists(target.info, name)

    def _open_namespace(self, target: Target, name: str) -> Json | None:
        """Return the Namespace a new object goes to. Raises ApiError 404, or 403 while it ends."""
        if not target.info.namespaced:
            return None
        home = self.target("namespaces", name=target.namespace)
        namespace = dict(self.entry(home).value)
        if namespace["metadata"].get("deletionTimestamp"):
            cause = Cause(
                "NamespaceTerminating",
                f"namespace {target.namespace} is being terminated",
                "metadata.namespace",
            )
            why = (
                f"unable to create new content in namespace {target.namespace} "
                "because it is being terminated"
            )
            raise errors.forbidden(target.info, name, why, [cause])
        return namespace

    def update(self, target: Target, body: Any, options: WriteOptions) -> Written:
        """PUT, on the object or its status. Raises ApiError 400, 403, 404, 409, 422."""
        return self.decide_update(target, body, options)()

    def decide_update(self, target: Target, body: Any, options: WriteOptions) -> Commit:
        """Decide a PUT. Raises ApiError 400, 403, 404, 409, 422."""
        read = schema_check.read(target, body, options.validation)
        old = self.entry(target)
        return self._replaced(target, old, read, options)

    def _replaced(
        self, target: Target, old: store_api.Entry, read: schema_check.Read, options: WriteOptions
    ) -> Commit:
        given = versions.placed(target, read.body)
        with schema_check.shaped(target):
            stored = versions.stored(target, given)
            commit = self._replace(target, old, stored, options, whole=read.whole)
        return _warning(read.warnings, commit)

    def change(
        self, target: Target, edit: Callable[[Json], Json], options: WriteOptions
    ) -> Written:
        """Replace an object by what `edit` makes of a shallow copy of it (in the target's version).

        The edit must not change what lies below the top level, only replace it.
        """
        old = self.entry(target)
        given = versions.stored(target, edit(versions.served(target, old.value)))
        return self._replace(target, old, given, options)()

    def rewrite(
        self, target: Target, edit: Callable[[Json], Json], options: WriteOptions
    ) -> Written:
        """Store what `edit` makes of a shallow copy of an object, by the server's own authority:
        no strategy and no admission is asked (binding, finalize)."""
        old = self.entry(target)
        return self._store(target, old, edit(dict(old.value)), options.dry_run)

    def patch(self, target: Target, patch: Any, media: str, options: WriteOptions) -> Written:
        """PATCH in one of the four forms. An apply patch creates what is not there."""
        return self.decide_patch(target, patch, media, options)()

    def decide_patch(self, target: Target, patch: Any, media: str, options: WriteOptions) -> Commit:
        """Decide a PATCH. Raises ApiError 400, 403, 404, 409, 422."""
        apply = media in patching.APPLY
        try:
            old = self.entry(target)
        except ApiError as error:
            if not apply or error.code != 404 or target.subresource:
                raise
            body = patching.first_apply(target, patch, options.manager, self.clock.now())
            return self.decide_create(target, body, replace(options, manager=""))
        current = versions.served(target, old.value)
        if apply:
            result = patching.apply(
                target, current, patch, options.manager, options.force, self.clock.now()
            )
            options = replace(options, manager="")
        else:
            result = patching.patched(target, current, patch, media)
        return self._replaced(
            target, old, schema_check.read(target, result, options.validation), options
        )

    def _replace(
        self,
        target: Target,
        old: store_api.Entry,
        given: Json,
        options: WriteOptions,
        *,
        whole: bool = False,
    ) -> Commit:
        info, strategy, before = target.info, target.kind.strategy, dict(old.value)
        metadata = objects.carried(info, before, given)
        name = metadata["name"]
        obj: Json = {**given, "metadata": metadata}
        if target.subresource == "status":
            obj = strategy.prepare_status_update(before, obj)
            obj["metadata"]["managedFields"] = metadata.get("managedFields", [])
        else:
            if target.subresource == ephemeral.SUBRESOURCE:
                obj = ephemeral.taken(before, obj)
            obj = strategy.prepare_update(before, strategy.default(obj))
        review = admission.Review(
            verb="update",
            info=info,
            namespace=None,
            object=obj,
            old=before,
            user=options.user,
            subresource=target.subresource,
            dry_run=options.dry_run,
        )
        obj = self._chain.mutate(review)
        causes = schema_check.faults(target, obj, before, whole=whole)
        if not causes and target.subresource == ephemeral.SUBRESOURCE:
            causes = ephemeral.check_change(before, obj)
        elif not causes and target.subresource != "status":
            # What is left out of a Service's addresses is kept, so this comes before the check.
            obj = self._allocate(info, obj, before)
            causes = strategy.validate_update(before, obj)
        if causes:
            raise errors.invalid(info, name, causes)
        self.authorizer.check_grant(options.user, info, obj, before)
        warnings = self._chain.validate(replace(review, object=obj), name)
        if target.subresource != "status" and strategy.generation_changed(before, obj):
            obj["metadata"]["generation"] = before["metadata"].get("generation", 0) + 1
        obj = patching.track_write(target, before, obj, options.manager, self.clock.now())
        warnings += self._remarks(target, obj)
        return _warning(warnings, lambda: self._store(target, old, obj, options.dry_run))

    def _store(self, target: Target, old: store_api.Entry, obj: Json, dry_run: bool) -> Written:
        if dry_run:
            return Written(versions.served(target, obj))
        with store_errors(target, old.key.name):
            if objects.finished(target.info, obj):
                entry = self.store.delete(old.key, expected=old.revision)
                self._removed(target, old.key)
                removed = {**obj, "metadata": {**obj["metadata"]}}
                removed["metadata"]["resourceVersion"] = str(entry.revision)
                return Written(versions.served(target, removed), removed=True)
            entry = self.store.update(old.key, obj, expected=old.revision)
            if target.info.resource == crds.RESOURCE and not target.subresource:
                entry = definitions.written(self.resources, self.store, self.clock, entry)
            self._settle(target)
        return Written(versions.served(target, entry.value))

    def _removed(self, target: Target, gone: store_api.Key) -> None:
        if target.kind.schemas or target.info.resource == crds.RESOURCE:
            definitions.removed(self.resources, self.store, self.clock, gone)
        self._settle(target)

    def delete(self, target: Target, how: objects.DeleteOptions, options: WriteOptions) -> Written:
        """DELETE: remove, or mark as going. Raises ApiError 404, 409 and admission's refusals."""
        old = self.entry(target)
        info, before = target.info, dict(old.value)
        kept = before
        if info.resource == crds.RESOURCE:
            kept = definitions.deleting(self.store, before)
        decision = objects.delete(info, kept, how, self.clock.now())
        review = admission.Review(
            verb="delete",
            info=info,
            namespace=None,
            object=None,
            old=before,
            user=options.user,
            dry_run=how.dry_run,
        )
        warnings = self._chain.validate(review, target.name)
        if how.dry_run or options.dry_run:
            return Written(versions.served(target, decision.object), removed=decision.remove)
        with store_errors(target, target.name):
            if decision.remove:
                entry = self.store.delete(old.key, expected=old.revision)
                self._removed(target, old.key)
            else:
                entry = self.store.update(old.key, decision.object, expected=old.revision)
        if kept is not before:
            self._clean(target, options)
        return Written(
            versions.served(target, entry.value), removed=decision.remove, warnings=warnings
        )

    def _clean(self, definition: Target, options: WriteOptions) -> None:
        """Delete the objects of a definition that is going."""
        for one in self.store.list(definition.name).entries:
            target = self.target(definition.name, one.key.namespace, one.key.name)
            self.delete(target, objects.DeleteOptions(), options)


def _warning(warnings: tuple[str, ...], commit: Commit) -> Commit:
    """Return what stores, and then also tells warnings."""
    if not warnings:
        return commit

    def told() -> Written:
        written = commit()
        return replace(written, warnings=warnings + written.warnings)

    return told
