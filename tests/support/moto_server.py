"""moto's S3 server with a bucket that has objects from its start: moto_server.py PORT BUCKET KEYS, where KEYS is a JSON file.

Put there over HTTP, a thousand objects take longer than the rest of their test.
"""

import json
import sys

from moto.backends import get_backend
from moto.core import DEFAULT_ACCOUNT_ID
from moto.server import main

port, bucket, keys = sys.argv[1:]
backend = get_backend("s3")[DEFAULT_ACCOUNT_ID]["aws"]
backend.create_bucket(bucket, "eu-test-1")
with open(keys, encoding="utf-8") as file:
    for key in json.load(file):
        backend.put_object(bucket, key, b"x")
main(["-H", "127.0.0.1", "-p", port])
