// Configuration text, durations and sizes: what is accepted shows as TOML that reads back as the same.

#include "cli/config.hpp"
#include "cli/config_values.hpp"
#include "input.hpp"

#include <limits>
#include <regex>

using namespace slipway;

namespace {

void check_values(std::string_view text) {
  if (const auto duration = cli::parse_duration(text)) {
    static const std::regex falling("([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?");
    SLIPWAY_INVARIANT(std::regex_match(std::string(text), falling));
    SLIPWAY_INVARIANT(duration->count() >= 0);
    SLIPWAY_INVARIANT(std::chrono::nanoseconds(*duration).count() >= 0);  // no overflow in a clock's unit
    SLIPWAY_INVARIANT(cli::parse_duration(cli::render_duration(*duration)) == *duration);
  }
  if (const auto size = cli::parse_size(text)) {
    SLIPWAY_INVARIANT(*size <= std::numeric_limits<std::int64_t>::max());
    SLIPWAY_INVARIANT(cli::parse_size(cli::render_size(*size)) == *size);
  }
}

/// "limits.uploads" = 5 as a file would say it.
std::string as_toml(const cli::KeyView& key) { return key.name + " = " + key.value + "\n"; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto text = Input(data, size).rest();
  if (text.size() <= 64) check_values(text);

  cli::Config config;
  if (const auto read = cli::read_config_text(text, "fuzz.toml", config); !read) {
    SLIPWAY_INVARIANT(read.error().failure == Failure::invalid && read.error().message.starts_with("fuzz.toml:"));
    return 0;
  }
  static_cast<void>(cli::check_config(config));

  std::string shown;
  const auto keys = cli::keys_of(config);
  for (const auto& key : keys)
    if (key.origin != "default") shown.append(as_toml(key));
  cli::Config again;
  SLIPWAY_INVARIANT(cli::read_config_text(shown, "shown.toml", again));
  const auto keys_again = cli::keys_of(again);
  SLIPWAY_INVARIANT(keys.size() == keys_again.size());
  for (std::size_t i = 0; i < keys.size(); ++i) SLIPWAY_INVARIANT(keys[i].value == keys_again[i].value);
  return 0;
}
