#include "opam/delta.hpp"

#include "access/jose.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <sys/mman.h>
#include <zstd.h>

namespace slipway::opam {
namespace {

constexpr std::size_t delta_bytes_max = 4U << 20;
/// Clients take windows of 1.25 times the dictionary, at most 128 MiB (RFC 9842 §5).
constexpr std::uint64_t file_bytes_max = 100U << 20;
constexpr int level = 9;
/// Of a skippable frame with the dictionary's digest.
constexpr std::array<unsigned char, 8> magic{0x5e, 0x2a, 0x4d, 0x18, 0x20, 0, 0, 0};

/// A whole file in memory, without a copy of it.
class Mapping {
public:
  static Result<Mapping> of(const FileSlice& slice) {
    void* at = ::mmap(nullptr, slice.range.length, PROT_READ, MAP_PRIVATE, slice.file->get(), 0);
    if (at == MAP_FAILED) return fail_errno(errno, "mapping an archive");
    return Mapping(at, slice.range.length);
  }
  Mapping(Mapping&& other) noexcept : m_at(std::exchange(other.m_at, nullptr)), m_size(other.m_size) {}
  ~Mapping() {
    if (m_at) ::munmap(m_at, m_size);
  }
  const void* data() const { return m_at; }
  std::size_t size() const { return m_size; }

private:
  Mapping(void* at, std::size_t size) : m_at(at), m_size(size) {}
  void* m_at;
  std::size_t m_size;
};

/// The smallest window that reaches from the end of what is packed to the beginning of the dictionary.
int window_log(std::uint64_t bytes) {
  int out = 20;
  while ((std::uint64_t{1} << out) < bytes) ++out;
  return out;
}

}  // namespace

Result<std::string> make_delta(const FileSlice& before, const Digest& digest, const FileSlice& after) {
  for (const auto* slice : {&before, &after})
    if (slice->range.offset != 0 || slice->range.length == 0 || slice->range.length > file_bytes_max)
      return fail(Failure::too_large, "no file that a delta is made of");
  TRY_ASSIGN(const auto old, Mapping::of(before));
  TRY_ASSIGN(const auto now, Mapping::of(after));
  const std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context(ZSTD_createCCtx(), ZSTD_freeCCtx);
  if (!context) return fail(Failure::busy, "no memory for a delta");
  const auto longest = std::max(old.size(), now.size());
  for (const auto& [parameter, value] : {std::pair(ZSTD_c_compressionLevel, level),
                                         {ZSTD_c_enableLongDistanceMatching, 1},
                                         {ZSTD_c_windowLog, window_log(longest)},
                                         {ZSTD_c_checksumFlag, 1}})
    SLIPWAY_INVARIANT(!ZSTD_isError(ZSTD_CCtx_setParameter(context.get(), parameter, value)));
  SLIPWAY_INVARIANT(!ZSTD_isError(ZSTD_CCtx_refPrefix(context.get(), old.data(), old.size())));
  std::string out(reinterpret_cast<const char*>(magic.data()), magic.size());
  out += as_text(digest.value());
  const auto head = out.size();
  out.resize(delta_bytes_max);
  const auto size = ZSTD_compress2(context.get(), out.data() + head, out.size() - head, now.data(), now.size());
  if (ZSTD_isError(size))
    return fail(Failure::too_large, fmt::format("the delta is not worth it: {}", ZSTD_getErrorName(size)));
  out.resize(head + size);
  out.shrink_to_fit();
  return out;
}

std::optional<Digest> parse_available_dictionary(std::string_view field) {
  constexpr std::size_t text_size = 44;  // of 32 bytes
  if (field.size() != text_size + 2 || !field.starts_with(':') || !field.ends_with("=:")) return std::nullopt;
  std::string text(field.substr(1, text_size - 1));
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  const auto value = access::from_base64url(text);
  if (!value || value->size() != 32) return std::nullopt;
  return Digest(Algorithm::sha256, as_bytes(*value));
}

std::optional<std::string> parse_structured_string(std::string_view field) {
  if (field.size() < 2 || !field.starts_with('"') || !field.ends_with('"')) return std::nullopt;
  std::string out;
  for (std::size_t i = 1; i + 1 < field.size(); ++i) {
    if (field[i] == '"' || field[i] < ' ' || field[i] > '~') return std::nullopt;
    if (field[i] == '\\' && ++i + 1 >= field.size()) return std::nullopt;
    out += field[i];
  }
  return out;
}

}  // namespace slipway::opam
