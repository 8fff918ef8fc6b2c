#include "oci/batch_format.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>

namespace slipway::oci {

void append_batched(std::string& out, const Digest& digest, ByteView bytes) {
  out.append(digest.text()).append(" ").append(std::to_string(bytes.size())).append("\n").append(as_text(bytes));
}

Result<> BatchParser::begin_blob() {
  const auto number = m_count + 1;
  const auto space = m_line.find(' ');
  const auto digest = Digest::parse(m_line.substr(0, space));
  const auto size = space == m_line.npos ? std::string_view() : std::string_view(m_line).substr(space + 1);
  std::uint64_t bytes = 0;
  const auto [end, bad] = std::from_chars(size.data(), size.data() + size.size(), bytes);
  if (!digest || digest->algorithm() != Algorithm::sha256 || size.empty() || bad != std::errc() ||
      end != size.data() + size.size())
    return fail(Failure::invalid,
                fmt::format("blob {} of the batch: '{}' is not 'sha256:… SIZE'", number, printable(m_line)));
  if (bytes > batched_bytes_max)
    return fail(Failure::too_large, fmt::format("blob {} of the batch has {}: more than {} go in a request of its own",
                                                number, human_size(bytes), human_size(batched_bytes_max)));
  m_digest = *digest;
  m_size = static_cast<std::size_t>(bytes);
  m_in_blob = true;
  m_line.clear();
  return {};
}

Result<> BatchParser::end_blob(const Each& each) {
  ++m_count;
  m_in_blob = false;
  auto bytes = std::exchange(m_bytes, {});
  const auto digest = digest_of(as_bytes(bytes));
  if (digest != m_digest)
    return fail(Failure::invalid,
                fmt::format("blob {} of the batch has digest {}, not {}", m_count, digest.text(), m_digest.text()));
  return each(m_digest, std::move(bytes));
}

Result<> BatchParser::feed(ByteView piece, const Each& each) {
  constexpr std::size_t line_max = 90;  // of a digest and a size that may be
  for (auto text = as_text(piece); !text.empty() || (m_in_blob && m_bytes.size() == m_size);) {
    if (m_in_blob) {
      const auto taken = std::min(m_size - m_bytes.size(), text.size());
      m_bytes.append(text.substr(0, taken));
      text.remove_prefix(taken);
      if (m_bytes.size() == m_size) TRY(end_blob(each));
      continue;
    }
    const auto newline = text.find('\n');
    m_line.append(text.substr(0, std::min(newline, line_max + 1)));
    if (m_line.size() > line_max)
      return fail(Failure::invalid, fmt::format("blob {} of the batch: '{}…' is not 'sha256:… SIZE'", m_count + 1,
                                                printable(m_line.substr(0, line_max))));
    if (newline == text.npos) return {};
    text.remove_prefix(newline + 1);
    TRY(begin_blob());
  }
  return {};
}

Result<> BatchParser::finish() const {
  if (!m_in_blob && m_line.empty()) return {};
  return fail(Failure::invalid, fmt::format("the batch ends within blob {}", m_count + 1));
}

}  // namespace slipway::oci
