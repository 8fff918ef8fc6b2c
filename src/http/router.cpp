#include "http/router.hpp"

#include <algorithm>

namespace slipway::http {

void Router::add(std::string prefix, Handler handler) {
  if (prefix == "/") prefix.clear();
  const auto place =
      std::ranges::find_if(m_routes, [&](const Route& route) { return route.prefix.size() < prefix.size(); });
  m_routes.insert(place, {std::move(prefix), std::move(handler)});
}

Answer Router::operator()(Request& request) const {
  const auto path = request.target.path();
  for (const auto& route : m_routes) {
    const bool whole =
        path.size() == route.prefix.size() || (path.size() > route.prefix.size() && path[route.prefix.size()] == '/');
    if (path.starts_with(route.prefix) && whole) return route.handler(request);
  }
  return Response::text(404, "nothing is served at this path\n");
}

Response method_not_allowed(std::string_view allowed) {
  auto response = Response::text(405, "this path answers " + std::string(allowed) + "\n");
  response.headers.add("Allow", std::string(allowed));
  return response;
}

}  // namespace slipway::http
