#include "opam/index_archive.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>
#include <zlib.h>

namespace slipway::opam {
namespace {

constexpr std::size_t block = 512;
constexpr std::size_t name_max = 100, prefix_max = 155;

/// A field of a header, at its offset (POSIX.1-1988, pax(1), table "ustar Header Block").
struct Header {
  std::array<char, block> bytes{};

  void put(std::size_t offset, std::string_view text) {
    std::ranges::copy(text, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
  }
};

/// Where a path that is longer than the field for names is cut in two; npos where it cannot be.
std::size_t cut_of(std::string_view path) {
  if (path.size() <= name_max) return 0;
  const auto slash = path.find('/', path.size() - name_max - 1);
  return slash > prefix_max ? path.npos : slash;
}

/// Two blocks of zeros.
constexpr std::array<char, 2 * block> archive_end{};

constexpr std::array<unsigned char, 10> gzip_head = {0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 2, 0xFF};
constexpr std::array<unsigned char, 2> last_block = {3, 0};  // of deflate: empty, and the last

ByteView view_of(const auto& bytes) { return std::as_bytes(std::span(bytes)); }

std::array<unsigned char, 4> little_endian(std::uint32_t number) {
  return {static_cast<unsigned char>(number), static_cast<unsigned char>(number >> 8),
          static_cast<unsigned char>(number >> 16), static_cast<unsigned char>(number >> 24)};
}

std::uint32_t crc_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(::crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()));
}

const ArchivePiece& end_piece() {
  static const auto piece = compress_piece({archive_end.data(), archive_end.size()});
  return piece;
}

Result<> unpack(const ArchivePiece& piece, const std::function<Result<>(ByteView)>& put) {
  z_stream stream{};
  SLIPWAY_INVARIANT(::inflateInit2(&stream, -MAX_WBITS) == Z_OK);
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ended(&stream, ::inflateEnd);
  stream.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(piece.deflated.data()));
  stream.avail_in = static_cast<unsigned>(piece.deflated.size());
  std::array<unsigned char, 64U << 10> out{};
  for (std::uint64_t left = piece.size; left > 0;) {
    stream.next_out = out.data();
    stream.avail_out = static_cast<unsigned>(std::min<std::uint64_t>(out.size(), left));
    const auto wanted = stream.avail_out;
    SLIPWAY_INVARIANT(::inflate(&stream, Z_NO_FLUSH) == Z_OK && stream.avail_out < wanted);
    const auto n = wanted - stream.avail_out;
    TRY(put(std::as_bytes(std::span(out)).first(n)));
    left -= n;
  }
  return {};
}

}  // namespace

Result<> check_entry_path(std::string_view path) {
  if (cut_of(path) != path.npos) return {};
  return fail(Failure::invalid, fmt::format("'{}' is too long a path for an archive", printable(path)));
}

Result<> append_entry(std::string& archive, std::string_view path, std::string_view content) {
  TRY(check_entry_path(path));
  const auto cut = cut_of(path);
  Header header;
  header.put(0, cut == 0 ? path : path.substr(cut + 1));
  header.put(100, "0000644");
  header.put(108, "0000000");
  header.put(116, "0000000");
  header.put(124, fmt::format("{:011o}", content.size()));
  header.put(136, fmt::format("{:011o}", entry_time));
  header.put(148, "        ");  // the sum is of the header with blanks for it
  header.put(156, "0");
  header.put(257, std::string_view("ustar\00000", 8));
  header.put(345, path.substr(0, cut));
  unsigned sum = 0;
  for (const char c : header.bytes) sum += static_cast<unsigned char>(c);
  header.put(148, fmt::format("{:06o}", sum));
  header.bytes[154] = '\0';
  archive.append(header.bytes.data(), block).append(content);
  archive.append((block - content.size() % block) % block, '\0');
  return {};
}

ArchivePiece compress_piece(std::string_view archive) {
  ArchivePiece out{.deflated = {}, .crc = crc_of(archive), .size = archive.size()};
  z_stream stream{};
  constexpr int memory = 9;
  SLIPWAY_INVARIANT(::deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, -MAX_WBITS, memory, Z_DEFAULT_STRATEGY) ==
                    Z_OK);
  constexpr std::size_t flush_bytes = 16;
  out.deflated.resize(::deflateBound(&stream, archive.size()) + flush_bytes);
  stream.next_in = reinterpret_cast<unsigned char*>(const_cast<char*>(archive.data()));
  stream.avail_in = static_cast<unsigned>(archive.size());
  stream.next_out = reinterpret_cast<unsigned char*>(out.deflated.data());
  stream.avail_out = static_cast<unsigned>(out.deflated.size());
  const bool is_whole = ::deflate(&stream, Z_FULL_FLUSH) == Z_OK && stream.avail_in == 0 && stream.avail_out > 0;
  out.deflated.resize(out.deflated.size() - stream.avail_out);
  ::deflateEnd(&stream);
  SLIPWAY_INVARIANT(is_whole);
  out.deflated.shrink_to_fit();
  return out;
}

Result<> write_archive(std::span<const std::shared_ptr<const ArchivePiece>> pieces,
                       const std::function<Result<>(ByteView)>& put) {
  std::uint32_t crc = 0;
  std::uint64_t size = 0;
  TRY(put(view_of(gzip_head)));
  const auto add = [&](const ArchivePiece& piece) {
    crc = static_cast<std::uint32_t>(::crc32_combine(crc, piece.crc, static_cast<z_off_t>(piece.size)));
    size += piece.size;
    return put(as_bytes(piece.deflated));
  };
  for (const auto& piece : pieces) TRY(add(*piece));
  TRY(add(end_piece()));
  TRY(put(view_of(last_block)));
  TRY(put(view_of(little_endian(crc))));
  return put(view_of(little_endian(static_cast<std::uint32_t>(size))));
}

Result<> write_plain_archive(std::span<const std::shared_ptr<const ArchivePiece>> pieces,
                             const std::function<Result<>(ByteView)>& put) {
  for (const auto& piece : pieces) TRY(unpack(*piece, put));
  return put(view_of(archive_end));
}

}  // namespace slipway::opam
