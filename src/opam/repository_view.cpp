#include "opam/repository_view.hpp"

namespace slipway::opam {

std::optional<Checksum> checksum_of_path(std::string_view path) {
  const auto slash = path.find('/');
  if (slash == path.npos) return std::nullopt;
  auto checksum =
      Checksum::parse(std::string(path.substr(0, slash)) + "=" + std::string(path.substr(path.rfind('/') + 1)));
  return checksum && checksum->cache_path() == path ? checksum : std::nullopt;
}

Result<std::optional<publish::Representation>>
RepositoryView::find(publish::Trees& trees, const publish::OpenTree& tree, std::string_view path) {
  constexpr std::string_view cache = "/cache/";
  const bool is_plain = path == "/index.tar";
  if (!is_plain && path != "/index.tar.gz" && !path.starts_with(cache)) return std::nullopt;
  auto found = path.starts_with(cache) ? find_source(trees, tree.repository, path.substr(cache.size()))
                                       : m_archives.find(trees, tree, is_plain);
  if (!found) return std::unexpected(found.error());
  if (!path.starts_with(cache))
    found->open = [this, name = tree.repository, open = std::move(found->open)](ByteRange part) {
      if (part.offset == 0) count(name, "index");
      return open(part);
    };
  return std::move(*found);
}

std::map<std::string, std::map<std::string, std::uint64_t>> RepositoryView::take_downloads() {
  const std::lock_guard lock(m_mutex);
  return std::exchange(m_downloads, {});
}

/// A part that does not begin at the beginning belongs to a download that was counted.
void RepositoryView::count(const std::string& repository, const std::string& name) {
  const std::lock_guard lock(m_mutex);
  ++m_downloads[repository][name];
}

/// 404 also while it is not here yet, so that clients go on to where the package says.
Result<publish::Representation> RepositoryView::find_source(publish::Trees& trees, const std::string& repository,
                                                            std::string_view path) {
  const auto checksum = checksum_of_path(path);
  if (!checksum) return fail(Failure::not_found, "no source is at this path");
  TRY_ASSIGN(const auto pin, m_catalog.find_pin(repository, checksum->text()));
  const auto& [digest, blob] = pin;
  publish::Representation out{.media_type = "application/octet-stream",
                              .validators = {.etag = "\"" + digest.text() + "\"", .modified = blob.created_at},
                              .size = blob.size,
                              .is_lasting = true,
                              .open = {}};
  out.open = [this, &trees, repository, pin](ByteRange part) {
    if (part.offset == 0) count(repository, pin.digest.text());
    return trees.open_blob(repository, pin.digest, pin.blob, part);
  };
  out.lost = [&trees, repository, pin] { trees.forget_blob(repository, pin.digest); };
  return out;
}

}  // namespace slipway::opam
