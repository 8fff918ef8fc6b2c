#include "cli/config.hpp"

#include "base/fd.hpp"
#include "support/temp_directory.hpp"

#include <cstdlib>
#include <gtest/gtest.h>
#include <set>

namespace slipway::cli {
namespace {

/// What a text makes of the defaults.
Result<Config> read(std::string_view text) {
  Config config;
  TRY(read_config_text(text, "slipway.toml", config));
  return config;
}

std::string refusal_of(std::string_view text) {
  const auto config = read(text);
  EXPECT_FALSE(config) << text;
  if (config) return "";
  EXPECT_EQ(config.error().failure, Failure::invalid);
  return config.error().message;
}

TEST(Config, IsReadOverItsDefaults) {
  const auto config = read(R"(
[server]
listen = ["0.0.0.0:443", "unix:/run/slipway.sock"]
read_only = true
workers = 12

[limits]
head_timeout = "5s"
manifest_bytes = "1 MiB"
blob_bytes = 1000

[access]
anonymous = "pull"
)");
  ASSERT_TRUE(config) << config.error().message;
  EXPECT_EQ(config->listen, (std::vector<std::string>{"0.0.0.0:443", "unix:/run/slipway.sock"}));
  EXPECT_TRUE(config->read_only);
  EXPECT_EQ(config->workers, 12U);
  EXPECT_EQ(config->limits.head_timeout, std::chrono::seconds(5));
  EXPECT_EQ(config->manifest_bytes, 1U << 20);
  EXPECT_EQ(config->blob_bytes, 1000U);
  EXPECT_EQ(config->anonymous, "pull");
  EXPECT_EQ(config->limits.connections, http::Limits().connections);
  EXPECT_EQ(config->data, Config().data);
}

TEST(Config, MayBeEmptyOrDotted) {
  EXPECT_TRUE(read(""));
  EXPECT_EQ(read("server.workers = 3")->workers, 3U);
}

TEST(Config, TakesASingleTextForAListOfOne) {
  EXPECT_EQ(read("server.listen = \"127.0.0.1:0\"")->listen, std::vector<std::string>{"127.0.0.1:0"});
}

TEST(Config, NamesTheLineOfAnUnknownKeyAndWhatWasMeant) {
  const auto message = refusal_of("[limits]\n\nconnectons = 5\n");
  EXPECT_TRUE(message.starts_with("slipway.toml:3: ")) << message;
  EXPECT_NE(message.find("'limits.connectons'"), std::string::npos) << message;
  EXPECT_NE(message.find("did you mean 'limits.connections'"), std::string::npos) << message;
  EXPECT_NE(refusal_of("[nonsense]\nx = 1\n").find("nonsense.x"), std::string::npos);
  EXPECT_NE(refusal_of("flavour = \"mint\"\n").find("config show"), std::string::npos);
}

TEST(Config, NamesTheLineOfAValueOfTheWrongKind) {
  for (const auto* line :
       {"server.read_only = \"true\"", "server.read_only = 1", "server.workers = \"4\"", "server.workers = 4.5",
        "server.workers = true", "server.listen = [1]", "limits.head_timeout = 5", "limits.manifest_bytes = true",
        "limits.manifest_bytes = 1.5", "server.data = 1", "log.level = 1", "server.data = 2026-11-22", "server = 1"}) {
    const auto message = refusal_of("# a comment\n" + std::string(line) + "\n");
    EXPECT_TRUE(message.starts_with("slipway.toml:2: ")) << line << ": " << message;
  }
}

TEST(Config, NamesTheLineOfAValueOutOfItsBounds) {
  for (const auto* line :
       {"server.workers = -1", "limits.connections = 0", "limits.head_timeout = \"0s\"", "limits.head_timeout = \"x\"",
        "limits.manifest_bytes = \"4 elephants\"", "limits.manifest_bytes = -4", "server.listen = [\"nowhere\"]",
        "server.proxies = [\"10.0.0.0/99\"]", "access.anonymous = \"some\"", "log.level = \"loud\"",
        "log.format = \"xml\""}) {
    const auto message = refusal_of("\n\n" + std::string(line) + "\n");
    EXPECT_TRUE(message.starts_with("slipway.toml:3: ")) << line << ": " << message;
  }
}

TEST(Config, NamesTheLineOfBadToml) {
  for (const auto* line : {"= 1", "x", "server.workers = ", "[server", "server.data = \"open", "a = 1 b = 2"}) {
    const auto message = refusal_of("# one\n# two\n# three\n" + std::string(line) + "\n");
    EXPECT_TRUE(message.starts_with("slipway.toml:4: ")) << line << ": " << message;
  }
  EXPECT_TRUE(refusal_of("server.workers = 1\nserver.workers = 2\n").starts_with("slipway.toml:2: "));
  EXPECT_FALSE(refusal_of("\xff\xfe").empty());
}

TEST(Config, IsReadFromAFileWithItsName) {
  const test::TempDirectory directory;
  const auto path = directory.write("s.toml", "server.workers = 3\n");
  Config config;
  ASSERT_TRUE(read_config(path, config));
  EXPECT_EQ(config.workers, 3U);
  EXPECT_EQ(config.origins["server.workers"], path.string() + ":1");
  EXPECT_EQ(read_config(directory / "absent", config).error().failure, Failure::not_found);
  EXPECT_EQ(read_config(directory.write("large", std::string(2U << 20, '#')), config).error().failure,
            Failure::too_large);
}

TEST(Config, GivesWayToFlags) {
  Config config;
  ASSERT_TRUE(read_config_text("server.data = \"/from/file\"\n", "f", config));
  ASSERT_TRUE(set_key(config, "server.data", {"/from/flag"}, "--data"));
  EXPECT_EQ(config.data, "/from/flag");
  EXPECT_EQ(config.origins["server.data"], "--data");
  const auto refused = set_key(config, "server.listen", {"nowhere"}, "--listen");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("--listen"), std::string::npos);
  EXPECT_FALSE(set_key(config, "absent.key", {"x"}, "--x"));
}

TEST(CheckConfig, WantsWhatBelongsTogether) {
  EXPECT_TRUE(check_config({}));
  EXPECT_FALSE(check_config({.tls_certificate = "c.pem"}));
  EXPECT_FALSE(check_config({.tls_key = "k.pem"}));
  EXPECT_TRUE(check_config({.tls_certificate = "c.pem", .tls_key = "k.pem"}));
  EXPECT_FALSE(check_config({.listen = {}}));
  EXPECT_FALSE(check_config({.token_lifetime = std::chrono::milliseconds(999)}));
  EXPECT_FALSE(check_config({.admins = {"alice"}}));
  EXPECT_TRUE(check_config({.htpasswd = "users", .admins = {"alice"}}));
}

TEST(KeysOf, ShowValuesThatReadBack) {
  Config config;
  ASSERT_TRUE(read_config_text("server.data = 'C:\\odd \"path\"'\nserver.workers = 7\nlimits.head_timeout = \"90s\"\n"
                               "access.admins = [\"a\", \"b\\\\c\"]\naccess.htpasswd = \"u\"\n",
                               "f", config));
  std::string shown;
  for (const auto& key : keys_of(config))
    if (key.name != "access.anonymous") shown += key.name + " = " + key.value + "\n";  // unset has no text of its own
  Config again;
  const auto read_back = read_config_text(shown, "shown", again);
  ASSERT_TRUE(read_back) << read_back.error().message << "\n" << shown;
  const auto first = keys_of(config);
  const auto second = keys_of(again);
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].value, second[i].value) << first[i].name;
  EXPECT_EQ(again.data, config.data);
}

TEST(KeysOf, TellWhereAValueCameFrom) {
  Config config;
  ASSERT_TRUE(read_config_text("\nserver.workers = 7\n", "f.toml", config));
  ASSERT_TRUE(set_key(config, "server.data", {"/d"}, "--data"));
  for (const auto& key : keys_of(config)) {
    if (key.name == "server.workers")
      EXPECT_EQ(key.origin, "f.toml:2");
    else if (key.name == "server.data")
      EXPECT_EQ(key.origin, "--data");
    else
      EXPECT_EQ(key.origin, "default") << key.name;
    EXPECT_EQ(key.origin == "default", key.value == key.fallback) << key.name;
  }
}

TEST(KeysOf, AreEachExplained) {
  std::set<std::string> names;
  for (const auto& key : keys_of({})) {
    EXPECT_TRUE(names.insert(key.name).second) << key.name;
    EXPECT_FALSE(key.meaning.empty()) << key.name;
    EXPECT_FALSE(key.kind.empty()) << key.name;
  }
  EXPECT_GT(names.size(), 25U);
}

TEST(KeysOf, AreAllInTheManualWithKindAndDefault) {
  const auto root = std::filesystem::path(__FILE__).parent_path().parent_path().parent_path().parent_path();
  const auto manual = read_file(root / "docs" / "configuration.md", 1U << 20);
  ASSERT_TRUE(manual) << manual.error().message;
  for (const auto& key : keys_of({})) {
    const auto row = "| `" + key.name + "` | " + key.kind + " | `" + key.fallback + "` | ";
    EXPECT_NE(manual->find(row), manual->npos) << "docs/configuration.md lacks the row: " << row;
  }
}

TEST(FindConfig, TakesWhatIsGivenThenTheEnvironment) {
  ::setenv("SLIPWAY_CONFIG", "/from/environment.toml", 1);
  EXPECT_EQ(find_config("/given.toml"), "/given.toml");
  EXPECT_EQ(find_config({}), "/from/environment.toml");
  ::unsetenv("SLIPWAY_CONFIG");
  EXPECT_NE(find_config({}), "/from/environment.toml");
}

}  // namespace
}  // namespace slipway::cli
