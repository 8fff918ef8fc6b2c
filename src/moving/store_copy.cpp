#include "moving/store_copy.hpp"

#include "base/workers.hpp"
#include "catalog/keep.hpp"
#include "moving/throttle.hpp"

#include <algorithm>

namespace slipway::moving {
namespace {

using blob::Location;
using blob::LocationId;
using blob::LocationKind;

constexpr std::size_t damaged_named_max = 100;
constexpr std::size_t page = 1000;

/// Of the source: the rest is worth copying all the same.
bool is_damage(const Result<>& outcome) {
  return !outcome && (outcome.error().failure == Failure::not_found || outcome.error().failure == Failure::corrupt);
}

/// Of the target: whatever is not there, it is no damage of the source's.
template <typename Value>
Result<Value> not_damage(Result<Value> outcome) {
  if (outcome) return outcome;
  return fail(Failure::io, "writing the copy: " + outcome.error().message);
}

/// A part of what was opened.
FileSlice part_of(const FileSlice& whole, ByteRange range) {
  return {whole.file, {whole.range.offset + range.offset, range.length}, whole.filling};
}

Location whole_pack(const std::string& key, std::uint64_t size) {
  return {LocationId{}, LocationKind::old_pack, key, {0, size}};
}

/// 0 where it is not there.
Result<std::uint64_t> pack_size(blob::BlobStore& store, const std::string& key) {
  const auto size = store.sealed_size(key);
  if (!size && size.error().failure == Failure::not_found) return 0;
  if (!size) return std::unexpected(size.error());
  if (!*size) return fail(Failure::busy, key + " is being written to");
  return **size;
}

class StoreCopy {
public:
  /// `to`: nullptr where nothing is copied.
  StoreCopy(catalog::Catalog& catalog, blob::BlobStore& from, blob::BlobStore* to, const CopyOptions& options,
            const std::set<std::string>& suspects)
      : m_catalog(catalog), m_from(from), m_to(to), m_options(options), m_suspects(suspects),
        m_throttle(options.bytes_per_second) {}

  Result<CopyReport> run() {
    Workers workers(m_options.jobs);
    TRY(m_catalog.for_each_location([&](const catalog::StoredBlob& blob, const Digest& digest) -> Result<> {
      if (blob.location.kind == LocationKind::pack) return {};
      return workers.run([this, blob, digest] { return look_at(blob, digest); });
    }));
    TRY(m_catalog.for_each_pack(
        [&](const catalog::Pack& pack) { return workers.run([this, pack] { return look_at(pack); }); }));
    TRY(workers.wait());
    return std::move(m_report);
  }

private:
  /// What one pack's copy is made of.
  struct Sources {
    std::uint64_t here_size = 0;
    std::uint64_t there_size = 0;
    std::optional<FileSlice> here;
    std::optional<FileSlice> there;
    std::vector<ByteRange> better_there;  // blobs that are right only there, by offset
  };

  Result<> look_at(const catalog::StoredBlob& blob, const Digest& digest) {
    auto done = m_to ? copy(blob, digest) : check(blob, digest);
    if (is_damage(done)) done = note_damage(blob.location, digest);
    TRY(done);
    count(1, blob.size);
    return {};
  }

  Result<> check(const catalog::StoredBlob& blob, const Digest& digest) {
    TRY_ASSIGN(const auto slice, m_from.open(blob.location, {0, blob.size}));
    return check_bytes(slice, digest);
  }

  Result<> copy(const catalog::StoredBlob& blob, const Digest& digest) {
    const auto present = m_to->probe(blob.location);
    if (present || !is_damage(present)) return present;
    TRY_ASSIGN(const auto slice, m_from.open(blob.location, {0, blob.size}));
    TRY_ASSIGN(const auto upload, not_damage(m_to->begin_copy(blob.location)));
    TRY(check_bytes(slice, digest, [&](ByteView piece) { return not_damage(upload->write(piece)); }));
    TRY(not_damage(upload->finish()));
    const std::lock_guard lock(m_mutex);
    ++m_report.copied_objects;
    m_report.copied_bytes += blob.size;
    return {};
  }

  Result<> check_bytes(const FileSlice& slice, const Digest& digest,
                       const std::function<Result<>(ByteView)>& each = {}) {
    return catalog::check_bytes(slice, digest, [&](ByteView piece) -> Result<> {
      m_throttle.pass(piece.size());
      return each ? each(piece) : Result<>();
    });
  }

  Result<> look_at(const catalog::Pack& pack) {
    Sources sources;
    TRY_ASSIGN(sources.here_size, pack_size(m_from, pack.key));
    if (m_to) {
      TRY_ASSIGN(sources.there_size, pack_size(*m_to, pack.key));
    }
    const bool is_there = sources.here_size > 0 && sources.here_size == sources.there_size;
    if (!is_there || m_suspects.contains(pack.key)) {
      TRY(open(pack.key, sources));
      TRY(check(pack.key, sources));
      // One that became shorter is damaged: what was copied before has more of it.
      if (m_to && sources.here && sources.here_size >= sources.there_size) TRY(copy(pack.key, sources));
    }
    count(pack.blobs, pack.bytes);
    return {};
  }

  Result<> open(const std::string& key, Sources& sources) {
    const auto open_one = [&](blob::BlobStore& store, std::uint64_t size, std::optional<FileSlice>& slice) -> Result<> {
      if (size == 0) return {};
      TRY_ASSIGN(slice, store.open(whole_pack(key, size), {0, size}));
      return slice->filling ? slice->filling->fill(slice->range) : Result<>();
    };
    TRY(open_one(m_from, sources.here_size, sources.here));
    return m_to ? open_one(*m_to, sources.there_size, sources.there) : Result<>();
  }

  /// Each blob that the catalog has in a pack.
  Result<> check(const std::string& key, Sources& sources) {
    for (LocationId after{};;) {
      TRY_ASSIGN(const auto blobs, m_catalog.blobs_in_pack(key, after, page));
      for (const auto& blob : blobs) TRY(check(blob, sources));
      if (blobs.size() < page) break;
      after = blobs.back().location.id;
    }
    std::ranges::sort(sources.better_there, {}, &ByteRange::offset);
    return {};
  }

  Result<> check(const catalog::PackedBlob& blob, Sources& sources) {
    const auto& range = blob.location.range;
    if (range.offset + range.length > sources.here_size) {
      TRY_ASSIGN(const auto size, pack_size(m_from, blob.location.key));
      if (range.offset + range.length <= size) return {};  // it came since: the next copy has it
    }
    const auto look = [&](const std::optional<FileSlice>& slice, std::uint64_t size) -> Result<> {
      if (!slice || range.offset + range.length > size) return fail(Failure::corrupt, "it is not there");
      return check_bytes(part_of(*slice, range), blob.digest);
    };
    const auto here = look(sources.here, sources.here_size);
    if (here || !is_damage(here)) return here;
    const auto there = look(sources.there, sources.there_size);
    if (is_damage(there)) return note_damage(blob.location, blob.digest);
    if (there) sources.better_there.push_back(range);
    return there;
  }

  Result<> copy(const std::string& key, const Sources& sources) {
    const auto size = sources.here_size;
    TRY_ASSIGN(const auto upload, m_to->begin_copy(whole_pack(key, size)));
    std::uint64_t at = 0;
    for (const auto& range : sources.better_there) {
      TRY(write(*upload, part_of(*sources.here, {at, range.offset - at})));
      TRY(write(*upload, part_of(*sources.there, range)));
      at = range.offset + range.length;
    }
    TRY(write(*upload, part_of(*sources.here, {at, size - at})));
    TRY(upload->finish());
    const std::lock_guard lock(m_mutex);
    ++m_report.copied_objects;
    m_report.copied_bytes += size;
    return {};
  }

  static Result<> write(blob::Upload& upload, const FileSlice& slice) {
    std::vector<std::byte> buffer(std::min<std::uint64_t>(1U << 20, slice.range.length));
    for (std::uint64_t at = 0; at < slice.range.length;) {
      const auto wanted = std::min<std::uint64_t>(buffer.size(), slice.range.length - at);
      TRY_ASSIGN(const auto n, read_some(slice, std::span(buffer).first(wanted), at));
      if (n == 0) return fail(Failure::io, "a pack became shorter while it was copied");
      TRY(upload.write(ByteView(buffer).first(n)));
      at += n;
    }
    return {};
  }

  /// Unless nobody wants the bytes any more: then they may rightly be gone.
  Result<> note_damage(const Location& location, const Digest& digest) {
    TRY_ASSIGN(const bool is_wanted, m_catalog.has_location(location.id));
    if (!is_wanted) return {};
    const std::lock_guard lock(m_mutex);
    ++m_report.damaged_blobs;
    if (m_report.damaged.size() < damaged_named_max) m_report.damaged.push_back(digest.text());
    if (location.kind == LocationKind::pack) m_report.damaged_packs.insert(location.key);
    return {};
  }

  void count(std::uint64_t blobs, std::uint64_t bytes) {
    const std::lock_guard lock(m_mutex);
    m_report.blobs += blobs;
    m_report.blob_bytes += bytes;
    m_options.advance(bytes);
  }

  catalog::Catalog& m_catalog;
  blob::BlobStore& m_from;
  blob::BlobStore* const m_to;
  const CopyOptions& m_options;
  const std::set<std::string>& m_suspects;
  Throttle m_throttle;
  std::mutex m_mutex;  // guards the report, and calls of advance
  CopyReport m_report;
};

}  // namespace

Result<CopyReport> copy_store(catalog::Catalog& catalog, blob::BlobStore& from, blob::BlobStore& to,
                              const CopyOptions& options, const std::set<std::string>& suspects) {
  return StoreCopy(catalog, from, &to, options, suspects).run();
}

Result<CopyReport> verify_store(catalog::Catalog& catalog, blob::BlobStore& store, const CopyOptions& options) {
  return StoreCopy(catalog, store, nullptr, options, {}).run();
}

Result<std::uint64_t> remove_unknown(catalog::Catalog& catalog, blob::BlobStore& store) {
  std::uint64_t removed = 0;
  std::vector<blob::Location> objects;
  Result<> problem;
  const auto remove = [&]() -> Result<> {
    TRY_ASSIGN(const auto unknown, catalog.unknown(objects, /*unfinished=*/false));
    for (const auto& object : unknown) TRY(store.remove(object));
    removed += unknown.size();
    objects.clear();
    return {};
  };
  TRY(store.list([&](const blob::Location& object) {
    objects.push_back(object);
    if (objects.size() == page && problem) problem = remove();
  }));
  TRY(problem);
  TRY(remove());
  return removed;
}

}  // namespace slipway::moving
