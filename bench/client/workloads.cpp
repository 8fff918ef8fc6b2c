#include "workloads.hpp"

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <random>
#include <thread>

#include <openssl/evp.h>

namespace bench {
namespace {

constexpr std::size_t tail_bytes = 16;
constexpr std::string_view placeholder = "########";
constexpr std::string_view octets = "Content-Type: application/octet-stream\r\n";

/// What one operation moved, and whether it came to its end.
struct Done {
  std::uint64_t bytes = 0;
  bool whole = true;
  double waited_ms = 0;
  std::string digest = {};
};

/// Hands out numbers until a limit is reached, and collects what the clients saw.
class Run {
public:
  explicit Run(const Limits& limits) : m_limits(limits) {
    if (limits.seconds <= 0 && limits.count == 0) throw LoadError("neither --seconds nor --count");
  }

  /// Calls operate(connection, number, deadline) on all connections at once, each number once.
  template <typename Operate>
  Figures operator()(const Place& place, Operate operate) {
    std::vector<std::thread> threads;
    std::barrier connected(static_cast<std::ptrdiff_t>(m_limits.clients), [this]() noexcept { start(); });
    for (std::size_t i = 0; i < m_limits.clients; ++i)
      threads.emplace_back([&, this] {
        Connection connection(place);
        guarded([&] { connection.connect(); });
        connected.arrive_and_wait();
        guarded([&] { work(connection, operate); });
      });
    for (auto& thread : threads) thread.join();
    if (m_problem) throw LoadError(*m_problem);
    m_figures.seconds = std::chrono::duration<double>(Clock::now() - m_started).count();
    std::ranges::sort(m_figures.latencies_ms);
    std::ranges::sort(m_figures.waits_ms);
    return std::move(m_figures);
  }

private:
  void start() {
    m_started = Clock::now();
    if (m_limits.seconds > 0)
      m_deadline =
          m_started + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(m_limits.seconds));
  }

  template <typename Operate>
  void work(Connection& connection, Operate& operate) {
    Figures seen;
    while (!m_failed && Clock::now() < m_deadline) {
      const auto number = m_next++;
      if (m_limits.count != 0 && number >= m_limits.count) break;
      // An operation may do what is not part of it, such as computing a digest, before it tells that it begins.
      auto began = Clock::now();
      const Done done = operate(connection, number, m_deadline, began);
      seen.bytes += done.bytes;
      if (!done.whole) continue;
      seen.latencies_ms.push_back(std::chrono::duration<float, std::milli>(Clock::now() - began).count());
      if (done.digest.empty()) continue;
      seen.waits_ms.push_back(static_cast<float>(done.waited_ms));
      seen.digests.push_back(done.digest);
    }
    const std::lock_guard lock(m_mutex);
    m_figures.bytes += seen.bytes;
    std::ranges::move(seen.latencies_ms, std::back_inserter(m_figures.latencies_ms));
    std::ranges::move(seen.waits_ms, std::back_inserter(m_figures.waits_ms));
    std::ranges::move(seen.digests, std::back_inserter(m_figures.digests));
  }

  template <typename Work>
  void guarded(Work work) {
    try {
      work();
    } catch (const std::exception& problem) {
      m_failed = true;
      const std::lock_guard lock(m_mutex);
      if (!m_problem) m_problem = problem.what();
    }
  }

  Limits m_limits;
  Clock::time_point m_started;
  Clock::time_point m_deadline = Clock::time_point::max();
  std::atomic<std::uint64_t> m_next{0};
  std::atomic<bool> m_failed{false};
  std::mutex m_mutex;  // guards the two below
  Figures m_figures;
  std::optional<std::string> m_problem;
};

/// A server may answer with a whole URL, or with a path.
std::string target_of(std::string location) {
  if (const auto scheme = location.find("://"); scheme != std::string::npos) {
    const auto path = location.find('/', scheme + 3);
    location = path == std::string::npos ? "/" : location.substr(path);
  }
  if (location.empty()) throw LoadError("an answer without Location");
  return location;
}

std::string with_digest(const std::string& target, const std::string& digest) {
  return target + (target.contains('?') ? '&' : '?') + "digest=" + digest;
}

/// Sends everything but the last, short piece by PATCH, and that one with the last PATCH too: the PUT is empty, as
/// container engines have it.
std::string patch_pieces(Connection& connection, std::string target, const Blob& blob, std::string_view tail,
                         std::size_t pieces) {
  const auto shared = blob.shared();
  const auto step = (shared.size() + pieces - 1) / pieces;
  for (std::size_t from = 0; from < shared.size(); from += step) {
    const auto piece = shared.substr(from, step);
    const bool last = from + step >= shared.size();
    const auto end = last ? blob.size() : from + step;
    const auto fields =
        std::string(octets) + "Content-Range: " + std::to_string(from) + "-" + std::to_string(end - 1) + "\r\n";
    target = target_of(
        connection.exchange("PATCH", target, 202, fields, {piece, last ? tail : std::string_view()}).location);
  }
  return target;
}

/// Returns the answer to the last byte.
Answer push_one(Connection& connection, const Blob& blob, const Blob::Content& content, const std::string& path,
                Style style, std::size_t pieces) {
  if (style == Style::file)
    return connection.exchange("PUT", path + content.digest, 201, octets, {blob.shared(), content.tail});
  auto target = target_of(connection.exchange("POST", path, 202).location);
  if (style == Style::monolithic)
    return connection.exchange("PUT", with_digest(target, content.digest), 201, octets, {blob.shared(), content.tail});
  target = patch_pieces(connection, target, blob, content.tail, pieces);
  return connection.exchange("PUT", with_digest(target, content.digest), 201);
}

std::string numbered(std::string text, std::uint64_t number) {
  auto digits = std::to_string(number);
  digits.insert(0, placeholder.size() - std::min(placeholder.size(), digits.size()), '0');
  for (auto at = text.find(placeholder); at != std::string::npos; at = text.find(placeholder, at))
    text.replace(at, placeholder.size(), digits);
  return text;
}

}  // namespace

double quantile(const std::vector<float>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[static_cast<std::size_t>(share * static_cast<double>(sorted.size() - 1))];
}

struct Blob::HashState {
  HashState() { EVP_DigestInit_ex(context, EVP_sha256(), nullptr); }
  HashState(const HashState& other) { EVP_MD_CTX_copy_ex(context, other.context); }
  HashState& operator=(const HashState&) = delete;
  ~HashState() { EVP_MD_CTX_free(context); }
  void add(std::string_view data) { EVP_DigestUpdate(context, data.data(), data.size()); }
  EVP_MD_CTX* context = EVP_MD_CTX_new();
};

Blob::Blob(std::size_t size) : m_state(std::make_unique<HashState>()) {
  if (size <= tail_bytes) throw LoadError("a blob needs more than " + std::to_string(tail_bytes) + " bytes");
  std::random_device entropy;
  std::mt19937_64 random(entropy() | static_cast<std::uint64_t>(entropy()) << 32);
  m_shared.resize(size - tail_bytes);
  for (std::size_t i = 0; i < m_shared.size(); i += sizeof(std::uint64_t)) {
    const auto bits = random();
    std::memcpy(m_shared.data() + i, &bits, std::min(sizeof bits, m_shared.size() - i));
  }
  const auto salt = random();
  m_salt.assign(reinterpret_cast<const char*>(&salt), sizeof salt);
  m_state->add(m_shared);
}

Blob::~Blob() = default;

std::size_t Blob::size() const { return m_shared.size() + tail_bytes; }

Blob::Content Blob::make(std::uint64_t number) const {
  Content content{.tail = m_salt, .digest = "sha256:"};
  content.tail.append(reinterpret_cast<const char*>(&number), sizeof number);
  HashState state(*m_state);
  state.add(content.tail);
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  EVP_DigestFinal_ex(state.context, hash, &size);
  for (unsigned i = 0; i < size; ++i) {
    content.digest += "0123456789abcdef"[hash[i] >> 4];
    content.digest += "0123456789abcdef"[hash[i] & 15];
  }
  return content;
}

Style push_style(std::string_view name) {
  if (name == "monolithic") return Style::monolithic;
  if (name == "chunked") return Style::chunked;
  if (name == "file") return Style::file;
  throw LoadError("no such style: " + std::string(name));
}

Figures push(const Place& place, const Limits& limits, const Blob& blob, const std::string& path, Style style,
             std::size_t pieces) {
  return Run(limits)(place, [&](Connection& connection, std::uint64_t number, Clock::time_point, auto& began) {
    const auto content = blob.make(number);
    began = Clock::now();
    const auto answer = push_one(connection, blob, content, path, style, pieces);
    return Done{.bytes = blob.size(), .waited_ms = answer.waited_ms, .digest = content.digest};
  });
}

Figures put(const Place& place, const Limits& limits, const Numbered& documents) {
  const auto fields = "Content-Type: " + documents.type + "\r\n";
  return Run(limits)(place, [&](Connection& connection, std::uint64_t number, Clock::time_point, auto& began) {
    const auto path = numbered(documents.path, documents.from + number);
    const auto body = numbered(documents.body, documents.from + number);
    began = Clock::now();
    connection.exchange("PUT", path, 201, fields, {body});
    return Done{.bytes = body.size()};
  });
}

Figures get(const Place& place, const Limits& limits, const std::vector<std::string>& paths, const std::string& method,
            const std::string& accept) {
  const auto fields = "Accept: " + accept + "\r\n";
  return Run(limits)(place, [&](Connection& connection, std::uint64_t number, Clock::time_point deadline, auto&) {
    auto answer = connection.exchange(method, paths[number % paths.size()], 200, fields, {}, deadline);
    if (answer.status == 307) {
      thread_local std::map<Place, Connection> others;
      auto& other = others.try_emplace(place_of(answer.location), place_of(answer.location)).first->second;
      answer = other.exchange(method, target_of(answer.location), 200, {}, {}, deadline);
    }
    return Done{.bytes = answer.bytes, .whole = answer.whole};
  });
}

}  // namespace bench
