#include "sql/database.hpp"

namespace slipway::sql {

std::optional<std::int64_t> Session::number(std::string_view text, std::initializer_list<Parameter> parameters) {
  std::optional<std::int64_t> out;
  run(text, parameters, [&](const Row& row) {
    if (!out && !row.is_null(0)) out = row.integer(0);
  });
  return out;
}

Result<> Database::look_up(std::string_view text, std::span<const Parameter> parameters,
                           const std::function<void(const Row&)>& each) {
  return read([&](Session& session) { session.run(text, parameters, each); });
}

}  // namespace slipway::sql
