#pragma once
// Many small blobs in one body, one after another, each as
//
//   sha256:<64 hexadecimal digits> <size, decimal>\n<bytes>

#include "base/digest.hpp"
#include "blob/store.hpp"

#include <functional>
#include <string>

namespace slipway::oci {

/// Larger blobs go each in a request of its own.
inline constexpr std::size_t batched_bytes_max = blob::small_bytes_max;

void append_batched(std::string& out, const Digest& digest, ByteView bytes);

/// Takes such a body apart as it comes, holding at most one blob.
class BatchParser {
public:
  using Each = std::function<Result<>(const Digest& digest, std::string bytes)>;

  /// Calls `each` for every blob that is whole, whose digest is checked. Failure::invalid for what is no such body,
  /// naming the blob by its number; too_large for a blob past the limit; what `each` fails with. Then it is not to be
  /// fed any more.
  Result<> feed(ByteView piece, const Each& each);
  /// The body has ended: Failure::invalid where that is within a blob.
  Result<> finish() const;
  std::uint64_t count() const { return m_count; }

private:
  Result<> begin_blob();
  Result<> end_blob(const Each& each);

  std::string m_line;  // until it is whole
  bool m_in_blob = false;
  Digest m_digest;
  std::size_t m_size = 0;
  std::string m_bytes;
  std::uint64_t m_count = 0;
};

}  // namespace slipway::oci
