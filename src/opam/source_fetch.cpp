#include "opam/source_fetch.hpp"

#include "base/text.hpp"
#include "opam/source_spool.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::opam {
namespace {

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

Result<KeptSource> keep(const Source& source, const SourceSpool& spool, std::span<const Checksum> actual,
                        const SourceStore& store) {
  TRY_ASSIGN(const auto digest, Digest::parse("sha256:" + hex_of(actual, Checksum::Kind::sha256)));
  const auto slice = spool.slice();
  TRY(store.client.put_blob(digest, slice));
  TRY_ASSIGN(const auto taken, store.catalog.pin_blob(store.client.address().repository, digest,
                                                      names_to_keep(actual, source.checksums)));
  KeptSource out{.digest = digest, .size = slice.range.length, .url = {}, .taken = {}};
  for (const auto& name : taken)
    if (auto checksum = Checksum::parse(name)) out.taken.push_back(std::move(*checksum));
  return out;
}

}  // namespace

std::vector<std::string> names_to_keep(std::span<const Checksum> actual, std::span<const Checksum> listed) {
  std::vector<std::string> out;
  for (const auto& checksum : actual) {
    const bool is_listed = std::ranges::find(listed, checksum) != listed.end();
    if (checksum.kind != Checksum::Kind::md5 || is_listed) out.push_back(checksum.text());
  }
  return out;
}

Result<KeptSource> fetch_source(const Source& source, http::Client& connections, const SourceStore& store,
                                const upstream::DownloadOptions& options) {
  SLIPWAY_INVARIANT(source.is_cacheable());
  TRY_ASSIGN(auto spool, SourceSpool::open(store.spool));
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
