#pragma once
// What CNCF distribution (docker-registry 2, registry 3) has laid out in a tree, by its storage drivers for file
// systems and S3:
//
//   …/v2/blobs/sha256/<ab>/<hex>/data                           bytes: layers, configurations and manifests
//   …/v2/repositories/<name>/_layers/sha256/<hex>/link          the repository has this blob
//   …/v2/repositories/<name>/_manifests/revisions/sha256/<hex>/link
//                                                               … and this manifest
//   …/v2/repositories/<name>/_manifests/tags/<tag>/current/link where the tag points
//
// A link is a file with the digest under which the bytes lie; where a client named a blob by SHA-512, the path has that
// name and the link the SHA-256. After registry/storage/paths.go of github.com/distribution/distribution.

#include "base/digest.hpp"
#include "moving/source_tree.hpp"

#include <functional>
#include <string>

namespace slipway::moving {

/// Whatever is listed is what the spec allows as a name; what is not is told. Safe to call from any thread.
class DockerRegistry {
public:
  /// Gets a sentence about what was passed over.
  using Told = std::function<void(const std::string&)>;

  /// Finds the registry in a tree whose root is what the registry calls its root directory, or a folder on the way from
  /// there to "v2". not_found where there is none. The tree outlives it.
  static Result<DockerRegistry> open(SourceTree& tree);

  /// Every repository, each before those whose names go on from it. An error of `each` ends it, here and below.
  Result<> repositories(const std::function<Result<>(const std::string& name)>& each, const Told& told);
  Result<bool> has_repository(const std::string& name);
  /// The blobs that a repository has, by the names it has for them: those by SHA-512 first, whose bytes have a second
  /// name among the others.
  Result<> layers(const std::string& repository, const std::function<Result<>(const Digest&)>& each, const Told& told);
  Result<> manifests(const std::string& repository, const std::function<Result<>(const Digest&)>& each,
                     const Told& told);
  Result<> tags(const std::string& repository, const std::function<Result<>(const std::string& tag)>& each,
                const Told& told);

  // Where a link leads. corrupt where it is no digest; not_found where there is none: the registry has deleted it. Else
  // as SourceTree::read() fails.
  Result<Digest> layer(const std::string& repository, const Digest& name);
  Result<Digest> manifest(const std::string& repository, const Digest& name);
  Result<Digest> tag(const std::string& repository, const std::string& tag);

  // Bytes, by what a link says; not checked. Errors as SourceTree's.
  Result<std::uint64_t> size(const Digest& digest) { return m_tree->size(data_path(digest)); }
  Result<> copy(const Digest& digest, std::uint64_t size, const std::function<Result<>(ByteView)>& sink) {
    return m_tree->copy(data_path(digest), size, sink);
  }

private:
  DockerRegistry(SourceTree& tree, std::string root) : m_tree(&tree), m_root(std::move(root)) {}
  std::string data_path(const Digest& digest) const;
  std::string repository_path(const std::string& name) const { return m_root + "repositories/" + name; }
  Result<Digest> link(const std::string& folder);
  /// The digests for which a folder has folders.
  Result<> digests(const std::string& folder, const std::function<Result<>(const Digest&)>& each, const Told& told);

  SourceTree* m_tree;
  std::string m_root;  // of "v2"; empty, or with a slash at its end
};

}  // namespace slipway::moving
