#include "http/local.hpp"

#include "base/random.hpp"

#include <algorithm>
#include <array>

namespace slipway::http {
namespace {

constexpr std::size_t piece_bytes = 128U << 10;

std::uint64_t size_of(const ClientRequest& request) {
  if (const auto* bytes = std::get_if<ByteView>(&request.body)) return bytes->size();
  if (const auto* slice = std::get_if<FileSlice>(&request.body)) return slice->range.length;
  return 0;
}

Result<Request> received(const ClientRequest& request) {
  Request out;
  TRY_ASSIGN(out.target, parse_target(request.target));
  out.method = method_named(request.method);
  for (const auto& field : request.headers) {
    const auto colon = std::min(field.find(':'), field.size());
    const auto value = std::min(field.find_first_not_of(' ', colon + 1), field.size());
    out.headers.add(field.substr(0, colon), field.substr(value));
  }
  out.content_length = size_of(request);
  out.has_body = *out.content_length > 0;
  out.host = "localhost";
  out.client = "local";
  out.id = unique_hex();
  return out;
}

/// A refusal, or nothing where all was taken.
Result<std::optional<Response>> send_body(BodySink& sink, const ClientRequest& request) {
  if (const auto* bytes = std::get_if<ByteView>(&request.body)) {
    for (std::size_t at = 0; at < bytes->size(); at += piece_bytes)
      if (auto refusal = sink.write(bytes->subspan(at, std::min(piece_bytes, bytes->size() - at)))) return refusal;
    return std::nullopt;
  }
  const auto* slice = std::get_if<FileSlice>(&request.body);
  if (!slice) return std::nullopt;
  std::vector<std::byte> buffer(std::min<std::uint64_t>(piece_bytes, slice->range.length));
  for (std::uint64_t at = 0; at < slice->range.length;) {
    const auto wanted = std::min<std::uint64_t>(buffer.size(), slice->range.length - at);
    TRY_ASSIGN(const auto n, read_some(*slice, std::span(buffer).first(wanted), at));
    if (n == 0) return fail(Failure::corrupt, "a file became shorter while it was sent");
    if (auto refusal = sink.write(ByteView(buffer).first(n))) return refusal;
    at += n;
  }
  return std::nullopt;
}

Result<> take_body(const Body& body, const std::function<Result<>(ByteView)>& sink) {
  if (const auto* text = std::get_if<std::string>(&body)) return sink(as_bytes(*text));
  if (const auto* text = std::get_if<std::shared_ptr<const std::string>>(&body)) return sink(as_bytes(**text));
  const auto* slice = std::get_if<FileSlice>(&body);
  if (!slice || !slice->file) return {};
  std::vector<std::byte> buffer(std::min<std::uint64_t>(piece_bytes, slice->range.length));
  for (std::uint64_t at = 0; at < slice->range.length;) {
    const auto wanted = std::min<std::uint64_t>(buffer.size(), slice->range.length - at);
    TRY_ASSIGN(const auto n, read_some(*slice, std::span(buffer).first(wanted), at));
    if (n == 0) return fail(Failure::io, "an answer's file became shorter");
    TRY(sink(ByteView(buffer).first(n)));
    at += n;
  }
  return {};
}

}  // namespace

Result<ClientResponse> ask(const Handler& handler, const ClientRequest& request) {
  TRY_ASSIGN(auto incoming, received(request));
  auto answer = handler(incoming);
  std::optional<Response> response;
  if (auto* sink = std::get_if<std::unique_ptr<BodySink>>(&answer)) {
    auto refused = send_body(**sink, request);
    if (!refused) return std::unexpected(refused.error());
    response = *refused ? std::move(**refused) : (*sink)->finish();
  } else {
    response = std::move(std::get<Response>(answer));
  }
  ClientResponse out{.status = response->status, .headers = std::move(response->headers), .body = {}};
  if (request.method == "HEAD") return out;
  const bool is_for_sink = request.sink && out.status == request.sink_status;
  TRY(take_body(response->body, [&](ByteView piece) -> Result<> {
    if (is_for_sink) return request.sink(piece);
    if (out.body.size() + piece.size() > request.answer_bytes_max)
      return fail(Failure::too_large, "the answer is more than is accepted");
    out.body += as_text(piece);
    return {};
  }));
  return out;
}

}  // namespace slipway::http
