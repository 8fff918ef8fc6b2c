#include "http/client.hpp"

#include <curl/curl.h>
#include <memory>

namespace slipway::http {
namespace {

struct Collected {
  std::string body;
  std::size_t bytes_max;
  bool overflow = false;
};

std::size_t collect(const char* bytes, std::size_t, std::size_t count, void* user) {
  auto& collected = *static_cast<Collected*>(user);
  if (collected.body.size() + count > collected.bytes_max) {
    collected.overflow = true;
    return 0;  // curl takes it for a failed write and stops
  }
  collected.body.append(bytes, count);
  return count;
}

}  // namespace

Result<ClientResponse> fetch(const ClientRequest& request) {
  static const auto initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(initialised);
  const std::unique_ptr<CURL, void (*)(CURL*)> curl(curl_easy_init(), curl_easy_cleanup);
  if (!curl) return fail(Failure::io, "libcurl cannot be initialised");
  const auto set = [&](CURLoption option, auto value) { curl_easy_setopt(curl.get(), option, value); };

  auto url = request.url;
  while (url.ends_with('/')) url.pop_back();
  if (url.starts_with("unix:")) {
    set(CURLOPT_UNIX_SOCKET_PATH, url.substr(5).c_str());
    url = "http://localhost";
  }
  url += request.target;
  Collected collected{{}, request.answer_bytes_max};
  curl_slist* raw_headers = nullptr;
  for (const auto& header : request.headers) raw_headers = curl_slist_append(raw_headers, header.c_str());
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(raw_headers, curl_slist_free_all);

  set(CURLOPT_URL, url.c_str());
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.method == "POST") set(CURLOPT_POSTFIELDS, "");
  set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(CURLOPT_HTTPHEADER, headers.get());
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  set(CURLOPT_CONNECTTIMEOUT_MS, 10'000L);
  if (!request.ca_file.empty()) set(CURLOPT_CAINFO, request.ca_file.c_str());
  set(CURLOPT_WRITEFUNCTION, collect);
  set(CURLOPT_WRITEDATA, &collected);
  char reason[CURL_ERROR_SIZE] = "";
  set(CURLOPT_ERRORBUFFER, static_cast<char*>(reason));

  const auto code = curl_easy_perform(curl.get());
  if (collected.overflow) return fail(Failure::too_large, request.url + " answered more than is accepted");
  if (code != CURLE_OK)
    return fail(Failure::io, "asking " + request.url + ": " + (*reason ? reason : curl_easy_strerror(code)));
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  return ClientResponse{static_cast<int>(status), std::move(collected.body)};
}

}  // namespace slipway::http
