"""Certificates for TLS between nodes, made by openssl in a directory."""
import subprocess

from harness import require


def make_authority(directory, name):
    openssl(directory, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem",
            "-days", "2", "-subj", f"/CN={name}")


def make_certificate(directory, authority, name):
    openssl(directory, "req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
            "-subj", f"/CN={name}")
    openssl(directory, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key",
            "-CAcreateserial", "-out", f"{name}.pem", "-days", "2")
    return {"node.tls.certificate": f"{directory}/{name}.pem", "node.tls.key": f"{directory}/{name}.key",
            "node.tls.ca": f"{directory}/{authority}.pem"}


def openssl(directory, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=directory, capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    require(done.returncode == 0, f"openssl {arguments[0]}: {done.stderr}")
