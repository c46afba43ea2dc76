"""Keys and signatures of a service account, by another implementation.

rsa.py new             prints a new private key as PKCS #8 PEM
rsa.py verify KEYFILE ASSERTION  prints header and claims of the assertion as JSON, if the key has signed it
"""

import base64
import json
import sys

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


if sys.argv[1] == "new":
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    print(pem.decode(), end="")
else:
    with open(sys.argv[2], "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    header, claims, signature = sys.argv[3].split(".")
    signed = f"{header}.{claims}".encode()
    key.public_key().verify(decoded(signature), signed, padding.PKCS1v15(), hashes.SHA256())
    print(json.dumps([json.loads(decoded(header)), json.loads(decoded(claims))]))
