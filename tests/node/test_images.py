import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from lateen.node.images import catalogue, flags, mirrors, reference, tools
from lateen.node.images.spec import ImageContext
from tests import programs

WEB = ["/py", "-I", "-m", "lateen.node.standins.web"]


def context(**more: Any) -> ImageContext:
    return ImageContext(work="/w", cache="/c", python=("/py", "-I"), **more)


def argv(image: str, **more: Any) -> list[str]:
    spec = catalogue.resolve(image)
    assert spec is not None
    return spec.argv(context(**more))


@pytest.mark.parametrize(
    ("image", "familiar", "full"),
    [
        ("nginx", "nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "nginx", "docker.io/library/nginx:1.27"),
        ("docker.io/nginx", "nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx", "nginx", "docker.io/library/nginx:latest"),
        ("traefik/whoami:v1", "traefik/whoami", "docker.io/traefik/whoami:v1"),
        ("ghcr.io/a/b:x", "ghcr.io/a/b", "ghcr.io/a/b:x"),
        ("localhost:5000/a", "localhost:5000/a", "localhost:5000/a:latest"),
        ("nginx@sha256:ab", "nginx", "docker.io/library/nginx@sha256:ab"),
        ("nginx:1@sha256:ab", "nginx", "docker.io/library/nginx:1@sha256:ab"),
    ],
)
def test_reference(image: str, familiar: str, full: str) -> None:
    parsed = reference.parse(image)
    assert (parsed.familiar, parsed.full) == (familiar, full)


@pytest.mark.parametrize("image", ["", "NGINX", "a b", "nginx:", "nginx:a:b", "nginx@ab", "/x"])
def test_no_reference(image: str) -> None:
    with pytest.raises(reference.InvalidImageNameError, match="couldn't parse image name"):
        catalogue.resolve(image)


@pytest.mark.parametrize(
    ("image", "more", "expected"),
    [
        ("docker.io/kennethreitz/httpbin:latest", {}, ["--kind", "httpbin", "--port", "80"]),
        (
            "docker.io/kong/httpbin",
            {"command": ("gunicorn", "--access-logfile", "-", "-b", "0.0.0.0:8080", "httpbin:app")},
            ["--kind", "httpbin", "--port", "8080"],
        ),
        ("mccutchen/go-httpbin:v2.15.0", {}, ["--kind", "go-httpbin", "--port", "8080"]),
        (
            "mccutchen/go-httpbin",
            {"env": {"PORT": "9000"}},
            ["--kind", "go-httpbin", "--port", "9000"],
        ),
        (
            "traefik/whoami",
            {"args": ("--port=8000", "--name", "me")},
            ["--kind", "whoami", "--port", "8000", "--option", "name=me"],
        ),
        (
            "hashicorp/http-echo",
            {"args": ("-text=hello", "-listen=:5000")},
            ["--kind", "text", "--port", "5000", "--option", "text=hello"],
        ),
        (
            "istio/examples-helloworld-v2:1.0",
            {},
            ["--kind", "helloworld", "--port", "5000", "--option", "version=v2"],
        ),
        (
            "us-docker.pkg.dev/google-samples/containers/gke/hello-app:2.0",
            {},
            ["--kind", "hello-app", "--port", "8080", "--option", "version=2.0.0"],
        ),
        (
            "mendhak/http-https-echo:31",
            {},
            [
                *("--kind", "echo-mendhak", "--port", "8080", "--tls-port", "8443"),
                *("--alpn", "http/1.1", "--strict-alpn", "yes"),
                *("--certificate", "/c/echo-mendhak.pem"),
            ],
        ),
        (
            "oriolfilter/https-nginx-demo",
            {},
            [
                *("--kind", "nginx-demo", "--port", "80", "--tls-port", "443"),
                *("--alpn", "h2,http/1.1", "--strict-alpn", "yes"),
                *("--certificate", "/c/nginx-demo.pem"),
                *("--option", "root=/var/www/html", "--option", "version=1.27.5"),
                *("--option", "header=Strict-Transport-Security: max-age=7200"),
                *("--option", "subject=/O=SSL EXAMPLE/CN=lb.net"),
            ],
        ),
        (
            "httpd:2.4",
            {},
            ["--kind", "httpd", "--port", "80", "--option", "root=/usr/local/apache2/htdocs"],
        ),
        (
            "registry.istio.io/testing/jwt-server:0.8",
            {"args": ("-https", "8443", "-cert", "/c.crt", "-key", "/c.key")},
            [
                *("--kind", "jwt-server", "--certificate", "/c.crt", "--key", "/c.key"),
                *("--port", "8000", "--tls-port", "8443"),
                *("--alpn", "h2,http/1.1", "--strict-alpn", "yes"),
            ],
        ),
        (
            "registry.istio.io/release/examples-helloworld-v1:1.0",
            {"command": ("gunicorn", "-b", "127.0.0.1:5001", "app:app")},
            [
                *("--kind", "helloworld", "--port", "5001", "--bind", "127.0.0.1"),
                *("--option", "version=v1"),
            ],
        ),
    ],
)
def test_built_in_server(image: str, more: dict[str, Any], expected: list[str]) -> None:
    assert argv(image, **more) == WEB + expected


@pytest.mark.parametrize(
    ("image", "more", "expected"),
    [
        ("curlimages/curl", {"command": ("/bin/sleep", "infinity")}, ["/bin/sleep", "infinity"]),
        ("curlimages/curl", {"args": ("http://web/",)}, ["curl", "http://web/"]),
        ("curlimages/curl", {"args": ("-v", "web")}, ["curl", "-v", "web"]),
        ("curlimages/curl:8.1", {"args": ("sleep", "1d")}, ["sleep", "1d"]),
        ("busybox", {"command": ("sh", "-c"), "args": ("date",)}, ["sh", "-c", "date"]),
        ("busybox", {}, ["sh"]),
        ("nginx", {"command": ("sleep", "9")}, ["sleep", "9"]),
        ("registry.k8s.io/pause:3.9", {}, ["sleep", "infinity"]),
        (
            "istio/tcp-echo-server:1.3",
            {"command": ("/bin/tcp-echo", "9000,9001", "hi")},
            ["/py", "-I", "-m", "lateen.node.standins.tcp.echo", "9000,9001", "hi"],
        ),
    ],
)
def test_commands(image: str, more: dict[str, Any], expected: list[str]) -> None:
    assert argv(image, **more) == expected


NGINX = {"nginx": "/sbin/nginx"}


def test_nginx_reads_where_the_image_does() -> None:
    spec = catalogue.resolve("nginx:1.27")
    assert spec is not None
    ctx = context(installed=NGINX)
    config = "/etc/nginx/nginx.conf"
    assert spec.argv(ctx) == ["/sbin/nginx", "-c", config, "-g", "daemon off;"]
    files = spec.files(ctx)
    assert "Welcome to nginx!" in files["/usr/share/nginx/html/index.html"]
    assert "include /etc/nginx/conf.d/default.conf;" in files[config]
    assert "listen 80;" in files["/etc/nginx/conf.d/default.conf"]
    moved = spec.files(context(installed=NGINX, root="/r"))
    assert all(path.startswith("/r/") for path in moved)


@pytest.mark.parametrize(
    ("tag", "release", "size"),
    [
        ("latest", "1.27.5", 615),
        ("1.27-alpine", "1.27.5", 615),
        ("1.21.3", "1.21.3", 615),
        ("1.21.1", "1.21.1", 612),
        ("1.14", "1.14.2", 612),
        ("1.14.2-perl", "1.14.2", 612),
        ("stable", "1.27.5", 615),
    ],
)
def test_nginx_has_the_page_of_its_release(tag: str, release: str, size: int) -> None:
    spec = catalogue.resolve(f"nginx:{tag}")
    assert spec is not None
    assert spec.environment(context())["NGINX_VERSION"] == release
    for installed in ({}, NGINX):
        page = spec.files(context(installed=installed))["/usr/share/nginx/html/index.html"]
        assert len(page) == size


MIRRORS = {
    "istio/examples-bookinfo-details-v1": (
        "docker.io/istio/examples-bookinfo-details-v1:1.20.3",
        "registry.istio.io/release/examples-bookinfo-details-v1:1.20.3",
        "registry.istio.io/testing/examples-bookinfo-details-v1",
        "gcr.io/istio-release/examples-bookinfo-details-v1",
    ),
    "busybox": (
        "docker.io/library/busybox:1.28",
        "mirror.gcr.io/library/busybox",
        "public.ecr.aws/docker/library/busybox",
        "registry.k8s.io/busybox",
        "k8s.gcr.io/busybox",
        "gcr.io/google-containers/busybox",
        "registry.k8s.io/e2e-test-images/busybox:1.29-4",
        "quay.io/prometheus/busybox",
    ),
    "istio/ext-authz": ("gcr.io/istio-testing/ext-authz:latest",),
    "istio/tcp-echo-server": ("docker.io/istio/tcp-echo-server:1.3",),
    "registry.k8s.io/pause": ("k8s.gcr.io/pause:3.9", "gcr.io/google_containers/pause"),
}


@pytest.mark.parametrize(
    ("image", "known"), [(image, known) for known, images in MIRRORS.items() for image in images]
)
def test_an_image_is_known_whatever_registry_it_is_from(image: str, known: str) -> None:
    assert mirrors.known_by(reference.parse(image)) == known
    assert catalogue.resolve(image) is not None


@pytest.mark.parametrize(
    ("image", "given", "expected"),
    [
        ("nginx", {}, [(80, "HTTP/1.1", "0.0.0.0")]),
        ("nginx", {"mounts": ["/etc/nginx/conf.d"]}, None),
        ("nginx", {"args": ["nginx", "-c", "/my.conf"]}, None),
        ("nginx", {"command": ["sleep", "1"]}, None),
        ("nginx", {"overrides": {"nginx": ["mine"]}}, None),
        ("example.com/none", {}, None),
        ("NO NAME", {}, None),
        ("curlimages/curl", {"args": ["http://a"]}, []),
        ("registry.k8s.io/pause", {}, []),
        ("traefik/whoami", {"env": {"WHOAMI_PORT_NUMBER": "8"}}, [(8, "HTTP/1.1", "0.0.0.0")]),
        (
            "hashicorp/http-echo",
            {"args": ["-listen=127.0.0.1:81"]},
            [(81, "HTTP/1.1", "127.0.0.1")],
        ),
        ("jmalloc/echo-server", {}, [(8080, "HTTP/1.1 + HTTP/2", "0.0.0.0")]),
        (
            "oriolfilter/https-nginx-demo",
            {},
            [(80, "HTTP/1.1", "0.0.0.0"), (443, "HTTP/1.1 + HTTP/2 over TLS", "0.0.0.0")],
        ),
        (
            "istio/tcp-echo-server",
            {"args": ["9000,9001", "hi"]},
            [(9000, "TCP", "0.0.0.0"), (9001, "TCP", "0.0.0.0")],
        ),
        (
            "istio/examples-bookinfo-mysqldb",
            {},
            [(3306, "TCP, the server speaks first", "0.0.0.0")],
        ),
    ],
)
def test_what_an_application_speaks_is_known_or_said_to_be_unknown(
    image: str, given: dict[str, Any], expected: list[tuple[int, str, str]] | None
) -> None:
    found = catalogue.listening(image, **given)
    told = None if found is None else [(one.port, one.words, one.bind) for one in found]
    assert told == expected


@given(st.text(max_size=30))
def test_any_text_is_an_address_or_none(text: str) -> None:
    host, port = flags.address(text)
    assert port is None or 0 < port < 65536
    assert port is not None or host == ""


@given(st.integers(1, 65535), st.sampled_from(["127.0.0.1", "10.1.2.3", "::1", ""]))
def test_addresses_are_read_as_programs_write_them(port: int, host: str) -> None:
    written = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    assert flags.address(written) == (host, port)
    assert flags.address(str(port)) == ("", port)


def test_nginx_reads_all_sites_that_the_pod_mounts() -> None:
    spec = catalogue.resolve("nginx")
    assert spec is not None
    ctx = context(installed=NGINX, mounts=frozenset({"/etc/nginx/conf.d"}))
    assert "include /etc/nginx/conf.d/*.conf;" in spec.files(ctx)["/etc/nginx/nginx.conf"]


def test_nginx_keeps_its_own_arguments() -> None:
    assert argv("nginx", installed=NGINX, args=("nginx", "-c", "/my.conf")) == [
        *("/sbin/nginx", "-c", "/my.conf"),
    ]
    assert argv("nginx", installed=NGINX, command=("nginx", "-g", "daemon off; error_log off;"))[
        1:
    ] == ["-c", "/etc/nginx/nginx.conf", "-g", "daemon off; error_log off;"]


def test_service_variables_are_no_ports() -> None:
    env = {"HTTP_PORT": "tcp://10.96.0.9:80"}
    assert argv("mendhak/http-https-echo", env=env)[6:8] == ["--port", "8080"]


def test_overrides_go_first_and_the_tagged_one_before_the_other() -> None:
    mine = {"nginx": ["a"], "nginx:2": ["b", "c"], "my/own": ["d"]}

    def chosen(image: str, **more: Any) -> list[str]:
        spec = catalogue.resolve(image, mine)
        assert spec is not None
        return spec.argv(context(**more))

    assert chosen("nginx:1") == ["a"]
    assert chosen("docker.io/library/nginx:2") == ["b", "c"]
    assert chosen("my/own:9", args=("x",)) == ["d", "x"]
    assert chosen("my/own:9", command=("e",)) == ["e"]


def test_unknown_images_are_named_with_a_remedy() -> None:
    assert catalogue.resolve("example.com/none") is None
    message = catalogue.unknown("trafik/whoami:1")
    assert "no stand-in is known for trafik/whoami " in message
    assert "did you mean traefik/whoami?" in message
    assert "lateen.yaml" in message


@pytest.mark.parametrize("image", sorted(catalogue.CATALOGUE))
def test_every_row_starts_something(image: str) -> None:
    assert argv(image)
    assert argv(image, installed={"nginx": "/n", "openssl": "/o", "curl": "/c"})
    assert argv(image, command=("sleep", "1")) == ["sleep", "1"]


def test_tools() -> None:
    both = tools.scripts(("/py", "-I"), {"tcpdump": "/usr/bin/tcpdump"})["tcpdump"]
    assert "exec /usr/bin/tcpdump -Z root" in both
    for script in (both, tools.scripts(("/py", "-I"), {})["tcpdump"]):
        assert script.endswith('exec /py -I -m lateen.node.standins.tcpdump.__main__ "$@"\n')
    assert "/usr/bin/tcpdump" not in tools.scripts(("/py", "-I"), {})["tcpdump"]


@pytest.mark.netns
@pytest.mark.parametrize("namespaces", ["-Urn", "-n"])
def test_tcpdump_script_works_whatever_the_uids(tmp_path: Path, namespaces: str) -> None:
    if namespaces == "-n" and os.geteuid() != 0:
        pytest.skip("only root can make a network namespace alone")
    script = tmp_path / "tcpdump"
    script.write_text(
        tools.scripts((sys.executable, "-I"), programs.installed("tcpdump"))["tcpdump"]
    )
    script.chmod(0o755)
    case = Path(__file__).parent / "cases" / "tcpdump" / "loopback"
    done = subprocess.run(
        ["unshare", namespaces, str(script), "-n", "-r", str(case / "in.pcap"), "not icmp"],
        capture_output=True,
        text=True,
        env={**os.environ, "TZ": "UTC"},
    )
    lines = (case / "lines.out").read_text().splitlines()
    assert done.stdout.splitlines() == [one for one in lines if "ICMP" not in one], done.stderr
