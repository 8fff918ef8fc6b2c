#include "publish/trees.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::publish {
namespace {

constexpr std::size_t open_trees_max = 1000;
constexpr std::size_t listings_max = 100'000;
constexpr std::size_t blobs_max = 50'000;
constexpr std::size_t blobs_bytes_max = 16U << 20;

/// About what a listing takes in memory.
std::size_t bytes_of(const Listing& listing) {
  std::size_t out = sizeof(Listing);
  for (const auto& file : listing.files)
    out += sizeof(File) + file.path.size() + file.media_type.size() + file.variants.size() * sizeof(Variant);
  return out;
}

std::string key_of(const std::string& repository, const Digest& digest) { return repository + '\0' + digest.text(); }

std::size_t bytes_of(const Snapshot& snapshot) {
  std::size_t out = 0;
  for (const auto& shard : snapshot.shards) out += sizeof(ShardEntry) + shard.first.size();
  return out;
}

}  // namespace

Trees::Trees(catalog::Catalog& catalog, blob::BlobStore& store, std::size_t bytes_max)
    : m_catalog(catalog), m_store(store), m_open(open_trees_max, bytes_max / 8),
      m_listings(listings_max, bytes_max - bytes_max / 8), m_blobs(blobs_max, blobs_bytes_max) {}

Result<catalog::StoredBlob> Trees::blob(const std::string& repository, const Digest& digest) {
  if (!m_catalog.is_shared()) return m_catalog.find_blob(repository, digest);
  const auto key = key_of(repository, digest);
  {
    const std::lock_guard lock(m_mutex);
    if (const auto* known = m_blobs.find(key)) return *known;
  }
  TRY_ASSIGN(auto found, m_catalog.find_blob(repository, digest));
  const std::lock_guard lock(m_mutex);
  m_blobs.put(key, found, sizeof found + key.size() + found.location.key.size());
  return found;
}

Result<FileSlice> Trees::open_blob(const std::string& repository, const Digest& digest, const catalog::StoredBlob& blob,
                                   ByteRange range) {
  return catalog::open_blob(m_store, blob, range, [&] {
    forget_blob(repository, digest);
    return this->blob(repository, digest);
  });
}

void Trees::forget_blob(const std::string& repository, const Digest& digest) {
  const std::lock_guard lock(m_mutex);
  m_blobs.erase(key_of(repository, digest));
}

Result<std::string> Trees::read(const std::string& repository, const Digest& digest, std::size_t size_max) {
  TRY_ASSIGN(const auto found, blob(repository, digest));
  if (found.size > size_max)
    return fail(Failure::too_large, fmt::format("{} has {}, and more than {} is too much here", digest.text(),
                                                human_size(found.size), human_size(size_max)));
  std::string out;
  out.reserve(found.size);
  TRY(read_pieces(repository, digest, [&](ByteView piece) -> Result<> {
    out += as_text(piece);
    return {};
  }));
  return out;
}

Result<> Trees::read_pieces(const std::string& repository, const Digest& digest,
                            const std::function<Result<>(ByteView)>& each) {
  TRY_ASSIGN(const auto found, blob(repository, digest));
  TRY_ASSIGN(const auto slice, open_blob(repository, digest, found, {0, found.size}));
  TRY(catalog::check_bytes(slice, digest, each));
  return {};
}

template <typename Rules>
Result<Rules> Trees::read_rules(const OpenTree& tree, const char* name, std::size_t size_max) {
  TRY_ASSIGN(const auto found, find(tree, name));
  if (!found) return Rules{};
  auto text = read(tree.repository, found.file->digest, size_max);
  if (!text) return std::unexpected(text.error().during(name));
  auto rules = Rules::parse(*text);
  if (!rules) return std::unexpected(rules.error().during(name));
  return rules;
}

Result<std::shared_ptr<const OpenTree>> Trees::open(const std::string& repository,
                                                    const catalog::StoredManifest& index) {
  const auto key = key_of(repository, index.digest);
  {
    const std::lock_guard lock(m_mutex);
    if (const auto* known = m_open.find(key)) return *known;
  }
  OpenTree out{.repository = repository, .digest = index.digest, .snapshot = {}, .redirects = {}, .headers = {}};
  TRY_ASSIGN(out.snapshot, parse_index(*index.bytes));
  TRY_ASSIGN(out.redirects, read_rules<Redirects>(out, redirects_name, redirects_bytes_max));
  TRY_ASSIGN(out.headers, read_rules<HeaderRules>(out, headers_name, header_rules_bytes_max));
  const auto bytes = bytes_of(out.snapshot);
  auto shared = std::make_shared<const OpenTree>(std::move(out));
  const std::lock_guard lock(m_mutex);
  m_open.put(key, shared, bytes);
  return shared;
}

Result<Listing> Trees::listing_of(const std::string& repository, std::string_view shard_manifest) {
  TRY_ASSIGN(const auto digest, parse_shard(shard_manifest));
  TRY_ASSIGN(const auto text, read(repository, digest, listing_bytes_max));
  return parse_listing(text);
}

Result<std::shared_ptr<const Listing>> Trees::listing(const std::string& repository, const ShardEntry& shard) {
  const auto find_known = [&]() -> std::shared_ptr<const Listing> {
    const std::lock_guard lock(m_mutex);
    const auto* known = m_listings.find(shard.digest);
    return known ? *known : nullptr;
  };
  if (auto known = find_known()) return known;
  // Of those who want the same, one reads it.
  const std::lock_guard turn(m_reading[std::hash<Digest>()(shard.digest) % m_reading.size()]);
  if (auto known = find_known()) return known;
  TRY_ASSIGN(const auto manifest, m_catalog.find_manifest(repository, shard.digest));
  TRY_ASSIGN(auto listing, listing_of(repository, *manifest.bytes));
  const auto bytes = bytes_of(listing);
  auto shared = std::make_shared<const Listing>(std::move(listing));
  const std::lock_guard lock(m_mutex);
  m_listings.put(shard.digest, shared, bytes);
  return shared;
}

Result<FoundFile> Trees::find(const OpenTree& tree, std::string_view path) {
  const auto* shard = tree.snapshot.shard_of(path);
  if (!shard) return FoundFile{};
  TRY_ASSIGN(auto listing, this->listing(tree.repository, *shard));
  const auto* file = listing->find(path);
  return FoundFile{std::move(listing), file};
}

Result<FoundFile> Trees::find_from(const OpenTree& tree, std::string_view path) {
  const auto& shards = tree.snapshot.shards;
  const auto* shard = tree.snapshot.shard_of(path);
  for (auto at = shard ? static_cast<std::size_t>(shard - shards.data()) : 0; at < shards.size(); ++at) {
    TRY_ASSIGN(auto listing, this->listing(tree.repository, shards[at]));
    const auto found = std::ranges::lower_bound(listing->files, path, {}, &File::path);
    if (found == listing->files.end()) continue;
    const auto* file = &*found;
    return FoundFile{std::move(listing), file};
  }
  return FoundFile{};
}

}  // namespace slipway::publish
