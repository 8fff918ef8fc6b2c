"""Requests to a bucket from the tests' side, signed as the examples of AWS Signature Version 4 are: to make a bucket, to
look what a server has put there, and to do harm.
"""

import datetime
import hashlib
import hmac
import os
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree


def request(endpoint, method, path, query=None, body=b"", region="us-east-1"):
    """Sends one request and returns the answer's body; HTTPError where it is refused."""
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    host, content = urllib.parse.urlsplit(endpoint).netloc, hashlib.sha256(body).hexdigest()
    path = urllib.parse.quote(path)
    parameters = "&".join(f"{name}={urllib.parse.quote(value, safe='')}" for name, value in sorted((query or {}).items()))
    names, fields = "host;x-amz-content-sha256;x-amz-date", f"host:{host}\nx-amz-content-sha256:{content}\nx-amz-date:{now}\n"
    scope = f"{now[:8]}/{region}/s3/aws4_request"
    canonical = hashlib.sha256("\n".join((method, path, parameters, fields, names, content)).encode()).hexdigest()
    key = f"AWS4{os.environ['AWS_SECRET_ACCESS_KEY']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{canonical}".encode(), "sha256").hex()
    headers = {"x-amz-date": now, "x-amz-content-sha256": content,
               "Authorization": f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, "
                                f"SignedHeaders={names}, Signature={signature}"}
    url = f"{endpoint}{path}" + (f"?{parameters}" if parameters else "")
    asked = urllib.request.Request(url, method=method, headers=headers, data=body if method in ("PUT", "POST") else None)
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return answer.read()


def make_bucket(endpoint, name):
    request(endpoint, "PUT", f"/{name}")


class Prefix:
    """What lies under a store's prefix. `url` is what `slipway serve --store` gets."""

    def __init__(self, url):
        place, _, parameters = url.removeprefix("s3://").partition("?")
        self.bucket, _, prefix = place.partition("/")
        self.prefix = prefix.rstrip("/") + "/"
        self.endpoint = dict(urllib.parse.parse_qsl(parameters))["endpoint"]

    def _pages(self, query, items, continued):
        query = dict(query, prefix=self.prefix)
        while True:
            root = ElementTree.fromstring(request(self.endpoint, "GET", f"/{self.bucket}", query))
            space = root.tag.partition("}")[0] + "}"
            yield from ({child.tag.removeprefix(space): child.text for child in item} for item in root.iter(space + items))
            if root.findtext(space + "IsTruncated") != "true":
                return
            query.update({name: root.findtext(space + field) for name, field in continued.items()})

    def objects(self, folder=""):
        """The sizes of all objects, by key without the prefix."""
        pages = self._pages({"list-type": "2"}, "Contents", {"continuation-token": "NextContinuationToken"})
        found = {page["Key"].removeprefix(self.prefix): int(page["Size"]) for page in pages}
        return {key: size for key, size in found.items() if key.startswith(folder)}

    def multiparts(self):
        """The keys of uploads in parts that are neither finished nor aborted."""
        pages = self._pages({"uploads": ""}, "Upload",
                            {"key-marker": "NextKeyMarker", "upload-id-marker": "NextUploadIdMarker"})
        return [page["Key"].removeprefix(self.prefix) for page in pages]

    def get(self, key):
        return request(self.endpoint, "GET", f"/{self.bucket}/{self.prefix}{key}")

    def put(self, key, body):
        request(self.endpoint, "PUT", f"/{self.bucket}/{self.prefix}{key}", body=body)

    def remove(self, key):
        request(self.endpoint, "DELETE", f"/{self.bucket}/{self.prefix}{key}")
