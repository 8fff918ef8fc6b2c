#include "publish/variants.hpp"

#include "support/temp_directory.hpp"

#include <brotli/encode.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

namespace slipway::publish {
namespace {

std::string gzipped(const std::string& text) {
  std::string out(text.size() + 1000, '\0');
  z_stream stream{};
  EXPECT_EQ(::deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string zstd_of(const std::string& text, int window_log = 0) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  auto* context = ZSTD_createCCtx();
  ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
  out.resize(ZSTD_compress2(context, out.data(), out.size(), text.data(), text.size()));
  ZSTD_freeCCtx(context);
  return out;
}

std::string brotli_of(const std::string& text) {
  std::string out(text.size() + 1000, '\0');
  auto size = out.size();
  EXPECT_TRUE(BrotliEncoderCompress(5, BROTLI_DEFAULT_WINDOW, BROTLI_DEFAULT_MODE, text.size(),
                                    reinterpret_cast<const std::uint8_t*>(text.data()), &size,
                                    reinterpret_cast<std::uint8_t*>(out.data())));
  out.resize(size);
  return out;
}

class VariantsTest : public testing::Test {
protected:
  bool unpacks(const std::string& packed, Coding coding, const std::string& text) {
    const auto path = m_directory.write("packed", packed);
    const auto file = std::make_shared<const Fd>(open_file(path, O_RDONLY).value());
    return unpacks_to({file, {0, packed.size()}}, coding, digest_of(as_bytes(text)), text.size()).value();
  }
  std::string packed(Coding coding, const std::string& text) {
    return coding == Coding::br ? brotli_of(text) : coding == Coding::zstd ? zstd_of(text) : gzipped(text);
  }

  test::TempDirectory m_directory;
  static constexpr std::array codings = {Coding::br, Coding::zstd, Coding::gzip};
};

/// Compressible, and many buffers long.
std::string long_text() {
  std::string out;
  for (int i = 0; i < 200'000; ++i) out += "line " + std::to_string(i * 7919 % 100'003) + "\n";
  return out;
}

TEST_F(VariantsTest, WhatIsTheSameUnpackedIsAVariant) {
  for (const auto coding : codings)
    for (const auto& text : {std::string("text"), std::string(), long_text(), std::string(5'000'000, 'a')})
      EXPECT_TRUE(unpacks(packed(coding, text), coding, text)) << name_of(coding) << " " << text.size();
}

TEST_F(VariantsTest, WhatIsSomethingElseIsNone) {
  const auto text = long_text();
  for (const auto coding : codings) {
    const auto good = packed(coding, text);
    EXPECT_FALSE(unpacks(good, coding, text + "more")) << name_of(coding);
    EXPECT_FALSE(unpacks(good, coding, text.substr(1))) << name_of(coding);
    EXPECT_FALSE(unpacks(good, coding, "text")) << name_of(coding);
    EXPECT_FALSE(unpacks(good.substr(0, good.size() - 1), coding, text)) << name_of(coding);
    EXPECT_FALSE(unpacks(good.substr(0, good.size() / 2), coding, text)) << name_of(coding);
    EXPECT_FALSE(unpacks(good + "x", coding, text)) << name_of(coding);
    EXPECT_FALSE(unpacks("", coding, "")) << name_of(coding);
    EXPECT_FALSE(unpacks("plain text", coding, "plain text")) << name_of(coding);
    auto damaged = good;
    damaged[damaged.size() / 2] ^= 1;
    EXPECT_FALSE(unpacks(damaged, coding, text)) << name_of(coding);
  }
}

TEST_F(VariantsTest, SeveralMembersAreOneFile) {
  EXPECT_TRUE(unpacks(gzipped("one") + gzipped("two"), Coding::gzip, "onetwo"));
  EXPECT_TRUE(unpacks(zstd_of("one") + zstd_of("two"), Coding::zstd, "onetwo"));
}

TEST_F(VariantsTest, AWindowThatBrowsersDoNotTakeIsNone) {
  std::string text;
  for (std::uint64_t i = 0; i < 1'500'000; ++i)
    text += std::to_string(i * 7919 % 1'000'003) + "\n";  // longer than the window
  EXPECT_TRUE(unpacks(zstd_of(text, 23), Coding::zstd, text));
  EXPECT_FALSE(unpacks(zstd_of(text, 24), Coding::zstd, text));
}

}  // namespace
}  // namespace slipway::publish
