#include "opam/source_fetch.hpp"

#include "base/text.hpp"
#include "opam/source_hasher.hpp"

#include <algorithm>
#include <fcntl.h>
#include <fmt/format.h>

namespace slipway::opam {
namespace {

/// Into a file without a name, hashed on the way.
class Spool final : public upstream::DownloadSink {
public:
  static Result<Spool> open(const std::filesystem::path& folder) {
    std::error_code error;
    std::filesystem::create_directories(folder, error);
    TRY_ASSIGN(auto file, open_file(folder, O_TMPFILE | O_RDWR, 0600));
    return Spool(std::move(file));
  }

  Result<> restart() override {
    m_size = 0;
    m_hasher.restart();
    return truncate_file(m_file->get(), 0);
  }
  Result<> write(ByteView bytes) override {
    TRY(write_all(m_file->get(), bytes, m_size));
    m_size += bytes.size();
    m_hasher.update(bytes);
    return {};
  }

  FileSlice slice() const { return {m_file, {0, m_size}}; }
  std::vector<Checksum> checksums() { return m_hasher.checksums(); }

private:
  explicit Spool(Fd file) : m_file(std::make_shared<const Fd>(std::move(file))) {}

  std::shared_ptr<const Fd> m_file;
  std::uint64_t m_size = 0;
  SourceHasher m_hasher;
};

const std::string& hex_of(std::span<const Checksum> checksums, Checksum::Kind kind) {
  return std::ranges::find(checksums, kind, &Checksum::kind)->hex;
}

/// corrupt, naming the checksum that is another.
Result<> check(const Source& source, std::span<const Checksum> actual, const upstream::Downloaded& got) {
  for (const auto& expected : source.checksums)
    if (const auto& hex = hex_of(actual, expected.kind); hex != expected.hex)
      return fail(Failure::corrupt,
                  fmt::format("{} has {} {} and should have {}{}", printable(got.url), name_of(expected.kind), hex,
                              expected.hex, got.media_type.starts_with("text/html") ? "; it is a web page" : ""));
  return {};
}

Result<KeptSource> keep(const Source& source, const Spool& spool, std::span<const Checksum> actual,
                        const SourceStore& store) {
  TRY_ASSIGN(const auto digest, Digest::parse("sha256:" + hex_of(actual, Checksum::Kind::sha256)));
  const auto slice = spool.slice();
  TRY(store.client.put_blob(digest, slice));
  std::vector<std::string> names;
  for (const auto& checksum : actual) {
    // MD5 is no proof: only who lists it is answered by it.
    const bool is_listed = std::ranges::find(source.checksums, checksum) != source.checksums.end();
    if (checksum.kind != Checksum::Kind::md5 || is_listed) names.push_back(checksum.text());
  }
  TRY_ASSIGN(const auto taken, store.catalog.pin_blob(store.client.address().repository, digest, names));
  KeptSource out{.digest = digest, .size = slice.range.length, .url = {}, .taken = {}};
  for (const auto& name : taken)
    if (auto checksum = Checksum::parse(name)) out.taken.push_back(std::move(*checksum));
  return out;
}

}  // namespace

Result<KeptSource> fetch_source(const Source& source, http::Client& connections, const SourceStore& store,
                                const upstream::DownloadOptions& options) {
  SLIPWAY_INVARIANT(source.is_cacheable());
  TRY_ASSIGN(auto spool, Spool::open(store.spool));
  Error problem{Failure::not_found, {}};
  for (const auto& url : source.urls) {
    TRY(spool.restart());
    auto got = upstream::download(connections, url, spool, options);
    Result<> checked = got ? Result<>() : std::unexpected(got.error());
    if (got) {
      const auto actual = spool.checksums();
      checked = check(source, actual, *got);
      if (checked) {
        TRY_ASSIGN(auto kept, keep(source, spool, actual, store));
        kept.url = got->url;
        return kept;
      }
    }
    if (options.is_stopped() || checked.error().failure == Failure::no_space) return std::unexpected(checked.error());
    problem = {checked.error().failure,
               problem.message + (problem.message.empty() ? "" : "; ") + checked.error().message};
  }
  return std::unexpected(std::move(problem));
}

}  // namespace slipway::opam
