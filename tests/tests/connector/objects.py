"""Objects in a bucket, as an independent client sees them.

objects.py ENDPOINT create  makes the bucket
objects.py ENDPOINT fill    puts an object for each key of the JSON array in the file that the next argument names
objects.py ENDPOINT list    prints the keys as a JSON array
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor

import boto3
import requests
from botocore.config import Config

endpoint, command = sys.argv[1:3]
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="eu-test-1",
    aws_access_key_id="person",
    aws_secret_access_key="secret",
    config=Config(max_pool_connections=16, s3={"addressing_style": "path"}),
)
if command == "create":
    s3.create_bucket(Bucket="papers", CreateBucketConfiguration={"LocationConstraint": "eu-test-1"})
elif command == "fill":
    with open(sys.argv[3], encoding="utf-8") as file:
        keys = json.load(file)

    def put(key):
        if ".." in key.split("/"):
            # No URL carries it; a form does.
            requests.post(f"{endpoint}/papers", data={"key": key}, files={"file": b"x"}).raise_for_status()
        else:
            s3.put_object(Bucket="papers", Key=key, Body=b"x")

    # One after the other, each waits for the server's acknowledgement of its headers.
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(put, keys))
elif command == "list":
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="papers")
    print(json.dumps([item["Key"] for page in pages for item in page.get("Contents", [])]))
