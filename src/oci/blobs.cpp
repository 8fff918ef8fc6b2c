#include "base/log.hpp"
#include "catalog/keep.hpp"
#include "http/ranges.hpp"
#include "http/router.hpp"
#include "oci/registry.hpp"

#include <fmt/format.h>

namespace slipway::oci {

using access::Action;
using http::Method;
using http::Response;

http::Answer Registry::handle_blob(Call& call) {
  auto& request = call.request;
  const bool reads = request.method == Method::get || request.method == Method::head;
  if (!reads && request.method != Method::del) return http::method_not_allowed("GET, HEAD, DELETE");
  request.route = request.method == Method::get ? "blob.get" : reads ? "blob.head" : "blob.delete";
  if (auto refusal = check(request, call.who, reads ? Action::pull : Action::remove, call.path.repository))
    return std::move(*refusal);
  const auto digest = Digest::parse(call.path.last);
  if (!digest) return error_response(400, Code::digest_invalid, digest.error().message);
  return reads ? get_blob(call, *digest) : delete_blob(call, *digest);
}

Response Registry::get_blob(Call& call, const Digest& digest) {
  const auto blob = m_catalog.find_blob(call.path.repository, digest);
  if (!blob) return failure_response(blob.error(), Code::blob_unknown, call.request);

  const auto etag = "\"" + digest.text() + "\"";
  if (call.request.headers.combined("If-None-Match").find(etag) != std::string::npos) {
    auto unchanged = Response::empty(304);
    unchanged.headers.add("ETag", etag);
    return unchanged;
  }
  const bool is_head = call.request.method == Method::head;
  if (const auto url = is_head ? std::nullopt : m_store.url(blob->location); url && *url) {
    auto elsewhere = Response::empty(307);
    elsewhere.headers.add("Location", **url);
    elsewhere.headers.add("Docker-Content-Digest", digest.text());
    return elsewhere;
  }
  auto part = ByteRange{0, blob->size};
  int status = 200;
  // Range is defined for GET alone (RFC 9110 §14.2).
  const auto wanted = is_head ? std::string_view() : call.request.headers.get("Range");
  const auto wish = http::parse_range(wanted, blob->size);
  if (const auto* range = std::get_if<ByteRange>(&wish)) {
    part = *range;
    status = 206;
  } else if (std::holds_alternative<http::Unsatisfiable>(wish)) {
    auto response = error_response(416, Code::size_invalid, fmt::format("the blob has {} bytes", blob->size));
    response.headers.add("Content-Range", fmt::format("bytes */{}", blob->size));
    return response;
  }

  // Where that costs no request, HEAD opens the file too, and reads a small one: a client that is told a blob exists
  // will never send it again, which would keep a lost one lost.
  const auto look_again = [&] { return m_catalog.find_blob(call.path.repository, digest); };
  auto bytes = is_head && m_store.is_remote() ? Result<FileSlice>(FileSlice{nullptr, part})
                                              : catalog::open_blob(m_store, *blob, part, look_again);
  if (bytes && bytes->file && is_head && blob->location.kind == blob::LocationKind::pack)
    if (auto checked = catalog::check_bytes(*bytes, digest); !checked)
      bytes = fail(Failure::corrupt, checked.error().message);
  const auto unreadable = [request = &call.request, digest, key = blob->location.key](const Error& error) {
    log::error("a blob's bytes cannot be read; pushing it again heals it",
               {{"digest", digest.text()}, {"key", key}, {"error", error.message}});
    if (error.failure == Failure::not_found || error.failure == Failure::corrupt)
      return error_response(404, Code::blob_unknown, "the blob's bytes are lost; pushing it again heals it");
    return failure_response(error, Code::blob_unknown, *request);
  };
  if (!bytes) return unreadable(bytes.error());
  Response response{status, {}, std::move(*bytes), false, unreadable};
  response.headers.add("Content-Type", "application/octet-stream");
  response.headers.add("Docker-Content-Digest", digest.text());
  response.headers.add("Accept-Ranges", "bytes");
  response.headers.add("ETag", etag);
  if (status == 206)
    response.headers.add("Content-Range",
                         fmt::format("bytes {}-{}/{}", part.offset, part.offset + part.length - 1, blob->size));
  return response;
}

Response Registry::delete_blob(Call& call, const Digest& digest) {
  if (auto removed = m_catalog.remove_blob(call.path.repository, digest); !removed)
    return failure_response(removed.error(), Code::blob_unknown, call.request);
  return Response::empty(202);
}

Result<> Registry::keep(blob::Intake& intake, const std::string& repository, const Digest& digest,
                        const catalog::UploadClaim& upload) {
  return catalog::keep(m_catalog, m_store, intake, digest,
                       {.adopt = [&]() -> Result<> {
                          TRY(m_catalog.adopt_blob(repository, digest, upload));
                          return {};
                        },
                        .commit =
                            [&](const std::vector<Digest>& digests, const blob::Location& location, bool lost) {
                              return m_catalog.commit_blob(repository, digests, location, m_store_id, upload, lost);
                            }});
}

}  // namespace slipway::oci
