"""A certificate authority for one run, server certificates good and bad, a client's key pair."""
import datetime
import ipaddress
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

LOCAL_NAMES = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
               x509.IPAddress(ipaddress.ip_address("::1"))]
DAY = datetime.timedelta(days=1)


def new_key():
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _write(path, *parts):
    """Write PEM parts; nobody else may read them, and nobody may have put a file there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        for part in parts:
            file.write(part)
    return path


def private_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                             serialization.NoEncryption())


def public_pem(key):
    return key.public_key().public_bytes(serialization.Encoding.PEM,
                                         serialization.PublicFormat.SubjectPublicKeyInfo)


class Authority:
    """A CA whose certificate is in folder/ca.pem. Its certificates share one key, to be quick."""

    def __init__(self, folder):
        self.folder = folder
        self.key = new_key()
        self.server_key = new_key()
        # A name of its own: two authorities of one name would be taken for one with two keys.
        self.name = _name("oauth1 test CA " + os.urandom(4).hex())
        self.path = _write(os.path.join(folder, "ca.pem"),
                           self._certificate(self.name, self.key, [], ca=True))

    def server(self, name, names=None, expired=False, self_signed=False):
        """Write folder/NAME.pem, a certificate and its key, and return its path."""
        signer = (_name(name), self.server_key) if self_signed else None
        certificate = self._certificate(_name(name), self.server_key,
                                        LOCAL_NAMES if names is None else names,
                                        expired=expired, signer=signer)
        return _write(os.path.join(self.folder, name + ".pem"), certificate,
                      private_pem(self.server_key))

    def client(self, name, key):
        """Write folder/NAME.pem, the certificate of a TLS client with this key, and the key
        beside it as NAME.key; return the two paths."""
        certificate = self._certificate(_name(name), key, [])
        return (_write(os.path.join(self.folder, name + ".pem"), certificate),
                _write(os.path.join(self.folder, name + ".key"), private_pem(key)))

    def _certificate(self, subject, key, names, ca=False, expired=False, signer=None):
        issuer, issuer_key = signer or (self.name, self.key)
        start = datetime.datetime.utcnow() - 10 * DAY
        builder = (x509.CertificateBuilder()
                   .subject_name(subject).issuer_name(issuer).public_key(key.public_key())
                   .serial_number(x509.random_serial_number())
                   .not_valid_before(start).not_valid_after(start + (1 if expired else 40) * DAY)
                   .add_extension(x509.BasicConstraints(ca, None), critical=True))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return (builder.sign(issuer_key, hashes.SHA256())
                .public_bytes(serialization.Encoding.PEM))


def client_key(folder):
    """Write the key pair of the RSA consumer; return (path of the private key, public PEM)."""
    key = new_key()
    return (_write(os.path.join(folder, "client.key"), private_pem(key)),
            public_pem(key).decode())
