#include "base/subprocess.hpp"

#include "base/text.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace slipway {
namespace {

constexpr std::size_t buffer_bytes = 256U << 10;
constexpr std::size_t complaints_max = 2000;

struct Pipe {
  Fd read, write;
};

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail_errno(errno, "making a pipe");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

/// To write into what nobody reads any more is an error, not a signal, for a socket that is told so.
Result<Pipe> make_input() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    return fail_errno(errno, "making a socket");
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

/// The pointers to strings that exec wants.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

std::vector<std::string> environment_with(const std::vector<std::string>& ours) {
  std::vector<std::string> out = ours;
  for (char** each = environ; *each; ++each) {
    const std::string_view text = *each;
    const auto name = text.substr(0, text.find('=') + 1);
    if (std::ranges::none_of(ours, [&](const std::string& known) { return known.starts_with(name); }))
      out.emplace_back(text);
  }
  return out;
}

/// Its group is its own, so that whatever it starts can be killed with it; our signals are blocked, its must not be.
class Attributes {
public:
  Attributes() {
    posix_spawnattr_init(&m_attributes);
    posix_spawnattr_setflags(&m_attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&m_attributes, 0);
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigmask(&m_attributes, &none);
    posix_spawnattr_setsigdefault(&m_attributes, &defaults);
    posix_spawn_file_actions_init(&m_actions);
  }
  ~Attributes() {
    posix_spawn_file_actions_destroy(&m_actions);
    posix_spawnattr_destroy(&m_attributes);
  }
  Attributes(const Attributes&) = delete;

  void connect(int ours, int theirs) { posix_spawn_file_actions_adddup2(&m_actions, ours, theirs); }
  void enter(const std::string& directory) { posix_spawn_file_actions_addchdir_np(&m_actions, directory.c_str()); }
  const posix_spawn_file_actions_t* actions() const { return &m_actions; }
  const posix_spawnattr_t* get() const { return &m_attributes; }

private:
  posix_spawnattr_t m_attributes{};
  posix_spawn_file_actions_t m_actions{};
};

}  // namespace

Result<Subprocess> Subprocess::start(const Command& command) {
  SLIPWAY_INVARIANT(!command.arguments.empty());
  const auto& program = command.arguments[0];
  Subprocess out(program, command.patience, command.stop_fd);
  TRY_ASSIGN(auto input, make_input());
  TRY_ASSIGN(auto output, make_pipe());
  out.m_errors = Fd(::memfd_create("complaints", MFD_CLOEXEC));
  if (!out.m_errors) return fail_errno(errno, "running " + program);
  Attributes attributes;
  attributes.connect(input.read.get(), STDIN_FILENO);
  attributes.connect(output.write.get(), STDOUT_FILENO);
  attributes.connect(out.m_errors.get(), STDERR_FILENO);
  if (!command.directory.empty()) attributes.enter(command.directory);
  const auto environment = environment_with(command.environment);
  const int failed = ::posix_spawnp(&out.m_pid, program.c_str(), attributes.actions(), attributes.get(),
                                    pointers(command.arguments).data(), pointers(environment).data());
  if (failed != 0) {
    out.m_pid = -1;
    return fail_errno(failed, "running " + program);
  }
  out.m_input = std::move(input.write);
  out.m_output = std::move(output.read);
  for (const int fd : {out.m_input.get(), out.m_output.get()}) ::fcntl(fd, F_SETFL, O_NONBLOCK);
  return out;
}

Subprocess::Subprocess(Subprocess&& other) noexcept
    : m_name(std::move(other.m_name)), m_patience(other.m_patience), m_stop_fd(other.m_stop_fd),
      m_pid(std::exchange(other.m_pid, -1)), m_input(std::move(other.m_input)), m_output(std::move(other.m_output)),
      m_errors(std::move(other.m_errors)), m_buffer(std::move(other.m_buffer)), m_buffer_at(other.m_buffer_at),
      m_is_at_end(other.m_is_at_end) {}

Subprocess::~Subprocess() { kill(); }

void Subprocess::kill() {
  if (m_pid < 0) return;
  ::kill(-m_pid, SIGKILL);
  while (::waitpid(m_pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  m_pid = -1;
}

/// Until `fd` is ready.
Result<> Subprocess::await(int fd, short events) {
  std::array<pollfd, 2> waited{{{fd, events, 0}, {m_stop_fd, POLLIN, 0}}};
  const int ready = ::poll(waited.data(), waited.size(), static_cast<int>(m_patience.count()));
  if (ready < 0 && errno != EINTR) return fail_errno(errno, "waiting for " + m_name);
  if (waited[1].revents != 0) {
    kill();
    return fail(Failure::unavailable, m_name + " was stopped");
  }
  if (ready == 0) {
    kill();
    return fail(Failure::unavailable,
                fmt::format("{} did nothing for {} s and was stopped{}", m_name,
                            std::chrono::duration_cast<std::chrono::seconds>(m_patience).count(), complaints()));
  }
  return {};
}

Result<> Subprocess::write(std::string_view text) {
  while (!text.empty()) {
    const auto n = ::send(m_input.get(), text.data(), text.size(), MSG_NOSIGNAL);
    if (n > 0)
      text.remove_prefix(static_cast<std::size_t>(n));
    else if (errno == EAGAIN)
      TRY(await(m_input.get(), POLLOUT));
    else if (errno != EINTR) {
      const int number = errno;
      m_input.reset();
      TRY(wait());  // which tells why, if it says
      return fail_errno(number, "telling " + m_name);
    }
  }
  return {};
}

/// At least one more byte into the buffer, or the end.
Result<> Subprocess::fill() {
  m_buffer.erase(0, std::exchange(m_buffer_at, 0));
  const auto before = m_buffer.size();
  m_buffer.resize(before + buffer_bytes);
  for (;;) {
    const auto n = ::read(m_output.get(), m_buffer.data() + before, buffer_bytes);
    const int number = errno;
    if (n >= 0) {
      m_buffer.resize(before + static_cast<std::size_t>(n));
      m_is_at_end = n == 0;
      return {};
    }
    if (number == EAGAIN) {
      if (auto waited = await(m_output.get(), POLLIN); !waited) {
        m_buffer.resize(before);
        return waited;
      }
    } else if (number != EINTR) {
      m_buffer.resize(before);
      return fail_errno(number, "reading what " + m_name + " says");
    }
  }
}

Result<std::size_t> Subprocess::read(std::span<std::byte> out) {
  if (m_buffer_at == m_buffer.size() && !m_is_at_end) TRY(fill());
  const auto n = std::min(out.size(), m_buffer.size() - m_buffer_at);
  std::ranges::copy(as_bytes(m_buffer).subspan(m_buffer_at, n), out.begin());
  m_buffer_at += n;
  return n;
}

Result<std::optional<std::string>> Subprocess::read_line(std::size_t size_max) {
  for (std::size_t looked = 0;;) {
    const auto end = m_buffer.find('\n', m_buffer_at + looked);
    if (end != m_buffer.npos) {
      auto line = m_buffer.substr(m_buffer_at, end - m_buffer_at);
      m_buffer_at = end + 1;
      return line;
    }
    looked = m_buffer.size() - m_buffer_at;
    if (looked > size_max) return fail(Failure::too_large, m_name + " says a line that is too long");
    if (m_is_at_end && looked > 0) return std::exchange(m_buffer, {}).substr(std::exchange(m_buffer_at, 0));
    if (m_is_at_end) return std::nullopt;
    TRY(fill());
  }
}

Result<std::string> Subprocess::read_exactly(std::size_t size) {
  std::string out(size, '\0');
  for (std::size_t at = 0; at < size;) {
    TRY_ASSIGN(const auto n, read(std::as_writable_bytes(std::span(out)).subspan(at)));
    if (n == 0) return fail(Failure::io, m_name + " ended in the middle" + complaints());
    at += n;
  }
  return out;
}

Result<std::string> Subprocess::read_all(std::size_t size_max) {
  close_input();
  std::string out;
  while (!m_is_at_end) {
    out.append(m_buffer, m_buffer_at);
    m_buffer_at = m_buffer.size();
    if (out.size() > size_max) return fail(Failure::too_large, m_name + " says too much");
    TRY(fill());
  }
  out.append(m_buffer, m_buffer_at);
  TRY(wait());
  return out;
}

Result<> Subprocess::wait() {
  SLIPWAY_INVARIANT(m_pid >= 0);
  close_input();
  std::array<std::byte, 4096> rest{};
  for (;;) {  // so that it need not wait for us
    auto n = read(rest);
    if (!n) return std::unexpected(n.error());
    if (*n == 0) break;
  }
  int status = 0;
  while (::waitpid(m_pid, &status, 0) < 0)
    if (errno != EINTR) return fail_errno(errno, "waiting for " + m_name);
  m_pid = -1;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return fail(Failure::io,
              fmt::format("{} {} {}{}", m_name, WIFEXITED(status) ? "ended with status" : "was killed by signal",
                          WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), complaints()));
}

/// ": the end of what it said", or nothing.
std::string Subprocess::complaints() const {
  const auto size = ::lseek(m_errors.get(), 0, SEEK_END);
  if (size <= 0) return {};
  const auto begin = std::max<off_t>(0, size - static_cast<off_t>(complaints_max));
  std::string text(static_cast<std::size_t>(size - begin), '\0');
  const auto n = read_some(m_errors.get(), std::as_writable_bytes(std::span(text)), static_cast<std::uint64_t>(begin));
  if (!n || *n == 0) return {};
  text.resize(*n);
  while (text.ends_with('\n')) text.pop_back();
  std::ranges::replace(text, '\n', ' ');
  return ": " + printable(text, complaints_max);
}

Result<std::string> run(const Command& command, std::size_t output_max) {
  TRY_ASSIGN(auto process, Subprocess::start(command));
  return process.read_all(output_max);
}

}  // namespace slipway
