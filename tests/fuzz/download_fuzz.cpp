// What a server may answer that a source is fetched from: the download ends, keeps within its limits, and never mixes
// what came of different files.
//
// Input: answers, with 0xFF between them. One that begins with 'R' is sent as it is; of any other the first byte
// chooses the status, the second what the head has, the third where a part begins, the fourth where a redirect leads;
// the rest is the body.

#include "input.hpp"
#include "support/scripted_server.hpp"
#include "upstream/download.hpp"

#include <algorithm>
#include <array>
#include <cctype>

using namespace slipway;
using namespace slipway::upstream;

namespace {

constexpr std::uint64_t bytes_max = 4096;
constexpr unsigned attempts = 3, redirects = 4;
constexpr std::size_t answers_max = 32;

/// Counts, and knows of which answer each byte is.
class Sink final : public DownloadSink {
public:
  Result<> restart() override {
    m_text.clear();
    return {};
  }
  Result<> write(ByteView bytes) override {
    m_text += as_text(bytes);
    SLIPWAY_INVARIANT(m_text.size() <= bytes_max);
    return {};
  }
  const std::string& text() const { return m_text; }

private:
  std::string m_text;
};

s3::ScriptedServer& server() {
  static s3::ScriptedServer one;
  return one;
}

/// Anything of the sort would lead to servers that are not ours.
bool leads_away(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text.find("location") != text.npos;
}

std::string composed(std::string_view text) {
  static constexpr std::array statuses{200, 206, 301, 302, 303, 307, 308, 304, 404, 410, 416, 429, 500, 503, 204, 401};
  const std::array<std::string, 8> places{"/next",        "next",   "../../..", "?a=b", server().url() + "/whole",
                                          "ftp://h/path", "//h:0/", ""};
  const auto at = [text](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U; };
  const auto status = statuses[at(0) % statuses.size()];
  const auto has = at(1);
  const auto body = text.substr(std::min<std::size_t>(text.size(), 4));
  std::string headers;
  if (has & 1U) headers += "ETag: \"one\"\r\n";
  if (has & 2U) headers += "ETag: W/\"weak\"\r\n";
  if (has & 4U) headers += fmt::format("Content-Range: bytes {}-{}/{}\r\n", at(2), at(2) + body.size(), 5000);
  if (status / 100 == 3) headers += "Location: " + places[at(3) % places.size()] + "\r\n";
  if (has & 8U) headers += "Content-Type: text/html\r\n";
  const auto length = has & 16U ? body.size() + at(2) : std::string::npos;
  return s3::answer(status, std::string(body), headers, length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  server().clear();
  for (std::size_t i = 0; i < answers_max && !rest.empty(); ++i) {
    const auto end = std::min(rest.find('\xFF'), rest.size());
    const auto text = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const bool is_raw = text.starts_with('R');
    server().add(is_raw && !leads_away(std::string(text)) ? std::string(text.substr(1)) : composed(text));
  }
  http::Client client(1);
  Sink sink;
  const auto done = download(client, server().url() + "/file", sink,
                             {.bytes_max = bytes_max,
                              .may_be_private = true,
                              .stall_timeout = std::chrono::seconds(2),
                              .time_max = std::chrono::seconds(2),
                              .redirects_max = redirects,
                              .attempts_max = attempts,
                              .pause = {}});
  if (done) {
    SLIPWAY_INVARIANT(done->size == sink.text().size());
    SLIPWAY_INVARIANT(done->url.starts_with("http://"));
  }
  // A connection that was kept and turns out to be closed is asked twice.
  SLIPWAY_INVARIANT(server().requests().size() <= 2 * attempts * (redirects + 1));
  return 0;
}
