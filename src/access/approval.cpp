#include "access/approval.hpp"

#include <sstream>

namespace slipway::access {

Result<Approval> parse_approval(std::string_view text) {
  std::istringstream words{std::string(text)};
  std::string place;
  words >> place;
  const auto at = place.rfind('@');
  if (at == place.npos || at == 0 || at + 1 == place.size())
    return fail(Failure::invalid, "'" + std::string(text) + "' is not of the form REPOSITORY@CHANNEL USER…");
  Approval out{.repository = place.substr(0, at), .tag = place.substr(at + 1), .users = {}};
  for (std::string user; words >> user;) out.users.push_back(user);
  return out;
}

}  // namespace slipway::access
