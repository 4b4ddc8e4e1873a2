"""A CA, a server's certificate and two clients', all P-256: the same keys for everybody."""

import hashlib
import ssl
import subprocess


def make(directory):
    directory.mkdir()

    def openssl(*argv):
        subprocess.run(["openssl", *map(str, argv)], check=True, capture_output=True, cwd=directory)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "365", "-subj", "/CN=Partner CA")

    def leaf(name, subject, extensions):
        (directory / f"{name}.ext").write_text(extensions)
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"),
            *("-out", f"{name}.pem", "-days", "365", "-extfile", f"{name}.ext"),
        )

    leaf("server", "/CN=localhost", "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    leaf("client", "/CN=app.example.com", "subjectAltName=DNS:app.example.com\nextendedKeyUsage=clientAuth\n")
    leaf("throttled", "/CN=throttled", "subjectAltName=DNS:throttled.example\nextendedKeyUsage=clientAuth\n")
    both = (directory / "server.pem").read_text() + (directory / "server.key").read_text()
    (directory / "server-both.pem").write_text(both)
    for file in (*directory.glob("*.key"), directory / "server-both.pem"):
        file.chmod(0o600)


def fingerprint(file):
    """SHA-256 over the DER, in lower-case hexadecimal."""
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(file.read_text())).hexdigest()


def resumes(port, directory):
    """Whether the server lets a client resume its session: a handshake is not a whole one then."""
    session = directory / f"session-{port}"
    connect = [
        *("openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "localhost", "-CAfile", directory / "ca.pem"),
        *("-cert", directory / "client.pem", "-key", directory / "client.key", "-ign_eof"),
    ]
    # A request, so that tickets sent after the handshake are read.
    request = b"GET /something HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    subprocess.run([*connect, "-sess_out", session], input=request, capture_output=True, timeout=20)
    if not session.exists():
        return False
    again = subprocess.run([*connect, "-sess_in", session], input=request, capture_output=True, timeout=20)
    return b"\nReused, " in again.stdout
