#include "cli/config.hpp"

#include "base/fd.hpp"
#include "support/temp_directory.hpp"

#include <algorithm>
#include <fmt/core.h>
#include <gtest/gtest.h>

namespace slipway::cli {
namespace {

std::string problem(std::string_view text) {
  Config config;
  const auto read = read_config_text(text, "test.toml", config);
  return read ? "accepted" : read.error().message;
}

TEST(Config, ReadsEveryKindOfValue) {
  Config config;
  const auto read = read_config_text(R"(
[server]
listen = ["127.0.0.1:1", "unix:/x"]
read_only = true
workers = 3
[limits]
head_timeout = "2s"
head_bytes = "64KiB"
manifest_bytes = 5000000
[log]
level = "debug"
)",
                                     "test.toml", config);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_EQ(config.listen, (std::vector<std::string>{"127.0.0.1:1", "unix:/x"}));
  EXPECT_TRUE(config.read_only);
  EXPECT_EQ(config.workers, 3U);
  EXPECT_EQ(config.limits.head_timeout, std::chrono::seconds(2));
  EXPECT_EQ(config.limits.head_bytes, 65536U);
  EXPECT_EQ(config.manifest_bytes, 5'000'000U);
  EXPECT_EQ(config.log_level, "debug");
  EXPECT_EQ(config.origins.at("server.workers"), "test.toml:5");
}

TEST(Config, AnUnknownKeyIsAnErrorWithASuggestion) {
  EXPECT_EQ(problem("[limits]\nconections = 5"),
            "test.toml:2: unknown key 'limits.conections'; did you mean 'limits.connections'?");
  EXPECT_NE(problem("[zebra]\nx = 1").find("test.toml:2: unknown key 'zebra.x'"), std::string::npos);
  EXPECT_NE(problem("listen = 1").find("unknown key 'listen'"), std::string::npos);
}

TEST(Config, AWrongValueNamesLineKeyAndWhatIsExpected) {
  EXPECT_NE(problem("[limits]\n\nhead_timeout = 5").find("test.toml:3: limits.head_timeout: expected a duration"),
            std::string::npos);
  EXPECT_NE(problem("[limits]\nhead_timeout = \"0s\"").find("limits.head_timeout"), std::string::npos);
  EXPECT_NE(problem("[limits]\nconnections = 0").find("at least 1"), std::string::npos);
  EXPECT_NE(problem("[limits]\nconnections = -1").find("limits.connections"), std::string::npos);
  EXPECT_NE(problem("[limits]\nconnections = \"5\"").find("expected a number"), std::string::npos);
  EXPECT_NE(problem("[server]\nlisten = 5").find("list of texts"), std::string::npos);
  EXPECT_NE(problem("[server]\nlisten = [\"nowhere\"]").find("nowhere"), std::string::npos);
  EXPECT_NE(problem("[server]\nproxies = [\"10.0.0.0/99\"]").find("10.0.0.0/99"), std::string::npos);
  EXPECT_NE(problem("[access]\nanonymous = \"sometimes\"").find("sometimes"), std::string::npos);
  EXPECT_NE(problem("[log]\nlevel = \"loud\"").find("log.level"), std::string::npos);
}

TEST(Config, BadSyntaxNamesTheLine) {
  EXPECT_NE(problem("[limits]\nconnections = \n").find("test.toml:2"), std::string::npos);
}

TEST(Config, KeysThatBelongTogetherAreChecked) {
  Config config;
  EXPECT_TRUE(check_config(config));
  config.tls_certificate = "x.pem";
  EXPECT_FALSE(check_config(config));
  config.tls_key = "x.key";
  EXPECT_TRUE(check_config(config));
  config.admins = {"alice"};
  EXPECT_FALSE(check_config(config));
}

TEST(Config, WhatIsShownCanBeReadBack) {
  Config config;
  config.listen = {"[::1]:5", "unix:/a b"};
  config.limits.rate_window = std::chrono::milliseconds(1500);
  config.blob_bytes = 10'000'000'000;
  config.anonymous = "pull";
  std::string text;
  for (const auto& key : keys_of(config)) text += fmt::format("{} = {}\n", key.name, key.value);
  Config back;
  const auto read = read_config_text(text, "shown", back);
  ASSERT_TRUE(read) << read.error().message;
  for (const auto& key : keys_of(back)) {
    const auto before = keys_of(config);
    const auto same = std::ranges::find(before, key.name, &KeyView::name);
    EXPECT_EQ(key.value, same->value) << key.name;
  }
}

TEST(Config, EveryKeyIsDocumentedWithItsDefault) {
  const auto manual =
      read_file(std::filesystem::path(__FILE__).parent_path() / "../../../docs/configuration.md", 1U << 20);
  ASSERT_TRUE(manual) << manual.error().message;
  for (const auto& key : keys_of({}))
    EXPECT_NE(manual->find(fmt::format("| `{}` | {} | `{}` |", key.name, key.kind, key.fallback)), std::string::npos)
        << "docs/configuration.md does not tell " << key.name << " = " << key.fallback;
}

}  // namespace
}  // namespace slipway::cli
