#include "opam/source_hasher.hpp"

namespace slipway::opam {
namespace {

const EVP_MD* algorithm_of(std::size_t kind) { return kind == 0 ? EVP_md5() : kind == 1 ? EVP_sha256() : EVP_sha512(); }

}  // namespace

SourceHasher::SourceHasher()
    : m_contexts{Context(EVP_MD_CTX_new(), EVP_MD_CTX_free), Context(EVP_MD_CTX_new(), EVP_MD_CTX_free),
                 Context(EVP_MD_CTX_new(), EVP_MD_CTX_free)} {
  restart();
}

void SourceHasher::restart() {
  for (std::size_t kind = 0; kind < m_contexts.size(); ++kind)
    SLIPWAY_INVARIANT(EVP_DigestInit_ex(m_contexts[kind].get(), algorithm_of(kind), nullptr) == 1);
}

void SourceHasher::update(ByteView bytes) {
  for (const auto& context : m_contexts)
    SLIPWAY_INVARIANT(EVP_DigestUpdate(context.get(), bytes.data(), bytes.size()) == 1);
}

std::vector<Checksum> SourceHasher::checksums() {
  std::vector<Checksum> out;
  for (std::size_t kind = 0; kind < m_contexts.size(); ++kind) {
    std::array<std::byte, EVP_MAX_MD_SIZE> value{};
    unsigned size = 0;
    SLIPWAY_INVARIANT(
        EVP_DigestFinal_ex(m_contexts[kind].get(), reinterpret_cast<unsigned char*>(value.data()), &size) == 1);
    out.push_back({static_cast<Checksum::Kind>(kind + 1), to_hex(ByteView(value).first(size))});
  }
  return out;
}

}  // namespace slipway::opam
