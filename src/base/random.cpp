#include "base/random.hpp"

#include "base/bytes.hpp"
#include "base/result.hpp"

#include <openssl/rand.h>
#include <vector>

namespace slipway {

std::string random_hex(std::size_t bytes) {
  std::vector<std::byte> buffer(bytes);
  SLIPWAY_INVARIANT(RAND_bytes(reinterpret_cast<unsigned char*>(buffer.data()), static_cast<int>(bytes)) == 1);
  return to_hex(buffer);
}

}  // namespace slipway
