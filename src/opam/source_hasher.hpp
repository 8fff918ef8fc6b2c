#pragma once

#include "base/bytes.hpp"
#include "opam/package.hpp"

#include <array>
#include <memory>
#include <openssl/evp.h>

namespace slipway::opam {

/// All the checksums that opam knows, of bytes as they stream by. Not safe for concurrent use.
class SourceHasher {
public:
  SourceHasher();
  void restart();
  void update(ByteView bytes);
  /// Once, at the end; until restart().
  std::vector<Checksum> checksums();

private:
  using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
  std::array<Context, 3> m_contexts;  // by Checksum::Kind
};

}  // namespace slipway::opam
