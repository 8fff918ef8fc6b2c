#include "publish/tree.hpp"

#include "base/json.hpp"
#include "base/text.hpp"
#include "oci/manifest.hpp"
#include "publish/paths.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <fmt/format.h>
#include <unordered_set>

namespace slipway::publish {
namespace {

// Annotations of an index, and of its descriptors.
constexpr const char* first_path = "org.slipway.tree.first";
constexpr const char* file_count = "org.slipway.tree.files";
constexpr const char* byte_count = "org.slipway.tree.bytes";
constexpr const char* our_own = "org.slipway.tree.";

constexpr const char* file_type = "application/octet-stream";
constexpr std::array<std::string_view, 3> codings = {"br", "zstd", "gzip"};

/// A listing is closed before it has more than this of text, which leaves room for its longest line.
constexpr std::size_t listing_bytes_wanted = listing_bytes_max / 2;

std::string json_text(std::string_view text) { return Json(text).dump(); }

std::string object_of(const Digest& digest, std::uint64_t size) {
  return fmt::format(R"("digest":"{}","size":{})", digest.text(), size);
}

std::string line_of(const File& file) {
  auto out = fmt::format(R"({{"path":{},{},"type":{})", json_text(file.path), object_of(file.digest, file.size),
                         json_text(file.media_type));
  for (const auto& variant : file.variants)
    out += fmt::format(R"(,"{}":{{{}}})", name_of(variant.coding), object_of(variant.digest, variant.size));
  return out + "}";
}

Error invalid(std::string_view what, std::string_view why) {
  return {Failure::invalid, fmt::format("{} {}", what, why)};
}

struct Object {
  Digest digest;
  std::uint64_t size = 0;
};

Result<Object> object_in(const Json& json, std::string_view what) {
  if (!json.is_object()) return std::unexpected(invalid(what, "is no object"));
  TRY_ASSIGN(auto digest, Digest::parse(string_at(json, "digest")));
  const auto size = json.find("size");
  if (size == json.end() || !size->is_number_unsigned()) return std::unexpected(invalid(what, "has no size"));
  return Object{digest, size->get<std::uint64_t>()};
}

/// It will be a header's value.
bool is_content_type(std::string_view text) {
  return !text.empty() && text.size() <= 255 && std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7F; });
}

/// Of a file that comes after `before` in its listing, which is null for the first.
Result<> check_file(const File& file, const File* before) {
  TRY(check_path(file.path));
  const auto name = [&] { return fmt::format("'{}'", printable(file.path)); };
  if (!is_content_type(file.media_type)) return std::unexpected(invalid(name(), "has no content type"));
  if (before && before->path >= file.path) return std::unexpected(invalid(name(), "is out of order in its listing"));
  return {};
}

/// Reads listings that are, byte for byte, as line_of() writes them: a request that needs one which is not in memory
/// waits for this, and it takes a fifth of what JSON takes in general.
class PlainListing {
public:
  explicit PlainListing(std::string_view text) : m_rest(text) {}

  /// Nothing where it is written otherwise, or cannot be a listing: for JSON to see.
  std::optional<Listing> read() {
    if (m_rest.size() > listing_bytes_max || !skip("{\"files\":[\n")) return std::nullopt;
    Listing out;
    do {
      File file;
      if (out.files.size() == shard_files_max || !read_file(file) ||
          !check_file(file, out.files.empty() ? nullptr : &out.files.back()))
        return std::nullopt;
      out.files.push_back(std::move(file));
    } while (skip(",\n"));
    return skip("\n]}\n") && m_rest.empty() ? std::optional(std::move(out)) : std::nullopt;
  }

private:
  bool skip(std::string_view text) {
    if (!m_rest.starts_with(text)) return false;
    m_rest.remove_prefix(text.size());
    return true;
  }

  /// Up to the next quotation mark, without anything that JSON writes in another way.
  bool read_text(std::string& out) {
    const auto end = m_rest.find('"');
    if (end == m_rest.npos) return false;
    out = m_rest.substr(0, end);
    if (out.find('\\') != out.npos) return false;
    m_rest.remove_prefix(end + 1);
    return true;
  }

  bool read_object(Digest& digest, std::uint64_t& size) {
    constexpr std::size_t digest_bytes = 71;  // of sha256:…
    if (!skip("\"digest\":\"")) return false;
    const auto named = Digest::parse(m_rest.substr(0, digest_bytes));
    if (!named) return false;
    digest = *named;
    m_rest.remove_prefix(digest_bytes);
    if (!skip("\",\"size\":") || (m_rest.size() > 1 && m_rest[0] == '0' && m_rest[1] >= '0' && m_rest[1] <= '9'))
      return false;
    const auto [end, bad] = std::from_chars(m_rest.data(), m_rest.data() + m_rest.size(), size);
    if (bad != std::errc()) return false;
    m_rest.remove_prefix(static_cast<std::size_t>(end - m_rest.data()));
    return true;
  }

  bool read_file(File& out) {
    if (!skip("{\"path\":\"") || !read_text(out.path) || !skip(",") || !read_object(out.digest, out.size) ||
        !skip(",\"type\":\"") || !read_text(out.media_type))
      return false;
    static constexpr std::array<std::string_view, codings.size()> begin = {R"(,"br":{)", R"(,"zstd":{)",
                                                                           R"(,"gzip":{)"};
    for (std::size_t i = 0; i < begin.size(); ++i) {
      if (!skip(begin[i])) continue;
      Variant variant{.coding = static_cast<Coding>(i), .digest = {}};
      if (!read_object(variant.digest, variant.size) || !skip("}")) return false;
      out.variants.push_back(variant);
    }
    return skip("}");
  }

  std::string_view m_rest;
};

Result<File> file_in(const Json& json) {
  TRY_ASSIGN(const auto object, object_in(json, "a file"));
  File out{.path = string_at(json, "path"),
           .digest = object.digest,
           .size = object.size,
           .media_type = string_at(json, "type"),
           .variants = {}};
  for (std::size_t i = 0; i < codings.size(); ++i) {
    const auto variant = json.find(codings[i]);
    if (variant == json.end()) continue;
    TRY_ASSIGN(const auto coded, object_in(*variant, "a variant"));
    out.variants.push_back({static_cast<Coding>(i), coded.digest, coded.size});
  }
  return out;
}

std::uint64_t number_in(const Json& annotations, const char* key) {
  const auto text = string_at(annotations, key);
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

Result<ShardEntry> shard_in(const Json& descriptor) {
  TRY_ASSIGN(const auto object, object_in(descriptor, "a shard"));
  const auto annotations = descriptor.find("annotations");
  if (annotations == descriptor.end() || !annotations->is_object())
    return std::unexpected(invalid("a shard", "does not say where it begins"));
  auto first = string_at(*annotations, first_path);
  TRY(check_path(first));
  return ShardEntry{object.digest, object.size, std::move(first)};
}

}  // namespace

/// FNV-1a (64 bits): one path in 256.
bool begins_shard(std::string_view path) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : path) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  return (hash >> 32) % 256 == 0;
}

std::string_view name_of(Coding coding) { return codings[static_cast<std::size_t>(coding)]; }

const File* Listing::find(std::string_view path) const {
  const auto found = std::ranges::lower_bound(files, path, {}, &File::path);
  return found != files.end() && found->path == path ? &*found : nullptr;
}

const ShardEntry* Snapshot::shard_of(std::string_view path) const {
  const auto after = std::ranges::upper_bound(shards, path, {}, &ShardEntry::first);
  return after == shards.begin() ? nullptr : &*std::prev(after);
}

std::vector<std::span<const File>> cut(std::span<const File> files) {
  std::vector<std::span<const File>> out;
  std::size_t begin = 0, bytes = 0;
  for (std::size_t at = 0; at < files.size(); ++at) {
    const bool is_full = at - begin == shard_files_max || bytes > listing_bytes_wanted;
    if (at > begin && (is_full || begins_shard(files[at].path))) {
      out.push_back(files.subspan(begin, at - begin));
      begin = at;
      bytes = 0;
    }
    bytes += line_of(files[at]).size();
  }
  if (begin < files.size()) out.push_back(files.subspan(begin));
  return out;
}

Shard write_shard(std::span<const File> files) {
  Shard out;
  std::string layers;
  std::unordered_set<Digest> seen;
  for (const auto& file : files) {
    out.listing.append(out.listing.empty() ? "{\"files\":[\n" : ",\n").append(line_of(file));
    if (seen.insert(file.digest).second)
      layers += fmt::format(R"({}{{"mediaType":"{}",{}}})", layers.empty() ? "" : ",", file_type,
                            object_of(file.digest, file.size));
  }
  out.listing += "\n]}\n";
  out.listing_digest = digest_of(as_bytes(out.listing));
  out.manifest = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"{}","artifactType":"{}","config":{{"mediaType":"{}",{}}},"layers":[{}]}})",
      oci::oci_manifest, shard_type, listing_type, object_of(out.listing_digest, out.listing.size()), layers);
  out.digest = digest_of(as_bytes(out.manifest));
  out.first = files.front().path;
  return out;
}

Result<std::string> write_index(const Snapshot& snapshot) {
  if (snapshot.shards.size() > shards_max)
    return fail(Failure::too_large, fmt::format("a tree of {} files makes {} shards, and more than {} are too many",
                                                snapshot.files, snapshot.shards.size(), shards_max));
  std::string shards;
  for (const auto& shard : snapshot.shards)
    shards += fmt::format(R"({}{{"mediaType":"{}",{},"annotations":{{"{}":{}}}}})", shards.empty() ? "" : ",",
                          oci::oci_manifest, object_of(shard.digest, shard.size), first_path, json_text(shard.first));
  std::string annotations;
  for (const auto& [name, value] : snapshot.annotations)
    annotations += fmt::format(",{}:{}", json_text(name), json_text(value));
  auto out = fmt::format(
      R"({{"schemaVersion":2,"mediaType":"{}","artifactType":"{}","manifests":[{}],"annotations":{{"{}":"{}","{}":"{}"{}}}}})",
      oci::oci_index, tree_type, shards, byte_count, snapshot.bytes, file_count, snapshot.files, annotations);
  if (out.size() > index_bytes_max)
    return fail(Failure::too_large, fmt::format("the index of a tree of {} files has {}, and more than {} is too much",
                                                snapshot.files, human_size(out.size()), human_size(index_bytes_max)));
  return out;
}

Result<Listing> parse_listing(std::string_view text) {
  if (auto plain = PlainListing(text).read()) return std::move(*plain);
  TRY_ASSIGN(const Json json, parse_json(text, {.size_max = listing_bytes_max}));
  const auto files = json.is_object() ? json.find("files") : json.end();
  if (!json.is_object() || files == json.end() || !files->is_array())
    return fail(Failure::invalid, "a listing without files");
  if (files->size() > shard_files_max)
    return fail(Failure::too_large, fmt::format("a listing of more than {} files", shard_files_max));
  Listing out;
  out.files.reserve(files->size());
  for (const auto& each : *files) {
    TRY_ASSIGN(auto file, file_in(each));
    TRY(check_file(file, out.files.empty() ? nullptr : &out.files.back()));
    out.files.push_back(std::move(file));
  }
  return out;
}

Result<Digest> parse_shard(std::string_view manifest) {
  TRY_ASSIGN(const Json json, parse_json(manifest));
  const auto config = json.is_object() ? json.find("config") : json.end();
  if (!json.is_object() || config == json.end() || !config->is_object() ||
      string_at(*config, "mediaType") != listing_type)
    return fail(Failure::invalid, "a manifest that is no shard of a tree");
  return Digest::parse(string_at(*config, "digest"));
}

Result<Snapshot> parse_index(std::string_view index) {
  TRY_ASSIGN(const Json json, parse_json(index, {.size_max = index_bytes_max}));
  const auto shards = json.is_object() ? json.find("manifests") : json.end();
  const auto annotations = json.is_object() ? json.find("annotations") : json.end();
  if (!json.is_object() || shards == json.end() || !shards->is_array() || annotations == json.end() ||
      !annotations->is_object() || !annotations->contains(file_count))
    return fail(Failure::invalid, "an index that is no tree");
  Snapshot out{
      .shards = {}, .files = number_in(*annotations, file_count), .bytes = number_in(*annotations, byte_count)};
  if (annotations->size() > annotations_max)
    return fail(Failure::too_large, fmt::format("a tree of more than {} annotations", annotations_max));
  for (const auto& [name, value] : annotations->items())
    if (!name.starts_with(our_own) && value.is_string()) out.annotations.emplace(name, value.get<std::string>());
  out.shards.reserve(shards->size());
  for (const auto& each : *shards) {
    TRY_ASSIGN(auto shard, shard_in(each));
    if (!out.shards.empty() && out.shards.back().first >= shard.first)
      return std::unexpected(invalid(fmt::format("the shard from '{}'", printable(shard.first)), "is out of order"));
    out.shards.push_back(std::move(shard));
  }
  return out;
}

}  // namespace slipway::publish
