#pragma once
// What the preloaded libraries share that stand between the server and its files (file_recorder.cpp, file_faults.cpp):
// where a call's file lies. They make their own calls by number, so that they never meet themselves.

#include <cstdarg>
#include <cstdio>
#include <fcntl.h>
#include <string>
#include <string_view>
#include <sys/syscall.h>
#include <unistd.h>

namespace file_calls {

/// Where a descriptor's file lies; empty for what has no place.
inline std::string place_of(int fd) {
  char link[64];
  char place[4096];
  if (fd == AT_FDCWD) return ::getcwd(place, sizeof place) != nullptr ? place : "";
  std::snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  const auto size = ::syscall(SYS_readlink, link, place, sizeof place);
  return size > 0 ? std::string(place, static_cast<std::size_t>(size)) : std::string();
}

/// The path below `root`, or false: "catalog.sqlite", "." for the folder itself.
inline bool find_below(std::string_view root, int folder, const char* path, std::string& out) {
  std::string full = path;
  if (!full.starts_with('/')) full = place_of(folder) + "/" + full;
  while (full.ends_with('/')) full.pop_back();
  if (full == root) {
    out = ".";
    return true;
  }
  if (!full.starts_with(root) || full[root.size()] != '/') return false;
  out = full.substr(root.size() + 1);
  return true;
}

}  // namespace file_calls

/// Declares `mode`: open()'s third argument, where `flags` say that there is one.
#define MODE_ARGUMENT(flags)                                                                                           \
  mode_t mode = 0;                                                                                                     \
  if (((flags) & (O_CREAT | O_TMPFILE)) != 0) {                                                                        \
    va_list list;                                                                                                      \
    va_start(list, flags);                                                                                             \
    mode = va_arg(list, mode_t);                                                                                       \
    va_end(list);                                                                                                      \
  }
