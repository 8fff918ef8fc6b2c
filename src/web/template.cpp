#include "web/template.hpp"

#include "base/digest.hpp"
#include "web/assets.hpp"

#include <kainjow/mustache.hpp>

namespace slipway::web {
namespace {

namespace mustache = kainjow::mustache;

mustache::data data_of(const Json& json) {
  switch (json.type()) {
  case Json::value_t::object: {
    mustache::data out(mustache::data::type::object);
    for (const auto& [name, value] : json.items()) out.set(name, data_of(value));
    return out;
  }
  case Json::value_t::array: {
    mustache::data out(mustache::data::type::list);
    for (const auto& value : json) out.push_back(data_of(value));
    return out;
  }
  case Json::value_t::string: return mustache::data(json.get_ref<const std::string&>());
  case Json::value_t::boolean: return mustache::data(json.get<bool>());
  case Json::value_t::null: return mustache::data(false);
  default: return mustache::data(json.dump());
  }
}

}  // namespace

std::string fill(std::string_view name, const Json& content) {
  mustache::mustache parsed{std::string(asset(name))};
  SLIPWAY_INVARIANT(parsed.is_valid() && !asset(name).empty());
  return parsed.render(data_of(content));
}

std::string page(std::string_view name, const std::string& title, const std::string& home, const Json& content) {
  return fill("layout.html", {{"title", title},
                              {"home", home},
                              {"style", home + asset_path("page.css").substr(1)},
                              {"icon", home + asset_path("icon.svg").substr(1)},
                              {"body", fill(name, content)}});
}

std::string asset_path(std::string_view name) {
  const auto dot = name.rfind('.');
  const auto hash = to_hex(digest_of(as_bytes(asset(name))).value().first(6));
  return "/assets/" + std::string(name.substr(0, dot)) + "." + hash + std::string(name.substr(dot));
}

}  // namespace slipway::web
