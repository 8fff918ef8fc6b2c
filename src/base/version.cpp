#include "base/version.hpp"

namespace slipway {

const char* version() { return SLIPWAY_VERSION; }

}  // namespace slipway
