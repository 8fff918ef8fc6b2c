#include "base/digest.hpp"

#include <gtest/gtest.h>
#include <unordered_set>

namespace slipway {
namespace {

constexpr std::string_view empty_sha256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr std::string_view empty_sha512 = "sha512:cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                                          "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e";

/// Longer than two blocks of either algorithm, and not a multiple of one.
std::string long_message() {
  std::string out;
  for (int i = 0; i < 300; ++i) out.push_back(static_cast<char>(i * 7));
  return out;
}

TEST(DigestParse, ReadsWhatItWrites) {
  for (const auto text : {empty_sha256, empty_sha512}) {
    const auto digest = Digest::parse(text);
    ASSERT_TRUE(digest) << text;
    EXPECT_EQ(digest->text(), text);
    EXPECT_EQ(digest->value().size(), size_of(digest->algorithm()));
  }
}

TEST(DigestParse, RefusesWhatTheSpecificationDoesNotAllow) {
  const std::string hex64(64, 'a');
  const std::string hex128(128, 'a');
  const std::string long_text(5000, 'x');
  for (const auto& text : std::initializer_list<std::string>{
           "", ":", "sha256", "sha256:", "sha256:" + hex64.substr(1), "sha256:" + hex64 + "a", "sha256:" + hex128,
           "sha512:" + hex64, "sha256:" + std::string(64, 'A'), "sha256:" + std::string(64, 'g'), "SHA256:" + hex64,
           "sha384:" + std::string(96, 'a'), "md5:" + std::string(32, 'a'), "sha256 :" + hex64, " sha256:" + hex64,
           "sha256:" + hex64 + "\n", "sha256+b64:" + hex64, hex64, long_text}) {
    const auto digest = Digest::parse(text);
    ASSERT_FALSE(digest) << text;
    EXPECT_EQ(digest.error().failure, Failure::invalid);
  }
}

TEST(DigestParse, NamesTheTextButNotWithoutBound) {
  const auto short_error = Digest::parse("sha256:short").error().message;
  EXPECT_NE(short_error.find("'sha256:short'"), std::string::npos);
  EXPECT_LT(Digest::parse(std::string(100'000, 'x')).error().message.size(), 1000U);
}

TEST(Digest, OrdersByAlgorithmThenBytes) {
  const auto low = *Digest::parse("sha256:" + std::string(64, '0'));
  const auto high = *Digest::parse("sha256:" + std::string(64, 'f'));
  const auto other = *Digest::parse("sha512:" + std::string(128, '0'));
  EXPECT_LT(low, high);
  EXPECT_LT(high, other);
  EXPECT_EQ(low, *Digest::parse(low.text()));
  EXPECT_EQ((std::unordered_set<Digest>{low, high, other, low}.size()), 3U);
}

struct Vector {
  std::string_view message;
  std::string_view sha256;
  std::string_view sha512;
};

// FIPS 180-4 examples.
constexpr Vector vectors[] = {{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                               "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                               "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"},
                              {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
                               "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                               "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
                              {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
                               "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
                               "204a8fc6dda82f0a0ced7beb8e08a41657c16ef468b228a8279be331a703c335"
                               "96fd15c13b1b07f9aa1d3bea57789ca031ad85c7a71dd70354ec631238ca3445"}};

TEST(Hasher, GivesThePublishedVectors) {
  for (const auto& vector : vectors) {
    EXPECT_EQ(to_hex(digest_of(as_bytes(vector.message)).value()), vector.sha256);
    EXPECT_EQ(to_hex(digest_of(as_bytes(vector.message), Algorithm::sha512).value()), vector.sha512);
  }
}

TEST(Hasher, GivesThePublishedVectorOfAMillionLetters) {
  Hasher hasher(Algorithm::sha256);
  for (int i = 0; i < 1000; ++i) hasher.update(as_bytes(std::string(1000, 'a')));
  EXPECT_EQ(to_hex(hasher.digest().value()), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Hasher, GoesOnAfterItsDigestWasAskedFor) {
  Hasher hasher(Algorithm::sha512);
  hasher.update(as_bytes("ab"));
  EXPECT_EQ(hasher.digest(), digest_of(as_bytes("ab"), Algorithm::sha512));
  hasher.update(as_bytes("c"));
  EXPECT_EQ(hasher.digest(), digest_of(as_bytes("abc"), Algorithm::sha512));
}

class HasherOf : public testing::TestWithParam<Algorithm> {};
INSTANTIATE_TEST_SUITE_P(Algorithms, HasherOf, testing::Values(Algorithm::sha256, Algorithm::sha512),
                         [](const auto& tested) { return std::string(name_of(tested.param)); });

TEST_P(HasherOf, GoesOnFromASavedStateAtEverySplit) {
  const auto message = long_message();
  const auto whole = digest_of(as_bytes(message), GetParam());
  for (std::size_t split = 0; split <= message.size(); ++split) {
    Hasher before(GetParam());
    before.update(as_bytes(message.substr(0, split)));
    const auto state = before.save();
    ASSERT_LE(state.size(), 256U);
    auto after = Hasher::restore(state);
    ASSERT_TRUE(after) << split;
    EXPECT_EQ(after->algorithm(), GetParam());
    after->update(as_bytes(message.substr(split)));
    EXPECT_EQ(after->digest(), whole) << split;
  }
}

TEST_P(HasherOf, RefusesATruncatedOrLengthenedState) {
  Hasher hasher(GetParam());
  hasher.update(as_bytes(long_message()));
  const auto state = hasher.save();
  for (std::size_t size = 0; size < state.size(); ++size) {
    const auto restored = Hasher::restore(state.substr(0, size));
    ASSERT_FALSE(restored) << size;
    EXPECT_EQ(restored.error().failure, Failure::corrupt);
  }
  EXPECT_FALSE(Hasher::restore(state + "x"));
}

TEST_P(HasherOf, RefusesAStateOfAnotherVersionOrAlgorithm) {
  const auto state = Hasher(GetParam()).save();
  for (int value = 0; value < 256; ++value) {
    auto other_version = state;
    other_version[0] = static_cast<char>(value);
    EXPECT_EQ(Hasher::restore(other_version).has_value(), other_version == state) << value;
    auto other_algorithm = state;
    other_algorithm[1] = static_cast<char>(value);
    EXPECT_EQ(Hasher::restore(other_algorithm).has_value(), other_algorithm == state) << value;
  }
}

TEST_P(HasherOf, CountsWhatWentIn) {
  Hasher hasher(GetParam());
  EXPECT_EQ(hasher.count(), 0U);
  std::uint64_t total = 0;
  for (const std::size_t size : {1U, 63U, 64U, 65U, 127U, 128U, 100'000U}) {
    hasher.update(as_bytes(std::string(size, 'x')));
    EXPECT_EQ(hasher.count(), total += size);
  }
  EXPECT_EQ(Hasher::restore(hasher.save())->count(), total);
}

TEST_P(HasherOf, NeverReadsOrWritesOutsideItselfWhateverTheStateSays) {
  // Any byte of a token may have rotted: what is accepted must still be safe to use (the sanitizers watch).
  Hasher hasher(GetParam());
  hasher.update(as_bytes(long_message()));
  const auto state = hasher.save();
  for (std::size_t i = 0; i < state.size(); ++i) {
    for (const int value : {0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xff}) {
      auto rotten = state;
      rotten[i] = static_cast<char>(value);
      if (auto restored = Hasher::restore(rotten)) {
        restored->update(as_bytes(long_message()));
        EXPECT_EQ(restored->digest().algorithm(), GetParam());
      }
    }
  }
}

/// RFC 4231 §4.2, §4.3 and §4.7: a key shorter and one longer than a block.
TEST(DigestTest, ComputesAnHmac) {
  const auto hex = [](std::string_view key, std::string_view message) {
    return to_hex(as_bytes(hmac_sha256(key, message)));
  };
  EXPECT_EQ(hex(std::string(20, '\x0b'), "Hi There"),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
  EXPECT_EQ(hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  EXPECT_EQ(hex(std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

}  // namespace
}  // namespace slipway
