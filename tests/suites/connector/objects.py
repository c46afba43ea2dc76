"""The keys in a bucket as a JSON array, as an independent client sees them: objects.py ENDPOINT BUCKET"""

import json
import sys

import boto3
from botocore.config import Config

endpoint, bucket = sys.argv[1:]
s3 = boto3.client(
    "s3",
    endpoint_url=endpoint,
    region_name="eu-test-1",
    aws_access_key_id="person",
    aws_secret_access_key="secret",
    config=Config(s3={"addressing_style": "path"}),
)
pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
print(json.dumps([item["Key"] for page in pages for item in page.get("Contents", [])]))
