#pragma once
// Which part of the program answers which path.

#include "http/message.hpp"

#include <vector>

namespace slipway::http {

/// The longest registered prefix wins; prefixes match whole segments ("/v2" matches "/v2/x", not "/v2x"). "/" catches
/// the rest. Filled before serving, then read by all workers.
class Router {
public:
  void add(std::string prefix, Handler handler);
  Answer operator()(Request& request) const;

private:
  struct Route {
    std::string prefix;
    Handler handler;
  };
  std::vector<Route> m_routes;  // longest first
};

/// 405 with the Allow field.
Response method_not_allowed(std::string_view allowed);

}  // namespace slipway::http
