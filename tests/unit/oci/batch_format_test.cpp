#include "oci/batch_format.hpp"

#include <gtest/gtest.h>

namespace slipway::oci {
namespace {

using Blobs = std::vector<std::string>;

std::string batch_of(const Blobs& blobs) {
  std::string out;
  for (const auto& blob : blobs) append_batched(out, digest_of(as_bytes(blob)), as_bytes(blob));
  return out;
}

/// The blobs in a body that comes in pieces, or what is wrong with it.
std::string parsed(std::string_view body, std::size_t piece, Blobs& blobs) {
  BatchParser parser;
  for (; !body.empty(); body.remove_prefix(std::min(piece, body.size()))) {
    const auto fed = parser.feed(as_bytes(body.substr(0, piece)), [&](const Digest& digest, std::string bytes) {
      EXPECT_EQ(digest, digest_of(as_bytes(bytes)));
      blobs.push_back(std::move(bytes));
      return Result<>();
    });
    if (!fed) return fed.error().message;
  }
  const auto ended = parser.finish();
  EXPECT_EQ(parser.count(), blobs.size());
  return ended ? "" : ended.error().message;
}

std::string problem_of(std::string_view body) {
  Blobs blobs;
  return parsed(body, body.size(), blobs);
}

TEST(BatchFormat, BlobsComeBackInWhateverPieces) {
  const Blobs blobs{"one", "", "two\nlines\n", std::string(batched_bytes_max, 'x'), "", "sha256:0 1\n", ""};
  const auto body = batch_of(blobs);
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, body.size()}) {
    Blobs back;
    EXPECT_EQ(parsed(body, piece, back), "");
    EXPECT_EQ(back, blobs);
  }
  EXPECT_EQ(problem_of(""), "");
}

TEST(BatchFormat, WhatIsNoneIsToldByItsNumber) {
  const auto good = batch_of({"one"});
  const auto digest = digest_of(as_bytes(std::string_view("two"))).text();
  for (const auto& line :
       {digest + "\ntwo", digest + " \ntwo", digest + " -1\n", digest + " 3x\ntwo", digest + "  3\ntwo",
        std::string("\n"), "sha512:" + std::string(128, '0') + " 3\n", std::string(1000, 'x')})
    EXPECT_TRUE(problem_of(good + line).starts_with("blob 2 of the batch")) << problem_of(good + line);
  EXPECT_NE(problem_of(good + digest + " 3\ntoo").find("has digest"), std::string::npos);
  EXPECT_NE(problem_of(digest + " 65537\n").find("a request of its own"), std::string::npos);
}

TEST(BatchFormat, ABodyThatEndsEarlyIsTold) {
  const auto body = batch_of({"one", "two"});
  for (std::size_t size = 1; size < body.size(); ++size) {
    const bool is_between = size == batch_of({"one"}).size();
    EXPECT_EQ(problem_of(std::string_view(body).substr(0, size)).empty(), is_between) << size;
  }
}

}  // namespace
}  // namespace slipway::oci
