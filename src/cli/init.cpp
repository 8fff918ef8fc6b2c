#include "base/digest.hpp"
#include "base/json.hpp"
#include "base/random.hpp"
#include "cli/commands.hpp"
#include "cli/data_directory.hpp"

#include <fmt/core.h>

namespace slipway::cli {

int run_init(const Common& common) {
  const auto config = load_config(common);
  if (!config) return report(config.error());
  const SystemClock clock;
  const auto directory = DataDirectory::open(*config, clock, true);
  if (!directory) return report(directory.error());
  auto& catalog = (*directory)->catalog();
  const auto known = catalog.setting("admin_token");
  if (!known) return report(known.error());
  if (*known)
    return report({Failure::conflict,
                   config->data.string() + " is initialised already; its admin token was shown then and is not kept"});

  const auto token = random_hex(32);
  if (auto set = catalog.set_setting("admin_token", to_hex(digest_of(as_bytes(token)).value())); !set)
    return report(set.error());
  if (common.json) {
    fmt::print("{}\n", Json{{"data", config->data.string()}, {"admin_token", token}}.dump());
    return exit_done;
  }
  fmt::print("Data directory {} is ready.\n\n"
             "Admin token (shown only now; put it in SLIPWAY_TOKEN, or use it as a password):\n\n  {}\n\n"
             "Next: slipway serve --data {}\n",
             config->data.string(), token, config->data.string());
  return exit_done;
}

}  // namespace slipway::cli
