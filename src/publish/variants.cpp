#include "publish/variants.hpp"

#include <algorithm>
#include <array>
#include <brotli/decode.h>
#include <memory>
#include <zlib.h>
#include <zstd.h>

namespace slipway::publish {
namespace {

constexpr std::size_t buffer_bytes = 128U << 10;

/// Where the unpacked bytes go: what they are to be.
class Comparison {
public:
  Comparison(const Digest& digest, std::uint64_t size) : m_digest(digest), m_left(size), m_hasher(digest.algorithm()) {}
  /// False where it is more than there should be.
  bool take(ByteView bytes) {
    if (bytes.size() > m_left) return false;
    m_left -= bytes.size();
    m_hasher.update(bytes);
    return true;
  }
  bool is_equal() { return m_left == 0 && m_hasher.digest() == m_digest; }

private:
  const Digest& m_digest;
  std::uint64_t m_left;
  Hasher m_hasher;
};

class Unpacker {
public:
  virtual ~Unpacker() = default;
  /// False where `packed` cannot be unpacked, or `out` refuses it.
  virtual bool feed(ByteView packed, Comparison& out) = 0;
  /// What was fed is a whole, and nothing came after it.
  virtual bool is_whole() const = 0;

protected:
  std::array<std::byte, buffer_bytes> m_out;
};

/// RFC 1952; several members are one file.
class GzipUnpacker final : public Unpacker {
public:
  GzipUnpacker() { m_good = ::inflateInit2(&m_stream, 16 + MAX_WBITS) == Z_OK; }
  ~GzipUnpacker() override { ::inflateEnd(&m_stream); }
  GzipUnpacker(const GzipUnpacker&) = delete;

  bool feed(ByteView packed, Comparison& out) override {
    m_stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data()));
    m_stream.avail_in = static_cast<uInt>(packed.size());
    while (m_good && m_stream.avail_in > 0) {
      if (m_is_whole && ::inflateReset(&m_stream) != Z_OK) return false;
      m_is_whole = false;
      do {
        m_stream.next_out = reinterpret_cast<Bytef*>(m_out.data());
        m_stream.avail_out = static_cast<uInt>(m_out.size());
        const int code = ::inflate(&m_stream, Z_NO_FLUSH);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) return false;
        m_is_whole = code == Z_STREAM_END;
        if (!out.take(ByteView(m_out).first(m_out.size() - m_stream.avail_out))) return false;
      } while (!m_is_whole && m_stream.avail_out == 0);
    }
    return m_good;
  }
  bool is_whole() const override { return m_is_whole; }

private:
  z_stream m_stream{};
  bool m_good = false;
  bool m_is_whole = false;
};

/// RFC 8878; several frames are one file.
class ZstdUnpacker final : public Unpacker {
public:
  ZstdUnpacker() {
    constexpr int window_log_max = 23;
    if (m_stream) ZSTD_DCtx_setParameter(m_stream.get(), ZSTD_d_windowLogMax, window_log_max);
  }

  bool feed(ByteView packed, Comparison& out) override {
    ZSTD_inBuffer in{packed.data(), packed.size(), 0};
    for (bool full = false; m_stream && (in.pos < in.size || full);) {
      ZSTD_outBuffer room{m_out.data(), m_out.size(), 0};
      m_left = ZSTD_decompressStream(m_stream.get(), &room, &in);
      if (ZSTD_isError(m_left) || !out.take(ByteView(m_out).first(room.pos))) return false;
      full = room.pos == room.size && m_left > 0;
    }
    return m_stream != nullptr;
  }
  bool is_whole() const override { return m_left == 0; }

private:
  std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> m_stream{ZSTD_createDStream(), ZSTD_freeDStream};
  std::size_t m_left = 1;
};

/// RFC 7932.
class BrotliUnpacker final : public Unpacker {
public:
  bool feed(ByteView packed, Comparison& out) override {
    std::size_t in_size = packed.size();
    const auto* in = reinterpret_cast<const std::uint8_t*>(packed.data());
    if (m_result == BROTLI_DECODER_RESULT_SUCCESS && in_size > 0) return false;  // something comes after it
    do {
      std::size_t out_size = m_out.size();
      auto* room = reinterpret_cast<std::uint8_t*>(m_out.data());
      m_result = BrotliDecoderDecompressStream(m_stream.get(), &in_size, &in, &out_size, &room, nullptr);
      if (m_result == BROTLI_DECODER_RESULT_ERROR) return false;
      if (!out.take(ByteView(m_out).first(m_out.size() - out_size))) return false;
    } while (m_result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT);
    return in_size == 0;
  }
  bool is_whole() const override { return m_result == BROTLI_DECODER_RESULT_SUCCESS; }

private:
  std::unique_ptr<BrotliDecoderState, decltype(&BrotliDecoderDestroyInstance)> m_stream{
      BrotliDecoderCreateInstance(nullptr, nullptr, nullptr), BrotliDecoderDestroyInstance};
  BrotliDecoderResult m_result = BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT;
};

std::unique_ptr<Unpacker> unpacker_of(Coding coding) {
  switch (coding) {
  case Coding::br: return std::make_unique<BrotliUnpacker>();
  case Coding::zstd: return std::make_unique<ZstdUnpacker>();
  case Coding::gzip: break;
  }
  return std::make_unique<GzipUnpacker>();
}

}  // namespace

Result<bool> unpacks_to(const FileSlice& packed, Coding coding, const Digest& digest, std::uint64_t size) {
  const auto unpacker = unpacker_of(coding);
  Comparison out(digest, size);
  std::vector<std::byte> buffer(buffer_bytes);
  for (std::uint64_t at = 0; at < packed.range.length;) {
    const auto wanted = std::min<std::uint64_t>(buffer.size(), packed.range.length - at);
    TRY_ASSIGN(const auto n, read_some(packed, std::span(buffer).first(wanted), at));
    if (n == 0 || !unpacker->feed(ByteView(buffer).first(n), out)) return false;
    at += n;
  }
  return unpacker->is_whole() && out.is_equal();
}

}  // namespace slipway::publish
