#include "base/log.hpp"
#include "catalog/push.hpp"
#include "http/router.hpp"
#include "oci/chunk.hpp"
#include "oci/registry.hpp"

#include <fmt/format.h>

namespace slipway::oci {

using access::Action;
using http::Method;
using http::Response;

namespace {

/// "0-<last byte>"; an empty session says 0-0 as every registry does, though that is also one byte's.
std::string range_of(std::uint64_t position) { return fmt::format("0-{}", position == 0 ? 0 : position - 1); }

Response upload_response(int status, const std::string& repository, const std::string& id, std::uint64_t position) {
  auto response = Response::empty(status);
  response.headers.add("Location", upload_path(repository, id));
  response.headers.add("Range", range_of(position));
  response.headers.add("Docker-Upload-UUID", id);
  return response;
}

/// A chunk that does not start where the last one ended: the session lives on, and the client learns where to go on.
Response out_of_order(const std::string& repository, const std::string& id, std::uint64_t position) {
  auto response = error_response(416, Code::blob_upload_invalid, fmt::format("the next byte expected is {}", position));
  response.headers.add("Location", upload_path(repository, id));
  response.headers.add("Range", range_of(position));
  response.headers.add("Docker-Upload-UUID", id);
  return response;
}

Response taken_over() {
  return error_response(409, Code::blob_upload_invalid, "a later request took this upload over");
}

/// What the session has and the request brings stays in memory until it is committed: nothing outside the catalog is
/// written, so that nobody else need be kept from it. Where somebody may be at it they have to be: what they write is
/// found by the claim.
bool is_brief(const http::Request& request, const catalog::Upload& upload) {
  const auto more = request.has_body ? request.content_length : std::optional<std::uint64_t>(0);
  return more && !upload.is_claimed() && upload.position + *more <= blob::small_bytes_max &&
         (upload.token.empty() || blob::Intake::holds_bytes(upload.token));
}

Response digest_mismatch(const Digest& announced, const Digest& received) {
  return error_response(400, Code::digest_invalid,
                        "the bytes received have digest " + received.text() + ", not " + announced.text());
}

}  // namespace

/// A body on its way into a session (PATCH, or PUT with the last chunk). Holds the session while it lives; if the
/// client goes away, what came so far is saved, so that it can go on from there.
class UploadSink final : public http::BodySink {
public:
  /// The caller has locked the hold.
  UploadSink(Registry& registry, http::Request& request, catalog::Upload upload,
             std::shared_ptr<ActiveUploads::Hold> hold, blob::Intake intake, std::optional<ByteRange> chunk,
             std::optional<Digest> digest)
      : m_registry(registry), m_request(request), m_upload(std::move(upload)), m_hold(std::move(hold)),
        m_start(m_upload.position), m_intake(std::move(intake)), m_chunk(chunk), m_digest(std::move(digest)),
        m_resumable(!m_digest || !m_upload.token.empty()) {
    m_hold->save = [this] { close(); };
  }

  ~UploadSink() override {
    {
      const std::lock_guard lock(m_hold->mutex);
      close();
      m_hold->save = nullptr;
    }
    m_registry.m_active.release(m_upload.id, m_hold);
  }

  std::uint64_t starts_at() const override { return m_start; }

  std::optional<Response> write(ByteView piece) override {
    const std::lock_guard lock(m_hold->mutex);
    if (m_hold->revoked) return taken_over();
    const auto max = m_registry.m_options.blob_bytes_max;
    if (max > 0 && m_intake->position() + piece.size() > max)
      return error_response(413, Code::size_invalid,
                            fmt::format("blobs larger than {} are not accepted here", human_size(max)));
    if (auto written = m_intake->write(piece); !written) {
      m_intake.reset();  // what is on disk is not known well enough to be saved: the last saved state stands
      return failure_response(written.error(), Code::blob_upload_unknown, m_request);
    }
    return std::nullopt;
  }

  Response finish() override {
    const std::lock_guard lock(m_hold->mutex);
    if (m_hold->revoked) return taken_over();
    auto response = m_digest ? finish_blob() : finish_chunk();
    m_intake.reset();
    return response;
  }

private:
  std::optional<Response> check_size() const {
    const auto received = m_intake->position() - m_upload.position;
    if (!m_chunk || received == m_chunk->length) return std::nullopt;
    return error_response(400, Code::size_invalid,
                          fmt::format("Content-Range announced {} bytes, {} came", m_chunk->length, received));
  }

  Response finish_chunk() {
    if (auto wrong = check_size()) return std::move(*wrong);
    if (auto saved = save(); !saved) return failure_response(saved.error(), Code::blob_upload_unknown, m_request);
    return upload_response(202, m_upload.repository, m_upload.id, m_upload.position);
  }

  Response finish_blob() {
    if (auto wrong = check_size()) return std::move(*wrong);
    const auto digest = m_intake->digest(m_digest->algorithm());
    if (!digest) return failure_response(digest.error(), Code::blob_upload_unknown, m_request);
    if (*digest != *m_digest) return digest_mismatch(*m_digest, *digest);
    if (auto kept = m_registry.keep(*m_intake, m_upload.repository, *m_digest, m_upload.claim()); !kept)
      return failure_response(kept.error(), Code::blob_upload_unknown, m_request);
    return created(blob_path(m_upload.repository, *m_digest), *m_digest);
  }

  /// Ends a request early, with the hold locked: what came is kept where that is possible. Whatever else there is must
  /// be gone before the next request begins the session's file anew, or it would be that request's file that goes.
  void close() {
    if (!m_intake) return;
    if (m_resumable && m_intake->position() != m_upload.position) static_cast<void>(save());
    m_intake.reset();
  }

  /// Keeps what came. Where that surely fails, a session that was never saved has no use for its file; where the
  /// catalog's disk fails, the row may turn out to be there after a crash, and must have its bytes then.
  Result<> save() {
    auto saved = m_upload;
    const auto kept = [&]() -> Result<> {
      TRY_ASSIGN(saved.token, m_intake->suspend());
      saved.position = m_intake->position();
      return m_registry.m_catalog.save_upload(saved, m_upload.position);
    }();
    if (kept)
      m_upload = std::move(saved);
    else if (m_upload.token.empty() && kept.error().failure != Failure::io)
      static_cast<void>(m_intake->abandon());
    return kept;
  }

  Registry& m_registry;
  http::Request& m_request;
  catalog::Upload m_upload;
  const std::shared_ptr<ActiveUploads::Hold> m_hold;
  const std::uint64_t m_start;           // m_upload moves on
  std::optional<blob::Intake> m_intake;  // while this request has the session's file
  const std::optional<ByteRange> m_chunk;
  const std::optional<Digest> m_digest;  // PUT
  const bool m_resumable;
};

/// A whole blob in one POST: no session.
class SinglePostSink final : public http::BodySink {
public:
  SinglePostSink(Registry& registry, http::Request& request, std::string repository, Digest digest, catalog::Push push)
      : m_registry(registry), m_request(request), m_repository(std::move(repository)), m_digest(digest),
        m_push(std::move(push)) {}

  std::optional<Response> write(ByteView piece) override {
    const auto max = m_registry.m_options.blob_bytes_max;
    if (max > 0 && m_push.intake().position() + piece.size() > max)
      return error_response(413, Code::size_invalid,
                            fmt::format("blobs larger than {} are not accepted here", human_size(max)));
    if (auto written = m_push.intake().write(piece); !written)
      return failure_response(written.error(), Code::blob_upload_unknown, m_request);
    return std::nullopt;
  }

  Response finish() override {
    const auto digest = m_push.intake().digest(m_digest.algorithm());
    if (!digest) return failure_response(digest.error(), Code::blob_upload_unknown, m_request);
    if (*digest != m_digest) return digest_mismatch(m_digest, *digest);
    if (auto kept = m_registry.keep(m_push.intake(), m_repository, m_digest, m_push.session()); !kept)
      return failure_response(kept.error(), Code::blob_upload_unknown, m_request);
    m_push.ended();
    return created(blob_path(m_repository, m_digest), m_digest);
  }

private:
  Registry& m_registry;
  http::Request& m_request;
  const std::string m_repository;
  const Digest m_digest;
  catalog::Push m_push;
};

// ---- beginning

http::Answer Registry::handle_uploads(Call& call) {
  auto& request = call.request;
  request.route = "upload.begin";
  if (request.method != Method::post) return http::method_not_allowed("POST");
  auto source = request.target.parameter("mount") ? request.target.parameter("from").value_or("") : std::string();
  if (!is_repository_name(source)) source.clear();
  if (auto refusal = check(request, call.who, Action::push, call.path.repository, source)) return std::move(*refusal);
  if (request.target.parameter("mount")) {
    if (auto mounted = try_mount(call)) return std::move(*mounted);
  } else if (const auto digest = request.target.parameter("digest")) {
    return post_whole_blob(call, *digest);
  }
  return begin_upload(call);
}

std::optional<Response> Registry::try_mount(Call& call) {
  const auto digest = Digest::parse(*call.request.target.parameter("mount"));
  if (!digest) return error_response(400, Code::digest_invalid, digest.error().message);
  const auto from = mount_source(call, *digest);
  if (!from || !m_catalog.mount_blob(call.path.repository, *from, *digest)) return std::nullopt;
  call.request.route = "blob.mount";
  return created(blob_path(call.path.repository, *digest), *digest);
}

std::optional<std::string> Registry::mount_source(Call& call, const Digest& digest) {
  constexpr std::size_t candidates_max = 100;
  std::vector<std::string> candidates;
  if (auto from = call.request.target.parameter("from"))
    candidates.push_back(std::move(*from));
  else
    candidates = m_catalog.holders(digest, candidates_max).value_or(std::vector<std::string>());
  for (auto& name : candidates) {
    // What the caller may not read looks as if it were not there: a mount must not tell who has what.
    if (!is_repository_name(name) || !m_access.may(call.who, Action::pull, name)) continue;
    if (const auto source = m_catalog.find_blob(name, digest); source && catalog::is_whole(m_store, *source, digest))
      return std::move(name);
  }
  return std::nullopt;
}

http::Answer Registry::post_whole_blob(Call& call, const std::string& text) {
  const auto digest = Digest::parse(text);
  if (!digest) return error_response(400, Code::digest_invalid, digest.error().message);
  auto push = catalog::Push::begin(m_catalog, m_store,
                                   {.repository = call.path.repository,
                                    .kind = "oci",
                                    .who = call.who.name,
                                    .announced = {digest->algorithm()},
                                    .content_length = call.request.content_length,
                                    .uploads_max = m_options.uploads_max});
  if (!push) return failure_response(push.error(), Code::blob_upload_unknown, call.request);
  return std::make_unique<SinglePostSink>(*this, call.request, call.path.repository, *digest, std::move(*push));
}

Response Registry::begin_upload(Call& call) {
  const auto name = call.request.target.parameter("digest-algorithm").value_or("sha256");
  const auto algorithm = algorithm_named(name);
  if (!algorithm)
    return error_response(400, Code::digest_invalid,
                          "'" + name.substr(0, 64) + "' is not a digest algorithm known here: sha256 or sha512");
  const auto upload = m_catalog.begin_upload(call.path.repository, call.who.name, m_options.uploads_max, *algorithm);
  if (!upload) return failure_response(upload.error(), Code::name_unknown, call.request);
  return upload_response(202, upload->repository, upload->id, 0);
}

// ---- going on

http::Answer Registry::handle_upload(Call& call) {
  auto& request = call.request;
  if (auto refusal = check(request, call.who, Action::push, call.path.repository)) return std::move(*refusal);
  switch (request.method) {
  case Method::patch: request.route = "upload.patch"; return patch_upload(call);
  case Method::put: request.route = "upload.put"; return put_upload(call);
  case Method::get: request.route = "upload.get"; return upload_status(call);
  case Method::del: request.route = "upload.delete"; return cancel_upload(call);
  default: return http::method_not_allowed("PATCH, PUT, GET, DELETE");
  }
}

http::Answer Registry::patch_upload(Call& call) { return receive(call, std::nullopt); }

http::Answer Registry::put_upload(Call& call) {
  const auto text = call.request.target.parameter("digest");
  if (!text) return error_response(400, Code::digest_invalid, "the final PUT needs ?digest=");
  const auto digest = Digest::parse(*text);
  if (!digest) return error_response(400, Code::digest_invalid, digest.error().message);
  return receive(call, *digest);
}

http::Answer Registry::receive(Call& call, const std::optional<Digest>& digest) {
  auto& request = call.request;
  const auto& repository = call.path.repository;
  const auto chunk = parse_chunk(request.headers.get("Content-Range"));
  if (!chunk) return error_response(416, Code::blob_upload_invalid, chunk.error().message);
  // The older request, if any, stops and saves before this one reads where the session stands.
  const auto known = m_catalog.find_upload(repository, call.path.last);
  if (!known) return failure_response(known.error(), Code::blob_upload_unknown, request);
  auto hold = m_active.claim(known->id);
  const std::lock_guard lock(hold->mutex);  // opening truncates: the next request must not be writing by then
  if (hold->revoked) return taken_over();
  auto room = blob::SmallBytes::take_room();
  auto upload = m_catalog.find_upload(repository, known->id);
  const bool brief = upload && room && is_brief(request, *upload);
  if (upload && !brief) upload = m_catalog.claim_upload(repository, known->id);
  if (!upload) {
    m_active.release(known->id, hold);
    return failure_response(upload.error(), Code::blob_upload_unknown, request);
  }
  if (*chunk && (*chunk)->offset != upload->position) {
    m_active.release(upload->id, hold);
    return out_of_order(repository, upload->id, upload->position);
  }
  // A PUT that brings everything needs no name on disk before it is whole.
  const bool whole = digest && upload->token.empty();
  const auto predecessor = upload->contested ? blob::Predecessor::maybe_there : blob::Predecessor::gone;
  auto intake = !upload->token.empty()
                    ? blob::Intake::resume(m_store, upload->location, upload->token, predecessor, std::move(room))
                    : blob::Intake::begin(m_store, upload->location, !whole,
                                          {digest ? digest->algorithm() : upload->algorithm}, std::move(room));
  if (!intake) {
    m_active.release(upload->id, hold);
    return failure_response(intake.error(), Code::blob_upload_unknown, request);
  }
  return std::make_unique<UploadSink>(*this, request, std::move(*upload), std::move(hold), std::move(*intake), *chunk,
                                      digest);
}

Response Registry::upload_status(Call& call) {
  const auto upload = m_catalog.find_upload(call.path.repository, call.path.last);
  if (!upload) return failure_response(upload.error(), Code::blob_upload_unknown, call.request);
  return upload_response(204, upload->repository, upload->id, upload->position);
}

Response Registry::cancel_upload(Call& call) {
  const auto known = m_catalog.find_upload(call.path.repository, call.path.last);
  if (!known) return failure_response(known.error(), Code::blob_upload_unknown, call.request);
  const auto hold = m_active.claim(known->id);
  const std::lock_guard lock(hold->mutex);
  if (hold->revoked) return taken_over();
  const auto end = m_catalog.remove_upload(known->id);
  m_active.release(known->id, hold);
  if (!end) return failure_response(end.error(), Code::blob_upload_unknown, call.request);
  if (end->left) catalog::remove_all_queued(m_catalog, m_store, {*end->left});
  return Response::empty(204);
}

}  // namespace slipway::oci
