"""Runs nginx where an image is nginx: its configuration, for one unprivileged pod. Pure."""

import shlex

from lateen.node.images import web
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
{listen}    server_name localhost;
    location / {{
        root {root}/usr/share/nginx/html;
        index index.html index.htm;
    }}
}}
"""

WELCOME = """\
<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
html { color-scheme: light dark; }
body { width: 35em; margin: 0 auto;
font-family: Tahoma, Verdana, Arial, sans-serif; }
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>This is lateen's stand-in for the nginx image.</p>
</body>
</html>
"""

HOWDY = "<h2>Howdy</h2>\n"

_SITES = "/etc/nginx/conf.d"
_CONFIG = "/etc/nginx/nginx.conf"
_DIRECTORIES = ("/var/cache/nginx", "/var/lib/nginx", "/var/log/nginx")


def nginx(kind: str, page: str, ports: tuple[int, ...], tls_ports: tuple[int, ...] = ()) -> Program:
    """Describe nginx serving one page; without nginx the built-in server does it.

    Configuration and page lie where the image has them, so that what a pod mounts there, or what
    `kubectl exec` writes there, is what nginx reads.
    """
    fallback = web.server(kind, ports, tls_ports=tls_ports)

    def start(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
        program = ctx.installed.get("nginx")
        if not program:
            return fallback(ctx, words)
        files = _files(ctx, kind, page, ports, tls_ports)
        prefix = certified(ctx, kind) if tls_ports else ()
        if not any(word.startswith(("-c", "-g")) for word in words):
            words = (*words, "-g", "daemon off;")
        if "-c" not in words:
            words = ("-c", f"{ctx.root}{_CONFIG}", *words)
        return Launch((*prefix, program, *words), files)

    return start


def _files(
    ctx: ImageContext, kind: str, page: str, ports: tuple[int, ...], tls_ports: tuple[int, ...]
) -> dict[str, str]:
    # The host's own conf.d may show through; it is read only where the pod mounted another.
    sites = "*.conf" if _SITES in ctx.mounts else "default.conf"
    files = {
        _CONFIG: _MAIN.format(root=ctx.root, sites=sites),
        "/etc/nginx/mime.types": _MIME,
        f"{_SITES}/default.conf": _site(ctx, kind, ports, tls_ports),
        "/usr/share/nginx/html/index.html": page,
        **{f"{directory}/.keep": "" for directory in _DIRECTORIES},
    }
    return {f"{ctx.root}{path}": content for path, content in files.items()}


def _site(ctx: ImageContext, kind: str, ports: tuple[int, ...], tls_ports: tuple[int, ...]) -> str:
    listen = "".join(f"    listen {port};\n" for port in ports)
    listen += "".join(f"    listen {port} ssl http2;\n" for port in tls_ports)
    if tls_ports:
        certificate = web.certificate_path(ctx, kind)
        listen += f"    ssl_certificate {certificate};\n"
        listen += f"    ssl_certificate_key {certificate};\n"
        listen += "    ssl_protocols TLSv1.2 TLSv1.3;\n"
    return _SERVER.format(listen=listen, root=ctx.root)


def certified(ctx: ImageContext, kind: str) -> tuple[str, ...]:
    """Return the command that makes the image's certificate if it is missing, then runs on.

    The shell looks, since starting Python to find the file there would cost every pod 25 ms.
    """
    path, openssl = web.certificate_path(ctx, kind), ctx.installed.get("openssl", "")
    make = [*ctx.python, "-m", "lateen.node.standins.selfsigned"]
    make += ["--out", path, "--name", "localhost"]
    make += ["--openssl", openssl] if openssl else []
    script = f'[ -s {shlex.quote(path)} ] || {shlex.join(make)} && exec "$@"'
    return ("/bin/sh", "-c", script, kind)
