// Preloaded into the server: its wall clock is off by what the file $CLOCK_SHIFT says, in seconds, an int64 that the
// test changes while the server runs. Clocks that measure are left alone, as they are when an administrator or NTP sets
// the time.

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

std::int64_t shift() {
  static const auto* const mapped = [] {
    const auto fd = ::open(std::getenv("CLOCK_SHIFT"), O_RDONLY | O_CLOEXEC);
    void* at = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED) std::abort();  // nothing would be tried
    ::close(fd);
    return static_cast<const std::atomic<std::int64_t>*>(at);
  }();
  return mapped->load();
}

}  // namespace

extern "C" {

int clock_gettime(clockid_t clock, timespec* out) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, out));
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) out->tv_sec += shift();
  return result;
}
int gettimeofday(timeval* out, void*) noexcept {
  timespec now{};
  const int result = ::clock_gettime(CLOCK_REALTIME, &now);
  *out = {now.tv_sec, now.tv_nsec / 1000};
  return result;
}
time_t time(time_t* out) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (out != nullptr) *out = now.tv_sec;
  return now.tv_sec;
}
}
