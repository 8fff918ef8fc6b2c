#include "opam/source_spool.hpp"

#include <fcntl.h>

namespace slipway::opam {

Result<SourceSpool> SourceSpool::open(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  TRY_ASSIGN(auto file, open_file(folder, O_TMPFILE | O_RDWR, 0600));
  return SourceSpool(std::move(file));
}

Result<> SourceSpool::restart() {
  m_size = 0;
  m_hasher.restart();
  return truncate_file(m_file->get(), 0);
}

Result<> SourceSpool::write(ByteView bytes) {
  TRY(write_all(m_file->get(), bytes, m_size));
  m_size += bytes.size();
  m_hasher.update(bytes);
  return {};
}

}  // namespace slipway::opam
