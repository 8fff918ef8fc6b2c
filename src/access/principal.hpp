#pragma once
// Who asks, and what they ask to do.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::access {

/// In rising order of power; each implies those before it, per name.
enum class Action { pull, push, remove, admin };
std::string_view name_of(Action action);

/// What a token lets its bearer do to one name; an empty name is the server itself (its list of repositories).
struct Grant {
  std::string name;
  std::vector<Action> actions;
  bool operator==(const Grant&) const = default;
};

struct Principal {
  std::string name;  ///< "anonymous", a user's, or "admin-token"
  bool anonymous = true;
  bool admin = false;
  /// Came with a token that is good for no more than these, whatever its owner may do; absent: came without one.
  std::optional<std::vector<Grant>> grants = std::nullopt;
};

}  // namespace slipway::access
