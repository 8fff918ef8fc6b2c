#include "publish/hashing.hpp"

#include "base/text.hpp"
#include "publish/media_types.hpp"
#include "publish/variants.hpp"

#include <algorithm>
#include <ctime>
#include <fmt/format.h>

namespace slipway::publish {
namespace {

struct Opened {
  FileSlice bytes;
  Digest digest;
};

Result<Digest> digest_of_file(const FileSlice& bytes) {
  Hasher hasher(Algorithm::sha256);
  std::vector<std::byte> buffer(std::min<std::uint64_t>(256U << 10, bytes.range.length));
  for (std::uint64_t at = 0; at < bytes.range.length;) {
    const auto wanted = std::min<std::uint64_t>(buffer.size(), bytes.range.length - at);
    TRY_ASSIGN(const auto n, read_some(bytes, std::span(buffer).first(wanted), at));
    if (n == 0) break;  // shorter by now, which its stamp tells
    hasher.update(ByteView(buffer).first(n));
    at += n;
  }
  return hasher.digest();
}

Result<Opened> open_and_hash(const SourceFolder& folder, const std::string& path, const FileStamp& expected) {
  TRY_ASSIGN(auto opened, folder.open_file(path));
  const auto file = std::make_shared<const Fd>(std::move(opened));
  const auto before = SourceFolder::stamp_of(*file);
  if (!before || *before != expected) return std::unexpected(changed_meanwhile(path));
  Opened out{.bytes = {file, {0, expected.size}}, .digest = {}};
  auto digest = digest_of_file(out.bytes);
  if (!digest) return std::unexpected(digest.error().during("'" + printable(path) + "'"));
  out.digest = *digest;
  const auto after = SourceFolder::stamp_of(*file);
  if (!after || *after != expected) return std::unexpected(changed_meanwhile(path));
  return out;
}

}  // namespace

Error changed_meanwhile(const std::string& path) {
  return {Failure::conflict, fmt::format("'{}' changed while it was published: run it again once the folder is at rest",
                                         printable(path, 1024))};
}

std::optional<File> FileCache::find(const FolderFile& file) {
  const std::lock_guard lock(m_mutex);
  const auto found = m_files.find(file.path);
  if (found == m_files.end() || found->second.first != file) return std::nullopt;
  return found->second.second;
}

void FileCache::put(const FolderFile& file, const File& hashed) {
  // What was written just now may be written again within the same tick of the file system's clock.
  constexpr std::int64_t settled_after = 2'000'000'000;
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  const auto settled = time.tv_sec * 1'000'000'000 + time.tv_nsec - settled_after;
  const auto is_settled = [&](const FileStamp& stamp) { return stamp.changed < settled && stamp.modified < settled; };
  const bool all_are = is_settled(file.stamp) &&
                       std::ranges::all_of(file.variants, [&](const auto& one) { return is_settled(one.second); });
  const std::lock_guard lock(m_mutex);
  if (all_are)
    m_files.insert_or_assign(file.path, std::pair(file, hashed));
  else
    m_files.erase(file.path);
}

Result<File> hash_file(const SourceFolder& folder, const FolderFile& file, FileCache* cache,
                       const std::function<void(const std::string&)>& on_warning) {
  if (cache)
    if (auto known = cache->find(file)) return std::move(*known);
  auto hashed = open_and_hash(folder, file.path, file.stamp);
  if (!hashed) return std::unexpected(hashed.error());
  File out{.path = file.path,
           .digest = hashed->digest,
           .size = file.stamp.size,
           .media_type = media_type_of(file.path),
           .variants = {}};
  for (const auto& [coding, stamp] : file.variants) {
    const auto path = variant_path(file.path, coding);
    auto packed = open_and_hash(folder, path, stamp);
    if (!packed) return std::unexpected(packed.error());
    const auto same = unpacks_to(packed->bytes, coding, out.digest, out.size);
    if (!same) return std::unexpected(same.error().during("'" + printable(path) + "'"));
    if (*same)
      out.variants.push_back({coding, packed->digest, stamp.size});
    else
      on_warning(fmt::format("'{}' is not what '{}' is when compressed, and is not sent in its place", printable(path),
                             printable(file.path)));
  }
  if (cache) cache->put(file, out);
  return out;
}

}  // namespace slipway::publish
