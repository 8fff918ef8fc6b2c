#include "base/result.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <system_error>

namespace slipway {

const char* name_of(Failure failure) {
  switch (failure) {
  case Failure::not_found: return "not_found";
  case Failure::invalid: return "invalid";
  case Failure::conflict: return "conflict";
  case Failure::denied: return "denied";
  case Failure::too_large: return "too_large";
  case Failure::out_of_range: return "out_of_range";
  case Failure::read_only: return "read_only";
  case Failure::no_space: return "no_space";
  case Failure::busy: return "busy";
  case Failure::unavailable: return "unavailable";
  case Failure::corrupt: return "corrupt";
  case Failure::io: return "io";
  }
  return "unknown";
}

Error Error::during(std::string_view step) const { return {failure, std::string(step) + ": " + message}; }

static Failure failure_of_errno(int number) {
  switch (number) {
  case ENOSPC:
  case EDQUOT: return Failure::no_space;
  case EROFS: return Failure::read_only;
  case ENOENT: return Failure::not_found;
  case EMFILE:
  case ENFILE:
  case EAGAIN: return Failure::busy;
  default: return Failure::io;
  }
}

Error errno_error(int number, std::string_view step) {
  return {failure_of_errno(number), std::string(step) + ": " + std::generic_category().message(number)};
}

void invariant_broken(const char* file, int line, const char* what) {
  std::fprintf(stderr, "slipway: broken invariant at %s:%d: %s\n", file, line, what);
  std::abort();
}

}  // namespace slipway
