#include "base/json.hpp"
#include "base/version.hpp"
#include "cli/commands.hpp"

#include <fmt/core.h>

namespace slipway::cli {

int report(const Error& error) {
  fmt::print(stderr, "slipway: {}\n", error.message);
  return exit_failed;
}

Result<Config> load_config(const Common& common) {
  Config config;
  if (const auto file = find_config(common.config_file); !file.empty()) TRY(read_config(file, config));
  for (const auto& [flag, key, values] : common.flags) TRY(set_key(config, key, values, flag));
  TRY(check_config(config));
  return config;
}

int run_config_check(const Common& common) {
  const auto config = load_config(common);
  if (!config) return report(config.error());
  const auto file = find_config(common.config_file);
  fmt::print("{} is valid\n", file.empty() ? "the default configuration" : file.string());
  return exit_done;
}

int run_config_show(const Common& common) {
  const auto config = load_config(common);
  if (!config) return report(config.error());
  if (common.json) {
    Json out = Json::array();
    for (const auto& key : keys_of(*config))
      out.push_back({{"key", key.name},
                     {"kind", key.kind},
                     {"value", key.value},
                     {"default", key.fallback},
                     {"origin", key.origin},
                     {"meaning", key.meaning}});
    fmt::print("{}\n", out.dump(2));
    return exit_done;
  }
  for (const auto& key : keys_of(*config)) {
    fmt::print("# {}\n", key.meaning);
    fmt::print("# {}; default {}; from {}\n", key.kind, key.fallback, key.origin);
    fmt::print("{} = {}\n\n", key.name, key.value);
  }
  return exit_done;
}

int run_version(const Common& common) {
  if (common.json)
    fmt::print("{}\n", Json{{"version", version()}}.dump());
  else
    fmt::print("slipway {}\n", version());
  return exit_done;
}

}  // namespace slipway::cli
