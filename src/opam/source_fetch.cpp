#include "opam/source_fetch.hpp"

#include "base/text.hpp"
#include "opam/source_hasher.hpp"
#include "opam/source_spool.hpp"

#include <algorithm>
#include <fmt/format.h>

namespace slipway::opam {
namespace {

const std::string& hex_of(std::span<const Checksum> checksums, Checksum::Kind kind) {
  return std::ranges::find(checksums, kind, &Checksum::kind)->hex;
}

/// The checksum that is not what it should be, if any.
const Checksum* wrong_one(const Source& source, std::span<const Checksum> actual) {
  const auto wrong = std::ranges::find_if(
      source.checksums, [&](const Checksum& expected) { return hex_of(actual, expected.kind) != expected.hex; });
  return wrong == source.checksums.end() ? nullptr : &*wrong;
}

/// corrupt, naming the checksum that is another.
Result<> check(const Source& source, std::span<const Checksum> actual, const upstream::Downloaded& got) {
  const auto* wrong = wrong_one(source, actual);
  if (!wrong) return {};
  return fail(Failure::corrupt, fmt::format("{} has {} {} and should have {}{}", printable(got.url),
                                            name_of(wrong->kind), hex_of(actual, wrong->kind), wrong->hex,
                                            got.media_type.starts_with("text/html") ? "; it is a web page" : ""));
}

/// Gives a blob that the repository has the names of a source.
Result<KeptSource> pin(const Source& source, std::span<const Checksum> actual, std::uint64_t size,
                       const SourceStore& store) {
  TRY_ASSIGN(const auto digest, Digest::parse("sha256:" + hex_of(actual, Checksum::Kind::sha256)));
  TRY_ASSIGN(const auto taken, store.catalog.pin_blob(store.client.address().repository, digest,
                                                      names_to_keep(actual, source.checksums)));
  KeptSource out{.digest = digest, .size = size, .url = {}, .taken = {}};
  for (const auto& name : taken)
    if (auto checksum = Checksum::parse(name)) out.taken.push_back(std::move(*checksum));
  return out;
}

Result<KeptSource> keep(const Source& source, const SourceSpool& spool, std::span<const Checksum> actual,
                        const SourceStore& store) {
  TRY_ASSIGN(const auto digest, Digest::parse("sha256:" + hex_of(actual, Checksum::Kind::sha256)));
  const auto slice = spool.slice();
  TRY(store.client.put_blob(digest, slice));
  return pin(source, actual, slice.range.length, store);
}

/// Where the repository has it under some of its checksums only: a cache had no other, or the package lists more than
/// one before it did.
Result<std::optional<KeptSource>> keep_known(const Source& source, const SourceStore& store) {
  for (const auto& checksum : source.checksums) {
    const auto known = store.catalog.find_pin(store.client.address().repository, checksum.text());
    if (!known && known.error().failure == Failure::not_found) continue;
    if (!known) return std::unexpected(known.error());
    SourceHasher hasher;
    TRY(store.client.read_blob(known->digest, known->blob.size, [&hasher](ByteView piece) -> Result<> {
      hasher.update(piece);
      return {};
    }));
    const auto actual = hasher.checksums();
    if (!wrong_one(source, actual)) return pin(source, actual, known->blob.size, store);
  }
  return std::nullopt;
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

Result<KeptSource> fetch_source(const Source& source, http::Client& connections, Hosts& hosts, const SourceStore& store,
                                const upstream::DownloadOptions& options) {
  SLIPWAY_INVARIANT(source.is_cacheable());
  TRY_ASSIGN(auto known, keep_known(source, store));
  if (known) return std::move(*known);
  TRY_ASSIGN(auto spool, SourceSpool::open(store.spool));
  Error problem{Failure::not_found, {}};
  const auto add = [&problem](const Error& more) {
    problem = {more.failure, problem.message + (problem.message.empty() ? "" : "; ") + more.message};
  };
  for (const auto& url : source.urls) {
    const auto host = host_of(url);
    if (const auto rest = hosts.rest_of(host)) {
      add({Failure::unavailable, rest->problem});
      continue;
    }
    TRY(spool.restart());
    auto got = upstream::download(connections, url, spool, options);
    Result<> checked = got ? Result<>() : std::unexpected(got.error());
    hosts.told(host, checked);
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
    add(checked.error());
  }
  return std::unexpected(std::move(problem));
}

}  // namespace slipway::opam
