"""Runs nginx where an image is nginx: its configuration, for one unprivileged pod. Pure."""

import re
import shlex

import msgspec
from msgspec.structs import replace

from lateen.node.images import speech, web
from lateen.node.images.spec import ImageContext, Launch, Program

_MAIN = """\
user root;
worker_processes 1;
error_log stderr notice;
pid {root}/run/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    include {root}/etc/nginx/mime.types;
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                    '$status $body_bytes_sent "$http_referer" '
                    '"$http_user_agent" "$http_x_forwarded_for"';
    access_log /dev/stdout main;
    sendfile on;
    keepalive_timeout 65;
    client_body_temp_path {root}/var/cache/nginx/client_temp;
    proxy_temp_path {root}/var/cache/nginx/proxy_temp;
    fastcgi_temp_path {root}/var/cache/nginx/fastcgi_temp;
    uwsgi_temp_path {root}/var/cache/nginx/uwsgi_temp;
    scgi_temp_path {root}/var/cache/nginx/scgi_temp;
    include {root}/etc/nginx/conf.d/{sites};
}}
"""

_MIME = """\
types {
    text/html html htm;
    text/css css;
    text/plain txt;
    text/xml xml;
    application/javascript js;
    application/json json;
    image/png png;
    image/jpeg jpeg jpg;
    image/svg+xml svg;
    image/x-icon ico;
}
"""

_SERVER = """\
server {{
{listen}    server_name {name};
{headers}    location / {{
        root {root}{folder};
        index index.html index.htm;
    }}
}}
"""

_WELCOME = """\
<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
{style}
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>If you see this page, the nginx web server is successfully installed and
working. Further configuration is required.</p>

<p>For online documentation and support please refer to
<a href="http://nginx.org/">nginx.org</a>.<br/>
Commercial support is available at
<a href="http://nginx.com/">nginx.com</a>.</p>

<p><em>Thank you for using nginx.</em></p>
</body>
</html>
"""
_STYLE = """\
html { color-scheme: light dark; }
body { width: 35em; margin: 0 auto;
font-family: Tahoma, Verdana, Arial, sans-serif; }"""
_OLD_STYLE = """\
    body {
        width: 35em;
        margin: 0 auto;
        font-family: Tahoma, Verdana, Arial, sans-serif;
    }"""
_RESTYLED = (1, 21, 3)
"""The release that gave the page its dark colours: 615 bytes instead of 612."""

LATEST = "1.27.5"
_LAST = {
    "1.14": "1.14.2", "1.16": "1.16.1", "1.17": "1.17.10", "1.18": "1.18.0", "1.19": "1.19.10",
    "1.20": "1.20.2", "1.21": "1.21.6", "1.22": "1.22.1", "1.23": "1.23.4", "1.24": "1.24.0",
    "1.25": "1.25.5", "1.26": "1.26.3", "1.27": LATEST,
}  # fmt: skip
"""The release that a tag of two numbers ended at."""

_SITES = "/etc/nginx/conf.d"
_CONFIG = "/etc/nginx/nginx.conf"
_DIRECTORIES = ("/var/cache/nginx", "/var/lib/nginx", "/var/log/nginx")


class NginxSite(msgspec.Struct, frozen=True):
    """What an image based on nginx serves, and where it has it."""

    kind: str
    ports: tuple[int, ...]
    tls_ports: tuple[int, ...] = ()
    page: str = ""
    """Its index page; empty for nginx's own."""
    folder: str = "/usr/share/nginx/html"
    server_name: str = "localhost"
    headers: tuple[tuple[str, str], ...] = ()
    """Added to answers with 200, 204 and redirects, as `add_header` does."""
    subject: tuple[tuple[str, str], ...] = (("CN", "localhost"),)
    """Its certificate's subject, by attribute."""


DEMO = NginxSite(
    kind="nginx-demo",
    ports=(80,),
    tls_ports=(443,),
    page="<h2>Howdy</h2>\n",
    folder="/var/www/html",
    server_name="lb.net",
    headers=(("Strict-Transport-Security", "max-age=7200"),),
    subject=(("O", "SSL EXAMPLE"), ("CN", "lb.net")),
)
"""oriolfilter/https-nginx-demo, after its published Dockerfile."""


def version(tag: str) -> str:
    """Return the release of nginx that a tag of its image means, as far as it says one."""
    match = re.match(r"(\d+\.\d+)(\.\d+)?(?=-|$)", tag)
    if match is None:
        return LATEST
    return match[0] if match[2] else _LAST.get(match[1], LATEST)


def welcome(release: str) -> str:
    """Return the page that a release of nginx comes with, byte for byte."""
    numbers = tuple(int(part) for part in release.split(".") if part.isdigit())
    return _WELCOME.format(style=_STYLE if numbers >= _RESTYLED else _OLD_STYLE)


def nginx(site: NginxSite) -> Program:
    """Describe nginx serving a site; without nginx the built-in server does it.

    Configuration and page lie where the image has them, so that what a pod mounts there, or what
    `kubectl exec` writes there, is what nginx reads. The built-in server reads the pages alone.
    """
    fallback = web.server(site.kind, site.ports, tls_ports=site.tls_ports)

    def start(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
        program = ctx.installed.get("nginx")
        release = ctx.env.get("NGINX_VERSION") or LATEST
        files = _pages(ctx, site, release)
        listens = None if _configured(ctx, words) else _listens(site)
        if not program:
            built_in = fallback(ctx, words)
            return _built_in(ctx, site, release, replace(built_in, listens=listens), files)
        files |= _files(ctx, site)
        prefix = certified(ctx, site) if site.tls_ports else ()
        if not any(word.startswith(("-c", "-g")) for word in words):
            words = (*words, "-g", "daemon off;")
        if "-c" not in words:
            words = ("-c", f"{ctx.root}{_CONFIG}", *words)
        return Launch((*prefix, program, *words), files, listens)

    return start


def _configured(ctx: ImageContext, words: tuple[str, ...]) -> bool:
    """Tell whether the pod brings a configuration of its own, which nothing here reads."""
    return "-c" in words or any(path.startswith("/etc/nginx") for path in ctx.mounts)


def _listens(site: NginxSite) -> tuple[speech.AppPort, ...]:
    plain = tuple(speech.plaintext(site.kind, port) for port in site.ports)
    return plain + tuple(speech.secured(site.kind, port) for port in site.tls_ports)


def _built_in(
    ctx: ImageContext, site: NginxSite, release: str, launch: Launch, files: dict[str, str]
) -> Launch:
    argv = [*launch.argv, "--option", f"root={ctx.root}{site.folder}"]
    argv += ["--option", f"version={release}"]
    for name, value in site.headers:
        argv += ["--option", f"header={name}: {value}"]
    if site.tls_ports:
        argv += ["--option", f"subject={_subject(site)}"]
    return Launch(tuple(argv), files, launch.listens)


def _subject(site: NginxSite) -> str:
    return "".join(f"/{name}={value}" for name, value in site.subject)


def _pages(ctx: ImageContext, site: NginxSite, release: str) -> dict[str, str]:
    return {f"{ctx.root}{site.folder}/index.html": site.page or welcome(release)}


def _files(ctx: ImageContext, site: NginxSite) -> dict[str, str]:
    # The host's own conf.d may show through; it is read only where the pod mounted another.
    sites = "*.conf" if _SITES in ctx.mounts else "default.conf"
    files = {
        _CONFIG: _MAIN.format(root=ctx.root, sites=sites),
        "/etc/nginx/mime.types": _MIME,
        f"{_SITES}/default.conf": _server(ctx, site),
        **{f"{directory}/.keep": "" for directory in _DIRECTORIES},
    }
    return {f"{ctx.root}{path}": content for path, content in files.items()}


def _server(ctx: ImageContext, site: NginxSite) -> str:
    listen = "".join(f"    listen {port};\n" for port in site.ports)
    listen += "".join(f"    listen {port} ssl http2;\n" for port in site.tls_ports)
    if site.tls_ports:
        certificate = web.certificate_path(ctx, site.kind)
        listen += f"    ssl_certificate {certificate};\n"
        listen += f"    ssl_certificate_key {certificate};\n"
        listen += "    ssl_protocols TLSv1.2 TLSv1.3;\n"
    headers = "".join(f'    add_header {name} "{value}";\n' for name, value in site.headers)
    return _SERVER.format(
        listen=listen, name=site.server_name, headers=headers, root=ctx.root, folder=site.folder
    )


def certified(ctx: ImageContext, site: NginxSite) -> tuple[str, ...]:
    """Return the command that makes the image's certificate if it is missing, then runs on.

    The shell looks, since starting Python to find the file there would cost every pod 25 ms.
    """
    path, openssl = web.certificate_path(ctx, site.kind), ctx.installed.get("openssl", "")
    make = [*ctx.python, "-m", "lateen.node.standins.selfsigned"]
    make += ["--out", path, "--subject", _subject(site)]
    make += ["--openssl", openssl] if openssl else []
    script = f'[ -s {shlex.quote(path)} ] || {shlex.join(make)} && exec "$@"'
    return ("/bin/sh", "-c", script, site.kind)
