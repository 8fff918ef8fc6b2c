#include "base/json.hpp"

#include <fmt/format.h>

namespace slipway {

/// The deepest nesting of brackets outside strings; enough to bound what a valid text can build.
static std::size_t depth_of(std::string_view text) {
  std::size_t depth = 0;
  std::size_t deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\')
        ++i;
      else if (c == '"')
        in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

Result<Json> parse_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.size_max)
    return fail(Failure::too_large, fmt::format("JSON is larger than {} bytes", limits.size_max));
  if (depth_of(text) > limits.depth_max)
    return fail(Failure::too_large, fmt::format("JSON is nested deeper than {} levels", limits.depth_max));
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return fail(Failure::invalid, fmt::format("not valid JSON at byte {}", error.byte));
  } catch (const Json::out_of_range&) {
    return fail(Failure::invalid, "not valid JSON: a number is too large");
  }
}

std::string string_at(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace slipway
