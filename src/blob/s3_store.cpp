#include "blob/s3_store.hpp"

#include "base/digest.hpp"
#include "base/random.hpp"
#include "blob/copy_mark.hpp"
#include "blob/pack_format.hpp"
#include "blob/s3_upload.hpp"

#include <charconv>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/statvfs.h>

namespace slipway::blob {
namespace {

constexpr std::size_t pack_batch_bytes = 1U << 20;
constexpr int packs_at_once = 8;  // object stores take many requests at a time, and each takes long

std::string sha256_of(std::string_view text) { return to_hex(digest_of(as_bytes(text)).value()); }

/// Of a name that begins with one, as "<id>.<…>".
std::optional<LocationId> id_of(std::string_view name) {
  std::uint64_t id = 0;
  const auto [end, bad] = std::from_chars(name.data(), name.data() + name.size(), id, 16);
  constexpr std::size_t digits = 16;
  if (bad != std::errc() || end != name.data() + digits || name.size() <= digits || name[digits] != '.')
    return std::nullopt;
  return LocationId(id);
}

/// For ever that of the same bytes, for keys are random.
std::string copy_name(const Location& location) {
  const auto name = location.key.substr(location.key.rfind('/') + 1);
  return location.kind == LocationKind::pack ? fmt::format("{}.{:x}", name, location.range.offset) : name;
}

constexpr std::string_view all_but_prefix = "all but ";  // no key has a space

/// Of a line that all_but() made.
std::optional<std::pair<LocationId, std::string>> read_all_but(std::string_view line) {
  if (!line.starts_with(all_but_prefix)) return std::nullopt;
  line.remove_prefix(all_but_prefix.size());
  const auto id = id_of(line);
  if (!id) return std::nullopt;
  return std::pair(*id, std::string(line.substr(line.find('.') + 1)));
}

std::vector<std::string> split_keys(std::string_view text) {
  std::vector<std::string> keys;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    keys.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return keys;
}

}  // namespace

// ---- the store itself

Result<std::unique_ptr<S3Store>> S3Store::open_without_identity(s3::Bucket& bucket, S3StoreOptions options) {
  std::error_code error;
  std::filesystem::create_directories(options.spool, error);
  if (error) return fail_errno(error.value(), "making " + options.spool.string());
  std::unique_ptr<S3Store> store(new S3Store(bucket, std::move(options)));
  TRY_ASSIGN(store->m_cache, ReadCache::open(store->m_options.spool / "cache", store->m_options.cache_bytes));
  return store;
}

Result<std::unique_ptr<S3Store>> S3Store::open(s3::Bucket& bucket, S3StoreOptions options) {
  TRY_ASSIGN(auto store, open_without_identity(bucket, std::move(options)));
  TRY(store->find_identity(true));
  return store;
}

Result<std::unique_ptr<S3Store>> S3Store::open_existing(s3::Bucket& bucket, S3StoreOptions options) {
  TRY_ASSIGN(auto store, open_without_identity(bucket, std::move(options)));
  TRY(store->find_identity(false));
  return store;
}

Result<std::unique_ptr<S3Store>> S3Store::open_copy(s3::Bucket& bucket, S3StoreOptions options) {
  return open_without_identity(bucket, std::move(options));
}

Result<> S3Store::discard_unfinished() {
  std::vector<s3::Multipart> left;
  TRY(m_bucket.list_multiparts(path_of("raw/"), [&](const s3::Multipart& one) { left.push_back(one); }));
  for (const auto& one : left) TRY(m_bucket.abort_multipart(one.key, one.upload_id));
  return {};
}

Result<> S3Store::find_identity(bool make) {
  constexpr std::size_t digits = 32;
  const auto key = path_of("store.id");
  const auto read = [&]() -> Result<> {
    m_identity.clear();
    return m_bucket.get(key, {0, digits}, [&](ByteView piece) -> Result<> {
      m_identity.append(as_text(piece));
      return {};
    });
  };
  const auto is_absent = [](const Result<>& got) { return !got && got.error().failure == Failure::not_found; };
  if (auto known = read(); !is_absent(known)) return known;
  TRY_ASSIGN(const bool is_empty, m_bucket.is_empty(m_options.prefix));
  if (!is_empty) {
    auto known = read();  // another replica may have made it since
    if (!is_absent(known)) return known;
    TRY_ASSIGN(const bool no_copy, m_bucket.is_empty(path_of("copy.id")));
    return no_store("'" + m_options.prefix + "' in the bucket", !no_copy);
  }
  if (!make)
    return fail(Failure::not_found, "there is nothing at '" + m_options.prefix + "' in the bucket: check the prefix");
  const auto text = random_hex(digits / 2);
  const auto made = m_bucket.create(key, {as_bytes(text), sha256_of(text)});
  if (!made && made.error().failure != Failure::conflict) return made;  // another replica was first
  return read();
}

Result<Space> S3Store::space() {
  struct statvfs status{};
  if (::statvfs(m_options.spool.c_str(), &status) < 0)
    return fail_errno(errno, "looking at " + m_options.spool.string());
  return Space{status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize};
}

Result<std::shared_ptr<const Fd>> S3Store::spool_file() {
  TRY_ASSIGN(Fd file, open_file(m_options.spool, O_TMPFILE | O_RDWR));
  return std::make_shared<const Fd>(std::move(file));
}

// ---- locations

/// A store of files names what it has by the id alone.
std::string S3Store::path_of(const Location& location) const {
  const bool is_ours = location.kind != LocationKind::raw || location.key.find('.') != location.key.npos;
  return path_of(is_ours ? location.key : fmt::format("raw/{:016x}.copied", number_of(location.id)));
}

Result<FileSlice> S3Store::open(const Location& location, ByteRange range) {
  if (range.offset + range.length > location.range.length)
    return fail(Failure::corrupt, fmt::format("{} has {} bytes", location.key, location.range.length));
  const auto fetch = [this, path = path_of(location),
                      begin = location.range.offset](ByteRange wanted, const std::function<Result<>(ByteView)>& sink) {
    return m_bucket.get(path, {begin + wanted.offset, wanted.length}, sink);
  };
  TRY_ASSIGN(auto slice, m_cache->open(copy_name(location), location.range.length, range, fetch));
  if (location.kind == LocationKind::pack && slice.filling) TRY(slice.filling->fill(range));
  return slice;
}

Result<> S3Store::probe(const Location& location) {
  TRY_ASSIGN(const auto size, m_bucket.head(path_of(location)));
  if (size < location.range.offset + location.range.length)
    return fail(Failure::corrupt, fmt::format("{} has {} bytes", location.key, size));
  return {};
}

Result<std::optional<std::string>> S3Store::url(const Location& location) {
  // A part of an object would be the client's to ask for.
  const bool is_worth_it = m_options.redirect == Redirect::always ||
                           (m_options.redirect == Redirect::large && location.range.length >= m_options.large_bytes);
  if (location.kind != LocationKind::raw || !is_worth_it) return std::nullopt;
  TRY_ASSIGN(auto url, m_bucket.presigned_url("GET", path_of(location), m_options.url_lifetime));
  return url;
}

Result<std::unique_ptr<Upload>> S3Store::begin(LocationId id, bool) {
  TRY_ASSIGN(auto spool, spool_file());
  return std::make_unique<S3Upload>(*this, id, std::move(spool));
}

Result<std::unique_ptr<Upload>> S3Store::begin_copy(const Location& location) {
  if (location.kind != LocationKind::raw) TRY(expect_pack_name(location.key));
  TRY_ASSIGN(auto spool, spool_file());
  const auto id = location.kind == LocationKind::raw ? location.id : LocationId{};
  return std::make_unique<S3Upload>(*this, id, std::move(spool), path_of(location).substr(m_options.prefix.size()));
}

Result<std::unique_ptr<Upload>> S3Store::resume(LocationId id, const ResumeToken& token, Predecessor predecessor) {
  TRY_ASSIGN(const auto progress, S3Progress::read(id, token));
  TRY_ASSIGN(auto spool, spool_file());
  auto upload = std::make_unique<S3Upload>(*this, id, std::move(spool));
  TRY(upload->go_on(progress, predecessor));
  return upload;
}

Result<> S3Store::remove(const Location& location) {
  if (location.kind == LocationKind::pack) return {};
  if (location.kind == LocationKind::upload) return remove_upload(location.id);
  if (location.kind != LocationKind::leftovers) return m_bucket.remove(path_of(location));
  std::vector<std::string> keys;
  for (auto& key : split_keys(location.key)) {
    const auto kept = read_all_but(key);
    if (!kept)
      keys.push_back(std::move(key));
    else
      TRY(remove_upload(kept->first, kept->second));
  }
  return remove_keys(keys);
}

std::string S3Store::all_but(LocationId id, const std::string& kept) {
  return fmt::format("{}{:016x}.{}", all_but_prefix, number_of(id), kept);
}

Result<> S3Store::remove_keys(std::span<const std::string> keys) {
  std::vector<std::string> paths;
  for (const auto& key : keys) paths.push_back(path_of(key));
  return m_bucket.remove(paths);
}

/// Whatever there is of an upload. Its token may be older than some of it, so it is looked for by the id; this happens
/// behind the requests' back.
Result<> S3Store::remove_upload(LocationId id, const std::string& kept) {
  const auto name = fmt::format("{:016x}.", number_of(id));
  std::vector<s3::Multipart> multiparts;
  TRY(m_bucket.list_multiparts(path_of("raw/" + name), [&](const s3::Multipart& one) { multiparts.push_back(one); }));
  for (const auto& one : multiparts) TRY(m_bucket.abort_multipart(one.key, one.upload_id));
  std::vector<std::string> keys;
  for (const auto* folder : {"raw/", "uploads/"})
    TRY(m_bucket.list(path_of(folder + name), [&](const s3::Object& object) {
      if (kept.empty() || object.key != path_of(kept)) keys.push_back(object.key);
    }));
  return m_bucket.remove(keys);
}

Result<bool> S3Store::is_empty() {
  for (const auto* folder : {"raw/", "packs/"}) {
    TRY_ASSIGN(const bool is_empty, m_bucket.is_empty(path_of(folder)));
    if (!is_empty) return false;
  }
  return true;
}

Result<LocationId> S3Store::highest(LocationId from) {
  LocationId out{};
  for (const std::string folder : {"raw/", "uploads/"})
    TRY(m_bucket.list(
        path_of(folder),
        [&](const s3::Object& object) {
          const auto name = std::string_view(object.key).substr(m_options.prefix.size() + folder.size());
          if (const auto id = id_of(name)) out = std::max(out, *id);
        },
        path_of(fmt::format("{}{:016x}", folder, number_of(from)))));
  return out;
}

bool S3Store::is_finished(LocationId id) {
  const auto none = m_bucket.is_empty(path_of(fmt::format("raw/{:016x}.", number_of(id))));
  return !none || !*none;
}

Result<> S3Store::list(const std::function<void(const Location&)>& each) {
  const auto tell = [&](LocationKind kind, std::string_view folder, std::string_view path, std::uint64_t size) {
    const auto key = path.substr(m_options.prefix.size());
    const auto id = id_of(key.substr(folder.size()));
    if (kind == LocationKind::old_pack)
      each({LocationId{}, kind, std::string(key), {0, size}});
    else if (id)
      each({*id, kind, kind == LocationKind::raw ? std::string(key) : std::string(), {0, size}});
  };
  using enum LocationKind;
  const auto list_folder = [&](LocationKind kind, const char* folder) {
    return m_bucket.list(path_of(folder),
                         [&](const s3::Object& object) { tell(kind, folder, object.key, object.size); });
  };
  TRY(list_folder(raw, "raw/"));
  TRY(list_folder(upload, "uploads/"));
  TRY(list_folder(old_pack, "packs/"));
  return m_bucket.list_multiparts(path_of("raw/"), [&](const s3::Multipart& one) { tell(upload, "raw/", one.key, 0); });
}

// ---- small blobs

Result<std::vector<Location>> S3Store::put_small(std::span<const SmallBlob> blobs) {
  Waiting self{blobs, {}};
  std::unique_lock lock(m_mutex);
  m_waiting.push_back(&self);
  while (!self.done) {
    if (m_writing == packs_at_once || m_waiting.empty()) {
      m_turn.wait(lock);
      continue;
    }
    ++m_writing;
    std::vector<Waiting*> batch;
    for (std::size_t bytes = 0; !m_waiting.empty() && (batch.empty() || bytes < pack_batch_bytes);) {
      batch.push_back(m_waiting.front());
      m_waiting.pop_front();
      for (const auto& blob : batch.back()->blobs) bytes += blob.bytes.size();
    }
    lock.unlock();
    put_pack(batch);
    lock.lock();
    --m_writing;
    for (auto* one : batch) one->done = true;
    m_turn.notify_all();
  }
  return std::move(self.result);
}

void S3Store::put_pack(std::span<Waiting* const> batch) {
  const auto key = "packs/" + random_hex(8);
  std::string text(pack_magic);
  for (auto* one : batch) {
    std::vector<Location> locations;
    for (const auto& blob : one->blobs) {
      const auto offset = append_packed(text, blob);
      locations.push_back({blob.id, LocationKind::pack, key, {offset, blob.bytes.size()}});
    }
    one->result = std::move(locations);
  }
  auto put = m_announce ? m_announce(key) : Result<>();
  if (put) put = m_bucket.put(path_of(key), {as_bytes(text), sha256_of(text)});
  if (!put)
    for (auto* one : batch) one->result = std::unexpected(put.error());
}

Result<std::optional<std::uint64_t>> S3Store::sealed_size(const std::string& pack) {
  TRY_ASSIGN(const auto size, m_bucket.head(path_of(pack)));
  return size;
}

}  // namespace slipway::blob
