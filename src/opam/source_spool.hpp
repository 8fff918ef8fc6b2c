#pragma once

#include "base/fd.hpp"
#include "opam/source_hasher.hpp"
#include "upstream/download.hpp"

namespace slipway::opam {

/// Where a source is until it is known to be the right one: a file without a name, hashed as it is written. Not safe
/// for concurrent use.
class SourceSpool final : public upstream::DownloadSink {
public:
  /// In a folder, which is made if it is new.
  static Result<SourceSpool> open(const std::filesystem::path& folder);

  Result<> restart() override;
  Result<> write(ByteView bytes) override;
  FileSlice slice() const { return {m_file, {0, m_size}}; }
  /// Of what was written; once, until restart().
  std::vector<Checksum> checksums() { return m_hasher.checksums(); }

private:
  explicit SourceSpool(Fd file) : m_file(std::make_shared<const Fd>(std::move(file))) {}

  std::shared_ptr<const Fd> m_file;
  std::uint64_t m_size = 0;
  SourceHasher m_hasher;
};

}  // namespace slipway::opam
