"""Makes trees as docs/sites.md tells, and publishes them by the distribution protocol alone."""

import json

from slipway_server import INDEX, MANIFEST, descriptor, digest_of

TREE, SHARD = "application/vnd.slipway.tree.v1", "application/vnd.slipway.tree.shard.v1"
LISTING = "application/vnd.slipway.tree.listing.v1+json"


def begins_shard(path):
    number = 0xcbf29ce484222325
    for byte in path:
        number = (number ^ byte) * 0x100000001b3 % 2**64
    return (number >> 32) % 256 == 0


def cut(paths):
    """Lists of paths, one a shard."""
    shards = []
    for path in sorted(paths, key=str.encode):
        if not shards or begins_shard(path.encode()) or len(shards[-1]) == 1024:
            shards.append([])
        shards[-1].append(path)
    return shards


def push_shards(server, repository, files, headers=()):
    """Pushes {path: bytes} but for the index, which it returns."""
    shards = []
    for paths in cut(files):
        listing = json.dumps({"files": [{"path": path, "type": "text/html; charset=utf-8", "digest": digest_of(files[path]),
                                         "size": len(files[path])} for path in paths]}).encode()
        layers = {digest_of(files[path]): files[path] for path in paths}
        for blob in (*layers.values(), listing):
            server.push_blob(repository, blob, headers)
        shard = shard_of(listing, layers.values())
        assert server.put_manifest(repository, digest_of(shard), shard, headers=headers).status == 201
        shards.append(descriptor(shard, MANIFEST) | {"annotations": {"org.slipway.tree.first": paths[0]}})
    return json.dumps({"schemaVersion": 2, "mediaType": INDEX, "artifactType": TREE, "manifests": shards,
                       "annotations": {"org.slipway.tree.files": str(len(files)),
                                       "org.slipway.tree.bytes": str(sum(map(len, files.values())))}}).encode()


def shard_of(listing, layers):
    return json.dumps({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": SHARD,
                       "config": descriptor(listing, LISTING),
                       "layers": [descriptor(layer, "application/octet-stream") for layer in layers]}).encode()


def publish(server, repository, files, channel="live", headers=()):
    """Publishes {path: bytes}; returns the snapshot's digest."""
    index = push_shards(server, repository, files, headers)
    answer = server.put_manifest(repository, channel, index, INDEX, headers)
    assert answer.status == 201, answer
    return digest_of(index)
