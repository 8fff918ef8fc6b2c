#include "opam/index_archive.hpp"

#include "base/fd.hpp"
#include "base/subprocess.hpp"
#include "support/temp_directory.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>

namespace slipway::opam {
namespace {

using Pieces = std::vector<std::shared_ptr<const ArchivePiece>>;

std::shared_ptr<const ArchivePiece> piece(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string archive;
  for (const auto& [path, content] : files) EXPECT_TRUE(append_entry(archive, path, content));
  return std::make_shared<const ArchivePiece>(compress_piece(archive));
}

std::string written(const Pieces& pieces, const auto& write) {
  std::string out;
  EXPECT_TRUE(write(pieces, [&](ByteView bytes) -> Result<> {
    out += as_text(bytes);
    return {};
  }));
  return out;
}

/// What another program makes of it.
std::string pipe(const std::string& input, std::vector<std::string> arguments) {
  const test::TempDirectory directory;
  const auto path = (directory.path() / "in").string();
  EXPECT_TRUE(write_file_atomically(path, input));
  arguments.push_back(path);
  auto said = run({.arguments = std::move(arguments), .environment = {"TZ=UTC"}, .directory = {}}, 64U << 20);
  EXPECT_TRUE(said) << said.error().message;
  return said.value_or("");
}

std::string noise(std::size_t size) {
  std::string out;
  for (std::uint32_t x = 1; out.size() < size; x = x * 1'664'525 + 1'013'904'223) out += static_cast<char>(x >> 24);
  return out;
}

TEST(OpamArchive, IsOneThatTarAndGzipRead) {
  const Pieces pieces = {piece({{"packages/a/a.1/opam", "synopsis"}, {"packages/a/a.2/opam", noise(1000)}}), piece({}),
                         piece({{"packages/b/b.1/opam", noise(300'000)}, {"repo", ""}})};
  const auto archive = written(pieces, write_archive);
  EXPECT_EQ(pipe(archive, {"tar", "-tzvf"}), "-rw-r--r-- 0/0               8 1980-01-01 00:00 packages/a/a.1/opam\n"
                                             "-rw-r--r-- 0/0            1000 1980-01-01 00:00 packages/a/a.2/opam\n"
                                             "-rw-r--r-- 0/0          300000 1980-01-01 00:00 packages/b/b.1/opam\n"
                                             "-rw-r--r-- 0/0               0 1980-01-01 00:00 repo\n");
  const auto plain = written(pieces, write_plain_archive);
  EXPECT_EQ(pipe(archive, {"gzip", "-dc"}), plain);
  EXPECT_EQ(plain.size() % 512, 0U);
  EXPECT_EQ(written(pieces, write_archive), archive);
}

TEST(OpamArchive, IsTheSameHoweverItIsPutTogether) {
  const auto a = piece({{"a", "1"}}), b = piece({{"b", "2"}});
  EXPECT_EQ(written({a, b}, write_archive), written({piece({{"a", "1"}}), b}, write_archive));
  EXPECT_NE(written({a, b}, write_archive), written({a}, write_archive));
  EXPECT_EQ(written({}, write_plain_archive), std::string(1024, '\0'));
  EXPECT_EQ(pipe(written({}, write_archive), {"tar", "-tzf"}), "");
}

TEST(OpamArchive, HasRoomForLongPaths) {
  const auto path = "packages/" + std::string(120, 'n') + "/" + std::string(90, 'v') + "/opam";
  EXPECT_EQ(pipe(written({piece({{path, "x"}})}, write_archive), {"tar", "-tzf"}), path + "\n");
  const auto just = std::string(100, 'x');
  EXPECT_EQ(pipe(written({piece({{just, "x"}})}, write_archive), {"tar", "-tzf"}), just + "\n");
  std::string archive;
  for (const auto& bad :
       {std::string(101, 'x'), std::string(156, 'd') + "/" + std::string(90, 'x'), "d/" + std::string(101, 'x')})
    EXPECT_EQ(append_entry(archive, bad, "").error().failure, Failure::invalid) << bad.size();
  EXPECT_EQ(archive, "");
}

TEST(OpamArchive, StopsWhereItCannotBeWritten) {
  for (int fails_at = 0; fails_at < 6; ++fails_at)
    EXPECT_EQ(write_archive(Pieces{piece({{"a", "1"}})},
                            [&, n = 0](ByteView) mutable -> Result<> {
                              return n++ == fails_at ? fail(Failure::no_space, "full") : Result<>();
                            })
                  .error()
                  .failure,
              Failure::no_space);
}

}  // namespace
}  // namespace slipway::opam
