"""Runs nginx where an image is nginx: its configuration, for one unprivileged pod. Pure."""

from lateen.node.images import web
from lateen.node.images.spec import ImageContext, Launch, Program

_MAIN = """\
daemon off;
user {user};
worker_processes 1;
error_log stderr notice;
pid {work}/nginx.pid;
events {{ worker_connections 1024; }}
http {{
    types {{
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
    }}
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" '
                    '$status $body_bytes_sent "$http_referer" '
                    '"$http_user_agent" "$http_x_forwarded_for"';
    access_log /dev/stdout main;
    sendfile on;
    keepalive_timeout 65;
    client_body_temp_path {work}/client_temp;
    proxy_temp_path {work}/proxy_temp;
    fastcgi_temp_path {work}/fastcgi_temp;
    uwsgi_temp_path {work}/uwsgi_temp;
    scgi_temp_path {work}/scgi_temp;
{servers}}}
"""

_SERVER = """\
    server {{
{listen}        server_name localhost;
        location / {{
            root {root};
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

_HTML = "/usr/share/nginx/html"
_SITES = "/etc/nginx/conf.d"
_CONFIG = "/etc/nginx/nginx.conf"


def nginx(kind: str, page: str, ports: tuple[int, ...], tls_ports: tuple[int, ...] = ()) -> Program:
    """Describe nginx serving one page; without nginx the built-in server does it.

    A container that mounts pages over nginx's directory gets those served, one that mounts its
    own configuration gets nginx with that.
    """
    fallback = web.server(kind, ports, tls_ports=tls_ports)

    def start(ctx: ImageContext, words: tuple[str, ...]) -> Launch:
        program = ctx.installed.get("nginx")
        if not program:
            return fallback(ctx, words)
        if (own := ctx.mounts.get(_CONFIG)) is not None:
            return Launch((program, "-c", own, "-p", ctx.work, "-g", "daemon off;"))
        config = f"{ctx.work}/nginx.conf"
        files = {config: configuration(ctx, kind, ports, tls_ports)}
        if _HTML not in ctx.mounts:
            files[f"{ctx.work}/html/index.html"] = page
        prefix = (*certified(ctx, kind), "--") if tls_ports else ()
        return Launch((*prefix, program, "-p", ctx.work, "-c", config), files)

    return start


def configuration(
    ctx: ImageContext, kind: str, ports: tuple[int, ...], tls_ports: tuple[int, ...]
) -> str:
    """Return nginx.conf with every path inside the container's own directory."""
    if _SITES in ctx.mounts:
        servers = f"    include {ctx.mounts[_SITES]}/*.conf;\n"
    else:
        listen = "".join(f"        listen {port};\n" for port in ports)
        for port in tls_ports:
            listen += f"        listen {port} ssl http2;\n"
        if tls_ports:
            certificate = web.certificate_path(ctx, kind)
            listen += f"        ssl_certificate {certificate};\n"
            listen += f"        ssl_certificate_key {certificate};\n"
            listen += "        ssl_protocols TLSv1.2 TLSv1.3;\n"
        root = ctx.mounts.get(_HTML, f"{ctx.work}/html")
        servers = _SERVER.format(listen=listen, root=root)
    # In a user namespace that maps one uid nginx cannot become another user.
    return _MAIN.format(user="root", work=ctx.work, servers=servers)


def certified(ctx: ImageContext, kind: str) -> tuple[str, ...]:
    """Return the command that makes the image's certificate if it is missing, then runs on."""
    openssl = ctx.installed.get("openssl", "")
    return (
        *(ctx.python, "-m", "lateen.node.standins.selfsigned"),
        *("--out", web.certificate_path(ctx, kind), "--name", "localhost"),
        *(("--openssl", openssl) if openssl else ()),
    )
