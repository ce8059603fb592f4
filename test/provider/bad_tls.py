"""TLS of every wrong kind: certificates that should not be believed, versions that should not
be spoken. Each kind is an ssl.SSLContext that differs from the good one, https, in one thing."""
import datetime
import os
import ssl
import warnings

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

import certificates

DAY = datetime.timedelta(days=1)


def name_of(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Party:
    """A name with a key that may sign certificates, rightly or not."""

    def __init__(self, name, key, certificate=b""):
        self.name, self.key, self.certificate = name_of(name), key, certificate


def issue(issuer, subject, key, names=None, days=(-10, 30), ca=False, path_length=None,
          purpose=None, digest=None):
    """A certificate in PEM. days: from and to, from today."""
    now = datetime.datetime.utcnow()
    builder = (x509.CertificateBuilder()
               .subject_name(name_of(subject)).issuer_name(issuer.name)
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(now + days[0] * DAY).not_valid_after(now + days[1] * DAY)
               .add_extension(x509.BasicConstraints(ca, path_length), critical=True))
    if not ca and names != []:
        names = certificates.LOCAL_NAMES if names is None else names
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    if purpose:
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that SHA-1 is deprecated is the point
        signed = builder.sign(issuer.key, digest or hashes.SHA256())
    return signed.public_bytes(Encoding.PEM)


def context(certificate, lowest=None, highest=None, ciphers=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # The server is willing to do anything; what counts is what the client is.
    made.set_ciphers(ciphers or "DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # so are these versions
        if lowest:
            made.minimum_version = lowest
        if highest:
            made.maximum_version = highest
    made.load_cert_chain(certificate)
    return made


def intermediate(issuer, name, key, **how):
    return Party(name, key, issue(issuer, name, key, **how) + issuer.certificate)


def chains(root, key, other_key):
    """{kind: certificate and what leads to the root, in PEM}"""
    def server(issuer=root, subject="localhost", **how):
        return issue(issuer, subject, key, **how) + issuer.certificate

    not_a_ca = intermediate(root, "no CA", other_key, ca=False)
    # Only its own servers may it sign for; below it stands one more.
    last = intermediate(root, "last CA", other_key, ca=True, path_length=0)
    beyond = intermediate(last, "one too many", other_key, ca=True)
    return {
        "https": server(),
        "intermediate": server(last),
        "expired": server(days=(-10, -1)),
        "not_yet_valid": server(days=(1, 30)),
        "wrong_name": server(names=[x509.DNSName("wrong.example")]),
        "wrong_wildcard": server(names=[x509.DNSName("*"), x509.DNSName("*.localhost")]),
        "nul_name": server(names=[x509.DNSName("localhost\0.evil.example")]),
        "no_name": server(names=[], subject="nobody"),
        "self_signed": server(Party("localhost", key)),
        "unknown_ca": server(Party("another CA", other_key)),
        "same_name_ca": server(Party("oauth1 liar CA", other_key)),
        "not_a_ca": server(not_a_ca),
        "too_long": server(beyond),
        "missing_link": issue(last, "localhost", key),
        "client_only": server(purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
        "sha1": server(digest=hashes.SHA1()),
    }


def contexts(folder):
    """{kind: context}; writes the CA as ca.pem, and the certificates, into the folder."""
    key, other_key = certificates.new_key(), certificates.new_key()
    weak_key = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    root = Party("oauth1 liar CA", certificates.new_key())
    write(folder, "ca", issue(root, "oauth1 liar CA", root.key, ca=True))
    made = {}
    for kind, chain in chains(root, key, other_key).items():
        made[kind] = context(write(folder, kind, chain, certificates.private_pem(key)))
    made["weak_key"] = context(write(folder, "weak_key", issue(root, "localhost", weak_key),
                                     certificates.private_pem(weak_key)))
    good = os.path.join(folder, "https.pem")
    made["tls1_0"] = context(good, ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1)
    made["tls1_1"] = context(good, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1)
    made["tls1_2"] = context(good, None, ssl.TLSVersion.TLSv1_2)
    made["anonymous"] = context(good, None, ssl.TLSVersion.TLSv1_2, "aNULL:eNULL:@SECLEVEL=0")
    return made


def write(folder, name, *parts):
    path = os.path.join(folder, name + ".pem")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(b"".join(parts))
    return path
