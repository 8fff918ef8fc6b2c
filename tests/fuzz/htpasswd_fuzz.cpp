// An htpasswd file: what is accepted has a bcrypt hash for every user it names, and nobody else.

#include "access/htpasswd.hpp"
#include "input.hpp"

#include <set>

using namespace slipway;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const auto users = access::Htpasswd::parse(input.rest());
  if (!users) {
    SLIPWAY_INVARIANT(users.error().failure == Failure::invalid && users.error().message.starts_with("line "));
    return 0;
  }
  std::set<std::string> named;
  while (!input.rest().empty()) {
    const auto line = input.line();
    if (line.empty() || line == "\r" || line.front() == '#') continue;
    const std::string user(line.substr(0, line.find(':')));
    const auto hash = users->hash_of(user);
    SLIPWAY_INVARIANT(!user.empty() && hash && hash->size() == 60 && hash->starts_with("$2"));
    named.insert(user);
  }
  SLIPWAY_INVARIANT(users->size() == named.size());
  return 0;
}
