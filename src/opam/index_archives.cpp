#include "opam/index_archives.hpp"

#include "base/workers.hpp"
#include "opam/delta.hpp"
#include "opam/package.hpp"
#include "opam/sync.hpp"

#include <algorithm>
#include <fcntl.h>
#include <thread>

namespace slipway::opam {
namespace {

constexpr auto kept_for = std::chrono::hours(1);  // after it was asked for last
constexpr std::size_t archives_max = 24;
constexpr std::size_t deltas_bytes_max = 8U << 20;

Result<ArchivePiece> make_piece(publish::Trees& trees, const publish::OpenTree& tree,
                                const publish::ShardEntry& shard) {
  TRY_ASSIGN(const auto listing, trees.listing(tree.repository, shard));
  std::string archive;
  for (const auto& file : listing->files) {
    if (!is_in_index(file.path)) continue;
    TRY_ASSIGN(const auto text, trees.read(tree.repository, file.digest, file_bytes_max));
    TRY(append_entry(archive, file.path, text));
  }
  return compress_piece(archive);
}

}  // namespace

Result<publish::Representation> IndexArchives::find(publish::Trees& trees, const publish::OpenTree& tree,
                                                    bool is_plain) {
  TRY_ASSIGN(auto archive, this->archive(trees, tree, is_plain));
  publish::Representation out{
      .media_type = is_plain ? "application/x-tar" : "application/gzip",
      .validators = {.etag = "\"" + archive.digest.text() + "\""},
      .size = archive.size,
      .open = [file = std::move(archive.file)](ByteRange part) -> Result<FileSlice> { return FileSlice{file, part}; }};
  if (const auto time = tree.snapshot.annotations.find(time_annotation); time != tree.snapshot.annotations.end())
    out.validators.modified = parse_rfc3339(time->second);
  return out;
}

Result<publish::Representation> IndexArchives::find_delta(publish::Trees& trees, const publish::OpenTree& tree,
                                                          const publish::OpenTree& old, const Digest& dictionary) {
  TRY_ASSIGN(auto out, find(trees, tree, true));
  TRY_ASSIGN(const auto before, archive(trees, old, true));
  if (before.digest != dictionary) return fail(Failure::conflict, "the dictionary is not what was said of it");
  const std::lock_guard turn(m_making);
  const auto find_made = [&]() -> std::shared_ptr<const std::string> {
    const std::lock_guard lock(m_mutex);
    const auto found = std::ranges::find_if(
        m_deltas, [&](const Delta& each) { return each.from == old.digest && each.to == tree.digest; });
    return found == m_deltas.end() ? nullptr : found->bytes;
  };
  out.text = find_made();
  if (!out.text) {
    TRY_ASSIGN(const auto after, out.open({0, out.size}));
    TRY_ASSIGN(auto made, make_delta({before.file, {0, before.size}}, before.digest, after));
    out.text = std::make_shared<const std::string>(std::move(made));
    const std::lock_guard lock(m_mutex);
    m_deltas.push_front({old.digest, tree.digest, out.text});
    std::size_t bytes = 0;
    std::erase_if(m_deltas, [&](const Delta& each) { return (bytes += each.bytes->size()) > deltas_bytes_max; });
  }
  out.size = out.text->size();
  out.coding = "dcz";
  out.is_weak = true;
  return out;
}

Result<IndexArchives::Archive> IndexArchives::archive(publish::Trees& trees, const publish::OpenTree& tree,
                                                      bool is_plain) {
  if (auto made = find_made(tree.digest, is_plain)) return std::move(*made);
  const std::lock_guard turn(m_making);
  if (auto made = find_made(tree.digest, is_plain)) return std::move(*made);
  TRY_ASSIGN(auto out, make(trees, tree, is_plain));
  keep(out);
  return out;
}

std::optional<IndexArchives::Archive> IndexArchives::find_made(const Digest& snapshot, bool is_plain) {
  const std::lock_guard lock(m_mutex);
  const auto found = std::ranges::find_if(
      m_made, [&](const Archive& made) { return made.snapshot == snapshot && made.is_plain == is_plain; });
  if (found == m_made.end()) return std::nullopt;
  found->used_at = Clock::now();
  return Archive{found->snapshot, is_plain, found->file, found->size, found->digest, found->used_at, {}};
}

void IndexArchives::keep(const Archive& archive) {
  const std::lock_guard lock(m_mutex);
  m_made.push_front(archive);
  const auto now = Clock::now();
  // The one before the first stays however old it is: its pieces are what makes the next one cheap.
  for (auto each = std::next(m_made.begin()); each != m_made.end();)
    each = now - each->used_at > kept_for && each != std::next(m_made.begin()) ? m_made.erase(each) : std::next(each);
  if (m_made.size() > archives_max) m_made.resize(archives_max);
  std::erase_if(m_pieces, [](const auto& entry) { return entry.second.expired(); });
}

Result<IndexArchives::Archive> IndexArchives::make(publish::Trees& trees, const publish::OpenTree& tree,
                                                   bool is_plain) {
  Archive out{
      .snapshot = tree.digest, .is_plain = is_plain, .file = {}, .digest = {}, .used_at = Clock::now(), .pieces = {}};
  TRY_ASSIGN(out.pieces, pieces_of(trees, tree));
  std::error_code error;
  std::filesystem::create_directories(m_directory, error);
  TRY_ASSIGN(auto file, open_file(m_directory, O_TMPFILE | O_RDWR, 0600));
  Hasher hasher(Algorithm::sha256);
  const auto put = [&](ByteView bytes) -> Result<> {
    TRY(write_all(file.get(), bytes, out.size));
    hasher.update(bytes);
    out.size += bytes.size();
    return {};
  };
  TRY(is_plain ? write_plain_archive(out.pieces, put) : write_archive(out.pieces, put));
  out.digest = hasher.digest();
  out.file = std::make_shared<const Fd>(std::move(file));
  return out;
}

Result<std::vector<IndexArchives::Piece>> IndexArchives::pieces_of(publish::Trees& trees,
                                                                   const publish::OpenTree& tree) {
  const auto& shards = tree.snapshot.shards;
  std::vector<Piece> out(shards.size());
  {
    const std::lock_guard lock(m_mutex);
    for (std::size_t i = 0; i < shards.size(); ++i)
      if (const auto known = m_pieces.find(shards[i].digest); known != m_pieces.end()) out[i] = known->second.lock();
  }
  Workers workers(std::max(1U, std::thread::hardware_concurrency()));
  for (std::size_t i = 0; i < shards.size(); ++i) {
    if (out[i]) continue;
    TRY(workers.run([&trees, &tree, &shard = shards[i], &piece = out[i]]() -> Result<> {
      TRY_ASSIGN(auto made, make_piece(trees, tree, shard));
      piece = std::make_shared<const ArchivePiece>(std::move(made));
      return {};
    }));
  }
  TRY(workers.wait());
  const std::lock_guard lock(m_mutex);
  for (std::size_t i = 0; i < shards.size(); ++i) m_pieces.insert_or_assign(shards[i].digest, out[i]);
  return out;
}

}  // namespace slipway::opam
