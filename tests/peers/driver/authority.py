"""A certificate authority made with openssl for one run: a server's certificate, partners', and a revocation list."""

import subprocess

CONFIG = """
[ca]
default_ca = here
[here]
database = {directory}/index.txt
serial = {directory}/serial
crlnumber = {directory}/crlnumber
new_certs_dir = {directory}
certificate = {directory}/ca.pem
private_key = {directory}/ca.key
default_md = sha256
default_days = 2
default_crl_days = 2
unique_subject = no
policy = any
copy_extensions = copy
[any]
commonName = supplied
"""


class Authority:
    def __init__(self, directory):
        self.directory = directory
        self.path("openssl.cnf").write_text(CONFIG.format(directory=directory))
        self.path("index.txt").write_text("")
        self.path("serial").write_text("01\n")
        self.path("crlnumber").write_text("01\n")
        self._self_signed("ca", "Partner CA")
        self._self_signed("other-ca", "Somebody else's CA")
        self._issue("server", "127.0.0.1", "IP:127.0.0.1,DNS:localhost", "serverAuth")
        for name in ("partner", "revoked"):
            self._issue(name, name, f"DNS:{name}.partner.example", "clientAuth")
        self._issue("stranger", "stranger", "DNS:stranger.example", "clientAuth")
        self._issue("foreign", "foreign", "DNS:foreign.partner.example", "clientAuth", ca="other-ca")
        self._write_list()

    def path(self, name):
        return self.directory / name

    def revoke(self, name):
        self._ca("-revoke", self.path(f"{name}.pem"))
        self._write_list()

    def _write_list(self):
        self._ca("-gencrl", "-out", self.path("ca.crl.new"))
        self.path("ca.crl.new").rename(self.path("ca.crl"))

    def _self_signed(self, name, common_name):
        extensions = ["-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        self._openssl("req", "-x509", "-days", "2", *self._key(name), "-subj", f"/CN={common_name}", "-out", self.path(f"{name}.pem"), *extensions)

    def _issue(self, name, common_name, alternative_names, usage, ca="ca"):
        extensions = [
            "-addext",
            f"subjectAltName={alternative_names}",
            "-addext",
            f"extendedKeyUsage={usage}",
            "-addext",
            "keyUsage=critical,digitalSignature",
        ]
        self._openssl("req", "-new", *self._key(name), "-subj", f"/CN={common_name}", "-out", self.path(f"{name}.csr"), *extensions)
        issuer = [] if ca == "ca" else ["-cert", self.path(f"{ca}.pem"), "-keyfile", self.path(f"{ca}.key")]
        self._ca("-in", self.path(f"{name}.csr"), "-out", self.path(f"{name}.pem"), "-notext", *issuer)

    def _key(self, name):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.path(f"{name}.key")]

    def _ca(self, *arguments):
        self._openssl("ca", "-batch", "-config", self.path("openssl.cnf"), *arguments)

    def _openssl(self, *arguments):
        done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.strip()[-400:]}")
