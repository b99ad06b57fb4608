import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from lateen.node.images import catalogue, reference, tools
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
                *("--certificate", "/c/echo-mendhak.pem"),
            ],
        ),
        (
            "oriolfilter/https-nginx-demo",
            {},
            [
                *("--kind", "nginx-demo", "--port", "80", "--tls-port", "443"),
                *("--certificate", "/c/nginx-demo.pem"),
            ],
        ),
        ("httpd:2.4", {}, ["--kind", "httpd", "--port", "80"]),
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
            ["/py", "-I", "-m", "lateen.node.standins.tcpecho", "9000,9001", "hi"],
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
        assert script.endswith('exec /py -I -m lateen.node.standins.tcpdump "$@"\n')
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
        ["unshare", namespaces, str(script), "-n", "-r", str(case / "in.pcap")],
        capture_output=True,
        text=True,
        env={**os.environ, "TZ": "UTC"},
    )
    assert done.stdout == (case / "lines.out").read_text(), done.stderr
