#pragma once

#include <sys/socket.h>

namespace slipway::upstream {

/// An address of the Internet, not one of this machine, its own network or another special use (RFC 6890): what others
/// make us fetch must not be a way to reach those.
bool is_public(const sockaddr& address);

}  // namespace slipway::upstream
