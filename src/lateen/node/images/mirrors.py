"""The registries under which one image is published more than once. Pure."""

from lateen.node.images.reference import Reference

_PREFIXES = (
    ("registry.istio.io/release/", "istio/"),
    ("registry.istio.io/testing/", "istio/"),
    ("gcr.io/istio-release/", "istio/"),
    ("gcr.io/istio-testing/", "istio/"),
    ("istio-release/", "istio/"),
    ("istio-testing/", "istio/"),
    ("mirror.gcr.io/library/", ""),
    ("mirror.gcr.io/", ""),
    ("public.ecr.aws/docker/library/", ""),
    ("public.ecr.aws/nginx/", ""),
    ("public.ecr.aws/bitnami/", "bitnami/"),
    ("quay.io/bitnami/", "bitnami/"),
    ("bitnamilegacy/", "bitnami/"),
    ("gcr.io/google_containers/", "registry.k8s.io/"),
    ("gcr.io/google-containers/", "registry.k8s.io/"),
    ("k8s.gcr.io/", "registry.k8s.io/"),
    ("registry.k8s.io/e2e-test-images/", "registry.k8s.io/"),
    ("quay.io/quay/busybox", "busybox"),
    ("quay.io/prometheus/busybox", "busybox"),
    ("quay.io/curl/", "curlimages/"),
    ("ghcr.io/mccutchen/", "mccutchen/"),
    ("ghcr.io/mendhak/", "mendhak/"),
    ("ghcr.io/traefik/", "traefik/"),
    ("ghcr.io/nicolaka/", "nicolaka/"),
    ("containous/", "traefik/"),
)
"""A registry's prefix, and what its images are known by here. The first that fits holds."""

_KUBERNETES = "registry.k8s.io/"


def known_by(image: Reference) -> str:
    """Return the name under which the catalogue has an image, whatever registry it is from:
    `registry.istio.io/release/examples-helloworld-v1` is `istio/examples-helloworld-v1`."""
    name = image.familiar
    for prefix, instead in _PREFIXES:
        if name.startswith(prefix):
            name = instead + name.removeprefix(prefix)
            break
    if name.startswith(_KUBERNETES):
        rest = name.removeprefix(_KUBERNETES)
        return rest if rest in ("busybox", "nginx", "httpd") else name
    return name
