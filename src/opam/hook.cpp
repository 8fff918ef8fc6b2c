#include "opam/hook.hpp"

#include "base/log.hpp"
#include "http/router.hpp"

#include <array>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>

namespace slipway::opam {
namespace {

using http::Response;

/// Nobody's notice of a push is larger: GitHub sends 25 MiB at most.
constexpr std::uint64_t body_bytes_max = 32U << 20;

Response answer(int status, std::string_view message) {
  return Response::json(
      status,
      Json{{status < 400 ? "message" : "error", message}}.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

bool is_same(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

/// The signature of a request, in hexadecimal; empty where it has none.
std::string_view signature_of(const http::Headers& headers) {
  constexpr std::string_view algorithm = "sha256=";
  if (const auto github = headers.get("X-Hub-Signature-256"); github.starts_with(algorithm))
    return github.substr(algorithm.size());
  for (const auto* name : {"X-Forgejo-Signature", "X-Gitea-Signature", "X-Gogs-Signature"})
    if (const auto hex = headers.get(name); !hex.empty()) return hex;
  return {};
}

/// HMAC-SHA-256 of a body as it comes, without keeping it.
class SignedBody final : public http::BodySink {
public:
  SignedBody(std::string_view secret, std::string signature, std::function<Response()> accept)
      : m_signature(std::move(signature)), m_accept(std::move(accept)) {
    const std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, nullptr, reinterpret_cast<const unsigned char*>(secret.data()),
                                     secret.size()),
        EVP_PKEY_free);
    SLIPWAY_INVARIANT(key && EVP_DigestSignInit(m_context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1);
  }

  std::optional<Response> write(ByteView piece) override {
    m_size += piece.size();
    if (m_size > body_bytes_max) return answer(413, "no notice of a push is larger than 32 MiB");
    SLIPWAY_INVARIANT(EVP_DigestSignUpdate(m_context.get(), piece.data(), piece.size()) == 1);
    return std::nullopt;
  }

  Response finish() override {
    std::array<std::byte, 32> value{};
    std::size_t size = value.size();
    SLIPWAY_INVARIANT(EVP_DigestSignFinal(m_context.get(), reinterpret_cast<unsigned char*>(value.data()), &size) == 1);
    if (!is_same(to_hex(ByteView(value).first(size)), m_signature))
      return answer(401, "the signature is not that of this body with opam.hook_secret_file's secret");
    return m_accept();
  }

private:
  const std::string m_signature;
  const std::function<Response()> m_accept;
  std::uint64_t m_size = 0;
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> m_context{EVP_MD_CTX_new(), EVP_MD_CTX_free};
};

/// Whatever the body says.
class UnreadBody final : public http::BodySink {
public:
  explicit UnreadBody(std::function<Response()> accept) : m_accept(std::move(accept)) {}
  std::optional<Response> write(ByteView piece) override {
    m_size += piece.size();
    return m_size > body_bytes_max ? std::optional(answer(413, "no notice of a push is larger than 32 MiB"))
                                   : std::nullopt;
  }
  Response finish() override { return m_accept(); }

private:
  const std::function<Response()> m_accept;
  std::uint64_t m_size = 0;
};

}  // namespace

http::Handler hook_handler(std::string base, std::string secret, Repositories& repositories) {
  return [base = std::move(base) + "/", secret = std::move(secret),
          &repositories](http::Request& request) -> http::Answer {
    request.route = "hook";
    if (request.method != http::Method::post) return http::method_not_allowed("POST");
    if (secret.empty())
      return answer(403, "hooks are not taken here: name a file with their secret as opam.hook_secret_file");
    const auto path = request.target.path();
    const auto repository = path.starts_with(base) ? path.substr(base.size()) : std::string();
    const auto accept = [&repositories, repository]() -> Response {
      bool is_known = false;
      for (const auto& kept : repositories.places())
        if (kept.place.repository == repository) {
          is_known = true;
          if (const auto running = repositories.running(kept.place)) running->look();
        }
      if (!is_known) return answer(404, "no opam repository is kept as '" + repository + "'");
      log::info("told of a push", {{"repository", repository}});
      return answer(202, "the git repository is looked at");
    };
    if (const auto token = request.headers.get("X-Gitlab-Token"); !token.empty()) {
      if (!is_same(token, secret)) return answer(401, "X-Gitlab-Token is not opam.hook_secret_file's secret");
      if (!request.has_body) return accept();
      return std::make_unique<UnreadBody>(accept);
    }
    const auto signature = signature_of(request.headers);
    if (signature.empty())
      return answer(401,
                    "sign the hook: X-Hub-Signature-256, X-Forgejo-Signature, X-Gitea-Signature or X-Gitlab-Token");
    auto body = std::make_unique<SignedBody>(secret, std::string(signature), accept);
    if (!request.has_body) return body->finish();
    return body;
  };
}

}  // namespace slipway::opam
