"""Makes the self-signed certificate that an image would bring along, then runs what follows `--`.

    python -m lateen.node.standins.selfsigned --out FILE --subject /O=…/CN=… [--openssl PATH]
        [-- COMMAND]

The file holds key and certificate. One that is there is used, as all containers of an image share
the image's certificate.
"""

import os
import sys

DAYS = 3650


def ensure(path: str, subject: str, openssl: str = "") -> None:
    """Make the certificate unless it is there. Raises OSError, also when openssl fails."""
    if os.path.exists(path):
        return
    os.makedirs(os.path.dirname(path) or ".", mode=0o700, exist_ok=True)
    content = _by_openssl(openssl, subject) if openssl else _by_library(subject)
    fresh = f"{path}.{os.getpid()}"
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    os.replace(fresh, path)


def _by_openssl(openssl: str, subject: str) -> bytes:
    """Twelve times quicker than importing the library."""
    import subprocess  # takes as long as the interpreter's start, and is seldom needed

    command = [openssl, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-keyout", "/dev/stdout", "-out", "/dev/stdout", "-days", str(DAYS)]
    command += ["-subj", subject]
    run = subprocess.run(command, capture_output=True, check=False)
    if run.returncode:
        raise OSError(0, run.stderr.decode(errors="replace").strip(), openssl)
    return run.stdout


def _by_library(subject: str) -> bytes:
    import datetime

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    kinds = {"CN": x509.NameOID.COMMON_NAME, "O": x509.NameOID.ORGANIZATION_NAME}
    parts = (part.partition("=") for part in subject.split("/") if part)
    name = x509.Name([x509.NameAttribute(kinds[kind], text) for kind, _, text in parts])
    # The process's own start is the only clock here: this program imports nothing of lateen.
    start = datetime.datetime.fromtimestamp(os.stat("/proc/self").st_ctime, datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - datetime.timedelta(days=1))
        .not_valid_after(start + datetime.timedelta(days=DAYS))
        .sign(key, hashes.SHA256())
    )
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ) + certificate.public_bytes(serialization.Encoding.PEM)


def main(arguments: list[str]) -> int:
    """Run the command line above."""
    rest: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, rest = arguments[:at], arguments[at + 1 :]
    options = dict(zip(arguments[::2], arguments[1::2], strict=False))
    try:
        subject = options.get("--subject", "/CN=localhost")
        ensure(options["--out"], subject, options.get("--openssl", ""))
        if rest:
            os.execvp(rest[0], rest)
    except (KeyError, OSError) as error:
        sys.stderr.write(f"selfsigned: cannot start {' '.join(rest)}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
