#include "opam/repository_view.hpp"

#include "opam/delta.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace slipway::opam {

/// Of all channels: some weeks of a busy repository.
constexpr std::size_t moves_max = 200;

std::optional<Checksum> checksum_of_path(std::string_view path) {
  const auto slash = path.find('/');
  if (slash == path.npos) return std::nullopt;
  auto checksum =
      Checksum::parse(std::string(path.substr(0, slash)) + "=" + std::string(path.substr(path.rfind('/') + 1)));
  return checksum && checksum->cache_path() == path ? checksum : std::nullopt;
}

Result<std::optional<publish::Representation>>
RepositoryView::find(publish::Trees& trees, const publish::OpenTree& tree, const publish::ViewRequest& request) {
  const auto path = request.path;
  constexpr std::string_view cache = "/cache/";
  const bool is_plain = path == "/index.tar";
  if (!is_plain && path != "/index.tar.gz" && !path.starts_with(cache)) return std::nullopt;
  auto found = path.starts_with(cache) ? find_source(trees, tree.repository, path.substr(cache.size()))
               : is_plain              ? find_plain_index(trees, tree, request)
                                       : m_archives.find(trees, tree, false);
  if (!found) return std::unexpected(found.error());
  if (!path.starts_with(cache) && !found->text)
    found->open = [this, name = tree.repository, open = std::move(found->open)](ByteRange part) {
      if (part.offset == 0) count(name, "index");
      return open(part);
    };
  return std::move(*found);
}

/// Clients that can keep it as a dictionary for the next one (RFC 9842 §2.1).
Result<publish::Representation> RepositoryView::find_plain_index(publish::Trees& trees, const publish::OpenTree& tree,
                                                                 const publish::ViewRequest& request) {
  auto out = find_delta(trees, tree, request);
  if (!out) out = m_archives.find(trees, tree, true);
  if (!out) return out;
  const auto begin = request.site.find('/', request.site.find("://") + 3);
  const auto base = begin == request.site.npos ? std::string_view() : request.site.substr(begin);
  out->varies_by = "Accept-Encoding, Available-Dictionary";
  // A snapshot of its own address never has another version.
  if (base.find("/@") == base.npos)
    out->fields.emplace_back("Use-As-Dictionary",
                             fmt::format("match=\"{}/index.tar\", id=\"{}\"", base, tree.digest.text()));
  return out;
}

/// Fails where the client has nothing that helps, or no delta can be made; what it gets then is the whole.
Result<publish::Representation> RepositoryView::find_delta(publish::Trees& trees, const publish::OpenTree& tree,
                                                           const publish::ViewRequest& request) {
  static constexpr std::array<std::string_view, 1> offered = {"dcz"};
  const auto& fields = request.headers;
  const auto dictionary = parse_available_dictionary(fields.get("Available-Dictionary"));
  const auto id = parse_structured_string(fields.get("Dictionary-ID"));
  if (!dictionary || !id || fields.has("Range") || !http::choose_coding(fields.combined("Accept-Encoding"), offered))
    return fail(Failure::not_found, "the client asks for no delta");
  TRY_ASSIGN(const auto snapshot, Digest::parse(*id));
  TRY_ASSIGN(const auto moves, m_catalog.tag_history(tree.repository, "", moves_max));
  if (std::ranges::none_of(moves, [&](const auto& move) { return move.digest == snapshot.text(); }))
    return fail(Failure::not_found, "the client has what is too old");
  TRY_ASSIGN(const auto index, m_catalog.find_manifest(tree.repository, snapshot));
  TRY_ASSIGN(const auto old, trees.open(tree.repository, index));
  TRY_ASSIGN(auto out, m_archives.find_delta(trees, tree, *old, *dictionary));
  count(tree.repository, "index");
  return out;
}

RepositoryView::Downloads RepositoryView::take_downloads() {
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
  auto key = repository + '\n' + checksum->text();
  TRY_ASSIGN(const auto pin, find_pin(repository, key, *checksum));
  const auto& [digest, blob] = pin->blob;
  publish::Representation out{.media_type = "application/octet-stream",
                              .validators = {.etag = pin->etag, .modified = blob.created_at},
                              .size = blob.size,
                              .is_lasting = true,
                              .open = {}};
  out.open = [this, &trees, repository, pin](ByteRange part) {
    if (part.offset == 0) count(repository, pin->digest);
    return trees.open_blob(repository, pin->blob.digest, pin->blob.blob, part);
  };
  out.lost = [this, &trees, pin, key = std::move(key)] {
    trees.forget_blob(key.substr(0, key.find('\n')), pin->blob.digest);
    const std::lock_guard lock(m_mutex);
    m_pins.erase(key);
  };
  return out;
}

Result<std::shared_ptr<const RepositoryView::Pin>>
RepositoryView::find_pin(const std::string& repository, const std::string& key, const Checksum& checksum) {
  {
    const std::lock_guard lock(m_mutex);
    if (const auto* known = m_pins.find(key)) return *known;
  }
  TRY_ASSIGN(auto found, m_catalog.find_pin(repository, checksum.text()));
  auto digest = found.digest.text();
  auto etag = "\"" + digest + "\"";
  auto pin = std::make_shared<const Pin>(std::move(found), std::move(digest), std::move(etag));
  const std::lock_guard lock(m_mutex);
  m_pins.put(key, pin, key.size() + sizeof *pin + 2 * pin->etag.size() + pin->blob.blob.location.key.size());
  return pin;
}

}  // namespace slipway::opam
